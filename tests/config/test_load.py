"""A good configuration becomes values; a wrong one tells everything at once, with line, key and remedy."""

# ruff: noqa: E501  -- tables, one case a line

import json
from pathlib import Path

import pytest

from gateway.config import Config, ConfigError, check, load
from gateway.ops import texts

NODE = """\
[node]
id = "nimman-07"
site = "nimman"
[mqtt]
url = "mqtt://127.0.0.1"
confirm = "stored"
"""
DEVICE = """\
[[device]]
id = "dust"
driver = "acme-dust"
port = "/dev/ttyS0"
"""
GOOD = NODE + DEVICE


def test_a_small_node(look):
    config, findings = look(GOOD)
    assert findings == []
    assert config.node.id == "nimman-07"
    assert config.node.name == {}
    assert config.mqtt.root == "lanna/v1"
    assert (config.mqtt.keepalive_s, config.mqtt.resend_after_s) == (30, 60.0)
    assert (config.spool.path, config.spool.max_bytes) == (Path("/var/lib/lanna/spool"), 2_000_000_000)
    assert (config.spool.window_ms, config.spool.when_full) == (250, "drop-oldest")
    [device] = config.devices
    assert (device.port, device.every_s, device.combine, device.device_class) == ("/dev/ttyS0", None, None, None)
    assert config.ports == ()
    assert config.ingest is None
    assert config.log.level == "info"


def test_everything_said(look):
    config, findings = look("""\
[node]
id = "a"
site = "b"
name = { th = "ก", en = "A" }
position = { lat = 18, lon = 98.9, elevation_m = 315 }
[spool]
path = "data"
max_size = "64 MiB"
when_full = "drop-newest"
window_ms = 1000
[mqtt]
url = "mqtts://[::1]:8884"
root = "test/v2"
client_id = "me"
protocol = "3.1.1"
confirm = "broker"
keepalive = "10 s"
[[port]]
id = "bus"
url = "tcp://10.0.0.7:4001"
baud = 19200
parity = "E"
stop = 2
dtr = false
[[device]]
id = "m1"
driver = "acme-meter"
port = "bus"
address = 1
every = "1.5 s"
silence = "5 min"
[[device]]
id = "m2"
driver = "acme-meter"
port = "bus"
address = 2
[[device]]
id = "dust"
class = "place"
driver = "acme"
port = "replay:dust.bin"
combine = "median"
options = { variant = "b", offset = 1, count = 4 }
[ingest]
confirms = false
state = "state"
[ingest.mqtt]
url = "mqtt://localhost:1"
session_expiry = "1 day"
[ingest.influx]
url = "http://127.0.0.1:8428"
org = "o"
bucket = "b"
retention = "365 days"
durable_after = "30 s"
[log]
level = "debug"
""")
    assert findings == []
    bus = config.port("bus")
    assert (bus.baud, bus.parity, bus.stop, bus.dtr, bus.bits) == (19200, "E", 2, False, None)
    assert [d.address for d in config.devices] == [1, 2, None]
    assert (config.devices[0].every_s, config.devices[0].silence_s) == (1.5, 300)
    assert config.devices[2].options == {"variant": "b", "offset": 1, "count": 4}
    assert config.devices[2].device_class == "place"
    assert config.ingest.mqtt.session_expiry_s == 86400
    assert (config.ingest.influx.retention_s, config.ingest.influx.durable_after_s) == (365 * 86400, 30)
    assert config.spool.path.name == "data"
    assert config.spool.path.is_absolute()
    assert config.port("none") is None


def test_one_box_shares_its_broker(look):
    text = GOOD.replace("127.0.0.1", "far.example").replace("confirm", 'client_id = "x"\nroot = "r"\nconfirm')
    config, findings = look(text + '[ingest]\nsqlite = { path = "x" }\n')
    assert findings == []
    mqtt = config.ingest.mqtt
    assert (mqtt.url, mqtt.root, mqtt.client_id) == ("mqtt://far.example", "r", None)
    assert (mqtt.keepalive_s, mqtt.session_expiry_s, mqtt.receive_maximum) == (30, 7 * 86400, 1000)


