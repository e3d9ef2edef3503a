"""`gateway spool` as a user meets it: on a stopped spool, beside a running one, and on damaged ones."""

import asyncio
import json
import shutil
import time

import pytest
from typer.testing import CliRunner

from gateway.cli.root import build
from gateway.ops import texts
from gateway.spool.eras import Eras
from gateway.spool.spool import Spool
from gateway.wire.dating import DECISION_NOTE, Decision, pack_note
from gateway.wire.entry import pack, unpack
from tests.cli.spools import BOOT, MIB, START_MS, event, fill, gateway, node_config, reading, rows


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


def test_status(folder, tmp_path):
    (found,) = rows(gateway("status", node_config(tmp_path, folder), "--json"))
    assert (found["first"], found["next"], found["held"], found["settled"], found["unsettled"]) == (
        101,
        201,
        100,
        20,
        80,
    )
    assert found["process"] is None
    assert found["oldest_t"] == "2026-03-20T11:46:40.000Z"
    assert found["oldest_age_s"] == pytest.approx(time.time() - (START_MS / 1000 + 120 * 60), abs=60)
    assert found["entries_per_s"] == pytest.approx(1 / 60, rel=0.02)
    held_bytes = sum(file.stat().st_size for file in folder.glob("*.seg"))
    assert found["bytes"] == held_bytes
    # An hour takes 60 entries of 60 to 200 bytes, so 16 MB last for a thousand hours and more.
    assert 16e6 / 200 / 60 < found["hours_left"] < 16e6 / 60 / 60
    said = gateway("status", folder).output
    assert "100 (101-200)" in said
    assert "the bound stands in the configuration" in said


def test_losses_are_counted_by_reason(tmp_path):
    entries = [reading(at, v={"pm10": 1.0}) for at in range(4000)]
    fill(tmp_path / "spool", entries, max_bytes=MIB // 4, segment_bytes=16384)
    (found,) = rows(gateway("status", tmp_path / "spool", "--json"))
    assert list(found["losses"]) == ["spool bound"]
    assert found["lost"] == found["first"] - 1 == found["losses"]["spool bound"][0][1]
    assert "spool bound: " in gateway("status", tmp_path / "spool").output


def test_thai(folder, tmp_path):
    texts.set_language("th")
    assert "เก่าสุดที่ยังไม่ยืนยัน" in gateway("status", folder).output
    assert "ไม่พบความเสียหาย" in gateway("verify", folder).output
    assert "ดูบันทึก" in CliRunner().invoke(build(), ["--help"]).output


@pytest.mark.parametrize("command", ["", "status", "ls", "verify", "export", "repair", "replay"])
@pytest.mark.parametrize("language", ["en", "th"])
def test_help(command, language):
    texts.set_language(language)
    done = CliRunner().invoke(build(), ["--lang", language, "spool", *command.split(), "--help"])
    assert done.exit_code == 0
    assert "..." not in done.output.partition("Commands:")[2]


def test_ls(folder):
    shown = gateway("ls", folder).output.splitlines()
    assert shown[0].split() == ["NUMBER", "TIME", "+07:00", "DEVICE", "STATE", "CONTENT"]
    assert len(shown) == 51
    assert shown[-1].split() == [
        "200",
        "2026-03-20",
        "20:05:40",
        "pms",
        "waiting",
        "state",
        "from=ok",
        "to=silent",
        "why=no,",
        "power",
    ]
    assert shown[-2].split()[-2:] == ["pm2_5=208", "pm10=218.5"]
    everything = rows(gateway("ls", folder, "--limit", 0, "--json"))
    assert [row["seq"] for row in everything] == list(range(101, 201))
    assert [row["settled"] for row in everything] == [True] * 20 + [False] * 80
    assert everything[0]["v"] == {"pm2_5": 110.0, "pm10": 120.5}
    assert everything[9] | {"spool": ""} == {
        "spool": "", "seq": 110, "t": "2026-03-20T11:35:40.000Z", "is_dated": True, "class": "air", "device": "pms",
        "settled": True, "event": "state", "data": {"from": "ok", "to": "silent", "why": "no, power"},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--from", "2026-03-20T13:00:00Z"], range(195, 201)),
        (["--from", "2026-03-20T19:55", "--to", "2026-03-20T20:00"], range(190, 195)),
        (["--from", "2026-03-20T12:55", "--to", "2026-03-20T13:00", "--timezone", "UTC"], range(190, 195)),
        (["--to", "2026-03-19"], []),
        (["--from", "2026-03-20", "--to", "2026-03-20", "--limit", "3"], range(198, 201)),
        (["--numbers", "1-102,150"], [101, 102, 150]),
        (["--device", "pms", "--numbers", "150"], [150]),
        (["--device", "other"], []),
        (["--from", "-24h"], []),
    ],
)
def test_ls_chooses(folder, options, expected):
    assert [row["seq"] for row in rows(gateway("ls", folder, "--json", *options))] == list(expected)


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["status", "/nowhere"], "No such file"),
        (["ls", "SPOOL", "--from", "24h"], "is no time"),
        (["ls", "SPOOL", "--from", "2026-03-21", "--to", "2026-03-20"], "not before"),
        (["ls", "SPOOL", "--numbers", "1-x"], "are no numbers"),
        (["ls", "SPOOL", "--device", "A B"], "is no id"),
        (["ls", "SPOOL", "--spool", "00000000"], "This is not spool 00000000"),
        (["ls", "SPOOL", "--timezone", "Asia/Atlantis"], "is no time zone"),
        (["export", "SPOOL", "--format", "lines"], "--node"),
        (["export", "SPOOL", "--json"], "--out"),
        (["replay", "SPOOL"], "--all"),
        (["replay", "SPOOL", "--all"], "--config"),
        (["status", "EMPTY"], "no *.toml"),
    ],
)
def test_wrong_usage(folder, tmp_path, args, said):
    (tmp_path / "empty").mkdir()
    places = {"SPOOL": str(folder), "EMPTY": str(tmp_path / "empty")}
    done = gateway(*(places.get(arg, arg) for arg in args))
    assert done.exit_code == 2
    assert said in done.output


