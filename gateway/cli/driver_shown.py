"""What `gateway driver` prints: facts of drivers, what bytes mean, and proofs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import typer

from drivers.core import hearing, prove
from drivers.core.contract import Driver, Option, Rejection
from drivers.core.quantities import quantity
from gateway.ops.texts import say
from gateway.wire.times import format_time


def kind(driver: Driver) -> str:
    """How a driver works: listening, polled or dialogue."""
    return type(driver.kind).__name__.lower()


def option(key: str, option: Option) -> str:
    """One line about a setting."""
    choices = f" ({', '.join(option.choices)})" if option.choices else ""
    return f"{key} = {json.dumps(option.default)}{choices}: {option.help}"


def meaning(name: str) -> str:
    """One line about a quantity."""
    known = quantity(name)
    return f"{name} [{known.unit}]  {known.meaning}".rstrip()


def wear(driver: Driver) -> list[str]:
    """What wears in the instrument, and what can be done about it; nothing where nothing does."""
    known = driver.wear
    if known is None:
        return []
    warm_up, life = f"{known.warm_up_s:g}", f"{known.life_h:g}"
    lines = [say("driver.warm_up", seconds=warm_up)]
    lines += [say("driver.life", hours=life)] if known.life_h else []
    on = max(60, 10 * -(-int(known.warm_up_s + 10) // 10))
    return [*lines, say("driver.sleeps", on=f"{on} s") if known.sleep else say("driver.sleepless")]


def facts(driver: Driver) -> dict[str, Any]:
    """All that is known about a driver, for JSON."""
    line = driver.line
    return {
        "name": driver.name,
        "title": driver.title,
        "class": driver.device_class,
        "kind": kind(driver),
        "models": list(driver.models),
        "aliases": list(driver.aliases),
        "quantities": {name: quantity(name).unit for name in driver.quantities},
        "sometimes": {name: quantity(name).unit for name in driver.sometimes},
        "line": {"baud": line.baud, "bits": line.bits, "parity": line.parity, "stop": line.stop},
        "address": driver.default_address,
        "silence_s": driver.silence_s,
        "check_bits": driver.check_bits,
        "wear": None
        if (wear := driver.wear) is None
        else {"warm_up_s": wear.warm_up_s, "life_h": wear.life_h, "sleeps": bool(wear.sleep)},
        "options": {key: {"default": o.default, "choices": list(o.choices)} for key, o in driver.options.items()},
        "wiring": driver.wiring,
        "quirks": list(driver.quirks),
        "sources": list(driver.sources),
    }


def explain(heard: hearing.Heard, frames: Sequence[str], note: str) -> None:
    """Print what came of bytes."""
    for number, (reading, time) in enumerate(zip(heard.readings, own_times(heard), strict=True), 1):
        of = "".join(" " + say(f"driver.own_{key}", **{key: value}) for key, value in time.items())
        typer.echo(say("driver.reading", number=number) + of)
        names = [*reading.values, *(name for name in reading.quality if name not in reading.values)]
        rows = []
        for name in names:
            value = f"{reading.values[name]:.10g}" if name in reading.values else "-"
            flag = reading.quality.get(name, 1)
            rows.append(["  " + name, value, quantity(name).unit, "" if flag == 1 else say(f"driver.quality_{flag}")])
        table(rows)
        info = ", ".join(f"{key} {value}" for key, value in reading.info.items())
        if info:
            typer.echo(f"  {info}")
    for refusal in heard.refusals:
        typer.echo(f"{reason(refusal)}: {refusal}")
    for frame in frames:
        typer.echo(say("driver.frame", hex=bytes.fromhex(frame).hex(" ")))
    if note:
        typer.echo(note)
    if heard.discarded:
        typer.echo(say("driver.discarded", count=heard.discarded))
    if not (heard.readings or heard.refusals or frames):
        typer.echo(say("driver.nothing"))


def own_times(heard: hearing.Heard) -> list[dict[str, str | float]]:
    """For each reading its own time (`at`) or its age (`age_s`), where a radio payload tells one."""
    if not heard.tellings:
        return [{} for _ in heard.readings]
    times: list[dict[str, str | float]] = []
    for telling in heard.tellings:
        at = {} if telling.at_ns is None else {"at": format_time(telling.at_ns)}
        times.append({**at, **({} if telling.age_s is None else {"age_s": telling.age_s})})
    return times


def reason(refusal: Rejection) -> str:
    """A refusal's reason with its meaning."""
    return f"{refusal.reason} ({say(f'driver.reason_{refusal.reason.lower()}')})"


def proof_facts(proof: prove.Proof) -> dict[str, Any]:
    """A proof, for JSON."""
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


def show_proof(proof: prove.Proof) -> None:
    """Print a proof."""
    facts = {key: value for key, value in proof_facts(proof).items() if isinstance(value, int | str)}
    typer.echo(say("driver.proven" if proof.holds else "driver.not_proven", **facts))
    typer.echo("  " + say("driver.tried", **facts))
    for failure in proof.failures:
        typer.echo("  " + say("driver.failure", what=failure))
    for weakness in proof.weaknesses:
        typer.echo("  " + say("driver.weakness", what=weakness))


def section(key: str, lines: Sequence[str]) -> None:
    """Print a heading and its lines; nothing where there are none."""
    if lines:
        typer.echo("\n" + say(key))
        for line in lines:
            typer.echo(f"  {line}")


def table(rows: Sequence[Sequence[str]]) -> None:
    """Print columns that stand under each other, in Thai too."""
    from wcwidth import wcswidth

    widths = [max(wcswidth(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        cells = [cell + " " * (width - wcswidth(cell)) for cell, width in zip(row, widths, strict=True)]
        typer.echo("  ".join(cells).rstrip())
