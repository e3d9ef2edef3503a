"""`gateway lora keys new`: keys for one device, and the sender to flash with them filled in."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Annotated, Literal

import typer

from gateway.cli.places import fail
from gateway.ops.texts import say

_BANDWIDTH_HZ, _PREAMBLE, _PAYLOAD_BYTES = 125_000, 12, 10
"""As the senders have it."""
_NAME = re.compile(r"[a-z0-9-]{1,32}")
_ADDRESS = re.compile(r"[0-9A-Fa-f]{8}")
_SYNC_WORD = re.compile(r"0[xX][0-9A-Fa-f]{2}")


def new(
    name: Annotated[str, typer.Argument(metavar="DEVICE", help=say("lora_cmd.device"))],
    folder: Annotated[Path, typer.Option("--folder", metavar="DIR", help=say("lora_cmd.folder"))] = Path(),
    sender: Annotated[
        Literal["micropython", "arduino", "none"], typer.Option("--sender", help=say("lora_cmd.sender"))
    ] = "micropython",
    address: Annotated[
        str | None, typer.Option("--address", metavar="HEX", help=say("lora_cmd.address"), show_default=False)
    ] = None,
    sf: Annotated[int, typer.Option("--sf", min=7, max=10, help=say("lora_cmd.sf"))] = 9,
    sync_word: Annotated[str, typer.Option("--sync-word", metavar="0xHH", help=say("lora_cmd.sync_word"))] = "0x12",
) -> None:
    """Write NAME.keys and the sender, both closed to others; print the device's table. Nothing is overwritten."""
    from drivers.radio.region import REGIONS, THAILAND, least_period_s, most_payload
    from gateway.lora.keys import new_address, new_keys, write_keys
    from gateway.lora.senders import FILES, write_secret
    from gateway.lora.senders import sender as filled

    if not _NAME.fullmatch(name):
        raise typer.BadParameter(say("config.expect_id", found=name))
    if address is not None and not _ADDRESS.fullmatch(address):
        raise typer.BadParameter(say("config.expect_hex", digits=8, found=address))
    if not _SYNC_WORD.fullmatch(sync_word):
        raise typer.BadParameter(say("config.expect_sync_word", found=sync_word))
    dev_addr, keys = (address or new_address()).lower(), new_keys()
    made = folder / f"{name}.keys"
    written = [made]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        program = None if sender == "none" else folder / f"{name}{Path(FILES[sender]).suffix}"
        if program is not None and program.exists():
            raise FileExistsError(17, say("lora_cmd.exists"), str(program))
        write_keys(made, dev_addr, keys)
        if program is not None and sender != "none":
            text = filled(sender, dev_addr, keys, spreading_factor=sf, sync_word=int(sync_word, 16))
            write_secret(program, text)
            written.append(program)
    except FileExistsError as error:
        fail(f"{error.filename}: {say('lora_cmd.exists')}")
    except OSError as error:
        fail(f"{error.filename}: {error.strerror}")
    for path in written:
        typer.echo(say("lora_cmd.wrote", file=path), err=True)
    region = REGIONS[THAILAND]
    typer.echo(
        say(
            "lora_cmd.limits",
            region=region.name,
            sf=sf,
            bytes=most_payload(region, sf, _BANDWIDTH_HZ) or 0,
            dwell_ms=round(1000 * (region.dwell_s or 0)),
            period=math.ceil(least_period_s(region, _PAYLOAD_BYTES, sf, _BANDWIDTH_HZ, _PREAMBLE)),
        ),
        err=True,
    )
    typer.echo(
        f'[[device]]\nid = "{name}"\ndriver = "cayenne-lpp"\nclass = "water"\n'
        f'radio = {{ dev_addr = "{dev_addr}", keys_file = "{made.resolve()}" }}\n'
        'options = { channels = "1 = distance, 2 = battery_voltage" }'
    )
