"""What is wrong with a configuration: where it stands, what was expected, and what to do."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from gateway.ops.texts import say

Step = str | int
KeyPath = tuple[Step, ...]
"""Where a value stands in the tree: keys, and places in arrays counted from 0."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One finding. `line` counts from 1, None where the file as a whole is meant; a warning stops nothing."""

    file: Path
    line: int | None
    key: str
    message: str
    is_warning: bool = False

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}" if self.line is not None else str(self.file)
        kind = f"{say('config.warning')} " if self.is_warning else ""
        return f"{where}: {kind}{self.key}: {self.message}" if self.key else f"{where}: {kind}{self.message}"


class ConfigError(Exception):
    """A configuration that cannot be used, with everything that is wrong with it."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = tuple(problems)


class Unfit(ValueError):
    """A value that a key cannot take; the sentence is `key` of the catalogue with `values`."""

    def __init__(self, key: str, **values: object) -> None:
        super().__init__(key)
        self.key = key
        self.values = values

    def __str__(self) -> str:
        return say(self.key, **self.values)


def show(value: object) -> str:
    """A value as a person may recognise it: short, on one line, nothing in it that moves a terminal."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return say("config.a_table")
    if isinstance(value, list):
        return say("config.an_array")
    if not isinstance(value, str):
        return str(value)[:40]
    text = "".join(c if c.isprintable() or _is_thai(c) else "�" for c in value[:41])
    return f'"{text[:40]}…"' if len(text) > 40 else f'"{text}"'


def _is_thai(char: str) -> bool:
    return "\u0e01" <= char <= "\u0e5b"


def nearest(word: str, known: Iterable[str]) -> str:
    """The known word most like `word`, or "" where none is."""
    found = difflib.get_close_matches(word.lower(), list(known), n=1, cutoff=0.6)
    return found[0] if found else ""


def suggest(word: str, known: Iterable[str]) -> str:
    """The ending of a sentence about an unknown word: the nearest known one, or all that are known."""
    words = sorted(known)
    found = nearest(word, words)
    if found:
        return say("config.nearest", nearest=found)
    return say("config.known", known=", ".join(words[:40])) if words else ""
