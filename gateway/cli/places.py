"""Where commands look when nothing is said: LANNA_CONFIG, then /etc/lanna."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NoReturn

import typer

from gateway.ops.texts import say

SYSTEM = Path("/etc/lanna")


def configuration(said: Path | None) -> Path:
    """The file or folder to read. Ends the command (exit 2) with what was looked for where there is none."""
    found = said or default_configuration()
    if found is None:
        fail(say("cli.no_configuration", folder=SYSTEM))
    return found


def default_configuration() -> Path | None:
    """LANNA_CONFIG where it is set, the system's folder where it holds a *.toml, else None."""
    wish = os.environ.get("LANNA_CONFIG")
    if wish:
        return Path(wish)
    try:
        return SYSTEM if any(SYSTEM.glob("*.toml")) else None
    except OSError:
        return None


def fail(message: str, code: int = 2) -> NoReturn:
    """Print a message to the error output and end the command."""
    typer.echo(message, err=True)
    raise typer.Exit(code)
