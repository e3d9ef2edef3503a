"""`python -m tests.faults [--short|--long] [--only L3,C1] [--seed N] [--jobs N] [--json] [--keep FILE]`."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tests.faults.scenario import SHORT_SLACK, Result, Tally, all_scenarios, over_all, play
from tests.faults.table import print_table

ALONE = ("R2", "R3")
"""What measures this machine has it for itself in the long form."""


def main() -> int:
    """1 where something that must be shown was not."""
    scenarios = all_scenarios()
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--short", action="store_true", help="the form of `make test` (default)")
    length.add_argument("--long", action="store_true", help="the form whose figures stand in the README")
    parser.add_argument("--only", default="", metavar="IDS", help=f"some of {','.join(scenarios)}")
    parser.add_argument("--seed", type=int, default=1, help="what everything random follows from (default 1)")
    parser.add_argument("--jobs", type=int, default=1, help="so many at once, each in a process of its own")
    parser.add_argument("--json", action="store_true", help="one JSON line a row, as it is known")
    parser.add_argument("--keep", type=Path, metavar="FILE", help="rows are kept there, and not played again")
    said = parser.parse_args()
    wanted = [each for each in said.only.split(",") if each] or list(scenarios)
    if unknown := set(wanted) - set(scenarios):
        parser.error(f"no such scenario: {', '.join(sorted(unknown))}")
    results = [] if said.keep is None else list(_kept(wanted, said))
    known = {each.id for each in results}
    to_play = [name for name in wanted if name not in known]
    for result in _play_beside(to_play, said) if said.jobs > 1 else _play(to_play, said):
        results.append(result)
        if said.keep is not None:
            with said.keep.open("a") as file:
                file.write(json.dumps(asdict(result), ensure_ascii=False, default=str) + "\n")
        print(f"{result.id} {result.verdict} in {result.seconds:g} s: {result.figure}", file=sys.stderr, flush=True)
        if said.json:
            print(json.dumps(asdict(result), ensure_ascii=False, default=str), flush=True)
    summary = list(over_all(results, said.seed, 1.0 if said.long else SHORT_SLACK)) if len(wanted) > 1 else []
    results.sort(key=lambda each: wanted.index(each.id))
    if said.json:
        for row in summary:
            print(json.dumps(asdict(row), ensure_ascii=False), flush=True)
    else:
        print_table([*results, *summary])
    for result in results:
        if "traceback" in result.details:
            print(f"\n{result.id}:\n{result.details['traceback']}", file=sys.stderr)
    return int(any(result.verdict != "met" for result in [*results, *summary]))


def _kept(wanted: list[str], said: argparse.Namespace) -> Iterator[Result]:
    """The last word of the file on each, at this length and from this seed."""
    if said.keep.exists():
        rows = [_result(json.loads(line)) for line in said.keep.read_text().splitlines()]
        fitting = [each for each in rows if (each.seed, each.is_long) == (said.seed, said.long) and each.id in wanted]
        yield from {each.id: each for each in fitting}.values()


def _result(row: dict[str, Any]) -> Result:
    return Result(**{**row, "tally": Tally(**row["tally"]) if row["tally"] else None})


def _play(wanted: list[str], said: argparse.Namespace) -> Iterator[Result]:
    scenarios = all_scenarios()
    for name in wanted:
        yield play(scenarios[name], is_long=said.long, seed=said.seed)


def _play_beside(wanted: list[str], said: argparse.Namespace) -> Iterator[Result]:
    """In the order in which they end."""

    def one(name: str) -> Result:
        command = [sys.executable, "-m", "tests.faults", "--only", name, "--seed", str(said.seed), "--json"]
        ended = subprocess.run(
            [*command, "--long" if said.long else "--short"], capture_output=True, text=True, check=False
        )
        try:
            row = json.loads(ended.stdout)
        except ValueError:
            fault, must = all_scenarios()[name].fault, all_scenarios()[name].must
            return Result(
                name,
                fault,
                must,
                f"ended with {ended.returncode}: {ended.stderr[-300:]}",
                said.seed,
                "broken",
                0.0,
                is_long=said.long,
            )
        return _result(row)

    beside = [name for name in wanted if not said.long or name not in ALONE]
    with ThreadPoolExecutor(said.jobs) as pool:
        for future in as_completed([pool.submit(one, name) for name in beside]):
            yield future.result()
    for name in wanted:
        if name not in beside:
            yield one(name)


if __name__ == "__main__":
    sys.exit(main())
