"""`python -m tests.faults [--short|--long] [--only L3,C1] [--seed N] [--json]`: plays faults and prints the table."""

from __future__ import annotations

import argparse
import json
import sys

from tests.faults.scenario import Result, all_scenarios, over_all, play
from tests.faults.table import print_table


def main() -> int:
    """1 where something that must be shown was not."""
    scenarios = all_scenarios()
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--short", action="store_true", help="the form of `make test` (default)")
    length.add_argument("--long", action="store_true", help="the form whose figures stand in the README")
    parser.add_argument("--only", default="", metavar="IDS", help=f"some of {','.join(scenarios)}")
    parser.add_argument("--seed", type=int, default=1, help="what everything random follows from (default 1)")
    parser.add_argument("--json", action="store_true", help="one JSON line a row, as it is known")
    said = parser.parse_args()
    wanted = [each for each in said.only.split(",") if each] or list(scenarios)
    if unknown := set(wanted) - set(scenarios):
        parser.error(f"no such scenario: {', '.join(sorted(unknown))}")
    results: list[Result] = []
    for name in wanted:
        print(f"{name} …", end="", file=sys.stderr, flush=True)
        results.append(play(scenarios[name], is_long=said.long, seed=said.seed))
        last = results[-1]
        print(f" {last.verdict} after {last.seconds:g} s: {last.figure}", file=sys.stderr, flush=True)
        if said.json:
            _print_line(last)
    summary = list(over_all(results, said.seed))
    if said.json:
        for row in summary:
            _print_line(row)
    else:
        print_table([*results, *summary])
    for result in results:
        if "traceback" in result.details:
            print(f"\n{result.id}:\n{result.details['traceback']}", file=sys.stderr)
    return int(any(result.verdict != "met" for result in [*results, *summary]))


def _print_line(result: Result) -> None:
    row = {name: getattr(result, name) for name in ("id", "fault", "must", "figure", "seed", "verdict", "seconds")}
    print(json.dumps({**row, **result.details}, ensure_ascii=False, default=str), flush=True)


if __name__ == "__main__":
    sys.exit(main())
