"""Revisions over restarts, and on a node that learns the time late."""

from __future__ import annotations

from pathlib import Path

from gateway.edge.revisions import Revisions


def test_a_revision_rises_with_what_is_said_and_outlives_the_process(tmp_path: Path) -> None:
    path = tmp_path / "about.json"
    assert Revisions(path).revise("node", "a", "T1") == (1, "T1")
    assert Revisions(path).revise("node", "a", "T2") == (1, "T1")
    assert Revisions(path).revise("node", "b", "T3") == (2, "T3")
    assert Revisions(path).revise("device d", "b", "T4") == (1, "T4")
    path.write_text("damaged")
    assert Revisions(path).revise("node", "b", "T5") == (1, "T5")


def test_without_the_time_a_revision_begins_when_the_time_is_known(tmp_path: Path) -> None:
    path = tmp_path / "about.json"
    assert Revisions(path).revise("node", "a", None) == (1, None)
    assert Revisions(path).revise("node", "b", None) == (2, None)
    assert Revisions(path).revise("node", "b", None) == (2, None)
    assert Revisions(path).revise("node", "b", "T1") == (2, "T1")
    assert Revisions(path).revise("node", "b", None) == (2, "T1")
    assert Revisions(path).revise("node", "b", "T2") == (2, "T1")
