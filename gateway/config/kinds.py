"""The kinds of values that keys take, as types for the model: each checks, converts, and describes itself."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, ValidationInfo, WithJsonSchema

from gateway.config.named import FILE
from gateway.config.problems import Unfit, show
from gateway.config.units import (
    DURATION_PATTERN,
    SIZE_PATTERN,
    address_number,
    duration_s,
    format_duration,
    format_size,
    size_bytes,
)
from gateway.wire.topics import ID_PATTERN, is_id

_ROOT = re.compile(r"[a-z0-9-]+(/[a-z0-9-]+)*", re.ASCII)
MAX_TEXT = 200
MAX_ADDRESS = 65535


def _id(value: object) -> str:
    if isinstance(value, str) and is_id(value):
        return value
    raise Unfit("config.expect_id", found=show(value))


def _text(value: object) -> str:
    """One line of text: it will stand on terminals, in topics' payloads and in a database."""
    if isinstance(value, str) and 0 < len(value) <= MAX_TEXT and not any(c < " " or c == "\x7f" for c in value):
        return value
    raise Unfit("config.expect_text", longest=MAX_TEXT, found=show(value))


def _root(value: object) -> str:
    if isinstance(value, str) and len(value) <= MAX_TEXT and _ROOT.fullmatch(value):
        return value
    raise Unfit("config.expect_root", found=show(value))


def _file(value: object, info: ValidationInfo) -> Path:
    """A relative path counts from the folder of the file that says it."""
    if not isinstance(value, str) or not value or "\0" in value:
        raise Unfit("config.expect_file", found=show(value))
    folder = (info.context or {}).get("folder")
    return folder / value if folder is not None else Path(value)


def _driver(value: object, info: ValidationInfo) -> str:
    """A name, or `file:PATH`, which counts from the folder of the file that says it."""
    if not isinstance(value, str):
        raise Unfit("config.expect_string", found=show(value))
    if not value.startswith(FILE):
        return value
    return FILE + str(_file(value.removeprefix(FILE), info))


def _url(*schemes: str) -> Any:
    def check(value: object) -> str:
        if not isinstance(value, str):
            raise Unfit("config.expect_url", form=f"{schemes[0]}://host", found=show(value))
        try:
            parts = urlsplit(value)
            wrong = parts.scheme not in schemes or not parts.hostname or parts.port == 0 or re.search(r"\s", value)
            has_secret = "@" in parts.netloc
        except ValueError:
            wrong, has_secret = True, "@" in value
        if has_secret:  # and never shown
            raise Unfit("config.secret_in_url")
        if wrong:
            raise Unfit(
                "config.expect_url", form=" / ".join(f"{scheme}://host" for scheme in schemes), found=show(value)
            )
        return value

    return BeforeValidator(check)


def port_url(value: str) -> str:
    """A port's url: a device path, `tcp://host:port` or `replay:FILE`. Raises Unfit."""
    if value.startswith("tcp://"):
        try:
            parts = urlsplit(value)
            fits = bool(parts.hostname) and bool(parts.port) and parts.path in ("", "/") and "@" not in parts.netloc
        except ValueError:
            fits = False
    else:
        fits = value.startswith("/") or (value.startswith("replay:") and len(value) > len("replay:"))
    if not fits or any(c < " " for c in value):
        raise Unfit("config.expect_port_url", found=show(value))
    return value


def _port_url(value: object) -> str:
    if not isinstance(value, str):
        raise Unfit("config.expect_port_url", found=show(value))
    return port_url(value)


def is_port_id(value: str) -> bool:
    """True where a device's `port` names a declared port, False where it is a url of its own."""
    return "/" not in value and ":" not in value


def _port(value: object) -> str:
    if isinstance(value, str) and is_port_id(value):
        return _id(value)
    return _port_url(value)


def duration_between(low: str, high: str) -> AfterValidator:
    """A bound for durations, both ends allowed."""

    def check(value: float) -> float:
        if not duration_s(low) <= value <= duration_s(high):
            raise Unfit("config.expect_between", low=low, high=high, found=format_duration(value))
        return value

    return AfterValidator(check)


def size_between(low: str, high: str) -> AfterValidator:
    """A bound for sizes, both ends allowed."""

    def check(value: int) -> int:
        if not size_bytes(low) <= value <= size_bytes(high):
            raise Unfit("config.expect_between", low=low, high=high, found=format_size(value))
        return value

    return AfterValidator(check)


def _scalar(value: object) -> object:
    if isinstance(value, str | int | float | bool):
        return value
    raise Unfit("config.expect_scalar", found=show(value))


def _whole_seconds(value: object) -> int:
    return math.ceil(duration_s(value))


def _schema(**schema: object) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", **schema})


Id = Annotated[str, BeforeValidator(_id), _schema(pattern=f"^{ID_PATTERN}$")]
Text = Annotated[str, BeforeValidator(_text), _schema(minLength=1, maxLength=MAX_TEXT)]
Root = Annotated[str, BeforeValidator(_root), _schema(pattern=f"^{_ROOT.pattern}$")]
DriverName = Annotated[str, BeforeValidator(_driver)]
File = Annotated[Path, BeforeValidator(_file), _schema(minLength=1), PlainSerializer(str)]
MqttUrl = Annotated[str, _url("mqtt", "mqtts"), _schema(pattern="^mqtts?://[^@\\s]+$")]
HttpUrl = Annotated[str, _url("http", "https"), _schema(pattern="^https?://[^@\\s]+$")]
PortUrl = Annotated[str, BeforeValidator(_port_url), _schema(pattern="^(/|tcp://|replay:).+$")]
PortOrId = Annotated[str, BeforeValidator(_port), _schema(pattern=f"^((/|tcp://|replay:).+|{ID_PATTERN})$")]
Duration = Annotated[
    float, BeforeValidator(duration_s), _schema(pattern=DURATION_PATTERN), PlainSerializer(format_duration)
]
WholeSeconds = Annotated[
    int, BeforeValidator(_whole_seconds), _schema(pattern=DURATION_PATTERN), PlainSerializer(format_duration)
]
Size = Annotated[int, BeforeValidator(size_bytes), _schema(pattern=SIZE_PATTERN), PlainSerializer(format_size)]
BusAddress = Annotated[
    int,
    BeforeValidator(address_number),
    Field(ge=0, le=MAX_ADDRESS),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "minimum": 0, "maximum": MAX_ADDRESS},
                {"type": "string", "pattern": "^[0-9A-Za-z]$"},
            ]
        }
    ),
]
Scalar = Annotated[str | int | float | bool, BeforeValidator(_scalar)]
