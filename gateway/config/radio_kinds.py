"""The kinds of values that radio keys take: "923.2 MHz", "0x12", device addresses and EUIs, a UDP address."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

from gateway.config.problems import Unfit, show

_FREQUENCY = re.compile(r"([0-9]{1,7}(?:\.[0-9]{1,6})?) ?(Hz|kHz|MHz)", re.ASCII)
_UNITS = {"Hz": 1, "kHz": 1_000, "MHz": 1_000_000}
_SYNC_WORD = re.compile(r"0[xX]([0-9A-Fa-f]{2})", re.ASCII)
_SEPARATORS = str.maketrans("", "", "-: ")
_LISTEN = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[0-9A-Za-z.-]+):([0-9]{1,5})", re.ASCII)
DEFAULT_LISTEN = "127.0.0.1:1700"


def frequency_hz(value: object) -> int:
    """Hz of "923.2 MHz" or "125 kHz". Raises Unfit."""
    found = _FREQUENCY.fullmatch(value.strip()) if isinstance(value, str) else None
    if found is None:
        raise Unfit("config.expect_frequency", found=show(value))
    return round(float(found[1]) * _UNITS[found[2]])


def format_frequency(hz: int) -> str:
    """The writing that `frequency_hz` reads back."""
    return f"{hz / 1e6:.10g} MHz" if hz >= 1_000_000 else f"{hz / 1e3:g} kHz"


def sync_word(value: object) -> int:
    """The number of "0x12". Raises Unfit."""
    found = _SYNC_WORD.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise Unfit("config.expect_sync_word", found=show(value))
    return int(found[1], 16)


def hexadecimal(digits: int) -> Any:
    """Exactly so many hexadecimal digits, in lower case afterwards; between them people write - and :."""

    def check(value: object) -> str:
        plain = value.translate(_SEPARATORS).lower() if isinstance(value, str) else ""
        if len(plain) != digits or any(each not in "0123456789abcdef" for each in plain):
            raise Unfit("config.expect_hex", digits=digits, found=show(value))
        return plain

    return BeforeValidator(check)


def listen_address(value: object) -> str:
    """host:port to listen at. Raises Unfit."""
    found = _LISTEN.fullmatch(value) if isinstance(value, str) else None
    if found is None or int(found[2]) > 65535:
        raise Unfit("config.expect_listen", found=show(value))
    return found[0]


def split_listen(address: str) -> tuple[str, int]:
    """Host and port number of a `listen_address`."""
    host, _, port = address.rpartition(":")
    return host.strip("[]"), int(port)


def _hex_schema(digits: int) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "pattern": f"^([0-9A-Fa-f]{{2}}[-: ]?){{{digits // 2}}}$"})


Frequency = Annotated[
    int,
    BeforeValidator(frequency_hz),
    WithJsonSchema({"type": "string", "pattern": "^[0-9]{1,7}(\\.[0-9]{1,6})? ?(Hz|kHz|MHz)$"}),
    PlainSerializer(format_frequency),
]
SyncWord = Annotated[
    int,
    BeforeValidator(sync_word),
    WithJsonSchema({"type": "string", "pattern": "^0[xX][0-9A-Fa-f]{2}$"}),
    PlainSerializer(lambda value: f"0x{value:02X}"),
]
DevAddr = Annotated[str, hexadecimal(8), _hex_schema(8)]
Eui = Annotated[str, hexadecimal(16), _hex_schema(16)]
Listen = Annotated[
    str, BeforeValidator(listen_address), WithJsonSchema({"type": "string", "pattern": f"^{_LISTEN.pattern}$"})
]
