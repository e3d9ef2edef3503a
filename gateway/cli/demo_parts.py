"""What the demo is made of: its instruments, simulated and real, and the configuration of its node and backbone."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from drivers.core.contract import Listening
from gateway.cli.chosen import choose_wired, is_file, parse_address
from gateway.cli.places import fail
from gateway.config.named import FILE
from gateway.config.toml import to_toml
from gateway.edge.control_place import make_own_folder
from gateway.ops.texts import say

_SHOWN = 6
"""Quantities of a real instrument in the table."""


@dataclass(frozen=True, slots=True)
class Part:
    """One instrument of the demo, and the quantities that its table shows. Only a real one says its port, address."""

    device: str
    driver: str
    every: str
    shown: tuple[str, ...]
    port: str = ""
    address: int | None = None


PARTS = (
    Part("pms-roof", "plantower-pmsx003", "", ("pm1", "pm2_5", "pm10")),
    Part("canal-gauge", "ultrasonic-ff4", "1 s", ("distance",)),
    Part(
        "meter-main",
        "eastron-sdm630",
        "1 s",
        ("voltage_l1", "voltage_l2", "voltage_l3", "active_power", "frequency", "energy_import"),
    ),
)


def real_part(said: str, number: int) -> Part:
    """What `--real PORT=DRIVER` or `PORT=DRIVER@ADDRESS` says. Ends the command (exit 2) where it is neither."""
    port, sign, name = said.partition("=")
    plain, _, address = name.rpartition("@")
    where = parse_address(address) if plain else None
    name = plain or name
    if not (port and sign and name):
        fail(say("demo.bad_real", said=said))
    driver = choose_wired(name)
    called = f"{FILE}{Path(name.removeprefix(FILE)).resolve()}" if is_file(name) else driver.name
    if not isinstance(driver.kind, Listening) and where is None:
        where = driver.at(None)
    url = os.path.abspath(port) if "://" not in port and ":" not in port else port
    return Part(f"real-{number}", called, "1 s", driver.quantities[:_SHOWN], url, where)


def write_config(
    folder: Path, broker_url: str, ports: dict[str, Path], real: Sequence[Part] = (), more: str = ""
) -> Path:
    """The configuration file of the demo's node and backbone, as a person would write it; `more`: other tables."""
    devices = "".join(_table(part, str(ports.get(part.device, part.port))) for part in (*PARTS, *real))
    text = f"""[node]
id = "demo"
site = "tha-phae"
{_control()}name = {{ th = "สาธิต ท่าแพ", en = "Demo, Tha Phae" }}
clock = "trusted"

[spool]
path = "{folder}/spool"
max_size = "100 MB"

[mqtt]
url = "{broker_url}"
confirm = "stored"
{devices}{more}
[ingest]
state = "{folder}/ingest"
mqtt = {{ url = "{broker_url}" }}
sqlite = {{ path = "{folder}/readings.sqlite" }}
"""
    path = folder / "demo.toml"
    path.write_text(text, "utf-8")
    return path


def _table(part: Part, port: str) -> str:
    said: dict[str, object] = {"id": part.device, "driver": part.driver, "port": port}
    said |= {"address": part.address} if part.address is not None else {}
    said |= {"every": part.every} if part.every else {}
    return "\n[[device]]\n" + "".join(f"{key} = {to_toml(value)}\n" for key, value in said.items())


def _control() -> str:
    """A place for the control socket that is the demo's own, so that a real node's is left alone."""
    try:
        return f'control = "{make_own_folder()}/control-demo-{os.getpid()}"\n'
    except OSError:
        return ""
