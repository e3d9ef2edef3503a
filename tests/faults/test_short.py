"""The short form of all fault scenarios. They mostly wait, so several run at once; `make faults` is the long form."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.faults.scenario import all_scenarios
from tests.rig.process import find_program, need_program

# Longest first, so that the last ones do not run alone.
ORDER = "L3,L2,L8,C3,L5,R1,L9,M1,K1,L7,R2,L6,R3,L1,T2,T3,C1,L4"
JOBS = 3


@pytest.fixture(scope="module")
def results() -> dict[str, dict[str, Any]]:
    """The rows of the table by id."""
    need_program("mosquitto", "mosquitto")
    need_program("victoria-metrics", "victoria-metrics")
    command = [sys.executable, "-m", "tests.faults", "--short", "--json", "--jobs", str(JOBS), "--only", ORDER]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2])
    rows = [json.loads(line) for line in ended.stdout.splitlines()]
    assert rows, ended.stderr[-3000:]
    return {row["id"]: row for row in rows}


def test_all_are_played() -> None:
    assert sorted(ORDER.split(",")) == sorted(all_scenarios())


@pytest.mark.parametrize("id", [*all_scenarios(), "D1", "T1"])
def test_shows_what_it_must(results: dict[str, dict[str, Any]], id: str) -> None:
    row = results[id]
    if row["verdict"] == "not run":
        if find_program("strace") is None and id == "L3":
            need_program("strace", "strace")
        pytest.skip(row["figure"])
    assert row["verdict"] == "met", f"{row['figure']}\n{row['details']}"