def test_it_does_not_change_afterwards(look):
    config, _ = look(GOOD)
    with pytest.raises(ValueError, match="frozen"):
        config.node.id = "b"


def swap(old: str, new: str) -> str:
    assert old in GOOD
    return GOOD.replace(old, new)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (swap('site = "nimman"', 'sita = "nimman"'), ["1 node.site: is missing; write for example: site = \"nimman\"", "3 node.sita: there is no such key; nearest: site"]),
        (swap('id = "nimman-07"', 'id = "Nimman 07"'), ['2 node.id: expected 1 to 32 of a-z, 0-9 and -, found "Nimman 07"']),
        (swap('confirm = "stored"\n', ""), ["4 mqtt.confirm: is missing; say confirm = \"stored\" (a reading is kept until the database has it) or confirm = \"broker\" (until the broker has it)"]),
        (swap('confirm = "stored"', 'confirm = "store"'), ['6 mqtt.confirm: expected one of stored, broker, found "store"; nearest: stored']),
        (swap("mqtt://127.0.0.1", "127.0.0.1"), ['5 mqtt.url: expected mqtt://host / mqtts://host, found "127.0.0.1"']),
        (swap("mqtt://127.0.0.1", "mqtt://h:99999"), ['5 mqtt.url: expected mqtt://host / mqtts://host, found "mqtt://h:99999"']),
        (swap("/dev/ttyS0", "ttyS0:"), ['10 device[dust].port: expected a device such as "/dev/serial0", "tcp://host:port", "replay:FILE" or the id of a [[port]], found "ttyS0:"']),
        (swap('driver = "acme-dust"', "driver = 5"), ["9 device[dust].driver: expected text in quotes, found 5"]),
        (GOOD + "every = 60", ['11 device[dust].every: expected a duration with its unit (ms, s, min, h, days), such as "60 s", found 60']),
        (GOOD + 'every = "1 ms"', ["11 device[dust].every: expected 50 ms to 7 days, found 1 ms"]),
        (GOOD + "baud = 96.5", ["11 device[dust].baud: expected a whole number, found 96.5"]),
        (GOOD + "baud = true", ["11 device[dust].baud: expected a whole number, found true"]),
        (GOOD + "dtr = 1", ["11 device[dust].dtr: expected true or false, found 1"]),
        (GOOD + "bits = 9", ["11 device[dust].bits: expected one of 7, 8, found 9"]),
        (GOOD + "position = { lat = 98.9, lon = 18.8 }", ["11 device[dust].position.lat: expected at most 90.0, found 98.9; are lat and lon swapped?"]),
        (GOOD + "position = { lat = nan, lon = inf }", ["11 device[dust].position.lat: expected a number, found nan", "11 device[dust].position.lon: expected a number, found inf"]),
        (GOOD + 'name = { de = "x" }', ['11 device[dust].name.de: expected one of th, en, found "de"']),
        (GOOD + 'name = "x"', ["11 device[dust].name: expected a table with keys, such as [name]"]),
        (GOOD + "options = { variant = [] }", ["11 device[dust].options.variant: expected text, a number, true or false, found an array"]),
        ("port = 5\n" + GOOD, ["1 port: expected one table or more, each beginning with [[port]]"]),
        ("device = [1]\n" + NODE, ["1 device[1]: expected a table with keys, such as [device]"]),
        ("spool = []\n" + GOOD, ["1 spool: expected a table with keys, such as [spool]"]),
    ],
)  # fmt: skip
def test_form(look, text, expected):
    config, findings = look(text)
    assert findings == expected
    assert config is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ["None : nothing to do: there is neither a [[device]] nor [ingest]; see: gateway config example"]),
        (DEVICE, ["None node: is missing: a node with devices needs [node]", "None mqtt: is missing: a node with devices needs [mqtt]"]),
        (GOOD + DEVICE.replace("S0", "S1"), ['12 device[dust].id: another [[device]] is called "dust" already']),
        (GOOD + DEVICE.replace('"dust"', '"b"'), ['14 device[b].port: "/dev/ttyS0" is used twice; declare it once as a [[port]] and give its id to both']),
        (swap("acme-dust", "acme-dusk"), ['9 device[dust].driver: there is no driver "acme-dusk"; nearest: acme-dust']),
        (swap("acme-dust", "zzz"), ['9 device[dust].driver: there is no driver "zzz"; see: gateway driver list']),
        (swap("/dev/ttyS0", "bus-2") + '[[port]]\nid = "bus-1"\nurl = "/dev/x"', ['10 device[dust].port: there is no [[port]] with the id "bus-2"; nearest: bus-1', "11 ? port[bus-1]: no device uses the port bus-1"]),
        (swap("acme-dust", "acme-meter"), ["7 device[dust].address: acme-meter is polled and needs its bus address, such as address = 1"]),
        (swap("acme-dust", "acme-probe"), []),
        (GOOD + "address = 1", ["11 device[dust].address: acme-dust has no bus address; leave this out"]),
        (GOOD + 'options = { varian = "a" }', ["11 device[dust].options.varian: acme-dust has no such option; nearest: variant"]),
        (GOOD + 'options = { variant = "c", offset = "1", count = 1.5 }', ['11 device[dust].options.variant: expected one of a, b, found "c"', '11 device[dust].options.offset: expected a value like 0.5, found "1"', "11 device[dust].options.count: expected a value like 3, found 1.5"]),
        (GOOD + 'silence = "60 s"\nevery = "60 s"', ["11 device[dust].silence: must be longer than every (60 s), or the device is called silent between two readings"]),
        (GOOD + "[ingest]", ["11 ingest: expected exactly one place to store readings: [ingest.sqlite] or [ingest.influx]"]),
        ('[ingest]\nsqlite = { path = "x" }', ["1 ingest: needs a broker: [ingest.mqtt] or [mqtt]"]),
        (swap("mqtt://127.0.0.1", "mqtt://far.example").replace("confirm =", 'password_file = "p"\nconfirm ='), ["5 ? mqtt.url: the password travels unencrypted; use mqtts://", "6 mqtt.password_file: needs username beside it"]),
    ],
)  # fmt: skip
def test_parts_that_contradict_each_other(look, text, expected):
    _, findings = look(text)
    assert [f for f in findings if "No such file" not in f] == expected


