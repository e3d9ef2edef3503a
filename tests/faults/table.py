"""The printed table, worst case first."""

from __future__ import annotations

from collections.abc import Sequence

from tests.faults.scenario import Result

_RANK = {"broken": 0, "missed": 1, "not run": 2, "met": 3}
_HEAD = ("id", "fault", "must show", "figure", "seed", "verdict")

NOTES = """\
What this table cannot see: a pty is not RS-485 (no reflections, no levels, no two who speak at once); a tmpfs is not
an SD card, nor is the simulated disk, which keeps the rules that a cheap card breaks; a killed process is not a power
cut, which is why L4 and K1 remove what was not synced; loopback is not a mobile network; the models of broker and
database know what their contract tests ask, no more. A card put back is noticed by what the ledger has heard: numbers
that were published and that no ingest has seen yet would be given again.

Who chooses confirm = "broker" lets the node forget a reading when the broker has said yes. What a broker forgets in a
crash (L5), what its queue has no room for, and what a database forgets after its yes (L8) is lost then, and only the
audit tells.
"""


def print_table(results: Sequence[Result]) -> None:
    """Markdown on standard output."""
    rows = [
        (each.id, each.fault, each.must, each.figure, str(each.seed), each.verdict)
        for each in sorted(results, key=lambda each: _RANK[each.verdict])
    ]
    widths = [max(len(row[column]) for row in [_HEAD, *rows]) for column in range(len(_HEAD))]
    for row in (_HEAD, tuple("-" * width for width in widths), *rows):
        print(
            "| "
            + " | ".join(cell.replace("|", "/").ljust(width) for cell, width in zip(row, widths, strict=True))
            + " |"
        )
