"""`gateway driver`: which drivers there are, what they make of bytes, and the proof that they can be trusted."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from difflib import get_close_matches
from typing import Annotated, Any, NoReturn

import typer

from drivers.core import hearing, prove, registry
from drivers.core.contract import Dialogue, Driver, Option, Options, Polled, Rejection
from drivers.core.quantities import quantity
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
        typer.echo(json.dumps([{**_facts(driver), "tier": tier} for driver, tier in found], ensure_ascii=False))
    else:
        head = [say(f"driver.head_{key}") for key in ("name", "title", "class", "kind", "tier", "models")]
        rows = [[d.name, d.title, d.device_class, _kind(d), str(tier), ", ".join(d.models)] for d, tier in found]
        _table([head, *rows])
        typer.echo("\n" + say("driver.tiers"))
    for problem in registry.problems():
        typer.echo(problem, err=True)


@app.command(help=say("driver.show"))
def show(name: Name, as_json: AsJson = False) -> None:
    """Print all that is known about one driver."""
    driver = _find(name)
    facts = _facts(driver)
    if as_json:
        typer.echo(json.dumps(facts, ensure_ascii=False))
        return
    typer.echo(f"{driver.name}: {driver.title}\n")
    line = f"{driver.line.baud} baud, {driver.line.bits}{driver.line.parity}{driver.line.stop:g}"
    rows = [
        [say("driver.head_class"), driver.device_class],
        [say("driver.head_kind"), _kind(driver)],
        [say("driver.head_models"), ", ".join(driver.models)],
        [say("driver.also"), ", ".join(driver.aliases) or "-"],
        [say("driver.line"), line],
        [say("driver.address"), "-" if driver.default_address is None else str(driver.default_address)],
        [say("driver.silence"), f"{driver.silence_s:g} s"],
        [say("driver.check_bits"), str(driver.check_bits)],
    ]
    _table(rows)
    _section("driver.wiring", [driver.wiring] if driver.wiring else [])
    _section("driver.options", [_option(key, option) for key, option in driver.options.items()])
    _section("driver.quantities", [_meaning(name) for name in driver.quantities])
    _section("driver.sometimes", [_meaning(name) for name in driver.sometimes])
    _section("driver.quirks", driver.quirks)
    _section("driver.sources", driver.sources)


@app.command(help=say("driver.decode"))
def decode(
    name: Name,
    data: Annotated[str, typer.Option("--hex", metavar="HEX", help=say("driver.hex"))],
    request: Annotated[str | None, typer.Option("--request", metavar="HEX", help=say("driver.request"))] = None,
    option: Annotated[
        list[str] | None, typer.Option("--option", metavar="KEY=VALUE", help=say("driver.option"))
    ] = None,
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
        heard = hearing.hear(driver, [received], options, question, ends=True)
    rejected = Counter(refusal.reason for refusal in heard.refusals)
    if as_json:
        readings = [
            {"values": dict(r.values), "quality": dict(r.quality), "info": dict(r.info)} for r in heard.readings
        ]
        answer: dict[str, Any] = {"readings": readings, "rejected": rejected, "discarded_bytes": heard.discarded}
        if frames:
            answer |= {"frames": frames, "note": note}
        typer.echo(json.dumps(answer, ensure_ascii=False))
        return
    _explain(heard, frames, note)


@app.command(help=say("driver.check"))
def check(
    names: Annotated[list[str] | None, typer.Argument(metavar="[DRIVER]...", help=say("driver.names"))] = None,
    as_json: AsJson = False,
) -> None:
    """Prove drivers; ends with 1 where one fails."""
    chosen = [_find(name) for name in names] if names else registry.drivers()
    proofs = [prove.prove(driver) for driver in chosen]
    if as_json:
        typer.echo(json.dumps([_proof(proof) for proof in proofs], ensure_ascii=False))
    else:
        for proof in proofs:
            _show_proof(proof)
    problems = () if names else registry.problems()
    for problem in problems:
        typer.echo(problem, err=True)
    if problems or not all(proof.holds for proof in proofs):
        raise typer.Exit(FAILED)


def _glance(driver: Driver) -> int:
    """The tier, from some of the bits that `check` turns: a list must not take as long as the proofs."""
    return prove.prove(driver, noise_bytes=1 << 12, stride=_GLANCE).tier


def _find(name: str) -> Driver:
    try:
        return registry.find(name)
    except registry.UnknownDriver as unknown:
        nearest = " " + say("driver.nearest", nearest=unknown.nearest) if unknown.nearest else ""
        _refuse(say("driver.unknown", name=name) + nearest)


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
    if isinstance(driver.kind, Dialogue):
        try:
            driver.kind.begin(driver.default_address or 0, options)
        except ValueError as error:
            _refuse(str(error))


def _kind(driver: Driver) -> str:
    return type(driver.kind).__name__.lower()


def _option(key: str, option: Option) -> str:
    choices = f" ({', '.join(option.choices)})" if option.choices else ""
    return f"{key} = {json.dumps(option.default)}{choices}: {option.help}"


def _meaning(name: str) -> str:
    known = quantity(name)
    return f"{name} [{known.unit}]  {known.meaning}".rstrip()


def _facts(driver: Driver) -> dict[str, Any]:
    line = driver.line
    return {
        "name": driver.name,
        "title": driver.title,
        "class": driver.device_class,
        "kind": _kind(driver),
        "models": list(driver.models),
        "aliases": list(driver.aliases),
        "quantities": {name: quantity(name).unit for name in driver.quantities},
        "sometimes": {name: quantity(name).unit for name in driver.sometimes},
        "line": {"baud": line.baud, "bits": line.bits, "parity": line.parity, "stop": line.stop},
        "address": driver.default_address,
        "silence_s": driver.silence_s,
        "check_bits": driver.check_bits,
        "options": {key: {"default": o.default, "choices": list(o.choices)} for key, o in driver.options.items()},
        "wiring": driver.wiring,
        "quirks": list(driver.quirks),
        "sources": list(driver.sources),
    }


def _explain(heard: hearing.Heard, frames: Sequence[str], note: str) -> None:
    for number, reading in enumerate(heard.readings, 1):
        typer.echo(say("driver.reading", number=number))
        names = [*reading.values, *(name for name in reading.quality if name not in reading.values)]
        rows = []
        for name in names:
            value = f"{reading.values[name]:.10g}" if name in reading.values else "-"
            flag = reading.quality.get(name, 1)
            rows.append(["  " + name, value, quantity(name).unit, "" if flag == 1 else say(f"driver.quality_{flag}")])
        _table(rows)
        info = ", ".join(f"{key} {value}" for key, value in reading.info.items())
        if info:
            typer.echo(f"  {info}")
    for refusal in heard.refusals:
        typer.echo(f"{_reason(refusal)}: {refusal}")
    for frame in frames:
        typer.echo(say("driver.frame", hex=bytes.fromhex(frame).hex(" ")))
    if note:
        typer.echo(note)
    if heard.discarded:
        typer.echo(say("driver.discarded", count=heard.discarded))
    if not (heard.readings or heard.refusals or frames):
        typer.echo(say("driver.nothing"))


def _reason(refusal: Rejection) -> str:
    return f"{refusal.reason} ({say(f'driver.reason_{refusal.reason.lower()}')})"


def _proof(proof: prove.Proof) -> dict[str, Any]:
    return {
        "driver": proof.driver,
        "holds": proof.holds,
        "tier": proof.tier,
        "vectors": proof.vectors,
        "real_captures": proof.real,
        "faults": proof.faults,
        "bit_flips": proof.flips,
        "truncations": proof.truncations,
        "noise_bytes": proof.noise_bytes,
        "failures": list(proof.failures),
        "weaknesses": list(proof.weaknesses),
    }


def _show_proof(proof: prove.Proof) -> None:
    facts = {key: value for key, value in _proof(proof).items() if isinstance(value, int | str)}
    typer.echo(say("driver.proven" if proof.holds else "driver.not_proven", **facts))
    typer.echo("  " + say("driver.tried", **facts))
    for failure in proof.failures:
        typer.echo("  " + say("driver.failure", what=failure))
    for weakness in proof.weaknesses:
        typer.echo("  " + say("driver.weakness", what=weakness))


def _section(key: str, lines: Sequence[str]) -> None:
    if lines:
        typer.echo("\n" + say(key))
        for line in lines:
            typer.echo(f"  {line}")


def _table(rows: Sequence[Sequence[str]]) -> None:
    from wcwidth import wcswidth

    widths = [max(wcswidth(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        cells = [cell + " " * (width - wcswidth(cell)) for cell, width in zip(row, widths, strict=True)]
        typer.echo("  ".join(cells).rstrip())
