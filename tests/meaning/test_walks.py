"""The short form of the random walks; the long one is `make walks`."""

from __future__ import annotations

from tests.meaning.walks import run


def test_faults_are_flagged_and_no_energy_is_made_up() -> None:
    tally = run(range(60))
    assert (tally.unflagged, tally.false_energy, tally.inexact) == ([], [], [])
    assert {"spike", "range", "stuck", "reset", "replaced", "glitch"} <= tally.injected.keys()
