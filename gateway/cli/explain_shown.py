"""How a reading's way is shown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import tzinfo

import typer

import gateway.wire.control as wire
from drivers.core.contract import Decoded, Driver, Listening, Polled, Rejection
from drivers.core.hearing import hear
from drivers.core.listening import Listener
from drivers.core.quantities import UnknownQuantity, quantity
from gateway.cli.printing import clock_name, print_table, when
from gateway.cli.readings import sign
from gateway.cli.table import Cell, Column, Style, clean
from gateway.config.named import find_driver
from gateway.ops.texts import say
from gateway.wire.times import parse_time

_STYLES: dict[int, Style] = {1: "good", 2: "dim", 3: "suspect", 4: "fail", 9: "dim"}
_VALUES = 5
"""Values of a frame that are shown."""
_HEX = 48
"""Bytes of a piece that are shown."""


def print_parts(
    device: str, parts: Sequence[wire.Explained], notes: Sequence[str], where: tzinfo, spool: str = ""
) -> None:
    """Everything, in the order in which it happened."""
    point = parts[-1]
    at = None if point.t is None else parse_time(point.t)
    head = f"{clean(device)}  {when(at, where)} {clock_name(where)}" if at is not None else clean(device)
    typer.echo(head + (f"  {say('explain.number', seq=point.seq, spool=spool)}" if point.seq else ""))
    for part in parts:
        if part.part == "bytes":
            _bytes(part)
        elif part.part == "values":
            typer.echo("\n" + say("explain.decoded"))
            _values(part)
    typer.echo("\n" + say("explain.steps"))
    columns = [Column(say("explain.step")), Column(say("tail.quantity")), Column(say("tail.value"), align="right")]
    rows = [row for part in parts if part.part == "step" for row in _step(part)]
    print_table([*columns, Column(say("tail.unit")), Column(say("explain.verdict"))], rows)
    typer.echo("\n" + say("explain.point"))
    _values(point)
    for note in notes:
        typer.echo("\n" + note)


def _bytes(part: wire.Explained) -> None:
    typer.echo("\n" + say("explain.heard", what=clean(part.text)))
    frames = _Frames(part.text.partition(" ")[0])
    for age_s, direction, data in part.bytes:
        octets = bytes.fromhex(data)
        shown = octets[-_HEX:].hex(" ")
        typer.echo(f"  -{age_s:8.3f} s {direction} {'… ' if len(octets) > _HEX else ''}{shown}")
        for text in frames.take(direction, octets):
            typer.echo(f"{'':14}{text}")
    if not part.bytes:
        typer.echo("  " + say("explain.nothing_heard"))


class _Frames:
    """What the driver makes of bytes as they come, frame by frame."""

    def __init__(self, name: str) -> None:
        self._driver = driver = _driver(name)
        self._options = {} if driver is None else {key: option.default for key, option in driver.options.items()}
        self._listener: Listener | None = None
        if driver is not None and isinstance(driver.kind, Listening):
            self._listener = Listener(driver, self._options)
        self._question = b""

    def take(self, direction: str, data: bytes) -> Iterator[str]:
        """A line for each frame that is whole now."""
        if self._listener is not None and direction == "<":
            for found in self._listener.feed(data):
                yield _line(found)
        if self._driver is not None and isinstance(self._driver.kind, Polled):
            if direction == ">":
                self._question = data
            elif self._question:
                try:
                    heard = hear(self._driver, [data], self._options, self._question, ends=False)
                except (ValueError, Rejection):
                    return
                yield from map(_line, heard.readings)
                yield from map(_line, heard.refusals)


def _driver(name: str) -> Driver | None:
    try:
        return find_driver(name)
    except (LookupError, ValueError):  # another version's, or of a file that is not here
        return None


def _line(found: Decoded | Rejection) -> str:
    if isinstance(found, Rejection):
        return say("explain.refused", reason=found.reason, why=clean(str(found)))
    named = [f"{name} {value:.6g}" for name, value in found.values.items()]
    more = f" +{len(named) - _VALUES}" if len(named) > _VALUES else ""
    return say("explain.frame", values=", ".join(named[:_VALUES]) + more)


def _values(part: wire.Explained) -> None:
    columns = [Column(say("tail.quantity")), Column(say("tail.value"), align="right"), Column(say("tail.unit"))]
    rows: list[list[Cell | str]] = []
    for name in [*part.numbers, *(name for name in part.flags if name not in part.numbers)]:
        flag = part.flags.get(name)
        value = f"{part.numbers[name]:.10g}" if name in part.numbers else "-"
        rows.append([clean(name), value, _unit(name), "" if flag is None else _quality(flag)])
    print_table([*columns, Column(say("tail.quality"))], rows)


def _step(part: wire.Explained) -> Iterator[list[Cell | str]]:
    """A step's lines; tests that found all good are one line, be there ever so many values."""
    name = clean(part.text)
    good = [q for q, tests in part.tests.items() if q not in part.numbers and set(tests.values()) == {1}]
    rest = [q for q in (*part.numbers, *(q for q in part.tests if q not in part.numbers)) if q not in good]
    for quantity_name in rest:
        value = f"{part.numbers[quantity_name]:.10g}" if quantity_name in part.numbers else ""
        tests = part.tests.get(quantity_name, {})
        verdict = ", ".join(f"{clean(test)} {say(f'quality.{flag}')}" for test, flag in tests.items())
        worst = max((flag for flag in tests.values() if flag in (3, 4)), default=1)
        unit = _unit(quantity_name) if value else ""
        yield [name, clean(quantity_name), value, unit, Cell(verdict, _STYLES.get(worst, ""))]
        name = ""
    if good:
        many = say("explain.all_good", count=len(good)) if len(good) > 1 else clean(good[0])
        yield [name, many, "", "", _quality(1)]
        name = ""
    for event in part.events:
        yield [name, "", "", "", " ".join(f"{clean(key)}={clean(str(value))}" for key, value in event.items())]
        name = ""
    if name:
        yield [name, "-", "", "", ""]


def _quality(flag: int) -> Cell:
    return Cell(say(f"quality.{flag}"), _STYLES.get(flag, ""))


def _unit(name: str) -> str:
    try:
        return sign(quantity(name).unit)
    except UnknownQuantity:
        return ""
