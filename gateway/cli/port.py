"""`gateway port`: which serial ports there are, and what comes out of them."""

from __future__ import annotations

import typer

from gateway.cli.port_list import show_ports
from gateway.cli.port_record import record
from gateway.cli.port_replay import replay
from gateway.cli.port_scan import scan
from gateway.cli.port_sniff import sniff
from gateway.ops.texts import say

app = typer.Typer(help=say("command.port"), no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Commands about ports."""


app.command("list", help=say("port_cmd.list"))(show_ports)
app.command("record", help=say("port_cmd.record"))(record)
app.command("replay", help=say("port_cmd.replay"))(replay)
app.command("sniff", help=say("port_cmd.sniff"))(sniff)
app.command("scan", help=say("port_cmd.scan"))(scan)
