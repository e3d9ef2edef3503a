"""ChirpStack's and The Things Stack's messages: captures and published examples by value, bad ones by reason."""

import json
from random import Random
from typing import Any

import pytest

from gateway.lora import chirpstack, things_stack
from gateway.lora.members import MAX_BYTES, MAX_ITEMS, Members
from gateway.lora.uplinks import DeviceNote, GatewayNote, Refused, UplinkMessage, chosen_time
from tests.lora.vectors import Vector, bad, name_of, vectors

MS = 1_000_000
UP = "application/a/device/0101010101010101/event/up"
EVENT: dict[str, Any] = {"deviceInfo": {"devEui": "0101010101010101"}, "data": "qg=="}


def body(vector: Vector) -> bytes:
    if "hex" in vector:
        return bytes.fromhex(vector["hex"])
    return str(vector["text"]).encode() if "text" in vector else json.dumps(vector["json"]).encode()


def told_ms(found: UplinkMessage | DeviceNote) -> set[int]:
    return {time.at_ns // MS for time in found.times}


def agree(uplink: UplinkMessage, want: dict[str, Any]) -> None:
    assert uplink.payload == bytes.fromhex(want["dataHex"])
    assert uplink.dev_eui == want["devEui"]
    assert (uplink.f_cnt, uplink.f_port) == (want["fCnt"], want["fPort"])
    assert uplink.is_confirmed == want["confirmed"]
    assert len(uplink.receivers) == want["gateways"]
    assert (uplink.spreading_factor, uplink.bandwidth_hz, uplink.frequency_hz) == (
        want["sf"],
        want["bwHz"],
        want["freqHz"],
    )
    assert uplink.is_authentic


@pytest.mark.parametrize("vector", vectors("chirpstack-v4"), ids=name_of)
def test_chirpstack(vector: Vector) -> None:
    want = vector["expect"]
    if "command" in want:
        topic = chirpstack.read_topic(vector["topic"])
        assert (topic.group, topic.kind, topic.id) == ("command", want["command"], want["devEui"])
        return
    found = chirpstack.parse(vector["topic"], body(vector))
    if "gatewayEvent" in want:
        assert isinstance(found, GatewayNote)
        assert (found.kind, found.prefix, found.gateway) == (want["gatewayEvent"], want["prefix"], want["gatewayId"])
        assert {key: found.facts[key] for key in ("rxPacketsReceived", "txPacketsEmitted")} == {
            key: want[key] for key in ("rxPacketsReceived", "txPacketsEmitted")
        }
        return
    assert not isinstance(found, GatewayNote)
    assert (found.dev_eui, found.device_name) == (want["devEui"], want["deviceName"])
    assert want["timeMs"] in told_ms(found)
    assert found.dev_addr == want.get("devAddr", "")
    if want["event"] == "up":
        assert isinstance(found, UplinkMessage)
        agree(found, want)
        assert found.key == vector["json"]["deduplicationId"]
        best = found.best
        assert best is not None
        assert (best.id, best.rssi, best.snr) == (want["bestRssiGateway"], want["bestRssi"], want["bestRssiSnr"])
        return
    assert isinstance(found, DeviceNote)
    assert found.kind == want["event"]
    assert not found.is_fault
    if want["event"] == "status":
        assert found.values == {"battery_level": want["batteryLevel"]}
        assert found.facts == {"margin_db": want["margin"], "external_power": want["external"]}
    if want["event"] == "txack":
        assert found.facts == {"gateway": want["gatewayId"], "f_cnt_down": want["fCntDown"]}
    if want["event"] == "location":
        assert found.facts == want["location"]


REASONS = {
    "bad-notjson": ("json", "no JSON"),
    "bad-nodevice": ("field", "deviceInfo"),
    "bad-v3-format": ("version", "ChirpStack v3"),
    "bad-protobuf-bytes": ("encoding", "protobuf"),
    "bad-json": ("json", "no JSON"),
    "bad-b64": ("base64", "uplink_message.frm_payload"),
    "bad-topic-v2": ("version", "v2"),
}


@pytest.mark.parametrize("vector", bad("chirpstack-v4"), ids=name_of)
def test_chirpstack_bad(vector: Vector) -> None:
    with pytest.raises(Refused) as refused:
        chirpstack.parse(vector["topic"], body(vector))
    reason, words = REASONS[vector["id"]]
    assert refused.value.reason == reason
    assert words in str(refused.value)


@pytest.mark.parametrize("vector", vectors("tts-v3"), ids=name_of)
def test_things_stack(vector: Vector) -> None:
    want = vector["expect"]
    if want.get("simulated"):
        with pytest.raises(Refused, match="simulated") as refused:
            things_stack.parse(vector["topic"], body(vector))
        assert refused.value.reason == "simulated"
    found = things_stack.parse(vector["topic"], body(vector), allow_simulated=True)
    assert (found.dev_eui, found.device_name) == (want["devEui"], want["deviceId"])
    assert "receivedMs" not in want or want["receivedMs"] in told_ms(found)
    if want["event"] != "up":
        assert isinstance(found, DeviceNote)
        assert found.kind == want["event"]
        assert found.dev_addr == want.get("devAddr", found.dev_addr)
        return
    assert isinstance(found, UplinkMessage)
    agree(found, want)
    (heard,) = found.receivers
    assert (heard.id, heard.rssi, heard.snr) == (want["gatewayId"], want["rssi"], want["snr"])


@pytest.mark.parametrize("vector", bad("tts-v3"), ids=name_of)
def test_things_stack_bad(vector: Vector) -> None:
    with pytest.raises(Refused) as refused:
        things_stack.parse(vector["topic"], body(vector))
    reason, words = REASONS[vector["id"]]
    assert refused.value.reason == reason
    assert words in str(refused.value)


@pytest.mark.parametrize("prefix", ["", "as923/", "th/bkk/as923_2/", "application/x/"])
def test_any_prefix_before_the_topic(prefix: str) -> None:
    found = chirpstack.parse(prefix + UP, json.dumps(EVENT).encode())
    assert isinstance(found, UplinkMessage)
    assert (found.payload, found.f_cnt, found.f_port) == (b"\xaa", 0, 0)


@pytest.mark.parametrize("event", ["up", "ack"])
def test_a_gateways_own_frames_are_refused_with_what_to_subscribe_to(event: str) -> None:
    with pytest.raises(Refused, match="subscribe to application/") as refused:
        chirpstack.parse(f"as923/gateway/0016c001f153a14c/event/{event}", b"\x0a\x03abc")
    assert refused.value.reason == "topic"


def chirpstack_up(**more: Any) -> UplinkMessage:
    found = chirpstack.parse(UP, json.dumps(EVENT | more).encode())
    assert isinstance(found, UplinkMessage)
    return found


def test_zero_is_a_value_and_absent_is_unknown() -> None:
    one = chirpstack_up(
        rxInfo=[{"gatewayId": "a", "rssi": -90}, {"gatewayId": "b", "crcStatus": "BAD_CRC", "rssi": -1}]
    )
    assert [(r.id, r.rssi, r.snr) for r in one.receivers] == [("a", -90.0, 0.0)]
    assert one.spreading_factor is None
    empty = chirpstack.parse(UP, b'{"deviceInfo":{"devEui":"0101010101010101"}}')
    assert isinstance(empty, UplinkMessage)
    assert (empty.payload, empty.f_port, empty.receivers, empty.times) == (b"", None, (), ())


def test_whose_time_it_is() -> None:
    """The server's clock is believed, a gateway's only near the moment of hearing."""
    ns, gw = "2024-01-21T17:01:37.695656999+00:00", "1999-01-21T17:01:36.641008+00:00"
    now = 1_705_856_498 * 1_000_000_000
    both = chirpstack_up(time=gw, rxInfo=[{"gatewayId": "a", "gwTime": gw, "nsTime": ns}])
    told = chosen_time(both.times, now)
    assert told is not None
    assert (told.by, told.at_ns) == ("server", 1_705_856_497_695_656_999)
    alone = chirpstack_up(time=gw, rxInfo=[{"gatewayId": "a", "gwTime": gw}])
    assert [time.by for time in alone.times] == ["gateway", "gateway"]
    assert chosen_time(alone.times, now) is None
    servers = chirpstack_up(time=ns, rxInfo=[{"gatewayId": "a", "nsTime": ns}])
    assert [time.by for time in servers.times] == ["server", "server"]
    offset = chirpstack_up(time="2024-01-22T00:01:37.695+07:00")
    assert offset.times[0].at_ns == 1_705_856_497_695_000_000


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"fCnt": -1}, "field"),
        ({"fCnt": 1 << 32}, "field"),
        ({"fCnt": True}, "field"),
        ({"fCnt": "x"}, "field"),
        ({"fPort": 256}, "field"),
        ({"data": "***"}, "base64"),
        ({"data": ["qg=="]}, "field"),
        ({"time": "yesterday"}, "time"),
        ({"time": "2024-13-21T17:01:37Z"}, "time"),
        ({"rxInfo": {"gatewayId": "a"}}, "field"),
        ({"rxInfo": [1]}, "field"),
        ({"rxInfo": [{"rssi": "loud"}]}, "field"),
        ({"rxInfo": [{"rssi": 1e300}]}, "field"),
        ({"txInfo": []}, "field"),
        ({"devAddr": "zz"}, "field"),
        ({"confirmed": 1}, "field"),
        ({"deviceInfo": {"devEui": "0202020202020202"}}, "field"),
        ({"deviceInfo": "0101010101010101"}, "field"),
    ],
)
def test_members_of_the_wrong_type_are_refused_by_name(more: dict[str, Any], reason: str) -> None:
    with pytest.raises(Refused) as refused:
        chirpstack_up(**more)
    assert refused.value.reason == reason


