"""A command group that knows its commands by name and imports one only when it is called.

`gateway --help` must answer at once on a small computer; importing every command with all it needs takes seconds there.
"""

from __future__ import annotations

import importlib
import os
import sys
from dataclasses import dataclass
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

INTERRUPTED = 130
PIPE_CLOSED = 141
"""Exit codes as a shell gives them for SIGINT and SIGPIPE."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One command: the module whose `app` it is, and its line in the list of commands."""

    module: str
    summary: str


class LazyGroup(TyperGroup):
    """Lists placeholders, and puts the real command in a placeholder's place when it is called."""

    entries: dict[str, Entry] = {}  # noqa: RUF012  a subclass sets it once

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        for name, entry in self.entries.items():
            self.add_command(TyperCommand(name, short_help=entry.summary, rich_markup_mode=None))

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """Name, command and remaining arguments, the command's module imported."""
        name, command, rest = super().resolve_command(ctx, args)
        if name in self.entries:
            command = load(self.entries[name].module, name)
        return name, command, rest

    def invoke(self, ctx: Any) -> Any:
        """Run the command; Ctrl-C and a reader that went away end it without a word."""
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()
        except KeyboardInterrupt:
            raise typer.Exit(INTERRUPTED) from None
        except BrokenPipeError:
            # Python would try to flush once more at its end and complain; give it somewhere to write to.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(PIPE_CLOSED) from None
        return result


def load(module: str, name: str) -> Any:
    """The command made of `module.app`, in the plain look that all commands share."""
    app: typer.Typer = importlib.import_module(module).app
    app.rich_markup_mode = None
    app.pretty_exceptions_enable = False
    app._add_completion = False  # else every group would offer to install completion, for a program of its name
    command = typer.main.get_command(app)
    command.name = name
    return command
