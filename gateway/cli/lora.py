"""`gateway lora`: what comes by radio, and the keys of who may speak."""

from __future__ import annotations

import typer

from gateway.cli.lora_keys import new
from gateway.cli.lora_listen import listen
from gateway.cli.lora_play import play
from gateway.ops.texts import say

app = typer.Typer(help=say("command.lora"), no_args_is_help=True)
keys = typer.Typer(help=say("lora_cmd.keys"), no_args_is_help=True, rich_markup_mode=None)


@app.callback()
def _group() -> None:
    """Commands about radio."""


@keys.callback()
def _keys() -> None:
    """Commands about keys."""


app.command("listen", help=say("lora_cmd.listen"))(listen)
app.command("play", help=say("lora_cmd.play"))(play)
keys.command("new", help=say("lora_cmd.keys_new"))(new)
app.add_typer(keys, name="keys")
