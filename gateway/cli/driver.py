"""`gateway driver`: which drivers there are, what they make of bytes, and the proof that they can be trusted."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from drivers.core import prove, registry, vectors
from drivers.core.contract import Driver, Uplink
from gateway.cli import driver_shown as shown
from gateway.cli.chosen import FAILED, AsJson, DriverName, choose_driver, choose_file, is_file
from gateway.cli.driver_decode import decode
from gateway.cli.driver_new import new
from gateway.ops.texts import say

app = typer.Typer(help=say("command.driver"), no_args_is_help=True)

_GLANCE = 13


@app.command("list", help=say("driver.list"))
def show_all(as_json: AsJson = False) -> None:
    """Print every driver with its tier, and what was wrong with those of other packages."""
    found = [(driver, _glance(driver)) for driver in registry.drivers()]
    if as_json:
        typer.echo(json.dumps([{**shown.facts(driver), "tier": tier} for driver, tier in found], ensure_ascii=False))
    else:
        head = [say(f"driver.head_{key}") for key in ("name", "title", "class", "kind", "tier", "models")]
        rows = [[d.name, d.title, d.device_class, shown.kind(d), str(tier), ", ".join(d.models)] for d, tier in found]
        shown.table([head, *rows])
        typer.echo("\n" + say("driver.tiers"))
    for problem in registry.problems():
        typer.echo(problem, err=True)


@app.command(help=say("driver.show"))
def show(name: DriverName, as_json: AsJson = False) -> None:
    """Print all that is known about one driver."""
    driver = _found(name)[0]
    facts = shown.facts(driver)
    if as_json:
        typer.echo(json.dumps(facts, ensure_ascii=False))
        return
    typer.echo(f"{driver.name}: {driver.title}\n")
    line = "-"
    if not isinstance(driver.kind, Uplink):
        line = f"{driver.line.baud} baud, {driver.line.bits}{driver.line.parity}{driver.line.stop:g}"
    rows = [
        [say("driver.head_class"), driver.device_class],
        [say("driver.head_kind"), shown.kind(driver)],
        [say("driver.head_models"), ", ".join(driver.models)],
        [say("driver.also"), ", ".join(driver.aliases) or "-"],
        [say("driver.line"), line],
        [say("driver.address"), "-" if driver.default_address is None else str(driver.default_address)],
        [say("driver.silence"), f"{driver.silence_s:g} s"],
        [say("driver.check_bits"), str(driver.check_bits)],
    ]
    shown.table(rows)
    shown.section("driver.wear", shown.wear(driver))
    shown.section("driver.wiring", [driver.wiring] if driver.wiring else [])
    shown.section("driver.options", [shown.option(key, option) for key, option in driver.options.items()])
    shown.section("driver.quantities", [shown.meaning(name) for name in driver.quantities])
    shown.section("driver.sometimes", [shown.meaning(name) for name in driver.sometimes])
    shown.section("driver.quirks", driver.quirks)
    shown.section("driver.sources", driver.sources)


app.command(help=say("driver.decode"))(decode)
app.command(help=say("driver_new.new"))(new)


@app.command(help=say("driver.check"))
def check(
    names: Annotated[list[str] | None, typer.Argument(metavar="[DRIVER]...", help=say("driver.names"))] = None,
    as_json: AsJson = False,
) -> None:
    """Prove drivers; ends with 1 where one fails."""
    chosen = [_found(name) for name in names] if names else [(d, vectors.of_driver(d)) for d in registry.drivers()]
    proofs = [prove.prove(driver, cases) for driver, cases in chosen]
    if as_json:
        typer.echo(json.dumps([shown.proof_facts(proof) for proof in proofs], ensure_ascii=False))
    else:
        for proof in proofs:
            shown.show_proof(proof)
    problems = () if names else registry.problems()
    for problem in problems:
        typer.echo(problem, err=True)
    if problems or not all(proof.holds for proof in proofs):
        raise typer.Exit(FAILED)


def _glance(driver: Driver) -> int:
    """The tier, from some of the bits that `check` turns: a list must not take as long as the proofs."""
    return prove.prove(driver, noise_bytes=1 << 12, stride=_GLANCE).tier


def _found(name: str) -> tuple[Driver, vectors.Vectors]:
    """A driver and its vectors: a built-in, one of another package, or the one that a file describes."""
    if is_file(name):
        found = choose_file(name)
        return found.driver, found.vectors
    driver = choose_driver(name)
    return driver, vectors.of_driver(driver)