def test_a_server_may_write_numbers_as_texts() -> None:
    assert chirpstack_up(fCnt="70001").f_cnt == 70001
    assert chirpstack_up(fCnt=7.0).f_cnt == 7


def test_errors_of_the_server_become_a_devices_fault() -> None:
    log = {"deviceInfo": EVENT["deviceInfo"], "level": "ERROR", "code": "UPLINK_MIC", "description": "x" * 1000}
    found = chirpstack.parse(UP.replace("/up", "/log"), json.dumps(log).encode())
    assert isinstance(found, DeviceNote)
    assert found.is_fault
    assert found.why.startswith("UPLINK_MIC: xxx")
    assert len(found.why) < 250
    info = chirpstack.parse(UP.replace("/up", "/log"), json.dumps({"deviceInfo": EVENT["deviceInfo"]}).encode())
    assert isinstance(info, DeviceNote)
    assert not info.is_fault
    failed = {
        "end_device_ids": {"device_id": "dev1", "application_ids": {"application_id": "app1"}},
        "downlink_failed": {
            "error": {"name": "application_downlink_too_long", "message_format": "payload is too long"}
        },
    }
    told = things_stack.parse("v3/app1@t/devices/dev1/down/failed", json.dumps(failed).encode())
    assert isinstance(told, DeviceNote)
    assert (told.kind, told.why, told.is_fault) == ("downlink_failed", "payload is too long", True)


