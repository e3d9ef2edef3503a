"""From a file or a folder of fragments to one tree of plain values that knows where each of them stands."""

from __future__ import annotations

import codecs
import os
import re
import stat
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gateway.config.positions import DEPTH, find_lines
from gateway.config.problems import KeyPath, Problem
from gateway.config.remedies import syntax_remedy
from gateway.ops.texts import say

MAX_BYTES = 1 << 20
MAX_FILES = 500
MAX_LINE = 2000
"""Characters; tomllib's time and memory for a dotted key grow with the square of its parts."""

_PLACE = re.compile(r"\s*\(at (?:line (\d+), column \d+|end of document)\)$")


@dataclass(slots=True)
class Source:
    """The merged tree, and file and line of every key in it."""

    folder: Path
    first: Path
    tree: dict[str, Any] = field(default_factory=dict)
    places: dict[KeyPath, tuple[Path, int]] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def place(self, path: KeyPath) -> tuple[Path, int | None]:
        """File and line of a key, or of the nearest table above it."""
        for end in range(min(len(path), DEPTH), 0, -1):
            if path[:end] in self.places:
                return self.places[path[:end]]
        return self.first, None


def read(path: Path) -> Source:
    """All that `path`, a file or a folder of *.toml in the order of their names, says. Never raises; what is wrong is
    in `problems`."""
    try:
        is_folder = path.is_dir()
        files = sorted(path.glob("*.toml")) if is_folder else [path]
    except (OSError, ValueError) as error:
        return Source(path, path, problems=[_unreadable(path, error)])
    source = Source(path if is_folder else path.parent, files[0] if files else path)
    if not files:
        source.problems.append(Problem(path, None, "", say("config.empty_folder")))
    elif len(files) > MAX_FILES:
        source.problems.append(Problem(path, None, "", say("config.too_many_files", most=MAX_FILES)))
        files = []
    for file in files:
        _add(source, file)
    return source


def _add(source: Source, file: Path) -> None:
    try:
        text = _text(file)
    except OSError as error:
        source.problems.append(_unreadable(file, error))
        return
    except _Unreadable as error:
        source.problems.append(Problem(file, error.line, "", str(error)))
        return
    try:
        tree = tomllib.loads(text)
        lines = find_lines(text.replace("\r\n", "\n"))
        _merge(source, file, lines, source.tree, tree, (), ())
    except tomllib.TOMLDecodeError as error:
        source.problems.append(_syntax_problem(file, text, str(error)))
    except RecursionError:
        source.problems.append(Problem(file, None, "", say("config.too_deep")))


class _Unreadable(Exception):
    def __init__(self, message: str, line: int | None = None) -> None:
        super().__init__(message)
        self.line = line


def _text(file: Path) -> str:
    """The text of a regular file in UTF-8; a byte-order mark is left out."""
    handle = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # a pipe must not keep us waiting
    with open(handle, "rb", closefd=True) if stat.S_ISREG(os.fstat(handle).st_mode) else _closed(handle) as stream:
        data = stream.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise _Unreadable(say("config.too_big", most=MAX_BYTES))
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise _Unreadable(say("config.not_utf8"), 1)
    try:
        text = data.removeprefix(codecs.BOM_UTF8).decode()
    except UnicodeDecodeError as error:
        raise _Unreadable(say("config.not_utf8"), data.count(b"\n", 0, error.start) + 1) from None
    for number, line in enumerate(text.split("\n"), 1):
        if len(line) > MAX_LINE:
            raise _Unreadable(say("config.long_line", most=MAX_LINE), number)
    return text


def _closed(handle: int) -> Any:
    os.close(handle)
    raise _Unreadable(say("config.not_a_file"))


def _unreadable(path: Path, error: Exception) -> Problem:
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return Problem(path, None, "", say("config.unreadable", reason=reason))


def _syntax_problem(file: Path, text: str, message: str) -> Problem:
    place = _PLACE.search(message)
    lines = text.splitlines() or [""]
    line = int(place[1]) if place is not None and place[1] else len(lines)
    said = message[: place.start()] if place is not None else message
    content = lines[min(line, len(lines)) - 1]
    return Problem(file, line, "", say("config.syntax", detail=said) + syntax_remedy(content, said))


def _merge(
    source: Source,
    file: Path,
    lines: dict[KeyPath, int],
    into: dict[str, Any],
    tree: dict[str, Any],
    there: KeyPath,
    here: KeyPath,
) -> None:
    """Put `tree` into `into`; `there` is the path in the merged tree, `here` the one in this file."""
    for key, value in tree.items():
        path, own = (*there, key), (*here, key)
        old = into.get(key)
        if key not in into:
            into[key] = value
            _note(source, file, lines, value, path, own)
        elif isinstance(old, dict) and isinstance(value, dict):
            _merge(source, file, lines, old, value, path, own)
        elif isinstance(old, list) and isinstance(value, list):
            for number, member in enumerate(value):
                _note(source, file, lines, member, (*path, len(old)), (*own, number))
                old.append(member)
        else:
            other, line = source.place(path)
            message = say("config.twice", other=other, line=line)
            source.problems.append(Problem(file, lines.get(own[:DEPTH]), ".".join(map(str, path)), message))


def _note(source: Source, file: Path, lines: dict[KeyPath, int], value: Any, path: KeyPath, own: KeyPath) -> None:
    if own in lines:
        source.places[path] = (file, lines[own])
    if len(path) >= DEPTH:
        return
    if isinstance(value, dict):
        for key, member in value.items():
            _note(source, file, lines, member, (*path, key), (*own, key))
    elif isinstance(value, list):
        for number, member in enumerate(value):
            _note(source, file, lines, member, (*path, number), (*own, number))