def test_a_bus(look):
    bus = '[[port]]\nid = "bus"\nurl = "/dev/bus"\n'
    meter = '[[device]]\nid = "{id}"\ndriver = "acme-meter"\nport = "bus"\naddress = {address}\n'
    two = NODE + bus + meter.format(id="a", address=1) + meter.format(id="b", address=2)
    assert look(two)[1] == []
    assert look(two.replace("address = 2", "address = 1\nbaud = 9600"))[1] == [
        '19 device[b].address: another device on port "bus" has the address 1 already',
        '20 device[b].baud: the line belongs to the port; say this in [[port]] "bus"',
    ]
    listener = DEVICE.replace("/dev/ttyS0", "bus")
    assert look(two + listener)[1] == [
        '23 device[dust].port: acme-dust talks by itself and cannot share port "bus" with other devices'
    ]
    assert look(NODE + bus + listener)[1] == []


def test_all_at_once_in_the_order_of_lines(look):
    _, findings = look(GOOD.replace('"nimman-07"', "7").replace("acme-dust", "acme-dusk") + 'evry = "1 s"\n[x]\n')
    assert [f.split(":")[0] for f in findings] == ["2 node.id", "9 device[dust].driver", "11 device[dust].evry", "12 x"]


def test_secrets_are_not_said_and_not_shown(look):
    _, findings = look(swap('confirm = "stored"', 'confirm = "stored"\npassword = "geheim"'))
    assert len(findings) == 1
    assert 'password_file = "/etc/lanna/…"' in findings[0]
    _, more = look(swap("mqtt://127.0.0.1", "mqtt://bob:geheim@host:port"))
    assert "password_file" in more[0]
    assert "geheim" not in "".join(findings + more)


