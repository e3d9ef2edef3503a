"""Which broker a command talks to: the one that is named, the configured one, a running demo's, the system's."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from pathlib import Path

import typer

from gateway.cli import whereabouts
from gateway.cli.places import default_configuration, fail
from gateway.mqtt.broker import Broker
from gateway.ops.texts import say
from gateway.wire.topics import DEFAULT_ROOT


@dataclass(frozen=True, slots=True)
class Target:
    """A broker, the root of the topics on it, and how we came to it."""

    broker: Broker
    root: str
    why: str


def find(
    name: str,
    *,
    url: str | None = None,
    root: str | None = None,
    config: Path | None = None,
    username: str | None = None,
    password_file: Path | None = None,
    ca_file: Path | None = None,
) -> Target:
    """The broker for the command `name`: `url`, else `config` or LANNA_CONFIG, else the running demo of this user, else
    /etc/lanna. Ends the command (exit 2) with a remedy where there is none or it cannot be used."""
    client_id = f"lanna-{name}-{secrets.token_hex(4)}"
    if url is not None:
        broker = _broker(url, client_id, username, password_file, ca_file)
        return Target(broker, root or DEFAULT_ROOT, say("broker.named"))
    demo = None if config is not None or _is_said() else whereabouts.read()
    if demo is not None:
        return Target(_broker(demo.url, client_id, None, None, None), root or demo.root, say("broker.demo"))
    path = config or default_configuration()
    if path is None:
        fail(say("broker.none"))
    return _configured(path, client_id, root)


def _is_said() -> bool:
    import os

    return bool(os.environ.get("LANNA_CONFIG"))


def _configured(path: Path, client_id: str, root: str | None) -> Target:
    from gateway.config import check

    config, problems = check(path)
    errors = [str(problem) for problem in problems if not problem.is_warning]
    if config is None or errors:
        fail("\n".join(errors))
    said = config.mqtt or (config.ingest.mqtt if config.ingest else None)
    if said is None:
        fail(say("broker.none"))
    broker = _broker(
        said.url,
        client_id,
        said.username,
        said.password_file,
        said.ca_file,
        cert_file=said.cert_file,
        key_file=said.key_file,
        protocol=said.protocol,
    )
    return Target(broker, root or said.root, str(path))


def _broker(
    url: str, client_id: str, username: str | None, password_file: Path | None, ca_file: Path | None, **more: object
) -> Broker:
    try:
        password = password_file.read_text(encoding="utf-8").rstrip("\r\n") if password_file is not None else None
        return Broker(url, client_id, username, password, ca_file, **more)  # type: ignore[arg-type]  # typed by the model
    except (OSError, ValueError) as error:
        typer.echo(f"{password_file or url}: {error}" if isinstance(error, OSError) else str(error), err=True)
        raise typer.Exit(2) from None
