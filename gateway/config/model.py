"""The configuration as types: what may be said, in which units, and what holds when nothing is said.

Attributes carry their dimension (`every_s`, `max_bytes`); keys in a file do not, their values do (`every = "60 s"`).
What a key means stands in the catalogue of texts, under `keys.<table>_<key>`.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from gateway.config.kinds import (
    BusAddress,
    DriverName,
    Duration,
    File,
    HttpUrl,
    Id,
    MqttUrl,
    PortOrId,
    PortUrl,
    Root,
    Scalar,
    Size,
    Text,
    WholeSeconds,
    duration_between,
    size_between,
)
from gateway.config.radio_kinds import DEFAULT_LISTEN, DevAddr, Eui, Frequency, Listen, SyncWord
from gateway.wire.topics import DEFAULT_ROOT

Parity = Literal["N", "E", "O"]
DeviceClass = Literal["air", "water", "weather", "energy", "mobility", "place"]
Combine = Literal["last", "mean", "median", "max"]
Protocol = Literal["auto", "5", "3.1.1"]
LoraKind = Literal[
    "rylr896",
    "rylr998",
    "rak3172",
    "rn2483",
    "rak811",
    "rfm2pi",
    "e22",
    "e220",
    "e32",
    "gwmp",
    "chirpstack",
    "things-stack",
]

_Timeout = Annotated[Duration, duration_between("1 s", "10 min")]
_Retention = Annotated[Duration, duration_between("1 h", "36500 days")]
_array = BeforeValidator(lambda value: tuple(value) if isinstance(value, list) else value)


Steps = Annotated[
    tuple[Any, ...],
    _array,
    WithJsonSchema(
        {"type": "array", "items": {"anyOf": [{"type": "string"}, {"type": "object", "required": ["use"]}]}}
    ),
]
"""What a device does with its values: gateway.config.steps knows the kinds and checks them."""


class Table(BaseModel):
    """A table of the file; unknown keys are refused, nothing changes afterwards."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)
    topic: ClassVar[str] = ""
    """Under which name its keys are explained in the catalogue."""


class Position(Table):
    topic = "position"
    lat: float = Field(ge=-90, le=90, examples=[18.7966])
    lon: float = Field(ge=-180, le=180, examples=[98.9678])
    elevation_m: float | None = Field(None, ge=-500, le=9000, examples=[315])


Names = dict[Literal["th", "en"], Text]


class Node(Table):
    topic = "node"
    id: Id = Field(examples=["nimman-07"])
    site: Id = Field(examples=["nimman"])
    name: Names = Field(default={}, examples=[{"th": "นิมมานเหมินท์ 7", "en": "Nimman 7"}])
    position: Position | None = Field(None, examples=[{"lat": 18.7966, "lon": 98.9678, "elevation_m": 315}])
    clock: Literal["auto", "trusted"] = "auto"
    clock_wait_s: Annotated[Duration, duration_between("0 s", "30 days")] = Field(
        "15 min", alias="clock_wait", validate_default=True
    )
    control: File | None = Field(None, examples=["/run/lanna/control"])


class Spool(Table):
    topic = "spool"
    path: File = Field("/var/lib/lanna/spool", validate_default=True)
    max_bytes: Annotated[Size, size_between("1 MB", "16 TB")] = Field("2 GB", alias="max_size", validate_default=True)
    when_full: Literal["drop-oldest", "drop-newest"] = "drop-oldest"
    window_ms: int = Field(250, ge=0, le=60_000)


class AnyBroker(Table):
    """How to reach a broker, whosever it is."""

    topic = "mqtt"
    url: MqttUrl = Field(examples=["mqtts://broker.example:8883"])
    client_id: Text | None = Field(None, examples=["lanna-1"])
    protocol: Protocol = "auto"
    ca_file: File | None = Field(None, examples=["/etc/lanna/ca.pem"])
    cert_file: File | None = Field(None, examples=["/etc/lanna/node.pem"])
    key_file: File | None = Field(None, examples=["/etc/lanna/node.key"])
    username: Text | None = Field(None, examples=["nimman-07"])
    password_file: File | None = Field(None, examples=["/etc/lanna/mqtt.password"])
    keepalive_s: Annotated[WholeSeconds, duration_between("5 s", "10 min")] = Field(
        "30 s", alias="keepalive", validate_default=True
    )