def test_the_configured_spool(folder, tmp_path, monkeypatch):
    monkeypatch.setenv("LANNA_CONFIG", str(node_config(tmp_path, folder)))
    assert "100 (101-200)" in gateway("status").output
    backbone = tmp_path / "backbone.toml"
    backbone.write_text('[ingest]\nsqlite = { path = "x" }\nmqtt = { url = "mqtt://h" }\n')
    done = gateway("status", backbone)
    assert (done.exit_code, "describes no node" in done.output) == (2, True)
    shutil.rmtree(folder)
    done = gateway("status")
    assert done.exit_code == 1
    assert "No such file" in done.output


def test_names_and_times_are_those_of_the_wire(tmp_path):
    """Numbers above an era's base are another spool's; what no clock dated gets its time from the decision."""
    entries = [reading(at) for at in range(4)] + [reading(at, device="late") for at in range(4, 8)]
    entries[2:5] = [
        entries[2].__class__("air", "pms", 5000 + at, 60_000 * at, BOOT, False, {"pm10": 1.0}) for at in (2, 3, 4)
    ]
    made = {}

    def then(spool):
        made["old"] = spool.id
        spool.note(DECISION_NOTE, pack_note(Decision(BOOT, 1, 4, START_MS)), 4)
        eras = Eras(spool, lambda: "4be1d200")
        eras.begin(7)

    fill(tmp_path / "spool", entries, then)
    found = rows(gateway("ls", tmp_path / "spool", "--json"))
    assert [(row["spool"], row["seq"]) for row in found] == [(made["old"], n) for n in range(1, 7)] + [
        ("4be1d200", 1), ("4be1d200", 2)
    ]  # fmt: skip
    assert [row["t"] for row in found[2:5]] == ["2026-03-20T09:48:40.000Z", "2026-03-20T09:49:40.000Z", None]
    assert [row["is_dated"] for row in found[2:5]] == [True, True, None]
    assert [row["seq"] for row in rows(gateway("ls", tmp_path / "spool", "--json", "--numbers", "1-2"))] == [1, 2]
    named = rows(gateway("ls", tmp_path / "spool", "--json", "--spool", made["old"], "--numbers", "5-9"))
    assert [row["seq"] for row in named] == [5, 6]


async def test_beside_a_running_gateway(folder, tmp_path):
    spool = Spool.open(folder, outlets=["main"], max_bytes=16 * MIB, window_s=0.0, segment_bytes=8192)
    running = asyncio.create_task(spool.run())
    try:
        stop = asyncio.Event()

        async def write():
            at = 200
            while not stop.is_set():
                for _ in range(20):
                    spool.append(pack(reading(at)))
                    at += 1
                await spool.flush()
                spool.settle("main", 1, spool.committed - 30)
                await asyncio.sleep(0)

        writing = asyncio.create_task(write())
        seen = 0
        for _ in range(12):
            done = await asyncio.to_thread(gateway, "status", folder, "--json")
            (found,) = rows(done)
            assert found["process"] is not None
            assert found["lost"] == 0
            assert found["next"] >= seen
            seen = found["next"]
            whole = await asyncio.to_thread(gateway, "verify", folder, "--json")
            assert json.loads(whole.stdout)["is_whole"], whole.output
            listed = rows(await asyncio.to_thread(gateway, "ls", folder, "--json", "--limit", 20))
            seqs = [row["seq"] for row in listed]
            assert seqs == sorted(set(seqs))
        assert seen > 400
        refused = await asyncio.to_thread(gateway, "repair", folder)
        assert refused.exit_code == 1
        assert "is in use by process" in refused.output
        assert "Stop that gateway" in refused.output
        stop.set()
        await writing
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await spool.close()


def test_foreign_records_are_counted(tmp_path):
    async def work():
        spool = Spool.open(tmp_path / "spool", outlets=["main"], max_bytes=MIB)
        spool.append(b"\xff not ours")
        spool.append(pack(reading(0)))
        await spool.close()

    asyncio.run(work())
    done = gateway("ls", tmp_path / "spool", "--json")
    assert [json.loads(line)["seq"] for line in done.stdout.splitlines()] == [2]
    assert "1 records are no readings" in done.stderr
    assert gateway("status", tmp_path / "spool").exit_code == 0
    assert unpack(pack(reading(0))) == reading(0)
