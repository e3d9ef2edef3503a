"""Real brokers for tests: mosquitto with a generated configuration, and the embedded rumqttd; loopback only."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import iotcore

from tests.rig.process import Program, find_program, free_port, start_on_free_ports


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate file and its key file, both PEM."""

    cert: Path
    key: Path


class Authority:
    """A throwaway certificate authority made with openssl, EC keys; `ca` is its certificate file."""

    def __init__(self, folder: Path, name: str = "Test CA") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self.ca = folder / "ca.pem"
        self._key = folder / "ca.key"
        _openssl(
            *("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30"),
            *("-subj", f"/CN={name}", "-keyout", self._key, "-out", self.ca),
        )

    def issue(self, name: str, *, hosts: str = "DNS:localhost,IP:127.0.0.1", expired: bool = False) -> Certificate:
        """A certificate with common name `name` and the subject alternative names `hosts`."""
        made = Certificate(self._folder / f"{name}.pem", self._folder / f"{name}.key")
        request, extensions = self._folder / f"{name}.csr", self._folder / f"{name}.ext"
        database = self._folder / f"{name}.db"
        extensions.write_text(
            f"[ca]\ndefault_ca=x\n[x]\ndatabase={database}\nnew_certs_dir={self._folder}\nrand_serial=yes\n"
            f"default_md=sha256\npolicy=p\nunique_subject=no\n[p]\ncommonName=supplied\n[e]\nsubjectAltName={hosts}\n"
        )
        database.write_text("")
        _openssl(
            *("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={name}"),
            *("-keyout", made.key, "-out", request),
        )
        span = ("20200101000000Z", "20200201000000Z") if expired else ("20200101000000Z", "20491231000000Z")
        _openssl(
            *("ca", "-batch", "-notext", "-config", extensions, "-extensions", "e", "-cert", self.ca),
            *("-keyfile", self._key, "-in", request, "-out", made.cert, "-startdate", span[0], "-enddate", span[1]),
        )
        return made


def _openssl(*arguments: object) -> None:
    command = ["openssl", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}\n{done.stderr}")


class Mosquitto:
    """A mosquitto of one's own on a free loopback port, with its data in `folder`; use it as a context manager.

    `settings` are lines of mosquitto.conf (a list value gives several lines) and override the rig's. `users` (name to
    password) ends anonymous access; `acl` is the text of an ACL file; `tls` adds nothing but TLS to the one listener,
    `client_ca` demands client certificates. `config` replaces the generated file: `{port}`, `{ports[1]}` … and
    `{folder}` are filled in, and `users` become the file `passwords` there.
    """

    def __init__(
        self,
        folder: Path,
        *,
        settings: Mapping[str, object] | None = None,
        persistence: bool = False,
        users: Mapping[str, str] | None = None,
        acl: str | None = None,
        tls: Certificate | None = None,
        client_ca: Path | None = None,
        config: str | None = None,
        listeners: int = 1,
    ) -> None:
        self.folder = folder
        self._settings = dict(settings or {})
        self._persistence = persistence
        self._users = dict(users or {})
        self._acl = acl
        self._tls = tls
        self._client_ca = client_ca
        self._config = config
        self._listeners = listeners
        self._program: Program | None = None

    def start(self) -> Self:
        """The first start chooses the port, later ones keep it and the data."""
        if self._program is None:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._program = start_on_free_ports(self._listeners, self._build)
        else:
            self._program.start()
        return self

    def stop(self) -> None:
        """SIGTERM: mosquitto writes its persistence file."""
        if self._program is not None:
            self._program.stop()

    def kill(self) -> None:
        """SIGKILL: what was not written is gone."""
        if self._program is not None:
            self._program.kill()

    def restart(self) -> None:
        """Stop and start on the same port and data; clients lose their connections."""
        self.stop()
        self.start()

    @property
    def program(self) -> Program:
        assert self._program is not None, "not started"
        return self._program

    @property
    def ports(self) -> list[int]:
        return self.program.ports

    @property
    def port(self) -> int:
        return self.ports[0]

    @property
    def url(self) -> str:
        return f"{'mqtts' if self._tls else 'mqtt'}://127.0.0.1:{self.port}"

    def log_text(self) -> str:
        return self.program.log_text()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _build(self, ports: list[int]) -> Program:
        program = find_program("mosquitto")
        assert program is not None, "mosquitto is not installed"
        path = self.folder / "mosquitto.conf"
        if self._users:
            self._write_passwords(self.folder / "passwords")
        if self._config is not None:
            path.write_text(self._config.format(port=ports[0], ports=ports, folder=self.folder))
        else:
            path.write_text(self._text(ports[0]))
        return Program([program, "-c", str(path)], ports, self.folder / "mosquitto.log")

    def _write_passwords(self, path: Path) -> None:
        path.write_text("".join(f"{user}:{password}\n" for user, password in self._users.items()))
        path.chmod(0o600)
        hasher = find_program("mosquitto_passwd")
        assert hasher is not None, "mosquitto_passwd is not installed"
        subprocess.run([hasher, "-U", str(path)], check=True, capture_output=True)

    def _text(self, port: int) -> str:
        lines: dict[str, object] = {
            "per_listener_settings": False,
            "log_dest": "stdout",
            "persistence": self._persistence,
            "persistence_location": f"{self.folder}/",
            "max_queued_messages": 100_000,
            "max_inflight_messages": 1000,
            "listener": f"{port} 127.0.0.1",
            "allow_anonymous": not self._users and self._client_ca is None,
            "set_tcp_nodelay": True,
        }
        if os.geteuid() == 0:
            lines["user"] = "root"
        if self._users:
            lines["password_file"] = self.folder / "passwords"
        if self._acl is not None:
            acl = self.folder / "acl"
            acl.write_text(self._acl)
            acl.chmod(0o600)
            lines["acl_file"] = acl
        if self._tls is not None:
            lines |= {"certfile": self._tls.cert, "keyfile": self._tls.key}
        if self._client_ca is not None:
            lines |= {"cafile": self._client_ca, "require_certificate": True, "use_identity_as_username": True}
        lines |= self._settings
        return "".join(_line(name, value) for name, value in lines.items())


def _line(name: str, value: object) -> str:
    if isinstance(value, list):
        return "".join(_line(name, each) for each in value)
    return f"{name} {str(value).lower() if isinstance(value, bool) else value}\n"


class IotcoreBroker:
    """The embedded broker of the demo on a free loopback port; MQTT 3.1.1; a context manager."""

    def __init__(self, **options: Any) -> None:
        self._options = options
        self.port = free_port()
        self._broker: iotcore.Broker | None = None

    @property
    def url(self) -> str:
        return f"mqtt://127.0.0.1:{self.port}"

    def start(self) -> Self:
        self._broker = iotcore.Broker(port=self.port, listen="127.0.0.1", **self._options).start()
        return self

    def stop(self) -> None:
        if self._broker is not None:
            self._broker.stop()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
