"""`gateway step`: which kinds of steps and alarms there are, what they take, and whether their cases hold."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import typer

from gateway.cli.places import fail
from gateway.cli.printing import print_json, print_table
from gateway.cli.table import Cell, Column, clean
from gateway.config.problems import suggest
from gateway.meaning import registry
from gateway.meaning.recipe import REQUIRED, Recipe, Setting
from gateway.ops.texts import has, say

app = typer.Typer(help=say("command.step"), no_args_is_help=True)
AsJson = Annotated[bool, typer.Option("--json", help=say("cli.json"))]
_INDENT = 2


def _all() -> Iterator[tuple[str, Recipe]]:
    for recipe in registry.recipes():
        yield "test" if recipe.is_test else "step", recipe
    for recipe in registry.alarms().values():
        yield "alarm", recipe


@app.command("list", help=say("step_cmd.list"))
def list_(as_json: AsJson = False) -> None:
    """Every kind, and what it is for."""
    found = [(kind, recipe, _help(recipe)) for kind, recipe in _all()]
    if as_json:
        print_json([{"kind": kind, "name": r.name, "version": r.version, "help": text} for kind, r, text in found])
        return
    columns = [Column(say("step_cmd.name")), Column(say("step_cmd.kind")), Column(say("step_cmd.what"))]
    print_table(columns, [[clean(r.name), say(f"step_cmd.{kind}"), clean(text)] for kind, r, text in found])
    for problem in registry.problems():
        typer.echo(clean(problem), err=True)


@app.command(help=say("step_cmd.show"))
def show(name: Annotated[str, typer.Argument(help=say("step_cmd.which"))], as_json: AsJson = False) -> None:
    """One kind with its settings."""
    kind, recipe = _find(name)
    if as_json:
        print_json({"kind": kind, "name": recipe.name, "settings": dict(_facts(recipe.name, recipe.settings))})
        return
    typer.echo(f"{recipe.name}/{recipe.version}: {_help(recipe)}\n")
    columns = [Column(say("step_cmd.setting")), Column(say("step_cmd.form")), Column(say("step_cmd.default"))]
    rows = list(_rows(recipe.name, recipe.settings, 0))
    print_table([*columns, Column(say("step_cmd.what"))], rows)


@app.command(help=say("step_cmd.check"))
def check(name: Annotated[str | None, typer.Argument(help=say("step_cmd.which"))] = None) -> None:
    """Run the cases of one kind, or of all; exit 1 where one does not hold."""
    from gateway.config.proving import Outcome, prove

    recipes = [recipe for _, recipe in _all()] if name is None else [_find(name)[1]]
    failed = 0
    for recipe in recipes:
        outcome: Outcome = prove(recipe)
        if not outcome.cases and name is None:
            continue
        failed += bool(outcome.problems) or not outcome.cases
        word = say("step_cmd.holds" if outcome.cases and not outcome.problems else "step_cmd.fails")
        typer.echo(f"{recipe.name:20} {say('step_cmd.cases', count=outcome.cases)}  {word}")
        for problem in outcome.problems:
            typer.echo(f"  {clean(problem)}")
    raise typer.Exit(1 if failed else 0)


def _find(name: str) -> tuple[str, Recipe]:
    found = next(((kind, recipe) for kind, recipe in _all() if recipe.name == name), None)
    if found is None:
        fail(say("config.unknown_step", step=clean(name)) + suggest(name, [recipe.name for _, recipe in _all()]))
    return found


def _help(recipe: Recipe) -> str:
    return say(f"step.{recipe.name}") if has(f"step.{recipe.name}") else recipe.help


def _setting_help(step: str, name: str, setting: Setting) -> str:
    if has(f"setting.{step}_{name}"):
        return say(f"setting.{step}_{name}")
    return say(f"setting.{name}") if has(f"setting.{name}") and not setting.help else setting.help


def _rows(step: str, settings: Mapping[str, Setting], depth: int) -> Iterator[list[Cell | str]]:
    for name, setting in settings.items():
        form = " | ".join(setting.choices) if setting.choices else say(f"step_cmd.form_{setting.kind}")
        text = _setting_help(step, name, setting)
        yield [" " * depth + clean(name), form, _default(setting), clean(text)]
        yield from _rows(step, setting.entries, depth + _INDENT)


def _default(setting: Setting) -> str:
    value = setting.default
    if value is REQUIRED:
        return say("step_cmd.required")
    if value is None or value in ("", ()):
        return ""
    if isinstance(value, float) and setting.kind == "duration":
        from gateway.config.units import format_duration

        return format_duration(value)
    return ", ".join(f"{each:g}" for each in value) if isinstance(value, tuple) else str(value)


def _facts(step: str, settings: Mapping[str, Setting]) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, setting in settings.items():
        facts: dict[str, Any] = {"kind": setting.kind, "required": setting.default is REQUIRED}
        if setting.choices:
            facts["choices"] = list(setting.choices)
        if setting.entries:
            facts["entries"] = dict(_facts(step, setting.entries))
        yield name, {**facts, "help": _setting_help(step, name, setting)}
