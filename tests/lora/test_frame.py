"""The LoRaWAN frame against published vectors, and against a library that is not ours."""

from __future__ import annotations

import random

import pamoja.lorawan as theirs
import pytest
from pamoja._native import PamojaError

from gateway.lora.aes import cmac
from gateway.lora.frame import Frame, NotAFrame, build, counters, crypt, parse, past_counter
from tests.lora.vectors import Vector, bad, name_of, vectors

NWK, APP = bytes(range(16)), bytes(range(16, 32))


def keys(vector: Vector) -> tuple[bytes | None, bytes | None]:
    said = vector["keys"]
    return tuple(bytes.fromhex(said[name]) if name in said else None for name in ("nwkSKey", "appSKey"))  # type: ignore[return-value]


def accepted(frame: Frame, nwk: bytes, last: int | None) -> int | None:
    return next((each for each in counters(frame.f_cnt16, last) if frame.is_signed(nwk, each)), None)


@pytest.mark.parametrize("vector", vectors("lorawan-mac", op="data-frame"), ids=name_of)
def test_data_frames(vector: Vector) -> None:
    frame, said = parse(bytes.fromhex(vector["hex"])), vector["expect"]
    nwk, app = keys(vector)
    assert ("ConfirmedDataUp" if frame.is_confirmed else "UnconfirmedDataUp") == said["mtype"]
    assert f"{frame.dev_addr:08x}" == said["devAddr"]
    assert (frame.f_cnt16, frame.f_port, frame.f_opts.hex()) == (said["fCnt16"], said["fPort"], said["fOpts"])
    assert (frame.payload.hex(), frame.mic.hex()) == (said["frmPayload"], said["mic"])
    assert [bool(frame.f_ctrl & bit) for bit in (0x80, 0x40, 0x20, 0x10)] == [
        said[name] for name in ("adr", "adrAckReq", "ack", "classB")
    ]
    if nwk is not None:
        assert accepted(frame, nwk, vector.get("state", {}).get("lastFCntUp")) == said["fCnt32"]
    if "decryptedHex" in said:
        assert frame.plain(nwk or app or b"", app or b"", said["fCnt32"]).hex() == said["decryptedHex"]


@pytest.mark.parametrize("vector", vectors("lorawan-mac", op="frm-crypt"), ids=name_of)
def test_payloads(vector: Vector) -> None:
    said = vector["keys"]
    plain = crypt(bytes.fromhex(said["appSKey"]), int(said["devAddr"], 16), said["fCnt"], bytes.fromhex(vector["hex"]))
    assert plain.hex() == vector["expect"]["decryptedHex"]


@pytest.mark.parametrize("vector", bad("lorawan-mac", op="data-frame"), ids=name_of)
def test_bad_frames(vector: Vector) -> None:
    error = vector["expect"]["error"]
    nwk, _ = keys(vector)
    if error in ("mic", "replay"):
        frame = parse(bytes.fromhex(vector["hex"]))
        assert nwk is not None
        last = vector.get("state", {}).get("lastFCntUp")
        assert accepted(frame, nwk, last) is None
        if error == "replay":
            assert past_counter(frame.f_cnt16, last) == last
            assert frame.is_signed(nwk, last)
        return
    with pytest.raises(NotAFrame) as refused:
        parse(bytes.fromhex(vector["hex"]))
    assert refused.value.reason == {"unsupported-mtype": "mtype"}.get(error, error)


@pytest.mark.parametrize(
    "vector",
    [v for kind in (vectors, bad) for op in ("join-request", "join-accept") for v in kind("lorawan-mac", op=op)],
    ids=name_of,
)
def test_joins_are_left_to_a_network_server(vector: Vector) -> None:
    with pytest.raises(NotAFrame) as refused:
        parse(bytes.fromhex(vector["hex"]))
    assert refused.value.reason == ("join" if vector["op"] == "join-request" else "mtype")
    if vector["op"] == "join-request" and "devEui" in vector["expect"]:
        assert vector["expect"]["devEui"] in str(refused.value)


@pytest.mark.parametrize("last", [None, 0, 1, 0xFFFE, 0xFFFF, 0x10000, 0x1FFFF, 0xFFFFFFFE, 0xFFFFFFFF])
@pytest.mark.parametrize("low", [0, 1, 2, 0x7FFF, 0xFFFE, 0xFFFF])
def test_a_counter_rises_or_is_of_the_past(last: int | None, low: int) -> None:
    found = list(counters(low, last))
    assert all(each & 0xFFFF == low and each < 1 << 32 for each in found)
    if last is None:
        assert found[0] == low
        return
    assert all(last < each <= last + 0x10000 for each in found)
    old = past_counter(low, last)
    assert old is None or last - 0x10000 < old <= last


@pytest.mark.parametrize("seed", range(20))
def test_our_frames_are_theirs(seed: int) -> None:
    chance = random.Random(seed)
    nwk, app, address = chance.randbytes(16), chance.randbytes(16), chance.getrandbits(32)
    counter = chance.choice([0, 1, 0xFFFF, 0x10000, chance.getrandbits(32)])
    port, payload = chance.randint(1, 223), chance.randbytes(chance.randint(0, 222))
    session = theirs.session(address, nwk, app)
    ours = build(address, counter, port, payload, nwk, app)
    assert ours == session.encode_uplink(counter, port, payload)
    assert session.decode(ours, counter).payload == payload
    with pytest.raises(PamojaError):
        session.decode(ours, counter ^ 0x10000)
    frame = parse(session.encode_uplink(counter, port, payload))
    assert frame.is_signed(nwk, counter)
    assert frame.plain(nwk, app, counter) == payload


@pytest.mark.parametrize("at", range(13 + 4 - 1))
def test_every_flipped_bit_breaks_the_code(at: int) -> None:
    raw = build(0x26011F2E, 140, 85, b"abcd", NWK, APP)
    for bit in range(8):
        changed = bytearray(raw)
        changed[at] ^= 1 << bit
        try:
            frame = parse(bytes(changed))
        except NotAFrame:
            continue
        assert accepted(frame, NWK, 139) is None


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("", "bb1d6929e95937287fa37d129b756746"),
        ("6bc1bee22e409f96e93d7e117393172a", "070a16b46b4d4144f79bdd9dd04a287c"),
        (
            "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e5130c81c46a35ce411",
            "dfa66747de9ae63030ca32611497c827",
        ),
    ],
)
def test_the_codes_of_rfc_4493(message: str, code: str) -> None:
    assert cmac(bytes.fromhex("2b7e151628aed2a6abf7158809cf4f3c"), bytes.fromhex(message)).hex() == code
