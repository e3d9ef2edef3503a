"""`gateway port replay`: a capture decoded through a driver, as if its device were there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from drivers.core.contract import Decoded, Driver, Options
from gateway.cli.chosen import Address, AsJson, Settings, agree, choose_options, choose_wired
from gateway.cli.device_shown import short
from gateway.cli.overheard import Item, Overheard
from gateway.cli.places import fail
from gateway.cli.printing import print_json
from gateway.ops.texts import say
from gateway.ports.capture import CaptureError, Record, read_file


def replay(
    file: Annotated[Path, typer.Argument(metavar="FILE", help=say("port_cmd.capture"))],
    driver_name: Annotated[str | None, typer.Option("--driver", metavar="DRIVER", help=say("driver.name"))] = None,
    port_out: Annotated[
        Path | None, typer.Option("--port-out", metavar="PATH", help=say("port_cmd.replay_port"))
    ] = None,
    speed: Annotated[float, typer.Option("--speed", min=0, max=1000, help=say("port_cmd.replay_speed"))] = 1.0,
    again: Annotated[bool, typer.Option("--again", help=say("port_cmd.replay_again"))] = False,
    address: Address = None,
    option: Settings = None,
    as_json: AsJson = False,
) -> None:
    """Print readings and refusals, or be the instrument. Ends with 0 also where all was refused, else with 2."""
    if (driver_name is None) == (port_out is None):
        fail(say("port_cmd.replay_what"))
    if driver_name is None:
        from gateway.cli.port_play import play

        assert port_out is not None
        play(file, port_out, speed, again=again)
        return
    driver = choose_wired(driver_name)
    options = choose_options(driver, option)
    agree(driver, options, driver.at(address))
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
    """What a driver makes of a capture, in its order; see `Overheard`."""
    hearing = Overheard(driver, options, address)
    for record in records:
        yield from hearing.feed(record)
    yield from hearing.finish()
