"""The printed table, worst case first, and what has to be said beside it."""

from __future__ import annotations

from collections.abc import Sequence

from tests.faults.scenario import Result

_RANK = {"broken": 0, "missed": 1, "not run": 2, "met": 3}
_HEAD = ("id", "fault", "must show", "figure", "seed", "took", "verdict")

NOTES = """\
What this table cannot see: a pty is not RS-485 (no reflections, no levels, no two who speak at once); a tmpfs is not
an SD card, nor is the simulated disk, which keeps the rules that a cheap card breaks; a killed process is not a power
cut, which is why L4 and K1 remove what was not synced; loopback is not a mobile network; the models of broker and
database know what their contract tests ask, no more. A spool whose end was cut off or zeroed looks like one that never
held more (C1 leaves that out), and so does an old image of the card: both are noticed by what the ledger has heard.
Numbers that were published and that no ingest has seen yet would be given again.

Who chooses confirm = "broker" lets the node forget a reading when the broker has said yes. What a broker forgets in a
crash (L5), what its queue has no room for, and what a database forgets after its yes (L8) is lost then, and only the
audit tells.
"""


def print_table(results: Sequence[Result]) -> None:
    """Markdown on standard output, and the notes."""
    rows = [
        (each.id, each.fault, each.must, each.figure, str(each.seed), _took(each.seconds), each.verdict)
        for each in sorted(results, key=lambda each: _RANK[each.verdict])
    ]
    for row in (_HEAD, tuple("---" for _ in _HEAD), *rows):
        print("| " + " | ".join(cell.replace("|", "/") for cell in row) + " |")
    print(f"\n{NOTES}", end="")


def _took(seconds: float) -> str:
    return f"{seconds / 60:.0f} min" if seconds >= 120 else f"{seconds:.0f} s"