class Broker(AnyBroker):
    """The broker of readings; shared by the node's side and the backbone's."""

    root: Root = DEFAULT_ROOT


class NodeBroker(Broker):
    confirm: Literal["stored", "broker"] = Field(examples=["stored"])
    resend_after_s: Annotated[Duration, duration_between("5 s", "1 day")] = Field(
        "60 s", alias="resend_after", validate_default=True
    )
    backlog_per_s: int = Field(0, ge=0, le=1_000_000)


class _LineSettings(Table):
    baud: int | None = Field(None, ge=50, le=4_000_000, examples=[9600])
    bits: Literal[7, 8] | None = Field(None, examples=[8])
    parity: Parity | None = Field(None, examples=["N"])
    stop: Literal[1, 2] | None = Field(None, examples=[1])
    dtr: bool | None = Field(None, examples=[False])


class Port(_LineSettings):
    topic = "port"
    id: Id = Field(examples=["bus-1"])
    url: PortUrl = Field(examples=["/dev/serial/by-id/usb-FTDI_FT232R_A50285BI-if00-port0"])


class Duty(Table):
    topic = "duty"
    every_s: Annotated[Duration, duration_between("1 min", "1 day")] = Field(alias="every", examples=["10 min"])
    on_s: Annotated[Duration, duration_between("5 s", "12 h")] = Field(alias="on", examples=["60 s"])
    warm_up_s: Annotated[Duration, duration_between("0 s", "1 h")] | None = Field(
        None, alias="warm_up", examples=["30 s"]
    )


class Lora(Table):
    """One receiver. Which keys it takes hangs on its kind; gateway.config.radio checks that."""

    topic = "lora"
    id: Id = Field(examples=["roof"])
    kind: LoraKind = Field(examples=["rylr998"])
    region: Literal["AS923-1 (TH)"] = "AS923-1 (TH)"
    port: PortUrl | None = Field(None, examples=["/dev/serial/by-id/usb-Silicon_Labs_CP2102_0001-if00-port0"])
    baud: int | None = Field(None, ge=300, le=4_000_000, examples=[115200])
    dtr: bool | None = Field(None, examples=[False])
    frequency_hz: Frequency | None = Field(None, alias="frequency", examples=["923.2 MHz"])
    spreading_factor: int | None = Field(None, ge=5, le=12, examples=[9])
    bandwidth_hz: Frequency | None = Field(None, alias="bandwidth", examples=["125 kHz"])
    coding_rate: Literal["4/5", "4/6", "4/7", "4/8"] | None = Field(None, examples=["4/5"])
    preamble: int | None = Field(None, ge=4, le=65535, examples=[12])
    sync_word: SyncWord | None = Field(None, examples=["0x12"])
    network_id: int | None = Field(None, ge=0, le=255, examples=[18])
    address: int | None = Field(None, ge=0, le=65535, examples=[1])
    air_rate: int | None = Field(None, ge=300, le=62500, examples=[2400])
    rssi_byte: bool | None = Field(None, examples=[True])
    rssi_rule: Literal["dbm", "half"] | None = Field(None, examples=["dbm"])
    setup: bool | None = Field(None, examples=[True])
    header: Literal["none", "radiohead"] | None = Field(None, examples=["none"])
    listen: Listen | None = Field(None, examples=[DEFAULT_LISTEN])
    gateways: Annotated[tuple[Eui, ...], _array] | None = Field(None, examples=[["aa555adcdba823be"]])
    mqtt: AnyBroker | None = Field(None, examples=[{"url": "mqtts://chirpstack.example:8883"}])
    application: Text | None = Field(None, examples=["17c82e96-be03-4f38-aef3-f83d48582d97"])


class Radio(Table):
    """Who a radio device is, and how it proves that."""

    topic = "radio"
    dev_addr: DevAddr | None = Field(None, examples=["01a2b3c4"])
    keys_file: File | None = Field(None, examples=["/etc/lanna/lora/maekha.keys"])
    dev_eui: Eui | None = Field(None, examples=["24e124713b492637"])
    trust: Literal["anyone-in-range"] | None = Field(None, examples=["anyone-in-range"])
    receiver: Id | None = Field(None, examples=["roof"])
    sender: int | None = Field(None, ge=0, le=65535, examples=[50])
    encoding: Literal["bytes", "hex"] = "bytes"


