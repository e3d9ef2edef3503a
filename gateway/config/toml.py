"""Values as TOML text, as far as configuration files need it (the standard library only reads)."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path

_BARE = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)


def to_toml(value: object) -> str:
    """One value on one line. Raises TypeError for what TOML cannot say."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | Path):
        # A JSON string without its \/ and surrogate pairs is a TOML basic string; DEL is the one it does not escape.
        return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, Mapping):
        return (
            "{ " + ", ".join(f"{to_key(key)} = {to_toml(member)}" for key, member in value.items()) + " }"
            if value
            else "{}"
        )
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(to_toml, value)) + "]"
    raise TypeError(f"no TOML for {type(value).__name__}")


def to_key(key: str) -> str:
    """A key, quoted where it must be."""
    return key if _BARE.fullmatch(key) else to_toml(key)
