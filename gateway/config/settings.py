"""The settings of a step, as a file says them, turned into what steps take: seconds, ns, tuples. Each kind checks."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

from drivers.core.quantities import UnknownQuantity, quantity
from gateway.config.problems import KeyPath, Unfit, show, suggest
from gateway.config.remedies import value_remedy
from gateway.config.units import duration_s, format_duration
from gateway.meaning.recipe import REQUIRED, Setting
from gateway.ops.texts import say
from gateway.wire.topics import is_id

Finding = tuple[KeyPath, str]
LOCAL = timezone(timedelta(hours=7))
"""What a date without a zone means: Thai time."""
MOST_ENTRIES = 500
_YEARS = range(1990, 2200)


def convert(known: Mapping[str, Setting], table: Mapping[str, Any], path: KeyPath = ()) -> dict[str, Any]:
    """The settings of a table that was found good. Raises ValueError for one that is not."""
    found, problems = _taken(known, table, path)
    if problems:
        raise ValueError(problems[0][1])
    return found


def findings(known: Mapping[str, Setting], table: Mapping[str, Any], path: KeyPath) -> list[Finding]:
    """Everything that is wrong with a step's table, each with its place."""
    return _taken(known, table, path)[1]


def _taken(
    known: Mapping[str, Setting], table: Mapping[str, Any], path: KeyPath
) -> tuple[dict[str, Any], list[Finding]]:
    found: dict[str, Any] = {}
    problems: list[Finding] = []
    for key, value in table.items():
        setting = known.get(key)
        if setting is None:
            problems.append(((*path, key), say("config.unknown_key") + suggest(key, known) + value_remedy(key)))
        elif setting.kind == "entries":
            found[key] = tuple(_entries(setting, value, (*path, key), problems))
        else:
            try:
                found[key] = _CONVERT[setting.kind](value, setting)
            except Unfit as error:
                problems.append(((*path, key), str(error) + value_remedy(value)))
    for key, setting in known.items():
        if key not in found and key not in table:
            if setting.default is REQUIRED:
                problems.append(((*path, key), say("config.missing")))
            else:
                found[key] = setting.default
    return found, problems


def _entries(setting: Setting, value: Any, path: KeyPath, problems: list[Finding]) -> Iterator[dict[str, Any]]:
    if not isinstance(value, list) or not value or len(value) > MOST_ENTRIES:
        problems.append((path, say("config.expect_tables", key=str(path[-1]))))
        return
    for number, member in enumerate(value):
        if not isinstance(member, dict):
            problems.append(((*path, number), say("config.expect_table", key=str(path[-1]))))
            continue
        found, wrong = _taken(setting.entries, member, (*path, number))
        problems += wrong
        if not wrong:
            yield found


def _number(value: Any, setting: Setting) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise Unfit("config.expect_number", found=show(value))
    low, high = setting.least, setting.most
    if (low is not None and value < low) or (high is not None and value > high):
        raise Unfit("config.expect_between", low=_edge(low), high=_edge(high), found=show(value))
    return float(value)


def _edge(edge: float | None) -> str:
    return "…" if edge is None else f"{edge:g}"


def _integer(value: Any, setting: Setting) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise Unfit("config.expect_int", found=show(value))
    _number(value, setting)
    return value


def _flag(value: Any, setting: Setting) -> bool:
    if not isinstance(value, bool):
        raise Unfit("config.expect_bool", found=show(value))
    return value


def _text(value: Any, setting: Setting) -> str:
    if not isinstance(value, str) or len(value) > 200 or any(c < " " for c in value):
        raise Unfit("config.expect_text", longest=200, found=show(value))
    return value


def _id(value: Any, setting: Setting) -> str:
    if not isinstance(value, str) or not is_id(value):
        raise Unfit("config.expect_id", found=show(value))
    return value


def _duration(value: Any, setting: Setting) -> float:
    seconds = duration_s(value)
    low, high = setting.least or 0.0, setting.most or 366 * 86400.0
    if not low <= seconds <= high:
        edges = format_duration(low), format_duration(high)
        raise Unfit("config.expect_between", low=edges[0], high=edges[1], found=format_duration(seconds))
    return seconds


def moment(value: Any) -> int:
    """Ns since the epoch of a date or a time, which TOML knows, or of its ISO text; without a zone it is Thai time."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            raise Unfit("config.expect_moment", found=show(value)) from None
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day, tzinfo=LOCAL)
    if not isinstance(value, datetime) or value.year not in _YEARS:
        raise Unfit("config.expect_moment", found=show(str(value)))
    if value.tzinfo is None:
        value = value.replace(tzinfo=LOCAL)
    passed = value.astimezone(UTC) - datetime(1970, 1, 1, tzinfo=UTC)
    return int((passed.days * 86400 + passed.seconds) * 1_000_000_000 + passed.microseconds * 1000)


def _time(value: Any, setting: Setting) -> int:
    return moment(value)


def _numbers(value: Any, setting: Setting, *, least: int = 1, most: int = 500) -> tuple[float, ...]:
    if not isinstance(value, list) or not least <= len(value) <= most:
        raise Unfit("config.expect_numbers", least=least, most=most, found=show(value))
    return tuple(_number(member, setting) for member in value)


def _span(value: Any, setting: Setting) -> tuple[float, ...]:
    span = _numbers(value, setting, least=2, most=2)
    if span[0] > span[1]:
        raise Unfit("config.expect_rising", found=f"[{span[0]:g}, {span[1]:g}]")
    return span


def _hours(value: Any, setting: Setting) -> tuple[int, ...]:
    return tuple(int(member) for member in _numbers(value, setting, least=2, most=2))


def _rows(widths: tuple[int, int]) -> Callable[[Any, Setting], tuple[tuple[float, ...], ...]]:
    def rows(value: Any, setting: Setting) -> tuple[tuple[float, ...], ...]:
        if not isinstance(value, list) or not 1 <= len(value) <= MOST_ENTRIES:
            raise Unfit("config.expect_rows", width=widths[0], found=show(value))
        return tuple(_numbers(row, setting, least=widths[0], most=widths[1]) for row in value)

    return rows


def _quantity(value: Any, setting: Setting) -> str:
    name = _text(value, setting)
    try:
        return quantity(name).name
    except UnknownQuantity as error:
        raise Unfit("config.unfit", detail=str(error), found=show(value)) from None


def _quantities(value: Any, setting: Setting) -> tuple[str, ...]:
    if not isinstance(value, list) or not value:
        raise Unfit("config.expect_names", found=show(value))
    return tuple(_quantity(member, setting) for member in value)


def _choice(value: Any, setting: Setting) -> str:
    if value not in setting.choices:
        raise Unfit("config.expect_one_of", words=", ".join(setting.choices), found=show(value))
    return str(value)


_CONVERT: Mapping[str, Callable[[Any, Setting], Any]] = {
    "number": _number,
    "integer": _integer,
    "flag": _flag,
    "text": _text,
    "id": _id,
    "duration": _duration,
    "time": _time,
    "span": _span,
    "hours": _hours,
    "quantity": _quantity,
    "quantities": _quantities,
    "numbers": _numbers,
    "points": _rows((2, 2)),
    "rows": _rows((3, 4)),
    "choice": _choice,
}
