"""An example of a configuration, made from the model, so that it explains every key there is and none there is not."""

from __future__ import annotations

import textwrap
import typing
from collections.abc import Iterator, Mapping
from typing import Any, Literal, get_args

from pydantic.fields import FieldInfo

from gateway.config.cross import LINE_SETTINGS
from gateway.config.explain import table_of
from gateway.config.model import Table, field_key
from gateway.config.toml import to_toml
from gateway.ops.texts import say

What = Literal["node", "backbone", "both"]
WIDTH = 100

_NODE: Mapping[str, Mapping[str, Any]] = {
    "node": {
        "id": "nimman-07",
        "site": "nimman",
        "name": {"th": "นิมมานเหมินท์ 7", "en": "Nimman 7"},
        "position": {"lat": 18.7966, "lon": 98.9678, "elevation_m": 315},
    },
    "spool": {},
    "mqtt": {
        "url": "mqtts://broker.example:8883",
        "ca_file": "/etc/lanna/ca.pem",
        "username": "nimman-07",
        "password_file": "/etc/lanna/mqtt.password",
        "confirm": "stored",
    },
    "port": {"id": "bus-1", "url": "/dev/serial/by-id/usb-FTDI_FT232R_A50285BI-if00-port0", "baud": 9600},
    "device": {
        "id": "pms-roof",
        "driver": "plantower-pmsx003",
        "port": "/dev/serial0",
        "every": "60 s",
        "combine": "mean",
    },
    "lora": {},
}
_METER = {"id": "meter-main", "driver": "eastron-sdm630", "port": "bus-1", "address": 1, "every": "10 s"}
_BACKBONE: Mapping[str, Mapping[str, Any]] = {
    "ingest": {"confirms": True},
    "ingest.mqtt": {"url": "mqtt://127.0.0.1:1883"},
    "ingest.sqlite": {"path": "/var/lib/lanna/readings.sqlite", "retention": "365 days", "max_size": "20 GB"},
    "ingest.influx": {},
}


def example(what: What) -> str:
    """TOML text in the chosen language that passes the check: an edge node, a backbone, or both in one."""
    tables = {"node": _NODE, "backbone": _BACKBONE, "both": {**_NODE, **_BACKBONE}}[what]
    blocks = ["\n".join(_comment(say("config.example_head")))]
    for name, said in {**tables, "log": {}}.items():
        is_alternative = name in ("ingest.influx", "lora")
        lines = list(_table(name, said, is_alternative=is_alternative))
        blocks.append("\n".join(lines))
        if name == "device":
            blocks.append("\n".join(["[[device]]", *(f"{key} = {to_toml(value)}" for key, value in _METER.items())]))
    return "\n\n".join(blocks) + "\n"


def _table(name: str, said: Mapping[str, Any], *, is_alternative: bool) -> Iterator[str]:
    path = tuple(name.split("."))
    table = table_of(path)
    parent = table_of(path[:-1])
    assert table is not None
    assert parent is not None
    yield from _comment(say(f"keys.{parent.topic}_{path[-1]}"))
    header = f"[[{name}]]" if name in ("port", "device", "lora") else f"[{name}]"
    yield f"#{header}" if is_alternative else header
    fields = {field_key(attribute, field): field for attribute, field in table.model_fields.items()}
    for key in sorted(fields, key=lambda key: key in LINE_SETTINGS):  # what is seldom said comes last
        field = fields[key]
        if _is_table_of_its_own(name, key):
            continue
        yield ""
        yield from _comment(_meaning(table, key, field))
        if key in said:
            yield f"{key} = {to_toml(said[key])}"
        else:
            yield f"#{key} = {to_toml(_shown(field))}"


def _is_table_of_its_own(table: str, key: str) -> bool:
    return f"{table}.{key}" in _BACKBONE


def _meaning(table: type[Table], key: str, field: FieldInfo) -> str:
    words = choices(field.annotation)
    text = say(f"keys.{table.topic}_{key}")
    return f"{text} {say('config.choices', words=', '.join(words))}" if words else text


def _shown(field: FieldInfo) -> Any:
    """What holds when nothing is said, or an example where nothing holds."""
    return field.examples[0] if field.examples else field.default


def choices(annotation: Any) -> list[str]:
    """The words of a closed list, none where the values are not one."""
    if typing.get_origin(annotation) is Literal:
        return [to_toml(word) for word in get_args(annotation)]
    if typing.get_origin(annotation) is dict:
        return []
    return [word for part in get_args(annotation) for word in choices(part)]


def _comment(text: str) -> list[str]:
    # Thai is written without spaces: a line that is too long is better than a word cut in two.
    return textwrap.wrap(
        text, WIDTH, initial_indent="# ", subsequent_indent="# ", break_long_words=False, break_on_hyphens=False
    )
