"""The command line, `gateway`."""

from __future__ import annotations


def main() -> None:
    """Run the command line with the process's arguments; ends in SystemExit with the documented code."""
    import sys

    from gateway.cli.root import start

    start(sys.argv[1:])
