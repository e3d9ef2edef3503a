"""What raw modems say: published lines and captures, whole, byte by byte, and among noise."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest

from drivers.radio.region import LORAWAN_BYTES, REGIONS, THAILAND, airtime_s, least_period_s, most_payload
from gateway.lora.modems import ebyte, radiohead
from gateway.lora.modems.ebyte import EbyteReader
from gateway.lora.modems.events import Answer, BadLine, Event, Packet, Reader
from gateway.lora.modems.lines import rak811, rak3172, rfm2pi, rn2483
from gateway.lora.modems.reyax import ReyaxReader
from gateway.lora.modems.settings import RadioSettings
from tests.lora.vectors import Vector, bad, name_of, vectors

READERS: dict[str, Callable[[], Reader]] = {
    "reyax-at": ReyaxReader,
    "rak-rui3-p2p": rak3172,
    "rak-legacy-p2p": rak3172,
    "rak811-v3": rak811,
    "rak811-v2": rak811,
    "rn2483": rn2483,
    "rfm2pi": rfm2pi,
}
LINES = [each for each in vectors("lora-modems") if each["protocol"] in READERS]
BAD_LINES = [each for each in bad("lora-modems") if each["protocol"] in READERS]


def heard(reader: Reader, data: bytes, step: int) -> list[Event]:
    found = [event for at in range(0, len(data), step) for event in reader.feed(data[at : at + step])]
    return found + reader.idle()


def check(event: Event, said: dict[str, Any]) -> None:
    if said["type"] != "rx":
        assert isinstance(event, Answer)
        return
    assert isinstance(event, Packet)
    assert event.data.hex() == said["dataHex"]
    assert (event.rssi, event.snr) == (said.get("rssi"), said.get("snr"))
    assert event.sender == said.get("addr", said.get("node"))
    assert event.port == said.get("port")


@pytest.mark.parametrize("step", [1, 3, 4096])
@pytest.mark.parametrize("vector", LINES, ids=name_of)
def test_lines(vector: Vector, step: int) -> None:
    events = heard(READERS[vector["protocol"]](), vector["text"].encode(), step)
    check(events[-1], vector["expect"])
    assert all(isinstance(event, Answer) for event in events[:-1])


@pytest.mark.parametrize("step", [1, 4096])
@pytest.mark.parametrize("vector", BAD_LINES, ids=name_of)
def test_bad_lines(vector: Vector, step: int) -> None:
    events = heard(READERS[vector["protocol"]](), vector["text"].encode(), step)
    assert [event.reason for event in events if isinstance(event, BadLine)] == [vector["expect"]["error"]]
    assert not any(isinstance(event, Packet) for event in events)


@pytest.mark.parametrize("protocol", READERS)
def test_all_lines_of_a_modem_in_one_stream_and_in_odd_pieces(protocol: str) -> None:
    good = [each for each in LINES if each["protocol"] == protocol]
    data = b"".join(each["text"].encode() for each in good)
    wanted = [each["expect"]["dataHex"] for each in good if each["expect"]["type"] == "rx"]
    for step in (1, 2, 5, 7, 11, 4096):
        events = heard(READERS[protocol](), data, step)
        assert [event.data.hex() for event in events if isinstance(event, Packet)] == wanted


def test_a_reyax_payload_may_hold_line_ends_and_what_looks_like_another_packet() -> None:
    inner = b"\r\n+RCV=1,2,ab,-3,4\r\n\0,"
    data = b"+RCV=7,%d,%b,-50,4\r\n+OK\r\n" % (len(inner), inner)
    for step in (1, 4096):
        assert heard(ReyaxReader(), data, step) == [Packet(inner, -50.0, 4.0, 7), Answer("+OK")]


def test_a_reyax_packet_with_a_wrong_length_costs_only_its_line() -> None:
    data = b"+RCV=1,200,abc,-30,3\r\n+RCV=2,1,x,-100,-5\r\n"
    assert heard(ReyaxReader(), data, 1) == [BadLine("length", "+RCV=1,200,abc,-30,3\r\n"), Packet(b"x", -100, -5, 2)]


@pytest.mark.parametrize("protocol", READERS)
def test_noise_neither_raises_nor_grows(protocol: str) -> None:
    chance, reader = random.Random(7), READERS[protocol]()
    good = [each["text"].encode() for each in LINES if each["protocol"] == protocol]
    for _ in range(2000):
        data = bytearray(chance.choice(good) * chance.randint(1, 3) if chance.random() < 0.7 else chance.randbytes(90))
        for _ in range(chance.randint(0, 4)):
            data[chance.randrange(len(data))] = chance.getrandbits(8)
        for event in reader.feed(bytes(data)):
            assert isinstance(event, Packet | BadLine | Answer)
        if chance.random() < 0.2:
            reader.idle()
        assert reader.held <= 1500


@pytest.mark.parametrize("vector", vectors("lora-modems", protocol="ebyte-e220"), ids=name_of)
def test_ebyte(vector: Vector) -> None:
    data, said = bytes.fromhex(vector["hex"]), vector["expect"]
    if said["type"] == "err":
        with pytest.raises(ValueError, match="wrong format"):
            ebyte.registers(data)
    elif said["type"] == "register-response":
        assert ebyte.registers(data) == ebyte.Registers(said["start"], bytes.fromhex(said["valuesHex"]))
    else:
        reader = EbyteReader(RadioSettings(has_rssi_byte=said["rssiAppended"]))
        assert reader.feed(data) == []
        assert reader.idle() == [Packet(bytes.fromhex(said["dataHex"]), said.get("rssiDbm"))]


def test_ebyte_over_the_air_and_its_channel() -> None:
    (vector,) = vectors("lora-modems", protocol="ebyte-e22")
    found = ebyte.registers(bytes.fromhex(vector["hex"]))
    assert found == ebyte.Registers(5, bytes([vector["expect"]["channel"]]), is_wireless=True)


def test_e32() -> None:
    (vector,) = vectors("lora-modems", protocol="ebyte-e32")
    said = vector["expect"]
    found = ebyte.e32_settings(bytes.fromhex(vector["hex"]))
    assert (found.address, found.air_code, found.channel, found.option) == (
        said["address"],
        said["airRateCode"],
        said["channel"],
        said["option"],
    )
    assert found.uart_code == 3
    (wrong,) = bad("lora-modems", protocol="ebyte-e32")
    with pytest.raises(ValueError, match="C0 or C2"):
        ebyte.e32_settings(bytes.fromhex(wrong["hex"]))


def test_two_lines_of_hexadecimal_digits_in_one_burst_keep_their_signals() -> None:
    reader = EbyteReader(RadioSettings(has_rssi_byte=True))
    reader.feed(b"40" * 13 + b"\n\xc0" + b"41" * 13 + b"\n\xa0")
    assert reader.idle() == [Packet(b"\x40" * 13, -64.0), Packet(b"\x41" * 13, -96.0)]
    assert ebyte.rssi_dbm(0xC0, "half") == -96.0


@pytest.mark.parametrize("vector", vectors("lora-modems", protocol="radiohead"), ids=name_of)
def test_radiohead(vector: Vector) -> None:
    said = vector["expect"]
    found = radiohead.split(bytes.fromhex(vector["hex"]))
    assert found is not None
    header, payload = found
    assert (header.to, header.sender, header.id, header.flags) == (said["to"], said["from"], said["id"], said["flags"])
    assert payload.hex() == said["dataHex"]
    assert header.is_acknowledgement == said.get("ack", False)
    assert (header.to == radiohead.EVERYONE) == said["broadcast"]


@pytest.mark.parametrize("vector", vectors("lora-modems", protocol="lora-airtime"), ids=name_of)
def test_airtime(vector: Vector) -> None:
    said = vector["json"]
    took_s = airtime_s(
        said["payloadBytes"],
        said["sf"],
        said["bwHz"],
        int(said["cr"][-1]),
        said["preamble"],
        has_crc=said["crc"],
        has_header=not said["implicitHeader"],
    )
    assert took_s * 1000 == pytest.approx(vector["expect"]["airtimeMs"], abs=1e-6)


def test_the_dwell_time_table_is_what_the_formula_gives() -> None:
    region = REGIONS[THAILAND]
    for rate in region.rates.values():
        sf, hz, most = rate.spreading_factor, rate.bandwidth_hz, rate.most_bytes
        assert most_payload(region, sf, hz) == most
        if most:
            assert airtime_s(most + LORAWAN_BYTES, sf, hz) <= 0.4
        else:
            assert airtime_s(1 + LORAWAN_BYTES, sf, hz) > 0.4
    assert most_payload(region, 9, 500_000) is None
    assert least_period_s(region, 10, 9, 125_000, 12) == pytest.approx(100 * airtime_s(23, 9, 125_000, 5, 12))


def test_every_protocol_of_the_vectors_is_tested() -> None:
    tested = {*READERS, "ebyte-e220", "ebyte-e22", "ebyte-e32", "radiohead", "lora-airtime"}
    assert {each["protocol"] for each in vectors("lora-modems") + bad("lora-modems")} == tested
