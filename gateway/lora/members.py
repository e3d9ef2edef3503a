"""JSON of a network server, read with bounds and checked member by member; nothing of it is believed unlooked at."""

from __future__ import annotations

import base64
import binascii
import json
import re
from datetime import datetime
from math import isfinite
from typing import Any

from gateway.lora.uplinks import SECOND, Refused, TimeTold, Told

MAX_BYTES = 256 * 1024
"""No uplink with all its receivers is larger."""
MAX_ITEMS = 256
"""Members of a list that are looked at: more gateways than ever heard one uplink."""
MAX_TEXT = 200
_TIME = re.compile(r"(\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d)(?:\.(\d{1,9})\d*)?([Zz]|[+-]\d\d:?\d\d)", re.ASCII)
_HEX = re.compile(r"[0-9a-f]*", re.ASCII)


def read_json(data: bytes, remedy: str) -> Members:
    """The object in a message. Raises `Refused`: size, encoding (protobuf, with what to do about it) or json."""
    if len(data) > MAX_BYTES:
        raise Refused("size", f"{len(data)} bytes are more than any uplink")
    head = data.lstrip()[:1]
    if head not in (b"{", b""):
        why = f"byte {data[:1].hex()} begins no JSON object"
        if not 0x20 <= data[0] < 0x7F:  # an event in protobuf begins with 0A and a length
            why += f": this looks like protobuf; {remedy}"
        raise Refused("encoding", why)
    try:
        found = json.loads(data, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise Refused("json", f"this is no JSON: {type(error).__name__}") from None
    if not isinstance(found, dict):
        raise Refused("json", "this is no object")
    return Members(found)


def _no_number(text: str) -> float:
    raise ValueError(text)


class Members:
    """An object's members by name. A member of another type raises `Refused`; one that is absent is what `absent` says.

    Absent and null are the same: senders leave out what is zero, empty or false.
    """

    def __init__(self, found: dict[str, Any], path: str = "") -> None:
        self._found = found
        self._path = path

    def __contains__(self, name: str) -> bool:
        return self._found.get(name) is not None

    def _wrong(self, name: str, expected: str) -> Refused:
        return Refused("field", f"{self._path}{name} is no {expected}")

    def text(self, name: str, absent: str = "") -> str:
        """A text; numbers are taken as their text, for some senders quote none."""
        value = self._found.get(name)
        if value is None:
            return absent
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise self._wrong(name, "text")
        return str(value)

    def short(self, name: str) -> str:
        """A text for people, cut."""
        return self.text(name)[:MAX_TEXT]

    def whole(self, name: str, low: int, high: int, absent: int | None = 0) -> int | None:
        """A whole number in its range; a text of one counts (a 64-bit number is a text in protobuf's JSON)."""
        value = self._found.get(name)
        if value is None:
            return absent
        if isinstance(value, str) and len(value) <= 20:
            value = int(value) if re.fullmatch(r"-?\d+", value, re.ASCII) else value
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise self._wrong(name, f"whole number from {low} to {high}")
        return value

    def number(self, name: str, absent: float | None = None) -> float | None:
        """A finite number."""
        value = self._found.get(name)
        if value is None:
            return absent
        if isinstance(value, bool) or not isinstance(value, int | float) or abs(value) > 1e9 or not isfinite(value):
            raise self._wrong(name, "number")
        return float(value)

    def flag(self, name: str) -> bool:
        """Whether it is true."""
        value = self._found.get(name)
        if value is None:
            return False
        if not isinstance(value, bool):
            raise self._wrong(name, "truth value")
        return value

    def object(self, name: str) -> Members:
        """An object; an empty one where it is absent."""
        value = self._found.get(name)
        if value is None:
            value = {}
        if not isinstance(value, dict):
            raise self._wrong(name, "object")
        return Members(value, f"{self._path}{name}.")

    def objects(self, name: str) -> list[Members]:
        """The objects of a list, at most `MAX_ITEMS`; none where it is absent."""
        value = self._found.get(name)
        if value is None:
            return []
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in value[:MAX_ITEMS]):
            raise self._wrong(name, "list of objects")
        return [Members(item, f"{self._path}{name}[{at}].") for at, item in enumerate(value[:MAX_ITEMS])]

    def eui(self, name: str, digits: int) -> str:
        """An identifier of so many hexadecimal digits, in lower case; "" where it is absent."""
        value = self.text(name).lower()
        if value and (len(value) != digits or not _HEX.fullmatch(value)):
            raise self._wrong(name, f"number of {digits} hexadecimal digits")
        return value

    def bytes(self, name: str) -> bytes:
        """Bytes in base64, padded or not, of either alphabet; b"" where it is absent."""
        plain = self.text(name).rstrip("=").replace("-", "+").replace("_", "/")
        try:
            return base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
        except (binascii.Error, ValueError):
            raise Refused("base64", f"{self._path}{name} is no base64") from None

    def time(self, name: str, by: Told) -> tuple[TimeTold, ...]:
        """A time of RFC 3339 with up to nine digits behind the second; none where it is absent. Raises `Refused`."""
        text = self.text(name)
        if not text:
            return ()
        parts = _TIME.fullmatch(text)
        try:
            if parts is None:
                raise ValueError(text)
            second = datetime.fromisoformat(parts[1].upper() + ("+00:00" if parts[3] in "Zz" else parts[3]))
            at_ns = int(second.timestamp()) * SECOND + int((parts[2] or "0").ljust(9, "0"))
        except (ValueError, OverflowError, OSError):
            raise Refused("time", f"{self._path}{name} is no time: {text[:40]!r}") from None
        return (TimeTold(at_ns, by),)
