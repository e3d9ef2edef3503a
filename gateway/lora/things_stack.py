"""Messages of The Things Stack v3 over MQTT.

    v3/<application>[@<tenant>]/devices/<device>/<up | join | down/… | service/data | location/solved>

Members that are zero, false or empty are absent. Its MQTT has QoS 0 only: what is sent while nobody listens is lost to
this inlet. A simulated uplink is refused: nothing measured it. `decoded_payload` is not used, for the node's own driver
knows units and faults.

Source: lorawan-stack-docs integrations/data-formats and mqtt.
"""

from __future__ import annotations

from gateway.lora.members import MAX_TEXT, Members, read_json
from gateway.lora.uplinks import DeviceNote, Receiver, Refused, TimeTold, UplinkMessage

TOPIC = "v3/+/devices/+/#"
"""What to subscribe to."""
_KINDS = {
    "join": "join_accept",
    "down/queued": "downlink_queued",
    "down/sent": "downlink_sent",
    "down/ack": "downlink_ack",
    "down/nack": "downlink_nack",
    "down/failed": "downlink_failed",
    "down/queue_invalidated": "downlink_queue_invalidated",
    "service/data": "service_data",
    "location/solved": "location_solved",
}
"""What ends a topic, and the member that the message then has."""
_FAULTS = ("downlink_failed",)


def read_topic(topic: str) -> tuple[str, str]:
    """The device's id and what its message is about. Raises `Refused`."""
    levels = topic.split("/")
    if len(levels) >= 5 and levels[0] == "v3" and levels[2] == "devices":
        return levels[3], "/".join(levels[4:])
    if len(levels) == 4 and levels[1] == "devices":
        raise Refused("version", "this is the Things Network v2, closed in 2021; The Things Stack v3 is read here")
    raise Refused("topic", f"{topic[:MAX_TEXT]!r} is no topic of The Things Stack; subscribe to {TOPIC}")


def parse(topic: str, data: bytes, *, allow_simulated: bool = False) -> UplinkMessage | DeviceNote:
    """What a message tells. Raises `Refused`."""
    device, about = read_topic(topic)
    found = read_json(data, "take the MQTT integration of The Things Stack, which is JSON")
    ids = found.object("end_device_ids")
    if ids.text("device_id") != device:
        raise Refused(
            "field", f"end_device_ids.device_id is {ids.short('device_id')!r}, its topic says {device[:MAX_TEXT]!r}"
        )
    if found.flag("simulated") and not allow_simulated:
        raise Refused(
            "simulated", f"{device[:MAX_TEXT]}: this uplink was simulated in the console; no device measured it"
        )
    if about == "up":
        return _uplink(found, ids)
    kind = _KINDS.get(about)
    if kind is None or kind not in found:
        raise Refused("topic", f"a message about {about[:MAX_TEXT]!r} without {kind or 'a known meaning'}")
    return DeviceNote(
        kind="join" if kind == "join_accept" else kind,
        dev_eui=ids.eui("dev_eui", 16),
        dev_addr=ids.eui("dev_addr", 8),
        device_name=device,
        times=found.time("received_at", "server"),
        why=_why(kind, found.object(kind)),
        is_fault=kind in _FAULTS,
    )


def _why(kind: str, about: Members) -> str:
    if kind == "downlink_failed":
        error = about.object("error")
        return error.short("message_format") or error.short("name")
    if kind == "service_data":
        return about.short("service")
    return ""


def _uplink(found: Members, ids: Members) -> UplinkMessage:
    if "uplink_message" not in found:
        raise Refused("field", "uplink_message is absent")
    up = found.object("uplink_message")
    receivers: list[Receiver] = []
    times: list[TimeTold] = [*found.time("received_at", "server"), *up.time("received_at", "server")]
    for heard in up.objects("rx_metadata"):
        gateway = heard.object("gateway_ids")
        rssi = heard.number("rssi", heard.number("channel_rssi"))
        # A gateway that tells its strength and no SNR had 0 dB; one that tells neither told nothing.
        snr = heard.number("snr", None if rssi is None else 0.0)
        receivers.append(Receiver(gateway.short("gateway_id") or gateway.short("eui"), rssi, snr))
        times += (*heard.time("received_at", "server"), *heard.time("time", "gateway"))
    settings = up.object("settings")
    lora = settings.object("data_rate").object("lora")
    payload = up.bytes("frm_payload")
    f_cnt = up.whole("f_cnt", 0, 0xFFFFFFFF)
    session = up.short("session_key_id")
    return UplinkMessage(
        payload=payload,
        dev_eui=ids.eui("dev_eui", 16),
        dev_addr=ids.eui("dev_addr", 8),
        f_cnt=f_cnt,
        f_port=up.whole("f_port", 0, 255, 0 if payload else None),
        times=tuple(times),
        receivers=tuple(receivers),
        spreading_factor=lora.whole("spreading_factor", 5, 12, None),
        bandwidth_hz=lora.whole("bandwidth", 1, 10_000_000, None),
        frequency_hz=settings.whole("frequency", 1, 10_000_000_000, None),
        key=f"{session}/{f_cnt}" if session else "",
        device_name=ids.short("device_id"),
        is_confirmed=up.flag("confirmed"),
        is_authentic=True,
    )
