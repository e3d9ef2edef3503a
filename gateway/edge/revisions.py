"""Revisions of what a node says about itself: a number that rises on every change and is remembered over restarts."""

from __future__ import annotations

import json
import os
from pathlib import Path


class Revisions:
    """A small JSON file `{name: {"rev", "since", "said"}}`, replaced as a whole. A lost or damaged file starts at 1."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known: dict[str, dict[str, object]] = {}
        try:
            read = json.loads(path.read_text("utf-8"))
            if isinstance(read, dict):
                self._known = {name: said for name, said in read.items() if isinstance(said, dict)}
        except (OSError, ValueError):
            pass

    def revise(self, name: str, said: str, at: str | None) -> tuple[int, str | None]:
        """Revision and since when it holds, for what is said now. Writes the file when it is new. Raises OSError.

        `at` is None while nobody knows the time; then a revision begins when it is first asked for with a time.
        """
        known = self._known.get(name, {})
        rev, since = known.get("rev"), known.get("since")
        if known.get("said") != said or not isinstance(rev, int):
            rev = rev + 1 if isinstance(rev, int) else 1
        elif isinstance(since, str) or at is None:
            return rev, since if isinstance(since, str) else None
        self._known[name] = {"rev": rev, "since": at, "said": said}
        self._save()
        return rev, at

    def _save(self) -> None:
        temporary = self._path.with_suffix(".new")
        with temporary.open("w", encoding="utf-8") as file:
            json.dump(self._known, file, ensure_ascii=False)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(self._path)
