"""The printed table, worst case first."""

from __future__ import annotations

from collections.abc import Sequence

from tests.faults.scenario import Result

_RANK = {"broken": 0, "missed": 1, "not run": 2, "met": 3}
_HEAD = ("id", "fault", "must show", "figure", "seed", "verdict")


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
