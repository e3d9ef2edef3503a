"""The root of the command line: its list of commands, its language, its exit codes.

Exit codes: 0 done; 1 what was checked or run failed (readings lost, a driver not proven); 2 wrong usage or
configuration; 130 Ctrl-C; 141 the reader of the output went away.
"""

from __future__ import annotations

import sys
from typing import Annotated, Literal

import typer

from gateway.cli.lazy import Entry, LazyGroup
from gateway.ops.texts import LANGUAGES, say, set_language

COMMANDS = (
    *("run", "demo", "config", "driver", "port", "device", "step", "lora", "sim"),
    *("tail", "explain", "spool", "parked", "audit", "about", "version"),
)


def start(args: list[str]) -> None:
    """Run the command line; ends in SystemExit."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            # A terminal that has no Thai must not end the program.
            stream.reconfigure(errors="backslashreplace")
    args = take_language(args)
    build()(args=args, prog_name="gateway")


def take_language(args: list[str]) -> list[str]:
    """Set the language that `--lang` asks for, wherever it stands; returns the other arguments.

    It is taken before anything else because the help texts are made with the commands. A wrong one is left where it
    is, for the parser to refuse.
    """
    rest = list(args)
    end = rest.index("--") if "--" in rest else len(rest)
    for at, arg in enumerate(rest[:end]):
        wish, width = (arg[7:], 1) if arg.startswith("--lang=") else ("".join(rest[at + 1 : at + 2]), 2)
        if (arg == "--lang" or width == 1) and wish in LANGUAGES:
            set_language(wish)
            del rest[at : at + width]
            break
    return rest


def build() -> typer.Typer:
    """The root command, its texts in the language chosen now."""

    class Root(LazyGroup):
        entries = {name: Entry(f"gateway.cli.{name}", say(f"command.{name}")) for name in COMMANDS}  # noqa: RUF012

    app = typer.Typer(
        cls=Root,
        add_completion=False,
        no_args_is_help=True,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
        epilog=say("cli.exit_codes"),
    )

    @app.callback(help=say("cli.about"))
    def root(
        lang: Annotated[Literal["en", "th"] | None, typer.Option(help=say("cli.lang"), show_default=False)] = None,
    ) -> None:
        if lang is not None:
            set_language(lang)

    return app
