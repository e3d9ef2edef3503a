"""`gateway spool verify` and `repair`: what is damaged is found, and what is not is kept."""

import asyncio
import json
import random
import shutil
from pathlib import Path

import pytest

from gateway.ops import texts
from gateway.spool.spool import Spool
from gateway.wire.entry import pack
from tests.cli.spools import MIB, event, fill, gateway, reading, rows


@pytest.fixture(autouse=True)
def _english(monkeypatch):
    monkeypatch.delenv("LANNA_CONFIG", raising=False)
    texts.set_language("en")
    yield
    texts.set_language(None)


@pytest.fixture
def folder(tmp_path):
    """200 readings and events, one a minute; 120 are settled and the first 100 gone; a segment holds about 80."""
    entries = [event(at) if at % 10 == 9 else reading(at) for at in range(200)]
    fill(tmp_path / "spool", entries, lambda spool: spool.settle("main", 1, 120))
    return tmp_path / "spool"


def damage(folder: Path, chance: random.Random, places: int) -> None:
    """Garbage in the middle of segments."""
    for _ in range(places):
        file = chance.choice(sorted(folder.glob("*.seg")))
        data = bytearray(file.read_bytes())
        end = len(bytes(data).rstrip(b"\0"))
        at = chance.randrange(end)
        size = chance.choice([1, 8, 300, 5000])
        data[at : at + size] = chance.randbytes(len(data[at : at + size]))
        file.write_bytes(data)


def readable(folder: Path) -> dict[int, bytes]:
    """What an opening of the spool still gives."""

    async def work():
        spool = Spool.open(folder, outlets=["main"], max_bytes=16 * MIB)
        try:
            found, first = {}, spool.first
            while more := spool.read(first, spool.committed):
                found.update(more)
                first = more[-1][0] + 1
            return found
        finally:
            spool.release()

    return asyncio.run(work())


def test_verify_lists_the_damage(folder):
    assert gateway("verify", folder).output.endswith("Nothing is damaged.\n")
    file = min(folder.glob("*.seg"))
    data = bytearray(file.read_bytes())
    at = data.index(pack(reading(130)))
    data[at + 3] ^= 0x10
    file.write_bytes(data)
    before = {each: each.read_bytes() for each in folder.glob("*.seg")}
    done = gateway("verify", folder, "--json")
    assert done.exit_code == 1
    found = json.loads(done.stdout)
    assert found["lost"] == [[131, 131]]
    assert [each["file"] for each in found["damages"]] == [file.name]
    assert found["damages"][0]["offset"] < at < found["damages"][0]["offset"] + found["damages"][0]["bytes"]
    shown = gateway("verify", folder).output
    assert file.name in shown
    assert "1 entries that were not delivered cannot be read: 131" in shown
    assert "gateway spool repair" in shown
    assert {each: each.read_bytes() for each in folder.glob("*.seg")} == before


def test_repair(folder, tmp_path):
    (folder / "about.json").write_text("{}")
    spool_id = min(folder.glob("*.seg")).name[:8]
    file = min(folder.glob("*.seg"))
    data = bytearray(file.read_bytes())
    for seq in (105, 131, 132):  # the first was delivered
        at = data.index(pack(reading(seq - 1)))
        data[at] ^= 0xFF
    file.write_bytes(data)
    done = gateway("repair", folder, "--json")
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert (found["spool"], found["kept"], found["lost"], found["settled_unreadable"]) == (
        spool_id, 97, [[131, 132]], [[105, 105]]
    )  # fmt: skip
    assert Path(found["original"], file.name).read_bytes() == data
    assert (folder / "about.json").read_text() == "{}"
    assert gateway("verify", folder).exit_code == 0
    (status,) = rows(gateway("status", folder, "--json"))
    assert (status["spool"], status["next"], status["unsettled"]) == (spool_id, 201, 78)
    assert status["losses"] == {"damaged": [[131, 132]]}
    assert sorted(readable(folder)) == [n for n in range(101, 201) if n not in (105, 131, 132)]


@pytest.mark.parametrize("seed", range(12))
def test_repair_keeps_every_undamaged_record(folder, tmp_path, seed):
    chance = random.Random(seed)
    whole = readable(shutil.copytree(folder, tmp_path / "copy"))
    damage(folder, chance, chance.choice([1, 2, 5]))
    left = b"".join(file.read_bytes() for file in folder.glob("*.seg"))
    undamaged = {number for number, data in whole.items() if data in left}
    done = gateway("repair", folder, "--json")
    if done.exit_code:  # nothing at all can be read
        assert "nothing in it can be read" in done.output
        return
    found = json.loads(done.stdout)
    after = readable(folder)
    assert all(whole[number] == data for number, data in after.items())
    # A damaged head costs its record although the data may be there.
    cost = len(undamaged - set(after))
    assert cost <= len(found["damages"]) + 1
    told = {n for first, last in found["lost"] + found["settled_unreadable"] for n in range(first, last + 1)}
    assert set(whole) - set(after) <= told | set(range(1, min(after, default=201)))
    assert gateway("verify", folder).exit_code == 0
    (status,) = rows(gateway("status", folder, "--json"))
    assert status["next"] >= 201


def test_repair_into_another_folder(folder, tmp_path):
    before = {each: each.read_bytes() for each in folder.glob("*.seg")}
    done = gateway("repair", folder, "--into", tmp_path / "new")
    assert (done.exit_code, "100 entries are in" in done.output) == (0, True)
    assert {each: each.read_bytes() for each in folder.glob("*.seg")} == before
    assert len(readable(tmp_path / "new")) == 100
    done = gateway("repair", folder, "--into", tmp_path / "new")
    assert (done.exit_code, "--into" in done.output) == (1, True)
