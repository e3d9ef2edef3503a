"""What the steps have in common: a changed value keeps the first one beside it, a derived one inherits its quality."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from gateway.meaning.flags import GOOD, NOT_EVALUATED
from gateway.meaning.history import Entry, History
from gateway.meaning.state import SECOND
from gateway.meaning.steps import Context, Values

RAW = "_raw"
HIDDEN = "."
"""Numbers whose name begins so pass between steps and are not published."""
ALARM = "alarm"
"""The kind of the events that tell a change of an alarm."""
INHERITED = "inherited"
_PLAIN = {flag: {INHERITED: flag} for flag in (1, 2, 3, 4, 9)}


@dataclass(frozen=True, slots=True)
class Named:
    """A step's name and version, and what it says of itself in `about`; `makes` are the quantities it adds."""

    id: str
    version: str
    detail: str = ""
    makes: tuple[str, ...] = ()
    watches: frozenset[str] = frozenset()
    """Other devices' quantities that it looks at, as `device/quantity`."""


class Base:
    """A step with its name; calling it does its work."""

    __slots__ = ("named",)

    def __init__(self, named: Named) -> None:
        self.named = named

    @property
    def id(self) -> str:
        return self.named.id

    @property
    def version(self) -> str:
        return self.named.version

    def __call__(self, values: Values, context: Context) -> Values:
        raise NotImplementedError


def changed(values: Values, quantity: str, value: float, test: str, flag: int) -> Values:
    """The reading with another value for a quantity, and what is to be said of it; the first value stays as
    `<quantity>_raw` with the flags it had."""
    raw, found = quantity + RAW, {quantity: {test: flag}}
    if raw in values.numbers:
        return values.put({quantity: value}, found)
    results = values.results.get(quantity)
    if results:
        found[raw] = dict(results)
    return values.put({quantity: value, raw: values.numbers[quantity]}, found)


def inherited(values: Values, *sources: str) -> Mapping[str, int]:
    """Results for what is derived of these quantities: each test that did not find them good, under its own name."""
    flag = values.flag(sources[0]) if len(sources) == 1 else values.flag_of(*sources)
    if flag in (GOOD, NOT_EVALUATED):
        return _PLAIN[flag]
    found = {INHERITED: GOOD}
    for source in sources:
        for test, own in values.results.get(source, {}).items():
            if own not in (GOOD, NOT_EVALUATED):
                found[_behind(test, source)] = own
    return found


@lru_cache(maxsize=1024)
def _behind(test: str, source: str) -> str:
    return test if ":" in test else f"{test}:{source}"


def beside(values: Values, context: Context, name: str, age_s: float = 900.0) -> float | None:
    """A quantity of this reading, or (`device/quantity`) a neighbour's newest value unless it is doubtful or old."""
    if "/" not in name:
        return values.numbers.get(name)
    sample = context.neighbours.get(name)
    if sample is None or sample.flag > NOT_EVALUATED or abs(context.at - sample.at) > age_s * SECOND:
        return None
    return sample.value


def watched(*names: str) -> frozenset[str]:
    """Those of these names that are other devices' quantities."""
    return frozenset(name for name in names if "/" in name)


def dated(settings: Mapping[str, Any], value: Any) -> Entry[Any]:
    """An entry of a history from its table."""
    return Entry(value, settings["since"], settings["until"], settings["author"], settings["note"])


def story(history: History[Any]) -> str:
    """When a history changed, for `about`: "since 2026-01-10 (Anan), 2026-06-01"."""
    if not history.entries:
        return ""
    from datetime import datetime, timedelta, timezone  # only where an `about` is made

    days = []
    for entry in history.entries:
        # The day as it was written: a date without a zone is Thai time.
        day = f"{datetime.fromtimestamp(entry.since_at / 1e9, timezone(timedelta(hours=7))):%Y-%m-%d}"
        days.append(f"{day} ({entry.author})" if entry.author else day)
    return "since " + ", ".join(days)
