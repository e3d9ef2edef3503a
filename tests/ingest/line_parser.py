"""A strict reader of line protocol, for tests: written from the specification, sharing nothing with the encoder."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

Value = float | int | bool | str
_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_PRECISION_NS = {"ns": 1, "us": 1_000, "ms": 1_000_000, "s": 1_000_000_000}


@dataclass(frozen=True)
class Line:
    """One point; `time` in ns, None where the text has none. Unsigned integers are `uint`, a subclass of int."""

    measurement: str
    tags: dict[str, str]
    fields: dict[str, Value]
    time: int | None


class Unsigned(int):
    """A value that was written with `u`."""


def parse(text: str, precision: str = "ns") -> list[Line]:
    """All points of a text. Raises ValueError for anything that is not line protocol."""
    lines = []
    position = 0
    while position < len(text):
        if text[position] in "\n\r ":
            position += 1
        elif text[position] == "#":
            position = (text + "\n").index("\n", position)
        else:
            line, position = _line(text, position, precision)
            lines.append(line)
    return lines


def _line(text: str, position: int, precision: str) -> tuple[Line, int]:
    measurement, position = _word(text, position, ", ", ", ")
    if not measurement or measurement.startswith("\t"):
        raise ValueError("no measurement")
    tags: dict[str, str] = {}
    while text[position : position + 1] == ",":
        key, position = _word(text, position + 1, "=, ", ",= ")
        if text[position : position + 1] != "=":
            raise ValueError("tag without value")
        value, position = _word(text, position + 1, ",= ", ",= ")
        if not key or not value or key in tags:
            raise ValueError("tag empty or twice")
        tags[key] = value
    position = _spaces(text, position, at_least=1)
    fields: dict[str, Value] = {}
    while True:
        key, position = _word(text, position, "=, ", ",= ")
        if not key or text[position : position + 1] != "=":
            raise ValueError("field without key or value")
        fields[key], position = _value(text, position + 1)
        if text[position : position + 1] != ",":
            break
        position += 1
    after = _spaces(text, position, at_least=0)
    end = min((at for at in (text.find("\n", after), text.find("\r", after)) if at >= 0), default=len(text))
    rest = text[after:end].rstrip(" ")
    if rest and after == position:
        raise ValueError("no space before the time")
    if rest and not re.fullmatch(r"-?[0-9]+", rest):
        raise ValueError(f"no time: {rest!r}")
    time = int(rest) * _PRECISION_NS[precision] if rest else None
    if time is not None and not -(2**63) < time < 2**63:
        raise ValueError("time out of range")
    return Line(measurement, tags, fields, time), end


def _word(text: str, position: int, ends: str, escapable: str) -> tuple[str, int]:
    word = ""
    while position < len(text) and text[position] not in ends + "\n":
        if text[position] == "\\" and text[position + 1 : position + 2] and text[position + 1] in escapable:
            position += 1
        word += text[position]
        position += 1
    return word, position


def _spaces(text: str, position: int, at_least: int) -> int:
    start = position
    while text[position : position + 1] == " ":
        position += 1
    if position - start < at_least:
        raise ValueError("no space")
    return position


def _value(text: str, position: int) -> tuple[Value, int]:
    if text[position : position + 1] == '"':
        value = ""
        position += 1
        while text[position : position + 1] != '"':
            if position >= len(text):
                raise ValueError("text without end")
            if text[position] == "\\" and text[position + 1 : position + 2] in ('"', "\\"):
                position += 1
            value += text[position]
            position += 1
        return value, position + 1
    end = position
    while end < len(text) and text[end] not in ", \n\r":
        end += 1
    return _scalar(text[position:end]), end


def _scalar(word: str) -> Value:
    if word in ("t", "T", "true", "True", "TRUE"):
        return True
    if word in ("f", "F", "false", "False", "FALSE"):
        return False
    if re.fullmatch(r"[+-]?[0-9]+i", word):
        number = int(word[:-1])
        if not -(2**63) <= number < 2**63:
            raise ValueError("integer out of range")
        return number
    if re.fullmatch(r"\+?[0-9]+u", word):
        return Unsigned(word[:-1])
    if not _NUMBER.fullmatch(word) or not math.isfinite(float(word)):
        raise ValueError(f"no value: {word!r}")
    return float(word)
