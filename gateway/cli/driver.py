"""`gateway driver`: which drivers there are, what they make of bytes, and the proof that they can be trusted."""

from __future__ import annotations

import json
from collections import Counter
from difflib import get_close_matches
from typing import Annotated, Any, NoReturn

import typer

from drivers.core import hearing, prove, registry, vectors
from drivers.core.contract import Dialogue, Driver, Options, Polled, Rejection, Uplink
from gateway.cli import driver_shown as shown
from gateway.cli.chosen import choose_file
from gateway.config.named import FILE
from gateway.ops.texts import say

app = typer.Typer(help=say("command.driver"), no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json", help=say("cli.json"))]
Name = Annotated[str, typer.Argument(metavar="DRIVER", help=say("driver.name"))]
FAILED, WRONG_USAGE = 1, 2
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
def show(name: Name, as_json: AsJson = False) -> None:
    """Print all that is known about one driver."""
    driver = _find(name)
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


@app.command(help=say("driver.decode"))
def decode(
    name: Name,
    data: Annotated[str, typer.Option("--hex", metavar="HEX", help=say("driver.hex"))],
    request: Annotated[str | None, typer.Option("--request", metavar="HEX", help=say("driver.request"))] = None,
    option: Annotated[
        list[str] | None, typer.Option("--option", metavar="KEY=VALUE", help=say("driver.option"))
    ] = None,
    fport: Annotated[int | None, typer.Option("--fport", min=1, max=223, help=say("driver.fport"))] = None,
    as_json: AsJson = False,
) -> None:
    """Run bytes through the code that stations use. Ends with 0 also where every frame was refused."""
    driver = _find(name)
    options = dict(_pair(driver, text) for text in option or [])
    _agree(driver, options)
    received, question = _bytes("--hex", data), _bytes("--request", request) if request is not None else None
    frames: list[str] = []
    note = ""
    if isinstance(driver.kind, Polled):
        is_sure = True
        if question is None:
            question, is_sure = driver.kind.guess(received, options)
        elif not _is_question(driver.kind, question):
            _refuse(say("driver.bad_request", hex=question.hex(" ")))
        if not is_sure:
            framer = driver.kind.ask(question, options).framer()
            frames = [item.hex() for item in [*framer.feed(received), *framer.finish()] if isinstance(item, bytes)]
            note = say("driver.which_question") if frames else ""
    if frames:
        heard = hearing.Heard([], [], 0, 0)
    elif isinstance(driver.kind, Polled) and request is None:
        heard = hearing.hear_joined(driver, received, options)
    else:
        heard = hearing.hear(driver, [received], options, question, ends=True, fport=fport)
    rejected = Counter(refusal.reason for refusal in heard.refusals)
    if as_json:
        readings = [
            {"values": dict(r.values), "quality": dict(r.quality), "info": dict(r.info)} | time
            for r, time in zip(heard.readings, shown.own_times(heard), strict=True)
        ]
        answer: dict[str, Any] = {"readings": readings, "rejected": rejected, "discarded_bytes": heard.discarded}
        if frames:
            answer |= {"frames": frames, "note": note}
        typer.echo(json.dumps(answer, ensure_ascii=False))
        return
    shown.explain(heard, frames, note)


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


def _find(name: str) -> Driver:
    return _found(name)[0]


def _found(name: str) -> tuple[Driver, vectors.Vectors]:
    """A driver and its vectors: a built-in, one of another package, or the one that a file describes."""
    if name.startswith(FILE) or name.endswith(".toml"):
        found = choose_file(name)
        return found.driver, found.vectors
    try:
        driver = registry.find(name)
    except registry.UnknownDriver as unknown:
        nearest = " " + say("driver.nearest", nearest=unknown.nearest) if unknown.nearest else ""
        _refuse(say("driver.unknown", name=name) + nearest)
    return driver, vectors.of_driver(driver)


def _refuse(why: str) -> NoReturn:
    typer.echo(why, err=True)
    raise typer.Exit(WRONG_USAGE)


def _bytes(key: str, text: str) -> bytes:
    plain = text.replace("0x", "").replace("0X", "").translate(str.maketrans("", "", ",:-_"))
    try:
        return bytes.fromhex(plain)
    except ValueError:
        _refuse(say("driver.bad_hex", key=key))


def _is_question(kind: Polled, data: bytes) -> bool:
    try:
        kind.ask(data, {})
    except Rejection:
        return False
    return True


def _pair(driver: Driver, text: str) -> tuple[str, str | int | float | bool]:
    key, sign, value = text.partition("=")
    option = driver.options.get(key)
    if not sign or option is None:
        close = get_close_matches(key, driver.options, n=1)
        nearest = " " + say("driver.nearest", nearest=close[0]) if close else ""
        _refuse(say("driver.unknown_option", option=text, driver=driver.name) + nearest)
    if option.choices and value not in option.choices:
        _refuse(say("driver.bad_option", option=key, expected=", ".join(option.choices)))
    kind = type(option.default)
    try:
        return key, {"true": True, "false": False}[value] if kind is bool else kind(value)
    except (KeyError, ValueError):
        _refuse(say("driver.bad_option", option=key, expected="true, false" if kind is bool else kind.__name__))


def _agree(driver: Driver, options: Options) -> None:
    """Refuse options that make no sense together."""
    try:
        if isinstance(driver.kind, Dialogue):
            driver.kind.begin(driver.at(None), options)
        elif isinstance(driver.kind, Uplink) and driver.kind.check is not None:
            driver.kind.check(options)
    except ValueError as error:
        _refuse(str(error))
