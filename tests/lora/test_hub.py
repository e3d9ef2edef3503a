"""Who is believed, once: counters over restarts, replays, copies, plain devices, records of the past."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from drivers.core.contract import Decoded
from gateway.lora.frame import build
from gateway.lora.heard import PlainDevice
from gateway.lora.uplinks import DeviceNote, Receiver, TimeTold, UplinkMessage
from gateway.ports.ticks import SECOND_NS
from gateway.spool.spool import Spool
from gateway.wire.entry import Entry, pack
from tests.lora.radio import START_NS, Radio, Sender, open_spool


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    opened = open_spool(tmp_path / "spool")
    yield opened
    opened.release()


async def test_an_uplink_is_a_reading_with_its_signal(spool: Spool) -> None:
    sender = Sender(1, 70_000)
    radio = Radio(spool, [sender])
    assert radio.hear(sender.frame(), rssi=-97.0, snr=-3.5).refusal == ""
    (report,) = radio.reports
    assert report.decoded.values == {
        "distance": 2.0,
        "rssi": -97.0,
        "snr": -3.5,
        "spreading_factor": 9.0,
        "frame_counter": 70_000.0,
    }
    assert (report.via, report.at_ns, report.is_past) == (("roof",), radio.clock.wall_ns(), False)
    assert radio.states == [("gauge-1", "ok", "")]


async def test_what_is_no_reading_is_counted_with_its_reason(spool: Spool) -> None:
    sender, stranger = Sender(1), Sender(2)
    radio = Radio(spool, [sender])
    frames = [sender.frame() for _ in range(5)]
    forged = bytearray(frames[4])
    forged[-1] ^= 1
    wrong_key = build(sender.dev_addr, 9, 1, b"\0\1", stranger.keys.nwk_s_key, sender.keys.app_s_key)
    said = [
        radio.hear(data).refusal
        for data in (
            frames[1],
            frames[1],
            frames[0],
            frames[3],
            bytes(forged),
            wrong_key,
            stranger.frame(),
            frames[4][:-3],
            b"",
            b"\x00" * 23,
            frames[4],
        )
    ]
    assert said[:9] == ["", "Repeat", "Replay", "", "Integrity", "Integrity", "Unknown", "Integrity", "length"]
    assert said[9:] == ["join", ""]
    assert [report.decoded.values["frame_counter"] for report in radio.reports] == [1.0, 3.0, 4.0]
    counters = radio.stations["gauge-1"].counters
    assert counters.rejected == {"Repeat": 1, "Replay": 1, "Integrity": 3}
    assert counters.lost_in_air == 1
    assert radio.events == [("gauge-1", "lost-in-air", {"count": 1, "first": 2, "last": 2})]


async def test_a_counter_survives_a_restart_and_wraps(tmp_path: Path) -> None:
    sender = Sender(1, 0xFFFE)
    old: list[bytes] = []
    for _ in range(4):
        spool = open_spool(tmp_path / "spool")
        radio = Radio(spool, [sender])
        for _ in range(2):
            old.append(sender.frame())
            assert radio.hear(old[-1]).refusal == ""
        assert {radio.hear(each).refusal for each in old} == {"Repeat", "Replay"}
        await spool.close()
    assert sender.f_cnt == 0xFFFE + 8


async def test_new_keys_begin_a_new_count(tmp_path: Path) -> None:
    spool = open_spool(tmp_path / "spool")
    sender = Sender(1, 5000)
    assert Radio(spool, [sender]).hear(sender.frame()).refusal == ""
    again = Sender(1)
    again.keys = Sender(7).keys
    assert Radio(spool, [again]).hear(again.frame()).refusal == ""
    spool.release()


async def test_a_reading_whose_note_was_torn_off_tells_its_counter(tmp_path: Path) -> None:
    spool = open_spool(tmp_path / "spool")
    sender = Sender(1)
    radio = Radio(spool, [sender])
    first, second = sender.frame(), sender.frame()
    radio.hear(first)
    entry = Entry("water", "gauge-1", 1, 1, "b", True, {"frame_counter": 1.0})
    spool.append(pack(entry))
    await spool.close()
    spool = open_spool(tmp_path / "spool")
    assert Radio(spool, [sender]).hear(second).refusal == "Repeat"
    spool.release()


async def test_three_receivers_make_one_reading_with_the_best_signal(spool: Spool) -> None:
    sender = Sender(1)
    radio = Radio(spool, [sender], window_s=0.02)
    frame = sender.frame()
    assert radio.hear(frame, "a", rssi=-110.0, snr=-8.0).refusal == ""
    assert radio.hear(frame, "b", rssi=-90.0, snr=0.0).refusal == "Copy"
    assert radio.hear(frame, "c", rssi=-120.0, snr=-15.0).refusal == "Copy"
    assert radio.hear(frame, "b", rssi=-125.0, snr=-19.0).refusal == "Copy"  # its ghost on a neighbour channel
    async with asyncio.timeout(5):
        while not radio.reports:
            await asyncio.sleep(0.001)
    (report,) = radio.reports
    assert (report.decoded.values["rssi"], report.decoded.values["snr"]) == (-90.0, 0.0)
    assert report.via[0] == "b"
    assert sorted(report.via) == ["a", "b", "c"]
    assert radio.hear(frame, "d").refusal == "Repeat"
    assert radio.hub.copies["roof"] == 3


async def test_what_waits_for_copies_is_handed_on_when_the_node_stops(spool: Spool) -> None:
    sender = Sender(1)
    radio = Radio(spool, [sender], window_s=60.0)
    task = asyncio.create_task(radio.hub.run())
    await asyncio.sleep(0)
    radio.hear(sender.frame())
    assert radio.reports == []
    task.cancel()
    await asyncio.wait([task])
    assert len(radio.reports) == 1


async def test_hexadecimal_digits_say_a_frame_too(spool: Spool) -> None:
    sender = Sender(1)
    radio = Radio(spool, [sender])
    assert radio.hear(sender.frame().hex().upper().encode() + b"\r\n").refusal == ""
    assert radio.hear(sender.frame().hex().encode()[:-1]).refusal in ("mtype", "major", "length")
    assert len(radio.reports) == 1


async def test_a_device_without_keys_speaks_only_where_the_configuration_says_so(spool: Spool) -> None:
    keyed = Sender(1)
    radio = Radio(spool, [keyed], plain=(PlainDevice("open-1", "roof", None),))
    assert radio.hear(b"\x03\xe8", inlet="cellar").refusal == "major"
    assert radio.hear(b"\x03\xe8").refusal == ""
    assert radio.hear(b"\x03\xe8\x01").refusal == "Payload"
    forged = bytearray(keyed.frame())
    forged[-1] ^= 1
    assert radio.hear(bytes(forged)).device == "gauge-1"  # never taken for an open device's payload
    (report,) = radio.reports
    assert (report.device, report.decoded.values) == ("open-1", {"distance": 1.0, "spreading_factor": 9.0})
    assert radio.stations["open-1"].state == "faulty"


async def test_records_of_the_past_keep_their_times(spool: Spool) -> None:
    sender = Sender(1)
    radio = Radio(spool, [sender])
    radio.hear(sender.frame(2), rssi=-50.0)
    hour_ago, given, now = radio.reports
    assert (hour_ago.is_past, hour_ago.has_own_time) == (True, False)
    assert radio.clock.mono_ns() - hour_ago.mono_ns == 3600 * SECOND_NS
    assert (given.is_past, given.has_own_time, given.at_ns) == (True, True, START_NS)
    assert (now.is_past, *("rssi" in each.decoded.values for each in radio.reports)) == (False, False, False, True)


async def test_an_uplink_without_a_reading_is_a_sign_of_life(spool: Spool) -> None:
    sender = Sender(1)
    radio = Radio(spool, [sender])
    assert radio.hear(sender.frame(5)).text != ""
    assert radio.reports == []
    assert radio.states == [("gauge-1", "ok", "")]


async def test_silence_and_its_end(spool: Spool) -> None:
    sender = Sender(1)
    radio = Radio(spool, [sender])
    radio.hear(sender.frame())
    task = asyncio.create_task(radio.stations["gauge-1"].run())
    await asyncio.sleep(0)
    radio.clock.mono += 61 * SECOND_NS
    async with asyncio.timeout(5):
        while len(radio.states) < 2:
            await asyncio.sleep(0.001)
    radio.hear(sender.frame())
    task.cancel()
    await asyncio.wait([task])
    assert [state for _, state, _ in radio.states] == ["ok", "silent", "ok"]


def message(f_cnt: int, key: str = "", **more: object) -> UplinkMessage:
    said = {"dev_eui": f"{0x01000001:016X}", "dev_addr": "00112233", "f_port": 1, "f_cnt": f_cnt, "key": key}
    return UplinkMessage(b"\x07\xd0", **said | {"receivers": (Receiver("gw", -90.0, 5.0),)} | more)  # type: ignore[arg-type]


async def test_a_network_server_may_bring_a_message_twice_even_over_a_restart(tmp_path: Path) -> None:
    for turn in range(2):
        spool = open_spool(tmp_path / "spool")
        radio = Radio(spool, [Sender(1)])
        said = [radio.hub.told("city", message(n, f"key-{n}")).refusal for n in (0, 1, 1, 4)]
        assert said == (["", "", "Repeat", ""] if turn == 0 else ["Repeat"] * 4)
        await spool.close()
        if turn == 0:
            assert radio.stations["gauge-1"].counters.lost_in_air == 2
            assert radio.reports[-1].via == ("gw",)


async def test_a_message_that_a_broker_kept_is_late_and_keeps_its_time(spool: Spool) -> None:
    radio = Radio(spool, [Sender(1)])
    sent_ns = radio.clock.wall_ns() - 600 * SECOND_NS
    radio.hub.told("city", message(1, times=(TimeTold(sent_ns, "server"),)))
    (report,) = radio.reports
    assert (report.is_past, report.at_ns) == (True, sent_ns)
    assert (report.decoded.values["rssi"], report.decoded.values["frame_counter"]) == (-90.0, 1.0)
    assert radio.hub.told("city", message(1, dev_eui="ff" * 8)).refusal == "Unknown"


async def test_what_a_server_says_about_a_device_is_its_state(spool: Spool) -> None:
    radio = Radio(spool, [Sender(1)])
    eui = f"{0x01000001:016x}"
    radio.hub.told("city", DeviceNote("join", eui))
    radio.hub.told("city", DeviceNote("log", eui, why="UPLINK_CODEC: x", is_fault=True))
    radio.hub.told("city", DeviceNote("status", eui, values={"battery_level": 75.0}))
    assert [state for _, state, _ in radio.states] == ["ok", "faulty"]
    assert [report.decoded for report in radio.reports] == [Decoded({"battery_level": 75.0})]
