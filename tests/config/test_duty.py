"""A duty that cannot be is refused with the reason."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.config import ConfigError, load

HEAD = '[node]\nid = "n"\nsite = "s"\n[mqtt]\nurl = "mqtt://127.0.0.1"\nconfirm = "stored"\n'


def said(tmp_path: Path, driver: str, rest: str) -> Path:
    file = tmp_path / "node.toml"
    file.write_text(f'{HEAD}[[device]]\nid = "pm"\ndriver = "{driver}"\nport = "/dev/ttyUSB1"\n{rest}\n')
    return file


@pytest.mark.parametrize("driver", ["nova-sds011", "plantower-pmsx003", "sensirion-sps30", "honeywell-hpma115s0"])
def test_a_duty_that_fits(tmp_path: Path, driver: str) -> None:
    config = load(said(tmp_path, driver, 'duty = { every = "10 min", on = "60 s" }'))
    duty = config.devices[0].duty
    assert duty is not None
    assert (duty.every_s, duty.on_s, duty.warm_up_s) == (600, 60, None)


@pytest.mark.parametrize(
    ("driver", "rest", "words"),
    [
        ("maxbotix-mb73xx", 'duty = { every = "10 min", on = "60 s" }', "no laser or fan"),
        ("plantower-pms3003", 'duty = { every = "10 min", on = "60 s" }', "SET or power pin"),
        ("nova-sds011", 'duty = { every = "10 min", on = "30 s" }', "device[pm].duty.on: must be at least 35 s"),
        ("nova-sds011", 'duty = { every = "1 min", on = "60 s" }', "device[pm].duty.every: must be longer than on"),
        ("nova-sds011", 'every = "60 s"\nduty = { every = "10 min", on = "60 s" }', "leave every out"),
        ("nova-sds011", 'duty = { every = "10 min" }', "device[pm].duty"),
        ("nova-sds011", 'duty = { every = "10 min", on = "60 s", pause = "1 s" }', "pause"),
        ("nova-sds011", 'duty = { every = "10 min", on = "20 s", warm_up = "16 s" }', "at least 21 s"),
    ],
)
def test_a_duty_that_does_not(tmp_path: Path, driver: str, rest: str, words: str) -> None:
    with pytest.raises(ConfigError) as refused:
        load(said(tmp_path, driver, rest))
    assert words in str(refused.value)
