"""Where keys stand: line numbers for a text that tomllib has already accepted.

tomllib tells no lines. This walks the same text once more, knows only as much of TOML as finding keys needs, and relies
on the text being valid.
"""

from __future__ import annotations

import bisect
import re
import tomllib

from gateway.config.problems import KeyPath, Step

DEPTH = 8
"""Keys deeper than this are not noted: none of ours are, and a hostile dotted key would cost memory squared."""

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)
_STRING = re.compile(
    r'"""(?:[^\\]|\\.)*?"{3,5}(?!")|' + r"'''.*?'{3,5}(?!')|" + r'"(?:[^"\\\n]|\\.)*"|' + r"'[^'\n]*'",
    re.DOTALL,
)
_BLANK = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_SCALAR = re.compile(r"[^,\]}#\n]*")


def find_lines(text: str) -> dict[KeyPath, int]:
    """Line (from 1) of every table, array and key in valid TOML."""
    return _Walk(text).run()


class _Walk:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.ends = [match.start() for match in re.finditer("\n", text)]
        self.lines: dict[KeyPath, int] = {}
        self.counts: dict[KeyPath, int] = {}

    def run(self) -> dict[KeyPath, int]:
        table: KeyPath = ()
        self.blank()
        while self.at < len(self.text):
            if self.text[self.at] == "[":
                table = self.header()
            else:
                self.pair(table)
            self.blank()
        return self.lines

    def header(self) -> KeyPath:
        is_array = self.text.startswith("[[", self.at)
        line = self.line()
        self.at += 1 + is_array
        keys = self.key()
        self.at += 1 + is_array
        path: KeyPath = ()
        for number, key in enumerate(keys, 1):
            path = (*path, key)[:DEPTH]
            self.lines.setdefault(path, line)
            if is_array and number == len(keys):
                self.counts[path] = self.counts.get(path, 0) + 1
            if path in self.counts:
                path = (*path, self.counts[path] - 1)
                self.lines.setdefault(path, line)
        return path

    def pair(self, table: KeyPath) -> None:
        path = table
        line = self.line()
        for key in self.key():
            path = (*path, key)[:DEPTH]
            self.lines.setdefault(path, line)
        self.at += 1  # the equals sign
        self.value(path)

    def value(self, path: KeyPath) -> None:
        self.blank()
        opening = self.text[self.at]
        if opening in "\"'":
            self.take(_STRING)
        elif opening == "[":
            self.members(path, "]")
        elif opening == "{":
            self.members(path, "}")
        else:
            self.take(_SCALAR)

    def members(self, path: KeyPath, closing: str) -> None:
        """The inside of an array or an inline table, brackets included."""
        self.at += 1
        number = 0
        self.blank()
        while self.text[self.at] != closing:
            if closing == "]":
                member: KeyPath = (*path, number)[:DEPTH]
                self.lines.setdefault(member, self.line())
                self.value(member)
            else:
                self.pair(path)
            number += 1
            self.blank()
            if self.text[self.at] == ",":
                self.at += 1
                self.blank()
        self.at += 1

    def key(self) -> list[Step]:
        """A dotted key; stands behind it, and behind the blanks that follow it."""
        parts: list[Step] = []
        while True:
            self.blank()
            if self.text[self.at] in "\"'":
                parts.append(tomllib.loads("k = " + self.take(_STRING))["k"])
            else:
                parts.append(self.take(_BARE_KEY))
            self.blank()
            if self.text[self.at] != ".":
                return parts
            self.at += 1

    def blank(self) -> None:
        self.take(_BLANK)

    def take(self, pattern: re.Pattern[str]) -> str:
        match = pattern.match(self.text, self.at)
        if match is None:
            raise ValueError(f"not valid TOML at character {self.at}")
        self.at = match.end()
        return match[0]

    def line(self) -> int:
        return bisect.bisect_left(self.ends, self.at) + 1
