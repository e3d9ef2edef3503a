"""The JSON Schema (draft 2020-12) of the configuration, for editors and for tools that write such files."""

from __future__ import annotations

from typing import Any

from gateway.config.explain import table_of
from gateway.config.model import Config, Table, field_key
from gateway.ops.texts import catalogue

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def schema() -> dict[str, Any]:
    """The schema, its descriptions in English whatever the language is: it is a file that people share."""
    made: dict[str, Any] = _plain(Config.model_json_schema(by_alias=True))
    for name, table in every_table().items():
        part = made if table is Config else made["$defs"][name]
        part.pop("description", None)  # the class's docstring, for programmers
        for key in keys_of(table):
            part["properties"][key]["description"] = catalogue()[f"keys.{table.topic}_{key}"]["en"]
    return {"$schema": DIALECT, "title": "Lanna Gateway configuration", **made}


def every_table() -> dict[str, type[Table]]:
    """All tables of the model by the names of their classes."""
    found: dict[str, type[Table]] = {}
    waiting: list[type[Table]] = [Config]
    while waiting:
        table = waiting.pop()
        if table.__name__ not in found:
            found[table.__name__] = table
            waiting += [inner for key in keys_of(table) if (inner := table_of((key,), table)) is not None]
    return found


def keys_of(table: type[Table]) -> list[str]:
    """The keys a table takes, as a file says them."""
    return [field_key(name, field) for name, field in table.model_fields.items()]


def _plain(value: Any) -> Any:
    """Without pydantic's titles, and without null, which TOML has not."""
    if isinstance(value, list):
        return [_plain(member) for member in value]
    if not isinstance(value, dict):
        return value
    plain = {
        key: _plain(member)
        for key, member in value.items()
        if not (key == "title" and isinstance(member, str)) and not (key == "default" and member in (None, ""))
    }
    some = [member for member in plain.get("anyOf", []) if member != {"type": "null"}]
    if len(some) == 1:
        del plain["anyOf"]
        return {**plain, **some[0]}
    return plain
