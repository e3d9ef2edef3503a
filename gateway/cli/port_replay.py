"""`gateway port replay`: a capture decoded through a driver, as if its device were there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from drivers.core.contract import Decoded, DeviceFault, Driver, Framer, Listening, Options, Polled, Rejection, Request
from drivers.core.listening import Listener
from gateway.cli.chosen import Address, AsJson, Settings, choose_attended, choose_options
from gateway.cli.device import short
from gateway.cli.places import fail
from gateway.cli.printing import print_json
from gateway.ops.texts import say
from gateway.ports.capture import CaptureError, Record, read_file

Item = tuple[float, Decoded | Rejection]
"""Seconds since the capture began, and what was decoded or refused then."""


def replay(
    file: Annotated[Path, typer.Argument(metavar="FILE", help=say("port_cmd.capture"))],
    driver_name: Annotated[str, typer.Option("--driver", metavar="DRIVER", help=say("driver.name"))],
    address: Address = None,
    option: Settings = None,
    as_json: AsJson = False,
) -> None:
    """Print readings and refusals. Ends with 0 also where all was refused, with 2 at a capture that is none."""
    driver = choose_attended(driver_name)
    options = choose_options(driver, option)
    rejected: Counter[str] = Counter()
    readings: list[dict[str, Any]] = []
    count = 0
    try:
        for t_s, item in decode(driver, read_file(file), options, address):
            if isinstance(item, Decoded):
                count += 1
                if as_json:
                    facts = {"values": dict(item.values), "quality": dict(item.quality), "info": dict(item.info)}
                    readings.append({"t_s": round(t_s, 6), **facts})
                else:
                    typer.echo(short(t_s, item))
            else:
                rejected[item.reason] += 1
                if not as_json:
                    typer.echo(f"{t_s:7.2f} s  {item.reason}: {item}")
    except CaptureError as error:
        fail(say("port.bad-capture", port=file, detail=str(error)))
    except OSError as error:
        fail(say("config.unreadable", reason=f"{file}: {error.strerror or error}"))
    if as_json:
        print_json({"readings": readings, "rejected": dict(rejected)})
    else:
        typer.echo(say("port_cmd.replayed", readings=count, refused=sum(rejected.values())))


def decode(driver: Driver, records: Iterable[Record], options: Options, address: int | None = None) -> Iterator[Item]:
    """What a driver makes of a capture, in its order. Holds one round of questions at most.

    With `address`, a polled driver takes only the questions that it would ask there; else all it understands.
    """
    if isinstance(driver.kind, Listening):
        yield from _heard(driver, records, options)
    elif isinstance(driver.kind, Polled):
        yield from _Rounds(driver.kind, options, address).of(records)


def _heard(driver: Driver, records: Iterable[Record], options: Options) -> Iterator[Item]:
    listener = Listener(driver, options)
    t_s = 0.0
    for record in records:
        if record.direction == "<":
            t_s = record.t_s
            for item in listener.feed(record.data):
                yield t_s, item
    for item in listener.finish():
        yield t_s, item


class _Rounds:
    """Questions with their answers, gathered into rounds: a question that comes again begins the next."""

    def __init__(self, kind: Polled, options: Options, address: int | None) -> None:
        self._kind = kind
        self._options = options
        self._known = None
        if address is not None and kind.follow is None:
            self._known = {request.data for request in kind.requests(address, options)}
        self._round: dict[bytes, tuple[Request, bytes | None]] = {}
        self._open: Request | None = None
        self._framer: Framer | None = None
        self._t_s = 0.0

    def of(self, records: Iterable[Record]) -> Iterator[Item]:
        """Readings and refusals."""
        for record in records:
            if record.direction == ">":
                yield from self._close()
                yield from self._ask(record)
            elif self._framer is not None:
                self._t_s = record.t_s
                yield from self._answer(self._framer.feed(record.data))
        yield from self._close()
        yield from self._finish()

    def _ask(self, record: Record) -> Iterator[Item]:
        if self._known is not None and record.data not in self._known:
            return
        try:
            request = self._kind.ask(record.data, self._options)
        except Rejection:
            return  # a command, or another protocol's question on the same bus
        if self._round.get(record.data, (request, None))[1] is not None:
            yield from self._finish()
        self._t_s = record.t_s
        self._open, self._framer = request, request.framer()
        self._round[record.data] = (request, None)

    def _answer(self, items: list[bytes | Rejection]) -> Iterator[Item]:
        for item in items:
            if isinstance(item, Rejection):
                yield self._t_s, item
            elif self._open is not None:
                self._round[self._open.data] = (self._open, item)
            if isinstance(item, bytes | DeviceFault):
                self._open = self._framer = None
                return

    def _close(self) -> Iterator[Item]:
        """Nothing more will come for the open question."""
        if self._framer is not None:
            yield from self._answer(self._framer.finish())
        self._open = self._framer = None

    def _finish(self) -> Iterator[Item]:
        exchanges, self._round = tuple(self._round.values()), {}
        if any(reply is not None for _, reply in exchanges):
            try:
                yield self._t_s, self._kind.decode(exchanges, self._options)
            except Rejection as refusal:
                yield self._t_s, refusal
