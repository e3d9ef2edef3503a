"""A meter that is in no catalogue, named in a configuration as a file of the site's own."""

import shutil
from pathlib import Path

import pytest

from gateway.app.edge import build_node
from gateway.config import check, load
from gateway.config.named import DriverFileError, find_driver, read_file
from gateway.ops import texts
from gateway.spool.spool import Spool

SHIPPED = Path(__file__).parents[2] / "config" / "meters" / "pump-house.toml"
HEAD = """
[node]
id = "n"
site = "s"
[spool]
path = "spool"
[mqtt]
url = "mqtt://127.0.0.1"
confirm = "stored"
[[port]]
id = "bus"
url = "/dev/serial0"
[[device]]
id = "meter"
port = "bus"
"""
GOOD = HEAD + 'driver = "file:meters/pump-house.toml"\n'


@pytest.fixture(autouse=True)
def _english():
    texts.set_language("en")
    yield
    texts.set_language(None)


@pytest.fixture
def site(tmp_path):
    (tmp_path / "meters").mkdir()
    shutil.copy(SHIPPED, tmp_path / "meters")
    return tmp_path


def write(folder: Path, text: str) -> Path:
    path = folder / "node.toml"
    path.write_text(text, "utf-8")
    return path


def errors(path: Path) -> list[str]:
    return [f"{p.line} {p.key}: {p.message}" for p in check(path)[1] if not p.is_warning]


async def test_it_is_found_beside_the_configuration_and_runs(site, tmp_path_factory, monkeypatch):
    path = write(site, GOOD)
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    config = load(path)
    spool = Spool.open(site / "spool", outlets=["main"], max_bytes=1 << 20)
    node = build_node(config, config.node, spool)
    spec = node.stations["meter"].spec
    assert spec.address == 12
    await spool.close()


def test_its_options_and_address_are_checked(site):
    path = write(site, GOOD + 'address = "a"\noptions = { speed = "fast" }\n')
    found = errors(path)
    assert any("address" in one and "has a number as its address" in one for one in found)
    assert any("options.speed" in one and "has no such option" in one for one in found)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("meters/pump-house", "meters/none"), "none.toml"),
        (("meters/pump-house.toml", "meters"), "directory"),
    ],
)
def test_a_file_that_is_not_there(site, change, words):
    (one,) = errors(write(site, GOOD.replace(*change)))
    assert one.startswith("16 device[meter].driver: ")
    assert words in one


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("voltage =", "volage ="), "did you mean 'voltage'"),
        (("at = 10", "at = 70000"), "pump-house.toml"),
        (("[registers]", "[registers"), "pump-house.toml"),
        (('parity = "E"', 'parity = "X"'), '[line] parity is "N", "E" or "O"'),
        (("baud = 4800", 'baud = "4800"'), "[line] baud is 50 to 4000000"),
        (("baud = 4800", "bauds = 4800"), "[line] has an unknown key 'bauds'"),
        (("per_read = 16", "per_read = 1600"), "max_registers_per_read is 1 to 125"),
        (('models = ["PHM-9"]', 'models = "PHM-9"'), "models is a list of texts"),
        (('class = "energy"', 'class = "power"'), "is none of air"),
        (("expect = { voltage = 230.1", "expect = { voltage = 230.2"), None),
    ],
)
def test_what_is_wrong_in_the_file_is_said_at_the_device(site, change, words):
    file = site / "meters" / "pump-house.toml"
    file.write_text(file.read_text("utf-8").replace(*change), "utf-8")
    found = errors(write(site, GOOD))
    if words is None:  # whether its vectors hold is what `driver check` proves
        assert not found
        return
    (one,) = found
    assert one.startswith("16 device[meter].driver: ")
    assert words in one


def test_a_name_of_the_catalogue_is_refused(site):
    (site / "meters" / "eastron-sdm120.toml").write_bytes(SHIPPED.read_bytes())
    (one,) = errors(write(site, GOOD.replace("pump-house", "eastron-sdm120")))
    assert "built-in" in one


def test_a_file_without_end_is_not_read(site):
    big = site / "meters" / "big.toml"
    big.write_bytes(b"#" * ((1 << 20) + 1))
    with pytest.raises(DriverFileError, match="bytes"):
        read_file(big)
    with pytest.raises(DriverFileError):
        find_driver("file:/dev/zero")


def test_hostile_names(site):
    for name in ("file:", "file:/", "file:../..", "file:\\u0000"):
        assert errors(write(site, HEAD + f'driver = "{name}"\n'))