class Device(_LineSettings):
    topic = "device"
    id: Id = Field(examples=["pms-roof"])
    driver: DriverName = Field(examples=["plantower-pmsx003"])
    port: PortOrId = Field("", examples=["/dev/serial0"])
    radio: Radio | None = Field(None, examples=[{"dev_addr": "01a2b3c4", "keys_file": "/etc/lanna/lora/maekha.keys"}])
    device_class: DeviceClass | None = Field(None, alias="class", examples=["air"])
    address: BusAddress | None = Field(None, examples=[1])
    every_s: Annotated[Duration, duration_between("50 ms", "7 days")] | None = Field(
        None, alias="every", examples=["60 s"]
    )
    combine: Combine | None = Field(None, examples=["mean"])
    silence_s: Annotated[Duration, duration_between("1 s", "30 days")] | None = Field(
        None, alias="silence", examples=["30 s"]
    )
    duty: Duty | None = Field(None, examples=[{"every": "10 min", "on": "60 s"}])
    name: Names = Field(default={}, examples=[{"th": "ฝุ่นบนดาดฟ้า", "en": "Roof dust sensor"}])
    position: Position | None = Field(None, examples=[{"lat": 18.7966, "lon": 98.9678, "elevation_m": 327}])
    options: dict[str, Scalar] = Field(default={}, examples=[{}])
    steps: Steps | None = Field(None, examples=[["means", "nowcast", "aqi-th"]])
    alarms: Steps = Field((), examples=[[{"use": "silent", "after": "10 min"}]])


class IngestBroker(Broker):
    session_expiry_s: Annotated[WholeSeconds, duration_between("1 min", "365 days")] = Field(
        "7 days", alias="session_expiry", validate_default=True
    )
    receive_maximum: int = Field(1000, ge=1, le=65535)


class Influx(Table):
    topic = "influx"
    url: HttpUrl = Field(examples=["http://127.0.0.1:8086"])
    org: Text = Field(examples=["lanna"])
    bucket: Text = Field(examples=["lanna"])
    retention_s: _Retention = Field(alias="retention", examples=["365 days"])
    token_file: File | None = Field(None, examples=["/etc/lanna/influx.token"])
    gzip: bool = True
    timeout_s: _Timeout = Field("10 s", alias="timeout", validate_default=True)
    durable_after_s: Annotated[Duration, duration_between("0 s", "10 min")] | None = Field(
        None, alias="durable_after", examples=["30 s"]
    )


class Sqlite(Table):
    topic = "sqlite"
    path: File = Field(examples=["/var/lib/lanna/readings.sqlite"])
    retention_s: _Retention | None = Field(None, alias="retention", examples=["90 days"])
    max_bytes: Annotated[Size, size_between("1 MB", "16 TB")] | None = Field(None, alias="max_size", examples=["4 GB"])


class Ingest(Table):
    topic = "ingest"
    confirms: bool = True
    state: File = Field("/var/lib/lanna/ingest", validate_default=True)
    batch_readings: int = Field(1000, ge=1, le=100_000)
    batch_age_s: Annotated[Duration, duration_between("0 s", "1 min")] = Field(
        "20 ms", alias="batch_age", validate_default=True
    )
    grace_s: Annotated[Duration, duration_between("5 s", "1 day")] = Field("60 s", alias="grace", validate_default=True)
    mqtt: IngestBroker | None = Field(None, examples=[{"url": "mqtt://127.0.0.1:1883"}])
    influx: Influx | None = None
    sqlite: Sqlite | None = None


class Log(Table):
    topic = "log"
    level: Literal["debug", "info", "warning", "error"] = "info"


class Config(Table):
    """Everything one process is told."""

    topic = "config"
    node: Node | None = None
    spool: Spool = Field(default={}, validate_default=True)
    mqtt: NodeBroker | None = None
    ports: Annotated[tuple[Port, ...], _array] = Field((), alias="port")
    loras: Annotated[tuple[Lora, ...], _array] = Field((), alias="lora")
    devices: Annotated[tuple[Device, ...], _array] = Field((), alias="device")
    ingest: Ingest | None = None
    log: Log = Field(default={}, validate_default=True)

    def port(self, port_id: str) -> Port | None:
        """The declared port of that id."""
        return next((port for port in self.ports if port.id == port_id), None)


def field_key(name: str, field: Any) -> str:
    """The key in a file of a model's attribute."""
    return field.alias or name
