"""`gateway port list`: every serial port by the name to write, who holds it, and what is in its way."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import typer

from gateway.cli.chosen import AsJson
from gateway.cli.places import default_configuration
from gateway.cli.printing import print_json, print_table
from gateway.cli.reaching import running_ports
from gateway.cli.table import Cell, Column
from gateway.ops.texts import say
from gateway.ports.find import FoundPort, find_ports, real_path
from gateway.ports.findings import Finding, findings, is_usable
from gateway.ports.holders import Held, who_holds

Used = Mapping[str, Sequence[tuple[str, str]]]
"""tty → devices of the configuration on it, with their drivers."""


@dataclass(frozen=True, slots=True)
class _Row:
    port: FoundPort
    found: Sequence[Finding]
    held: Held
    used: Sequence[tuple[str, str]]
    node: str = ""
    """Of the running gateway whose port it is, where we may ask it."""


def show_ports(as_json: AsJson = False) -> None:
    """Print the ports of this machine; exit 0 also where there is none."""
    running = asyncio.run(running_ports())
    lent = {_tty(port.url): (answer, port) for answer, port in running}
    ports = find_ports()
    ports += [FoundPort(tty, "other", (lent[tty][1].url,)) for tty in lent if tty not in {port.tty for port in ports}]
    held = who_holds({port.tty for port in ports}, ignore=(os.getpid(),))
    used = dict(configured()) | {
        tty: [(device.id, device.driver) for device in port.devices] for tty, (_, port) in lent.items()
    }
    nodes = {tty: answer.node for tty, (answer, _) in lent.items()}
    rows = [_Row(p, findings(p, held), held, used.get(p.tty, ()), nodes.get(p.tty, "")) for p in ports]
    if as_json:
        print_json([_facts(row) for row in rows])
        return
    if not rows:
        typer.echo(say("port_cmd.no_ports"))
        return
    columns = [
        Column(say(f"port_cmd.head_{key}"), most=70) for key in ("name", "tty", "adapter", "holder", "usable", "driver")
    ]
    print_table(columns, [_cells(row) for row in rows])
    notes = [str(each) for row in rows for each in row.found if not (row.node and each.key == "held_gateway")]
    if (bare := next((row for row in rows if not row.used and is_usable(row.found)), None)) is not None:
        notes.append(say("port_cmd.no_driver", port=bare.port.name))
    if held.unseen:
        notes.append(say("port_cmd.unseen", count=held.unseen))
    for note in notes:
        typer.echo(("\n" if note is notes[0] else "") + note)


def configured() -> Used:
    """The devices of the configuration in force by the tty they use; nothing where it is missing or wrong."""
    from gateway import config

    path = default_configuration()
    if path is None:
        return {}
    try:
        found, _ = config.check(path)
    except config.ConfigError:
        return {}
    used: dict[str, list[tuple[str, str]]] = {}
    for device in found.devices if found is not None else ():
        shared = found.port(device.port) if found is not None else None
        url = device.port if shared is None else shared.url
        if url.startswith("/"):
            used.setdefault(real_path(url), []).append((device.id, device.driver))
    for lora in found.loras if found is not None else ():
        if lora.port is not None and lora.port.startswith("/"):
            used.setdefault(real_path(lora.port), []).append((lora.id, lora.kind))
    return used


def _tty(url: str) -> str:
    return real_path(url) if url.startswith("/") else url


def _cells(row: _Row) -> list[Cell | str]:
    adapter = row.port.adapter
    named = "-" if row.port.kind == "other" else say("port_cmd.on_board")
    if adapter:
        named = " ".join(filter(None, (adapter.vendor, adapter.product))) or adapter.ids
    holders = ", ".join(f"{each.name} ({each.pid})" for each in row.held.of(row.port.tty)) or "-"
    good = bool(row.node) or is_usable(row.found)
    word = "by_take" if row.node else "usable" if good else "not_usable"
    usable = Cell(say(f"port_cmd.{word}"), "good" if good else "fail")
    drivers = ", ".join(f"{driver} ({device})" for device, driver in row.used) or "-"
    return [row.port.name, row.port.tty, named, holders, usable, drivers]


def _facts(row: _Row) -> dict[str, Any]:
    port = row.port
    adapter = port.adapter
    return {
        "name": port.name,
        "tty": port.tty,
        "names": list(port.names),
        "kind": port.kind,
        "adapter": {"ids": adapter.ids, "vendor": adapter.vendor, "product": adapter.product, "serial": adapter.serial}
        if adapter
        else None,
        "has_twin": port.has_twin,
        "holders": [{"pid": each.pid, "name": each.name} for each in row.held.of(port.tty)],
        "usable": is_usable(row.found),
        "node": row.node,
        "findings": [{"key": each.key, "text": str(each), "blocks": each.blocks} for each in row.found],
        "devices": [{"id": device, "driver": driver} for device, driver in row.used],
    }
