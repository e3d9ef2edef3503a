"""Test vectors as text beside the drivers: `<family>.vectors.toml`, hex with blanks, values in the vocabulary's units.

driver = "plantower-pmsx003"        for all cases of the file; a case may say `drivers = […]` of its own
[[vector]]      one frame and what it means
id, hex, kind, source, note         kind: real-capture, datasheet, other-test-suite, published-text, constructed
request = "…"                       a polled device's question
framing = "modbus-tcp"              the capture has the frame of Modbus TCP; the same PDU is tried with RTU's
options = { variant = "a02" }
expect = { pm2_5 = 8 }, quality, info;  without `expect` the frame is no reading
fport = 85                          the LoRaWAN port of a radio payload; of the whole file where it stands above
at_s, age_s                         the reading's own time (s since 1970) or its age, where a radio payload says it
tellings = [{ expect, quality, info, at_s, age_s }, …]    in place of `expect`: a payload with several readings
unchecked = true                    nothing in it tells that a bit was turned: every flip is accepted
spare = 2                           bytes at the end that the frame is whole without
accepted_flips = [12]               bits whose flip goes unnoticed, counted from the first byte's highest
[[fault]]       bytes that must not become a reading: id, hex, reason, why …
[[weakness]]    bytes that do become a wrong reading, and nothing in them tells: id, hex, why …
[[stream]]      id, hex, frames = […], discarded: bytes as they come off a line and the frames in them
[[command]]     name, hex, reply, source: questions and acknowledgements, with their checks
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from drivers.core import modbus
from drivers.core.contract import Driver, Options


@dataclass(frozen=True, slots=True)
class Expected:
    """One reading that a case must give."""

    values: Mapping[str, float]
    quality: Mapping[str, int]
    info: Mapping[str, str | int]
    at_s: float | None = None
    age_s: float | None = None


@dataclass(frozen=True, slots=True)
class Case:
    """One case of any sort; `values` is None and `expected` empty where the bytes are no reading."""

    id: str
    drivers: tuple[str, ...]
    data: bytes
    question: bytes | None
    options: Options
    kind: str
    source: str
    note: str
    values: Mapping[str, float] | None
    quality: Mapping[str, int]
    info: Mapping[str, str | int]
    accepted_flips: frozenset[int]
    reason: str
    frames: tuple[bytes, ...]
    discarded: int | None
    reply: bytes | None
    is_unchecked: bool
    spare: int
    fport: int | None = None
    expected: tuple[Expected, ...] = ()


@dataclass(frozen=True, slots=True)
class Vectors:
    """The cases of one driver, or of one file."""

    vectors: tuple[Case, ...] = ()
    faults: tuple[Case, ...] = ()
    weaknesses: tuple[Case, ...] = ()
    streams: tuple[Case, ...] = ()
    commands: tuple[Case, ...] = ()

    def of(self, driver: str) -> Vectors:
        """Those that concern one driver."""
        return Vectors(*(tuple(c for c in cases if driver in c.drivers) for cases in self.tables()))

    def tables(self) -> tuple[tuple[Case, ...], ...]:
        """All tables, in the order of the fields."""
        return self.vectors, self.faults, self.weaknesses, self.streams, self.commands


def parse(text: str, driver: str | None = None) -> Vectors:
    """The cases of a vector file; of this driver where they name none. Raises ValueError or KeyError."""
    raw: dict[str, Any] = tomllib.loads(text)
    name = raw.get("driver", driver)
    common = () if name is None else (name,)
    tables = (raw.get(name, ()) for name in ("vector", "fault", "weakness", "stream", "command"))
    shared = {"fport": raw["fport"]} if "fport" in raw else {}
    return Vectors(*(tuple(_case(shared | entry, common) for entry in table) for table in tables))


def of_driver(driver: Driver) -> Vectors:
    """The cases that stand beside a driver; none where it names no file."""
    if driver.vectors is None:
        return Vectors()
    package, name = driver.vectors
    return parse(files(package).joinpath(*name.split("/")).read_text("utf-8"), driver.name).of(driver.name)


def _case(entry: Mapping[str, Any], common: tuple[str, ...]) -> Case:
    data, question = _bytes(entry, "hex"), _bytes(entry, "request")
    if data is None:
        raise ValueError(f"case {entry.get('id')!r} has no hex")
    if entry.get("framing") == "modbus-tcp":
        data = modbus.closed(data[6:])
        question = modbus.closed(question[6:]) if question else None
    return Case(
        id=entry.get("id") or entry["name"],
        drivers=tuple(entry.get("drivers", common)),
        data=data,
        question=question,
        options=dict(entry.get("options", {})),
        kind=entry.get("kind", ""),
        source=entry.get("source", ""),
        note=entry.get("note") or entry.get("why", ""),
        values=entry.get("expect"),
        quality=entry.get("quality", {}),
        info=entry.get("info", {}),
        accepted_flips=frozenset(entry.get("accepted_flips", ())),
        reason=entry.get("reason", ""),
        frames=tuple(bytes.fromhex(frame) for frame in entry.get("frames", ())),
        discarded=entry.get("discarded"),
        reply=_bytes(entry, "reply"),
        is_unchecked=entry.get("unchecked", False),
        spare=entry.get("spare", 0),
        fport=entry.get("fport"),
        expected=tuple(map(_expected, entry.get("tellings", [entry] if "expect" in entry else ()))),
    )


def _expected(entry: Mapping[str, Any]) -> Expected:
    return Expected(
        values=entry["expect"],
        quality=entry.get("quality", {}),
        info=entry.get("info", {}),
        at_s=entry.get("at_s"),
        age_s=entry.get("age_s"),
    )


def _bytes(entry: Mapping[str, Any], key: str) -> bytes | None:
    return bytes.fromhex(entry[key]) if key in entry else None
