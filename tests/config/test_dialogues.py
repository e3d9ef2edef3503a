"""Devices that are talked with, in a configuration: addresses of one character, shared lines, options, ports."""

import pytest

from drivers.core.registry import find
from gateway.config import check
from gateway.ops import texts
from tests.config.conftest import FIXED

NAMES = ("sdi12", "vegapuls-c-sdi12", "iec62056-21")
HEAD = """
[node]
id = "n"
site = "s"
[mqtt]
url = "mqtt://127.0.0.1"
confirm = "stored"
[[port]]
id = "bus"
url = "/dev/serial0"
[[port]]
id = "far"
url = "tcp://moxa:4001"
"""


@pytest.fixture
def look(tmp_path):
    texts.set_language("en")

    def look_at(*devices: str):
        file = tmp_path / "c.toml"
        tables = "".join(f'[[device]]\nid = "d-{n}"\n{text}\n' for n, text in enumerate(devices))
        file.write_text(HEAD + tables, "utf-8")
        config, problems = check(file, known_drivers=lambda: (*map(find, NAMES), FIXED))
        return config, [str(problem) for problem in problems if not problem.is_warning]

    yield look_at
    texts.set_language(None)


@pytest.mark.parametrize(("said", "number"), [('"a"', 97), ('"Z"', 90), ('"7"', 7), ("7", 7), ("0", 0), ("97", 97)])
def test_an_address_is_a_character_or_its_number(look, said, number):
    config, problems = look(f'driver = "sdi12"\nport = "bus"\naddress = {said}')
    assert not problems
    assert config.devices[0].address == number


@pytest.mark.parametrize(
    ("device", "words"),
    [
        ('driver = "sdi12"\nport = "bus"\naddress = "ab"', "one character 0 to 9, a to z, A to Z"),
        ('driver = "sdi12"\nport = "bus"\naddress = "ก"', "one character"),
        ('driver = "sdi12"\nport = "bus"\naddress = 33', 'such as address = "0" or address = "a", not 33'),
        (
            'driver = "acme-probe"\nport = "bus"\naddress = "a"',
            'has a number as its address, such as address = 1, not "a"',
        ),
        ('driver = "iec62056-21"\nport = "bus"\naddress = 1', "has no bus address"),
        ('driver = "sdi12"\nport = "bus"\noptions = { values = "water_dept m" }', "did you mean 'water_depth'"),
        ('driver = "sdi12"\nport = "bus"\noptions = { command = "Q" }', "M, M1"),
        ('driver = "iec62056-21"\nport = "bus"\noptions = { device = "12!" }', "letters, digits and blanks"),
        ('driver = "sdi12"\nport = "far"', "raw TCP does not carry"),
        ('driver = "iec62056-21"\nport = "tcp://moxa:4002"', "raw TCP does not carry"),
    ],
)
def test_what_makes_no_sense_is_said_when_it_is_read(look, device, words):
    _, problems = look(device)
    (one,) = problems
    assert words in one


@pytest.mark.parametrize(
    "device",
    [
        'driver = "sdi12"\nport = "far"\noptions = { breaks = "adapter" }',
        'driver = "iec62056-21"\nport = "far"\noptions = { speed = "300" }',
        'driver = "sdi12"\nport = "bus"\noptions = { values = "M: water_depth m; M1: battery_voltage V" }',
    ],
)
def test_what_can_be_done_is_allowed(look, device):
    assert not look(device)[1]


def test_many_share_a_line(look):
    tables = [f'driver = "sdi12"\nport = "bus"\naddress = "{letter}"' for letter in "0123456789abcXYZ"]
    tables.append('driver = "vegapuls-c-sdi12"\nport = "bus"\naddress = "V"')
    assert not look(*tables)[1]
    meters = [f'driver = "iec62056-21"\nport = "bus"\noptions = {{ device = "{n}" }}' for n in (1, 2)]
    assert not look(*meters)[1]


@pytest.mark.parametrize(
    ("one", "other", "words"),
    [
        ('driver = "sdi12"\naddress = "a"', 'driver = "sdi12"\naddress = 97', "has the address 97 already"),
        ('driver = "sdi12"', 'driver = "vegapuls-c-sdi12"', "has the address 0 already"),
        ('driver = "sdi12"', 'driver = "iec62056-21"', "line settings"),
        ('driver = "sdi12"', 'driver = "acme-probe"', "line settings"),
        ('driver = "iec62056-21"', 'driver = "iec62056-21"', "in the same way"),
    ],
)
def test_who_cannot_share_a_line(look, one, other, words):
    _, problems = look(f'{one}\nport = "bus"', f'{other}\nport = "bus"')
    assert problems
    assert all(words in problem for problem in problems)
