"""`gateway port replay --port-out`: a capture on a port of its own, as if its device were there."""

from __future__ import annotations

import contextlib
import stat
from functools import partial
from pathlib import Path

import typer

from drivers.core.contract import Line
from gateway.cli.chosen import FAILED, explain
from gateway.cli.places import fail
from gateway.cli.stopping import run_until_stopped
from gateway.ops.texts import say
from gateway.ports import PortError, open_port
from gateway.sim.captured import CapturedLine


def play(file: Path, port_out: Path, speed: float, *, again: bool) -> None:
    """Until Ctrl-C; exit 1 where the file is no capture."""
    free(port_out)
    url = f"replay:{file}?speed={speed:g}&end={'again' if again else 'silence'}"
    made: list[CapturedLine] = []  # a pty lives in an event loop, so it is made there
    try:
        run_until_stopped(_run(partial(CapturedLine, url, port_out), made, file))
    except PortError as error:
        explain(error)
        raise typer.Exit(FAILED) from None
    except OSError as error:
        fail(say("sim.no_place", path=port_out, why=error.strerror or str(error)))
    typer.echo(say("port_cmd.played", bytes=made[0].said if made else 0))


def free(path: Path) -> None:
    """Refuse to put a port in the place of anything but a link that an earlier one left. Ends the command (exit 2)."""
    with contextlib.suppress(FileNotFoundError):
        if not stat.S_ISLNK(path.lstat().st_mode):
            fail(say("sim.taken", path=path))


async def _run(make: partial[CapturedLine], made: list[CapturedLine], file: Path) -> None:
    await (await open_port(f"replay:{file}", Line())).close()  # a file that is none is told before anybody waits
    made.append(make())
    typer.echo(say("port_cmd.playing", file=file, path=made[0].path), err=True)
    await made[0].run()
