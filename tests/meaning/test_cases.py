"""The cases of this folder have an id and a source; where the shared collection is there, none of it is left out."""

from __future__ import annotations

import json
from pathlib import Path

from tests.meaning.support import CASES, cases

SHARED = Path(__file__).parents[3] / "shared" / "vectors"
COUNTS = {"aqi": 41, "nowcast": 21, "pm-correction": 20, "qartod": 17, "stage-conversion": 4}


def test_every_case_has_an_id_and_a_source() -> None:
    assert {path.stem for path in CASES.iterdir()} == set(COUNTS)
    for name, count in COUNTS.items():
        listed = cases(name)
        assert len({case["id"] for case in listed}) == len(listed) == count
        assert all(case["source"] for case in listed)


def test_no_shared_case_is_missing_or_changed() -> None:
    """Where the shared collection is not there, the cases above are all there is to check."""
    for name in COUNTS:
        path = SHARED / f"{name}.json"
        if path.exists():
            shared = json.loads(path.read_text("utf-8"))
            ours = {case["id"]: case for case in cases(name)}
            for case in shared.get("cases") or shared["vectors"]:
                own = ours[case["id"]]
                assert {key: case[key] for key in case if key in own} == {key: own[key] for key in own if key in case}
                assert {"input", "expected", "expect", "hours_newest_first", "params"} & case.keys() <= own.keys()
