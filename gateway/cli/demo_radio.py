"""The demo's LoRa: a modem on a pty, and a level gauge with keys somewhere in bad weather."""

from __future__ import annotations

from pathlib import Path

from drivers.core.registry import find
from gateway.cli.demo_parts import Part
from gateway.lora.keys import new_address, new_keys, write_keys
from gateway.sim.radio_modem import SimulatedModem
from gateway.sim.radio_sender import Air, RadioSender, Weather

LORA = Part("canal-lora", "milesight-em310-udl", "", ("distance", "battery_level", "rssi", "snr", "frame_counter"))
_WEATHER = Weather(loss=0.1, copy=0.1, replay=0.1, wrong_key=0.1)
"""One uplink in ten is never heard, is heard twice, is played again by somebody, or is somebody else's."""


def radio(folder: Path) -> tuple[SimulatedModem, str]:
    """The simulated modem with its gauge, and what the configuration says of both."""
    dev_addr, keys = new_address(), new_keys()
    file, port = folder / "canal-lora.keys", folder / "tty-lora"
    write_keys(file, dev_addr, keys)
    sender = RadioSender(LORA.device, find(LORA.driver), int(dev_addr, 16), keys)
    modem = SimulatedModem("rylr998", [Air(sender, _WEATHER, seed=1)], link=port)
    return modem, (
        f'\n[[lora]]\nid = "roof"\nkind = "rylr998"\nport = "{port}"\n'
        f'\n[[device]]\nid = "{LORA.device}"\ndriver = "{LORA.driver}"\n'
        f'radio = {{ dev_addr = "{dev_addr}", keys_file = "{file}" }}\n'
    )
