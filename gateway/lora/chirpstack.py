"""Messages of ChirpStack v4 over MQTT, in JSON.

    [<prefix>/]application/<application>/device/<dev_eui>/event/<up|join|status|ack|txack|log|location|integration>
    [<prefix>/]application/<application>/device/<dev_eui>/command/down
    [<prefix>/]gateway/<gateway>/event/<stats|ack>  or  /state/conn          (event/up is a frame, still encrypted)

Members that are zero, false or empty may be absent. `time` is the gateway's where it has one, else the server's;
rxInfo has both in newer servers (gwTime, nsTime; `time` in those of 2023). `object` is what a codec of the server made
of the payload: it is not used, for the node's own driver knows units and faults.

Source: chirpstack-docs integrations/events.md and mqtt.md; chirpstack api/proto/integration/integration.proto.
"""

from __future__ import annotations

from dataclasses import dataclass

from gateway.lora.members import MAX_TEXT, Members, read_json
from gateway.lora.uplinks import DeviceNote, GatewayNote, Receiver, Refused, TimeTold, UplinkMessage

TOPIC = "application/+/device/+/event/+"
"""What to subscribe to."""
_BAD_CRC = ("BAD_CRC", "CRC_BAD")
_FAULT = ("ERROR", "WARNING")
_MAX_LEVELS = 16


@dataclass(frozen=True, slots=True)
class Topic:
    """Whose message it is: `of` is device or gateway, `kind` the event's, state's or command's name."""

    of: str
    id: str
    group: str
    kind: str
    prefix: str = ""


def read_topic(topic: str) -> Topic:
    """The parts of a topic, any region's prefix before it. Raises `Refused`."""
    levels = topic.split("/")
    for at in range(min(len(levels), _MAX_LEVELS)):
        rest, prefix = levels[at:], "/".join(levels[:at])
        if len(rest) == 6 and rest[0] == "application" and rest[2] == "device" and rest[4] in ("event", "command"):
            return Topic("device", rest[3].lower(), rest[4], rest[5], prefix)
        if len(rest) == 4 and rest[0] == "gateway" and rest[2] in ("event", "state", "command"):
            return Topic("gateway", rest[1].lower(), rest[2], rest[3], prefix)
    raise Refused("topic", f"{topic[:MAX_TEXT]!r} is no topic of ChirpStack; subscribe to {TOPIC}")


def parse(topic: str, data: bytes) -> UplinkMessage | DeviceNote | GatewayNote:
    """What a message tells. Raises `Refused`."""
    whose = read_topic(topic)
    if whose.of == "gateway" and whose.group != "state" and whose.kind != "stats":
        raise Refused("topic", f"gateway/…/{whose.group}/{whose.kind} is for the server itself; subscribe to {TOPIC}")
    found = read_json(data, "set json=true under [integration.mqtt] in chirpstack.toml")
    if whose.of == "gateway":
        return _gateway(whose, found)
    _refuse_v3(found)
    if whose.group == "command":
        return DeviceNote(whose.kind, whose.id, why="a downlink was asked for")
    info = found.object("deviceInfo")
    dev_eui = info.eui("devEui", 16)
    if not dev_eui:
        raise Refused("field", "deviceInfo.devEui is absent: this is no event of ChirpStack v4")
    if dev_eui != whose.id:
        raise Refused("field", f"deviceInfo.devEui is {dev_eui}, its topic says {whose.id[:MAX_TEXT]}")
    if whose.kind == "up":
        return _uplink(found, dev_eui, info.short("deviceName"))
    return _note(whose.kind, found, dev_eui, info.short("deviceName"))


def _refuse_v3(found: Members) -> None:
    """ChirpStack v3 has other names, EUIs in base64 and no deviceInfo."""
    if "devEUI" in found or "applicationID" in found:
        raise Refused("version", "this is ChirpStack v3 (devEUI, loRaSNR), which ended in 2022; version 4 is read here")


