"""The model's refusals as sentences: what was expected, what was found, which key or word is nearest."""

from __future__ import annotations

import types
import typing
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from gateway.config.model import Config, Table, field_key
from gateway.config.problems import KeyPath, Problem, Unfit, nearest, show, suggest
from gateway.config.remedies import value_remedy
from gateway.config.source import Source
from gateway.ops.texts import say

SECRETS = {"password": "password_file", "token": "token_file", "secret": "password_file", "passwd": "password_file"}


def explain(source: Source, error: ValidationError) -> list[Problem]:
    """One problem for each key that the model refused."""
    problems = []
    for refusal in error.errors(include_url=False):
        path = _path(refusal["loc"], source.tree)
        file, line = source.place(path)
        problems.append(Problem(file, line, label(path, source.tree), _sentence(path, refusal)))
    return problems


def label(path: KeyPath, tree: Mapping[str, Any]) -> str:
    """A key as people name it: `device[pms-roof].baud`, `mqtt.url`; a table without an id by its number, from 1."""
    text = ""
    value: Any = tree
    for step in path:
        value = _child(value, step)
        if isinstance(step, int):
            name = value.get("id") if isinstance(value, dict) else None
            text += f"[{name}]" if isinstance(name, str) and show(name) == f'"{name}"' else f"[{step + 1}]"
        else:
            text += f".{show(step)[1:-1]}" if text else show(step)[1:-1]
    return text


def _child(value: Any, step: str | int) -> Any:
    if isinstance(value, dict):
        return value.get(step)
    if isinstance(value, list) and isinstance(step, int) and step < len(value):
        return value[step]
    return None


def _path(loc: Sequence[str | int], tree: Any) -> KeyPath:
    """The part of the model's path that exists in the file: dictionaries add steps of their own."""
    path: list[str | int] = []
    for number, step in enumerate(loc):
        is_key = isinstance(tree, dict) and (step in tree or number == len(loc) - 1) and step != "[key]"
        is_place = isinstance(tree, list) and isinstance(step, int)
        if not is_key and not is_place:
            break
        path.append(step)
        tree = _child(tree, step)
    return tuple(path)


def _sentence(path: KeyPath, refusal: Any) -> str:
    kind: str = refusal["type"]
    found = refusal["input"]
    context = refusal.get("ctx", {})
    if kind == "extra_forbidden":
        return _unknown_key(path)
    if kind == "missing":
        return _missing(path)
    unfit = context.get("error")
    if isinstance(unfit, Unfit):
        return str(unfit) + value_remedy(found)
    match kind:
        case "literal_error":
            words = _words(context["expected"])
            text = say("config.expect_one_of", words=", ".join(words), found=show(found))
            near = nearest(found, words) if isinstance(found, str) else ""
            return text + (say("config.nearest", nearest=near) if near else value_remedy(found))
        case "greater_than_equal":
            text = say("config.expect_at_least", least=context["ge"], found=show(found))
        case "less_than_equal":
            text = say("config.expect_at_most", most=context["le"], found=show(found))
            if path[-1] == "lat":
                text += say("remedy.swapped")
        case "int_type" | "int_from_float":
            text = say("config.expect_int", found=show(found))
        case "float_type" | "finite_number":
            text = say("config.expect_number", found=show(found))
        case "bool_type":
            text = say("config.expect_bool", found=show(found))
        case "string_type":
            text = say("config.expect_string", found=show(found))
        case "tuple_type":
            text = say("config.expect_tables", key=_name(path))
        case "model_type" | "model_attributes_type" | "dict_type":
            text = say("config.expect_table", key=_name(path))
        case _:
            text = say("config.unfit", detail=refusal["msg"], found=show(found))
    return text + value_remedy(found)


def _name(path: KeyPath) -> str:
    """The last key of a path."""
    return next((step for step in reversed(path) if isinstance(step, str)), "")


def _words(expected: str) -> list[str]:
    """The members of a literal from pydantic's own enumeration, `'a', 'b' or 'c'`."""
    return [word.strip().strip("'") for word in expected.replace(" or ", ",").split(",")]


def _unknown_key(path: KeyPath) -> str:
    key = str(path[-1])
    table = table_of(path[:-1])
    known = [field_key(name, field) for name, field in table.model_fields.items()] if table else []
    wish = SECRETS.get(key)
    if wish is not None and wish in known:
        return say("config.secret_as_text", key=wish)
    return say("config.unknown_key") + suggest(key, known) + value_remedy(key)


def _missing(path: KeyPath) -> str:
    key = str(path[-1])
    if path[-1] == "confirm":
        return say("config.missing_confirm")
    table = table_of(path[:-1])
    fields = {field_key(name, field): field for name, field in table.model_fields.items()} if table else {}
    examples = fields[key].examples if key in fields else None
    if not examples:
        return say("config.missing")
    from gateway.config.toml import to_toml

    return say("config.missing_example", example=f"{key} = {to_toml(examples[0])}")


def table_of(path: KeyPath, root: type[Table] = Config) -> type[Table] | None:
    """The model's table at a path of keys below `root`, None where there is none."""
    table: type[Table] | None = root
    for step in path:
        if isinstance(step, int):
            continue
        if table is None:
            return None
        table = next((_table_in(f.annotation) for n, f in table.model_fields.items() if field_key(n, f) == step), None)
    return table


def _table_in(annotation: Any) -> type[Table] | None:
    """The table inside `Table | None` or `tuple[Table, ...]`."""
    if isinstance(annotation, type) and not isinstance(annotation, types.GenericAlias):
        return annotation if issubclass(annotation, Table) else None
    return next((found for part in typing.get_args(annotation) if (found := _table_in(part))), None)
