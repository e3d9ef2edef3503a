"""What only the machine knows: whether files that a configuration names are there, and what is in the way of ports."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path

from gateway.config.model import Config
from gateway.config.problems import KeyPath
from gateway.ops.texts import say

SECRET = ("key_file", "keys_file", "password_file", "token_file")
PUBLIC = ("ca_file", "cert_file")


def file_findings(config: Config) -> Iterator[tuple[KeyPath, str, bool]]:
    """Key, sentence, and whether it is only that the file is not on this machine."""
    for path, file, is_secret in _files(config):
        try:
            facts = file.stat()
        except OSError as error:
            yield path, say("config.file_missing", file=file, reason=error.strerror or str(error)), True
            continue
        if not stat.S_ISREG(facts.st_mode):
            yield path, say("config.file_kind", file=file), False
        elif path[-1] == "keys_file" and facts.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            yield path, say("lora.keys_mode", file=file, mode=f"{stat.S_IMODE(facts.st_mode):04o}"), False
        elif is_secret and facts.st_mode & stat.S_IRWXO:
            yield path, say("config.file_open", file=file), False
        elif facts.st_size == 0:
            yield path, say("config.file_empty", file=file), False


def port_findings(config: Config) -> Iterator[tuple[KeyPath, str]]:
    """Key and sentence of everything that is in the way of a serial port; a running gateway is not."""
    from gateway.ports.findings import Person
    from gateway.ports.looking import look

    urls: dict[str, KeyPath] = {}
    for number, port in enumerate(config.ports):
        urls.setdefault(port.url, ("port", number, "url"))
    for number, device in enumerate(config.devices):
        urls.setdefault(device.port, ("device", number, "port"))
    local = [url for url in urls if url.startswith("/")]
    found = look(local, person=Person.of_service())
    for url in local:
        if url not in found:
            yield urls[url], say("port.absent", port=url, detail="")
        for finding in found.get(url, ()):
            if finding.key != "held_gateway":
                yield urls[url], str(finding)


def _files(config: Config) -> Iterator[tuple[KeyPath, Path, bool]]:
    ingest = config.ingest
    tables: list[tuple[KeyPath, object]] = [(("mqtt",), config.mqtt)]
    if ingest is not None:
        tables += [(("ingest", "mqtt"), ingest.mqtt), (("ingest", "influx"), ingest.influx)]
    tables += [(("lora", number, "mqtt"), lora.mqtt) for number, lora in enumerate(config.loras)]
    tables += [(("device", number, "radio"), device.radio) for number, device in enumerate(config.devices)]
    for path, table in tables:
        for key in (*SECRET, *PUBLIC):
            file = getattr(table, key, None)
            if isinstance(file, Path):
                yield (*path, key), file, key in SECRET