def _uplink(found: Members, dev_eui: str, name: str) -> UplinkMessage:
    receivers: list[Receiver] = []
    times: list[TimeTold] = []
    for heard in found.objects("rxInfo"):
        if heard.text("crcStatus") in _BAD_CRC:
            continue
        # A zero is left out; 0 dBm no gateway ever heard, 0.0 dB is a usual signal.
        receivers.append(Receiver(heard.short("gatewayId"), heard.number("rssi"), heard.number("snr", 0.0)))
        times += (*heard.time("gwTime", "gateway"), *heard.time("time", "gateway"), *heard.time("nsTime", "server"))
    sent = found.object("txInfo")
    lora = sent.object("modulation").object("lora")
    payload = found.bytes("data")
    return UplinkMessage(
        payload=payload,
        dev_eui=dev_eui,
        dev_addr=found.eui("devAddr", 8),
        f_cnt=found.whole("fCnt", 0, 0xFFFFFFFF),
        f_port=found.whole("fPort", 0, 255, 0 if payload else None),
        times=(*_own_time(found, times), *times),
        receivers=tuple(receivers),
        spreading_factor=lora.whole("spreadingFactor", 5, 12, None),
        bandwidth_hz=lora.whole("bandwidth", 1, 10_000_000, None),
        frequency_hz=sent.whole("frequency", 1, 10_000_000_000, None),
        key=found.short("deduplicationId"),
        device_name=name,
        is_confirmed=found.flag("confirmed"),
        is_authentic=True,
    )


def _own_time(found: Members, others: list[TimeTold]) -> tuple[TimeTold, ...]:
    """The event's `time`, and whose it is: a gateway's where one said the same, the server's where none said any."""
    for told in found.time("time", "either"):
        of_gateways = [other.at_ns for other in others if other.by == "gateway"]
        if told.at_ns in of_gateways:
            return (TimeTold(told.at_ns, "gateway"),)
        if others and not of_gateways:
            return (TimeTold(told.at_ns, "server"),)
        return (told,)
    return ()


def _note(kind: str, found: Members, dev_eui: str, name: str) -> DeviceNote:
    values: dict[str, float] = {}
    facts: dict[str, str | int | float | bool] = {}
    why, is_fault = "", False
    if kind == "status":
        facts = {"margin_db": found.whole("margin", -32, 31) or 0, "external_power": found.flag("externalPowerSource")}
        level = found.number("batteryLevel")
        if level is not None and not (facts["external_power"] or found.flag("batteryLevelUnavailable")):
            if not 0 <= level <= 100:
                raise Refused("field", f"batteryLevel is {level:g}, no percentage")
            values["battery_level"] = level
    elif kind == "log":
        level_name, code = found.text("level", "INFO")[:MAX_TEXT], found.text("code", "UNKNOWN")[:MAX_TEXT]
        why, is_fault = f"{code}: {found.short('description')}", level_name in _FAULT
        facts = {"level": level_name, "code": code}
    elif kind == "ack":
        facts = {"acknowledged": found.flag("acknowledged"), "f_cnt_down": found.whole("fCntDown", 0, 0xFFFFFFFF) or 0}
    elif kind == "txack":
        facts = {"gateway": found.short("gatewayId"), "f_cnt_down": found.whole("fCntDown", 0, 0xFFFFFFFF) or 0}
    elif kind == "location":
        place = found.object("location")
        facts = {key: place.number(key, 0.0) or 0.0 for key in ("latitude", "longitude", "altitude")}
    elif kind == "integration":
        facts = {"integration": found.short("integrationName"), "event": found.short("eventType")}
    elif kind != "join":
        raise Refused("topic", f"event {kind[:MAX_TEXT]!r} is not known")
    return DeviceNote(
        kind=kind,
        dev_eui=dev_eui,
        dev_addr=found.eui("devAddr", 8),
        device_name=name,
        times=found.time("time", "either"),
        why=why,
        is_fault=is_fault,
        values=values,
        facts=facts,
    )


def _gateway(whose: Topic, found: Members) -> GatewayNote:
    names = ("rxPacketsReceived", "rxPacketsReceivedOk", "txPacketsReceived", "txPacketsEmitted")
    facts: dict[str, str | int | float | bool] = {
        name: found.whole(name, 0, 1 << 53) or 0 for name in names if name in found
    }
    if "state" in found:
        facts["state"] = found.short("state")
    return GatewayNote(whose.kind, whose.id, whose.prefix, facts)
