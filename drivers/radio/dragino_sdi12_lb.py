"""Dragino SDI-12-LB/LS: answers of SDI-12 sensors as text.

    fPort 2, big-endian
    0  2  bit 15 sent by interrupt; battery, mV in the lower 15 bits
    2  1  payload version
    3  …  text: answers such as 0+1.234+27.5, one behind another or on lines of their own; F0 and above with the byte
          behind it separate commands

    fPort 5  a status, see `_dragino`       fPort 100  text for people: no reading

What a number means stands in no answer: `values` names them in their order, over all answers. Three characters of an
SDI-12 CRC behind an answer are taken off, unchecked.

Source: github.com/dragino/dragino-end-node-decoder SDI-12-LB; Dragino SDI-12-LB user manual; SDI-12 v1.4.
"""

from __future__ import annotations

import re

from drivers.core.contract import FixedBits, Option, Options, Telling, Truncated
from drivers.radio import _dragino as dragino
from drivers.radio._naming import Named, in_order
from drivers.radio._payload import Moving, Payload, telling, tellings

TEXT = 100
MOST_VALUES = 99
_NUMBER = rb"[+-](?:\d{1,9}\.?\d{0,9}|\.\d{1,9})"
_ANSWER = re.compile(rb"([0-9A-Za-z])((?:" + _NUMBER + rb")+)(?:[@-\x7f]{3})?")
_NUMBERS = re.compile(_NUMBER)
_BETWEEN = re.compile(rb"[\xf0-\xff].?|[\r\n]+", re.DOTALL)


def numbers(text: bytes) -> list[float]:
    """The numbers of all answers in their order. Raises `FixedBits` at what is no answer."""
    found: list[float] = []
    for part in filter(None, (part.strip() for part in _BETWEEN.split(text))):
        at = 0
        while at < len(part):
            answer = _ANSWER.match(part, at)
            if answer is None:
                raise FixedBits(f"{part[at : at + 16]!r} is no answer of an SDI-12 sensor")
            found += map(float, _NUMBERS.findall(answer[2]))
            at = answer.end()
    if len(found) > MOST_VALUES:
        raise FixedBits(f"{len(found)} numbers are more than any sensor gives")
    return found


def decode(data: bytes, fport: int | None, options: Options) -> tuple[Telling, ...]:
    """One report of all numbers, with its battery."""
    named = in_order(str(options.get("values", "")))
    if fport == dragino.STATUS:
        return dragino.status(data)
    if fport == TEXT:
        return ()
    payload = Payload(data)
    head, version = payload.number(2, "battery"), payload.number(1, "payload version")
    text = payload.take(payload.left, "text")
    found = numbers(text)
    if not found:
        raise Truncated("no sensor answered: there is no number in it")
    if named and len(found) != len(named):
        raise FixedBits(f"{len(found)} numbers, and `values` names {len(named)}")
    values = _named(found, named) if named else {f"x_sdi12_{n}": value for n, value in enumerate(found, 1)}
    values["battery_voltage"] = (head & 0x7FFF) / 1000
    said = text.decode("ascii", "replace").strip()
    return tellings([telling(values, info={"interrupt": head >> 15, "payload_version": version, "text": said})])


def _named(found: list[float], named: tuple[Named | None, ...]) -> dict[str, float]:
    return {name.quantity: name.value(value) for name, value in zip(named, found, strict=True) if name is not None}


def _names(options: Options) -> tuple[str, ...]:
    """What the site named; without a name, numbers are known when they come."""
    return (*(name.quantity for name in in_order(str(options.get("values", ""))) if name), "battery_voltage")


class Simulator:
    """A level probe with a thermometer behind the bridge."""

    def __init__(self, seed: int, address: int) -> None:
        self._moving = Moving(seed)

    def tick(self, t: float) -> bytes:
        """The payload of the moment `t`."""
        battery = round(self._moving.battery_v(t) * 1000).to_bytes(2, "big")
        return battery + b"\x01" + f"0+{self._moving.depth_m(t):.3f}+{self._moving.water_c(t):.1f}".encode("ascii")

    def answer(self, data: bytes, t: float) -> bytes:
        """It listens after it spoke only."""
        return b""


DRIVERS = (
    dragino.driver(
        "dragino-sdi12-lb",
        "Dragino SDI-12-LB/LS bridge for SDI-12 sensors",
        ("SDI-12-LB", "SDI-12-LS"),
        decode,
        quantities=("x_sdi12_1", "x_sdi12_2"),
        sometimes=tuple(f"x_sdi12_{number}" for number in range(3, MOST_VALUES + 1)),
        options={
            "values": Option(
                "", 'its numbers in order, such as "water_depth cm, water_temperature, -"; - leaves one out'
            )
        },
        check=lambda options: in_order(str(options.get("values", ""))),
        gives=_names,
        sources=("github.com/dragino/dragino-end-node-decoder SDI-12-LB", "Dragino SDI-12-LB user manual"),
        quirks=(
            "Without the option values its numbers are called x_sdi12_1 and on, and have no unit.",
            "Let it send whole answers, not cut ones, so that their order stays the same.",
            "Answers to several commands come one behind another: name the numbers of all of them.",
        ),
        simulate=Simulator,
        vectors="dragino.vectors.toml",
    ),
)