def test_files_it_names(look, tmp_path):
    secret = tmp_path / "pw"
    text = swap('confirm = "stored"', 'confirm = "stored"\nusername = "u"\npassword_file = "pw"\nca_file = "ca.pem"')
    config, findings = look(text)
    assert [f.split(": ")[0] for f in findings] == ["8 ? mqtt.password_file", "9 ? mqtt.ca_file"]
    assert config.mqtt.password_file == secret
    assert [f.split(": ")[0] for f in look(text, is_here=True)[1]] == ["8 mqtt.password_file", "9 mqtt.ca_file"]
    (tmp_path / "ca.pem").write_text("x")
    secret.write_text("x")
    secret.chmod(0o644)
    assert look(text)[1] == [
        f"8 mqtt.password_file: everybody on this machine can read {secret}; run: chmod 640 {secret}"
    ]
    secret.chmod(0o640)
    assert look(text, is_here=True)[1] == []
    secret.write_text("")
    assert look(text)[1] == [f"8 mqtt.password_file: {secret} is empty"]


def test_load_raises_with_everything(tmp_path, drivers):
    file = tmp_path / "c.toml"
    file.write_text(GOOD + "x = 1\ny = 2\n")
    with pytest.raises(ConfigError) as caught:
        load(file, known_drivers=drivers)
    assert [problem.line for problem in caught.value.problems] == [11, 12]
    assert str(caught.value).splitlines()[0].startswith(f"{file}:11: device[dust].x: there is no such key")
    file.write_text(GOOD)
    assert isinstance(load(file, known_drivers=drivers), Config)


def test_fragments(folder, drivers):
    (folder / "10-node.toml").write_text(NODE)
    (folder / "20-a.toml").write_text(DEVICE)
    (folder / "30-b.toml").write_text(
        "\n\n" + DEVICE.replace('"dust"', '"dust-2"').replace("S0", "S1") + "[node.position]\nlat = 18\nlon = 99\n"
    )
    (folder / "notes.txt").write_text("not TOML")
    config, problems = check(folder, known_drivers=drivers)
    assert problems == []
    assert [d.id for d in config.devices] == ["dust", "dust-2"]
    assert config.node.position.lat == 18
    (folder / "40-c.toml").write_text('[mqtt]\nroot = "x"\nconfirm = "broker"\n' + DEVICE.replace('"acme-dust"', "1"))
    config, problems = check(folder, known_drivers=drivers)
    assert config is None
    [problem] = problems
    assert (problem.file.name, problem.line, problem.key) == ("40-c.toml", 3, "mqtt.confirm")
    assert f"{folder / '10-node.toml'} line 6" in problem.message
    (folder / "40-c.toml").write_text("\n" + DEVICE.replace('"acme-dust"', "1"))
    _, problems = check(folder, known_drivers=drivers)
    assert {(p.file.name, p.line) for p in problems} == {("40-c.toml", 3), ("40-c.toml", 4), ("40-c.toml", 5)}


def test_in_thai(look):
    texts.set_language("th")
    _, findings = look(GOOD + "evry = 1\n")
    assert findings == ["11 device[dust].evry: ไม่มีคีย์นี้; ใกล้เคียงที่สุด: every"]


def test_findings_can_be_data(look):
    _, findings = look(GOOD + '"\\u001b[31m" = 1\n')
    assert findings[0].startswith("11 device[dust].\ufffd[31m: there is no such key")
    assert json.dumps(findings)