def test_a_device_on_mains_has_no_battery_level() -> None:
    status = {"deviceInfo": EVENT["deviceInfo"], "externalPowerSource": True, "batteryLevel": 0}
    found = chirpstack.parse(UP.replace("/up", "/status"), json.dumps(status).encode())
    assert isinstance(found, DeviceNote)
    assert found.values == {}
    assert found.facts["external_power"] is True


def test_a_things_stack_gateway_that_tells_its_strength_had_zero_snr() -> None:
    (vector,) = [v for v in vectors("tts-v3") if v["id"] == "real-lobaro"]
    message = json.loads(json.dumps(vector["json"]))
    del message["uplink_message"]["rx_metadata"][0]["snr"]
    found = things_stack.parse(vector["topic"], json.dumps(message).encode())
    assert isinstance(found, UplinkMessage)
    assert found.receivers[0].snr == 0.0
    del message["uplink_message"]["rx_metadata"][0]["rssi"]
    del message["uplink_message"]["rx_metadata"][0]["channel_rssi"]
    found = things_stack.parse(vector["topic"], json.dumps(message).encode())
    assert isinstance(found, UplinkMessage)
    assert (found.receivers[0].rssi, found.receivers[0].snr) == (None, None)


def test_size_and_depth_have_bounds() -> None:
    for data, reason in (
        (b"{" + b" " * MAX_BYTES + b"}", "size"),
        (b'{"a":' + b"[" * 100_000, "json"),
        (b'{"a":' + b'{"a":' * 50_000, "json"),
        (b"[]", "encoding"),
        (b"", "json"),
        (b'{"deviceInfo":NaN}', "json"),
        (b'{"fCnt":' + b"9" * 5000 + b"}", "json"),
        (b'{"a":"\xff"}', "json"),
    ):
        with pytest.raises(Refused) as refused:
            chirpstack.parse(UP, data)
        assert refused.value.reason == reason
    many = chirpstack_up(rxInfo=[{"gatewayId": "a"}] * (MAX_ITEMS + 50))
    assert len(many.receivers) == MAX_ITEMS


def test_damaged_messages_raise_nothing_but_refusals() -> None:
    dice = Random(3)
    good = [(v["topic"], body(v)) for name in ("chirpstack-v4", "tts-v3") for v in vectors(name) if "json" in v]
    for _ in range(4000):
        topic, data = dice.choice(good)
        damaged = bytearray(data)
        for _ in range(dice.randrange(1, 4)):
            at = dice.randrange(len(damaged))
            damaged[at : at + dice.randrange(3)] = dice.choice(
                (b"", dice.randbytes(1), b'"', b"0", b"-", b"e9", b"[]", b"null")
            )
        parse = things_stack.parse if topic.startswith("v3/") else chirpstack.parse
        try:
            parse(topic, bytes(damaged))
        except Refused:
            continue


def test_members_name_the_path() -> None:
    with pytest.raises(Refused, match=r"a\.b\[1\]\.c is no text"):
        Members({"a": {"b": [{}, {"c": []}]}}).object("a").objects("b")[1].text("c")
