"""`gateway lora play`: be the radio that is not there, to try a configuration: a modem, a forwarder, a ChirpStack."""

from __future__ import annotations

import asyncio
import contextlib
import os
import tomllib
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal
from urllib.parse import urlsplit

import typer

from gateway.cli.places import fail
from gateway.ops.texts import say

if TYPE_CHECKING:
    from gateway.sim.radio_modem import Kind
    from gateway.sim.radio_sender import Air, RadioSender, Weather

_CALM_S = 0.5
"""A node waits so long for copies, and a little more."""


def play(
    target: Annotated[str, typer.Argument(metavar="PATH|URL", help=say("lora_cmd.play_target"))],
    keys: Annotated[Path, typer.Argument(metavar="KEYS", help=say("lora_cmd.play_keys"))],
    driver: Annotated[str, typer.Option("--driver", help=say("driver.name"))] = "cayenne-lpp",
    kind: Annotated[
        Literal["rylr998", "rak3172", "rak3172-legacy", "rn2483", "e22"],
        typer.Option("--kind", help=say("lora_cmd.play_kind")),
    ] = "rylr998",
    dev_eui: Annotated[str, typer.Option("--dev-eui", metavar="HEX", help=say("keys.radio_dev_eui"))] = "",
    weather: Annotated[str, typer.Option("--weather", metavar="NAME=SHARE,…", help=say("lora_cmd.weather"))] = "",
    every: Annotated[float, typer.Option("--every", min=0.01, metavar="S", help=say("lora_cmd.every"))] = 5.0,
    first: Annotated[int, typer.Option("--first", min=0, metavar="N", help=say("lora_cmd.first"))] = 0,
    count: Annotated[int, typer.Option("--count", min=0, metavar="N", help=say("lora_cmd.count"))] = 0,
) -> None:
    """Play uplinks until Ctrl-C or for N of them, then say how many readings the node was given."""
    from gateway.sim.radio_sender import Air

    air = Air(_sender(keys, driver, first), _weather(weather), seed=first)
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_play(target, air, kind, dev_eui, every, count))
    typer.echo(say("lora_cmd.played", sent=air.sent, lost=air.lost, readings=air.sender.owed, next=air.sender.f_cnt))


def _sender(path: Path, driver: str, first: int) -> RadioSender:
    from gateway.cli.chosen import choose_driver
    from gateway.lora.keys import KeysError, read_keys
    from gateway.sim.radio_sender import RadioSender

    try:
        address = str(tomllib.loads(path.read_text("utf-8")).get("dev_addr", ""))
        return RadioSender(path.stem, choose_driver(driver), int(address, 16), read_keys(path, address), f_cnt=first)
    except (KeysError, OSError, ValueError) as error:
        fail(f"{path}: {error}")


def _weather(text: str) -> Weather:
    from gateway.sim.radio_sender import Weather

    known = [field.name for field in fields(Weather)]
    said: dict[str, float] = {}
    for part in filter(None, text.split(",")):
        name, _, share = part.partition("=")
        try:
            said[name.strip()] = float(share)
        except ValueError:
            fail(say("sim.bad_fault", part=part))
        if name.strip() not in known:
            fail(say("sim.unknown_fault", name=name, known=", ".join(known)))
    return Weather(**said)


async def _play(target: str, air: Air, kind: Kind, dev_eui: str, every: float, count: int) -> None:
    scheme = target.partition("://")[0] if "://" in target else ""
    if scheme == "udp":
        await _forward(target, air, every, count)
    elif scheme in ("mqtt", "mqtts"):
        if len(dev_eui) != 16:
            fail(say("config.expect_hex", digits=16, found=dev_eui or "-"))
        await _publish(target, air, dev_eui, every, count)
    else:
        await _modem(Path(target), air, kind, every, count)


async def _modem(link: Path, air: Air, kind: Kind, every: float, count: int) -> None:
    from gateway.sim.radio_modem import SimulatedModem

    modem = SimulatedModem(kind, [air], link=link, period_s=every, most=count)
    typer.echo(say("lora_cmd.modem_ready", path=link))
    await modem.run()


async def _forward(target: str, air: Air, every: float, count: int) -> None:
    from gateway.sim.forwarder import Forwarder

    place = urlsplit(target)
    forwarder = Forwarder()
    await forwarder.connect(place.hostname or "127.0.0.1", place.port or 1700)
    try:
        while not count or air.sent < count:
            forwarder.pull()
            if heard := air.next():
                forwarder.push(heard)
            await asyncio.sleep(every)
        await asyncio.sleep(_CALM_S)
    finally:
        forwarder.close()


async def _publish(target: str, air: Air, dev_eui: str, every: float, count: int) -> None:
    from gateway.mqtt.link import Broker, Message, connect
    from gateway.sim.network_server import NetworkServer

    server = NetworkServer(seed=os.getpid())
    async with connect(Broker(target, f"lanna-play-{os.getpid()}")) as connection:
        await connection.publish(Message(*server.join(dev_eui)))
        while not count or air.sent < count:
            for message in air.told(lambda: server.up(air.sender, dev_eui, gateways=2)):
                await connection.publish(Message(*message))
            await asyncio.sleep(every)
