"""`gateway port record`: what goes over a port, with its times, into a capture."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, TextIO

import typer

from drivers.core.contract import Driver, Line, Options
from gateway.cli.chosen import (
    FAILED,
    Address,
    Baud,
    Bits,
    ParityOption,
    PortName,
    Settings,
    Stop,
    agree,
    choose_line,
    choose_options,
    choose_wired,
    explain,
    line_text,
    opened,
)
from gateway.cli.device_trial import Trial
from gateway.cli.places import fail
from gateway.cli.reaching import Take, Tap, at_port
from gateway.cli.stopping import run_until_stopped
from gateway.ops.texts import say
from gateway.ports import Port, PortLost
from gateway.ports.capture import Direction, Record, format_header, format_record

_RECORD_BYTES = 1024
_DAY_S = 86_400.0


class _Writer:
    """Writes records as they come, each at once on its way to the disk, until the bound is reached."""

    def __init__(self, file: TextIO, most_bytes: int) -> None:
        self.bytes = 0
        self.records = 0
        self._file = file
        self._most_bytes = most_bytes
        self._began = time.monotonic()

    @property
    def is_full(self) -> bool:
        """Whether the bound is reached; nothing more is written then."""
        return self.bytes >= self._most_bytes

    def write(self, direction: Direction, data: bytes, t_s: float | None = None) -> None:
        """Note bytes that have just gone over the port, or went at `t_s`."""
        t_s = time.monotonic() - self._began if t_s is None else t_s
        for at in range(0, len(data), _RECORD_BYTES):
            if self.is_full:
                return
            piece = data[at : at + _RECORD_BYTES]
            self._file.write(format_record(Record(t_s, direction, piece)) + "\n")
            self.records += 1
            self.bytes += len(piece)
        self._file.flush()


def record(
    url: PortName,
    file: Annotated[Path, typer.Argument(metavar="FILE", help=say("port_cmd.capture"))],
    seconds: Annotated[float, typer.Option("--seconds", min=0, max=7 * _DAY_S, help=say("sim.seconds"))] = 0.0,
    driver_name: Annotated[
        str | None, typer.Option("--driver", metavar="DRIVER", help=say("port_cmd.record_driver"))
    ] = None,
    address: Address = None,
    option: Settings = None,
    baud: Baud = None,
    bits: Bits = None,
    parity: ParityOption = None,
    stop: Stop = None,
    take: Take = False,
    most: Annotated[int, typer.Option("--max-bytes", min=1, help=say("port_cmd.max_bytes"))] = 64 * 1024 * 1024,
) -> None:
    """Listen, or with a polled driver ask, and write down every byte; exit 1 where not one came."""
    driver = choose_wired(driver_name) if driver_name else None
    options = choose_options(driver, option) if driver else {}
    line = choose_line(driver.line if driver else Line(), baud, bits, parity, stop)
    where = driver.at(address) if driver else address or 1
    if driver is not None:
        agree(driver, options, where)
    with _created(file) as target:
        notes = {"port": "_".join(url.split()), "baud": line.baud, "line": f"{line.bits}{line.parity}{line.stop:g}"}
        target.write(format_header(**notes, **({"driver": driver.name} if driver else {})) + "\n")
        writer = _Writer(target, most)
        typer.echo(say("port_cmd.recording", port=url, line=line_text(line), file=file), err=True)
        try:
            run_until_stopped(_record(url, line, driver, where, options, writer, take=take), seconds)
        finally:
            typer.echo(say("port_cmd.recorded", bytes=writer.bytes, records=writer.records, file=file), err=True)
    if not writer.bytes:
        raise typer.Exit(FAILED)


@contextmanager
def _created(file: Path) -> Iterator[TextIO]:
    """A new file. Ends the command (exit 2) where it cannot be made; a capture is never written over."""
    try:
        target = file.open("x", encoding="ascii", newline="\n")
    except FileExistsError:
        fail(say("port_cmd.exists", file=file))
    except OSError as error:
        fail(say("config.unreadable", reason=f"{file}: {error.strerror or error}"))
    with target:
        yield target


async def _record(
    url: str, line: Line, driver: Driver | None, address: int, options: Options, writer: _Writer, *, take: bool
) -> None:
    async with at_port(url, take, "gateway port record") as tap:
        try:
            if tap is not None:
                await _listen_in(tap, writer)
                return
            async with opened(url, line) as port:
                if driver is None:
                    await _listen(port, writer)
                else:
                    await _attend(port, line, driver, address, options, writer)
        except PortLost as error:
            explain(error)


async def _listen_in(tap: Tap, writer: _Writer) -> None:
    """What the gateway hears and asks. It asks by itself; the driver's own questions are not needed."""
    while not writer.is_full:
        record = await tap.record()
        writer.write(record.direction, record.data, record.t_s)


async def _listen(port: Port, writer: _Writer) -> None:
    while not writer.is_full:
        writer.write("<", await port.read())


async def _attend(port: Port, line: Line, driver: Driver, address: int, options: Options, writer: _Writer) -> None:
    """As a station would: the driver's commands at the start, or its questions in rounds."""
    while not writer.is_full:
        trial = Trial(driver, port, line, address=address, options=options, on_bytes=writer.write)
        tally = await trial.run(_DAY_S)
        if tally.lost:
            typer.echo(tally.lost, err=True)
            return
