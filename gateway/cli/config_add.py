"""`gateway config add`: one more device in a configuration, whose own text and comments stay as they are."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from drivers.core.contract import Dialogue, Driver, Listening, Polled
from gateway.cli.chosen import (
    Address,
    Baud,
    Bits,
    DriverName,
    ParityOption,
    PortName,
    Settings,
    Stop,
    choose_driver,
    is_file,
    parse_option,
)
from gateway.cli.places import configuration, fail
from gateway.config import Config, Problem
from gateway.config import check as check_all
from gateway.config.named import FILE
from gateway.config.toml import to_key, to_toml
from gateway.ops.texts import say
from gateway.ports.find import find_port, real_path

_EVERY = {True: "60 s", False: "10 s"}
"""What a listening, and a polled device gets where nothing is said."""


def add(
    port: PortName,
    driver_name: DriverName,
    name: Annotated[str, typer.Option("--name", metavar="ID", help=say("config_add.name"))],
    file: Annotated[Path | None, typer.Option("--file", help=say("cli.file"), show_default=False)] = None,
    address: Address = None,
    every: Annotated[str | None, typer.Option("--every", metavar="DURATION", help=say("config_add.every"))] = None,
    option: Settings = None,
    baud: Baud = None,
    bits: Bits = None,
    parity: ParityOption = None,
    stop: Stop = None,
) -> None:
    """Append a device table where the result is good; else say what is wrong with it and change nothing (exit 2)."""
    driver = choose_driver(driver_name)
    path = configuration(file)
    config, problems = check_all(path)
    _stop_at(problems)
    assert config is not None
    said: dict[str, object] = {"id": name, "driver": _name(driver, driver_name, path), "port": _port(port, config)}
    kind = driver.kind
    if isinstance(kind, Dialogue) and kind.has_letter_address and driver.at(address) > 9:
        said["address"] = chr(driver.at(address))
    elif isinstance(kind, Polled) or (isinstance(kind, Dialogue) and driver.default_address is not None):
        said["address"] = driver.at(address)
    elif address is not None:
        said["address"] = address
    said["every"] = every or _EVERY[isinstance(driver.kind, Listening)]
    line = {"baud": baud, "bits": bits, "parity": parity, "stop": stop}
    said |= {key: value for key, value in line.items() if value is not None}
    if option:
        said["options"] = dict(parse_option(driver, text) for text in option)
    try:
        target = _write(path, name, _table(driver, said))
    except OSError as error:
        fail(say("config_add.cannot_write", file=error.filename or path, why=error.strerror or error))
    typer.echo(say("config_add.done", device=name, file=target))
    typer.echo(f"  gateway config check --here {path}\n  sudo systemctl restart lanna-gateway")


def _name(driver: Driver, said: str, config: Path) -> str:
    """What the device's `driver` shall say; a file by its way from the configuration."""
    if not is_file(said):
        return driver.name
    folder = config if config.is_dir() else config.parent
    return FILE + os.path.relpath(Path(said.removeprefix(FILE)).resolve(), folder.resolve())


def _port(said: str, config: Config) -> str:
    """What the device's `port` shall say: the id of a declared port where it is that one, else its stable name."""
    if config.port(said) is not None:
        return said
    found = find_port(said)
    tty = real_path(said) if said.startswith("/") else said
    for declared in config.ports:
        if said == declared.url or (found is not None and real_path(declared.url) == tty):
            return declared.id
    if found is None and said.startswith("/"):
        typer.echo(f"{say('config.warning')} {say('port.absent', port=said, detail='')}", err=True)
    if found is None or found.kind == "other" or found.is_steady(said):
        return said
    typer.echo(say("ports.unsteady", said=said, name=found.name), err=True)
    return found.name


def _table(driver: Driver, said: dict[str, object]) -> str:
    lines = [f"{to_key(key)} = {to_toml(value)}" for key, value in said.items()]
    return "\n".join(("", f"# {driver.title}", "[[device]]", *lines, ""))


def _write(path: Path, name: str, table: str) -> Path:
    """Put the table into the file, or into a fragment of its own in the folder. The file is never half written."""
    if path.is_dir():
        target = path / f"device-{''.join(char for char in name if char.isalnum() or char == '-')}.toml"
        with target.open("x", encoding="utf-8", newline="\n") as fragment:
            fragment.write(table.lstrip("\n"))
        _, problems = check_all(path)
        if _errors(problems):
            target.unlink()
        _stop_at(problems)
        return target
    target = path.resolve()
    text = target.read_bytes()
    new = target.with_name(f".{target.name}.{os.getpid()}.toml")
    try:
        end = b"" if not text or text.endswith(b"\n") else b"\n"
        new.write_bytes(text + end + table.encode())
        shutil.copystat(target, new)
        facts = target.stat()
        if os.geteuid() == 0:
            os.chown(new, facts.st_uid, facts.st_gid)
        _, problems = check_all(new)
        _stop_at([replace(problem, file=path) for problem in problems])
        os.replace(new, target)
    finally:
        new.unlink(missing_ok=True)
    return path


def _errors(problems: Sequence[Problem]) -> list[Problem]:
    return [problem for problem in problems if not problem.is_warning]


def _stop_at(problems: Sequence[Problem]) -> None:
    if errors := _errors(problems):
        fail("\n".join((*map(str, errors), say("config_add.unchanged"))))
