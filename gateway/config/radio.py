"""What radio tables must agree with: the receiver's kind, the region's rules, and how a device proves who it is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from drivers.core.contract import Driver, Uplink
from drivers.radio.modem_facts import MODEMS, ModemFacts
from drivers.radio.region import LORAWAN_BYTES, REGIONS, THAILAND, broken_rules
from gateway.config.problems import KeyPath, Unfit, show, suggest
from gateway.config.radio_kinds import format_frequency, frequency_hz
from gateway.ops.texts import say

Finding = tuple[KeyPath, str]
Table = Mapping[str, Any]

CONCENTRATOR, SERVERS = "gwmp", ("chirpstack", "things-stack")
_ALWAYS = frozenset({"id", "kind", "region"})
_SERIAL = frozenset({"port", "baud", "dtr"})
_KEYS = {CONCENTRATOR: frozenset({"listen", "gateways"}), **dict.fromkeys(SERVERS, frozenset({"mqtt", "application"}))}
_NOT_BY_RADIO = ("port", "address", "every", "combine", "duty", "baud", "bits", "parity", "stop", "dtr")
_LOOPBACK = ("127.", "localhost:", "[::1]:")
_WORDS = ("dev_addr", "dev_eui", "trust")


def receivers(tree: Table) -> list[tuple[KeyPath, Table]]:
    """The [[lora]] tables."""
    return _tables(tree, "lora")


def _tables(tree: Table, key: str) -> list[tuple[KeyPath, Table]]:
    array = tree.get(key)
    found = enumerate(array) if isinstance(array, list) else ()
    return [((key, number), table) for number, table in found if isinstance(table, dict)]


def lora_findings(tree: Table) -> Iterator[Finding]:
    """What is wrong with receivers, each by itself and all together."""
    ids: set[str] = set()
    for path, table in receivers(tree):
        name, kind = table.get("id"), table.get("kind")
        if isinstance(name, str):
            if name in ids:
                yield (*path, "id"), say("config.same_id", table="lora", id=show(name))
            ids.add(name)
        if not isinstance(kind, str):
            continue
        facts = MODEMS.get(kind)
        takes = _ALWAYS | (_SERIAL | facts.takes if facts is not None else _KEYS.get(kind, frozenset(table)))
        for key in table:
            if key not in takes:
                yield (*path, key), say("config.lora_no_key", kind=kind) + suggest(key, takes - _ALWAYS)
        if facts is not None:
            if "port" not in table:
                yield (*path, "port"), say("config.lora_needs", kind=kind, key="port")
            yield from _rules(path, table, facts)
        elif kind in SERVERS and "mqtt" not in table:
            yield (*path, "mqtt"), say("config.lora_needs", kind=kind, key="mqtt")
    yield from _same_port(tree)
    yield from _same_device(tree)


def _rules(path: KeyPath, table: Table, facts: ModemFacts) -> Iterator[Finding]:
    """Settings that the modem does not have, or the region does not allow."""
    region = REGIONS.get(str(table.get("region", THAILAND)), REGIONS[THAILAND])
    at_hz, wide_hz = _hz(table, "frequency", 923_200_000), _hz(table, "bandwidth", 125_000)
    sf = table.get("spreading_factor", 9)
    if facts.bases_hz and at_hz is not None and facts.channel(at_hz) is None:
        nearest = format_frequency(facts.nearest_hz(at_hz))
        yield (*path, "frequency"), say("config.lora_channel", modem=facts.title, nearest=nearest)
    rate = table.get("air_rate")
    if facts.air_rates and isinstance(rate, int) and rate not in facts.air_rates:
        words = ", ".join(map(str, sorted(facts.air_rates)))
        yield (*path, "air_rate"), say("config.expect_one_of", words=words, found=show(rate))
    is_lora = "spreading_factor" in facts.takes
    if not isinstance(sf, int) or isinstance(sf, bool) or wide_hz is None:
        is_lora = False
    if is_lora and wide_hz not in (125_000, 250_000, 500_000):
        yield (*path, "bandwidth"), say("config.lora_bandwidth")
        is_lora = False
    if is_lora and sf > (most := facts.most_sf.get(wide_hz or 0, 12)):
        text = say("config.lora_most_sf", modem=facts.title, most=most, bandwidth=format_frequency(wide_hz or 0))
        yield (*path, "spreading_factor"), text
    broken = broken_rules(
        region,
        frequency_hz=at_hz if facts.takes else None,
        spreading_factor=sf if is_lora else None,
        bandwidth_hz=wide_hz if is_lora else None,
        overhead_bytes=LORAWAN_BYTES + facts.air_bytes,
    )
    for rule, facts_of_it in broken:
        key = "frequency" if rule == "band" else "spreading_factor"
        yield (*path, key), say(f"config.lora_rule_{rule.replace('-', '_')}", **facts_of_it)


def _hz(table: Table, key: str, default: int) -> int | None:
    try:
        return frequency_hz(table[key]) if key in table else default
    except Unfit:  # the model says so
        return None


def _same_port(tree: Table) -> Iterator[Finding]:
    taken = {each.get("url") for _, each in _tables(tree, "port") if isinstance(each.get("url"), str)}
    taken |= {each.get("port") for _, each in _tables(tree, "device") if isinstance(each.get("port"), str)}
    for key, default in (("port", None), ("listen", "127.0.0.1:1700")):
        for path, table in receivers(tree):
            if key == "listen" and table.get("kind") != CONCENTRATOR:
                continue
            url = table.get(key, default)
            if isinstance(url, str):
                if url in taken:
                    yield (*path, key), say("config.same_url", url=show(url))
                taken.add(url)


def _same_device(tree: Table) -> Iterator[Finding]:
    """Two devices cannot have one EUI; two with one address are told apart by their keys."""
    seen: set[str] = set()
    for path, device in _tables(tree, "device"):
        radio = device.get("radio")
        eui = radio.get("dev_eui") if isinstance(radio, dict) else None
        if isinstance(eui, str):
            plain = eui.translate(str.maketrans("", "", "-: ")).lower()
            if plain in seen:
                yield (*path, "radio", "dev_eui"), say("config.same_id", table="device", id=show(eui))
            seen.add(plain)


def radio_findings(path: KeyPath, device: Table, driver: Driver | None, tree: Table) -> Iterator[Finding]:
    """Why this device cannot be heard as it is said."""
    radio = device.get("radio")
    if driver is None:
        return
    if not isinstance(driver.kind, Uplink):
        if "radio" in device:
            yield (*path, "radio"), say("config.not_by_radio", driver=driver.name)
        elif "port" not in device:
            yield (*path, "port"), say("config.missing_example", example='port = "/dev/serial0"')
        return
    for key in _NOT_BY_RADIO:
        if key in device:
            yield (*path, key), say("config.by_radio", driver=driver.name)
    if not isinstance(radio, dict):
        if "radio" not in device:
            yield (*path, "radio"), say("config.needs_radio", driver=driver.name)
        return
    said = [key for key in _WORDS if key in radio]
    if len(said) != 1:
        yield (*path, "radio"), say("config.radio_one", words=", ".join(_WORDS))
        return
    yield from _receiver(path, radio, said[0], tree)


def payload_findings(path: KeyPath, device: Table, driver: Driver) -> Iterator[Finding]:
    """What a decoder of payloads would refuse with every payload: options that make no sense."""
    options = device.get("options", {})
    if not isinstance(driver.kind, Uplink) or driver.kind.check is None or not isinstance(options, dict):
        return
    try:
        driver.kind.check({name: option.default for name, option in driver.options.items()} | options)
    except ValueError as error:
        yield (*path, "options"), str(error)


def _receiver(path: KeyPath, radio: Table, word: str, tree: Table) -> Iterator[Finding]:
    wants = {"dev_addr": {"keys_file"}, "dev_eui": set(), "trust": {"receiver"}}[word]
    may = wants | ({"sender", "encoding"} if word == "trust" else set())
    for key in sorted(wants - set(radio)):
        yield (*path, "radio"), say("config.needs_beside", key=key)
    for key in radio:
        if key not in (word, *may) and key in ("keys_file", "receiver", "sender", "encoding"):
            yield (*path, "radio", key), say("config.radio_not_beside", key=key, word=word)
    kinds = {table.get("id"): table.get("kind") for _, table in receivers(tree)}
    is_server = word == "dev_eui"
    if not any((kind in SERVERS) == is_server for kind in kinds.values()):
        yield (*path, "radio"), say("config.radio_no_server" if is_server else "config.radio_no_receiver")
    elif word == "trust" and isinstance(name := radio.get("receiver"), str):
        near = [each for each, kind in kinds.items() if isinstance(each, str) and kind not in SERVERS]
        if name not in near:
            yield (
                (*path, "radio", "receiver"),
                say("config.unknown_receiver", receiver=show(name)) + suggest(name, near),
            )


def lora_warnings(tree: Table) -> Iterator[Finding]:
    """What works, but lets in more than is probably meant."""
    for path, table in receivers(tree):
        listen = table.get("listen", "127.")
        is_open = isinstance(listen, str) and not listen.startswith(_LOOPBACK)
        if table.get("kind") == CONCENTRATOR and is_open and not table.get("gateways"):
            yield (*path, "listen"), say("config.lora_open_listen")
    for path, device in _tables(tree, "device"):
        radio = device.get("radio")
        if isinstance(radio, dict) and "trust" in radio:
            yield (*path, "radio", "trust"), say("config.radio_trusts")
