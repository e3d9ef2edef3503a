"""Drivers by what a configuration calls them: a name, an alias, or `file:PATH`, a register map or module of its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from drivers.core.contract import Driver
from gateway.ops.texts import say

if TYPE_CHECKING:
    from drivers.site import SiteMap

FILE = "file:"
MAX_BYTES = 1 << 20


class DriverFileError(ValueError):
    """A file that describes no driver; the message names it and says why."""


def find_driver(name: str) -> Driver:
    """The driver of this name. Raises UnknownDriver, and DriverFileError for a file."""
    if name.startswith(FILE):
        return read_file(Path(name.removeprefix(FILE))).driver
    from drivers.core.registry import find

    return find(name)


def read_file(path: Path) -> SiteMap:
    """The driver that a file describes (*.toml) or makes (*.py), with its test vectors. Raises DriverFileError."""
    from drivers.core.load_map import MapError
    from drivers.site import load_site_map
    from gateway.config.driver_module import ModuleError, load_module

    try:
        if path.suffix == ".py":
            return load_module(path)
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
        if len(data) > MAX_BYTES:
            raise DriverFileError(say("driver.unreadable_file", path=path, why=f"> {MAX_BYTES} bytes"))
        return load_site_map(path.name, data.decode("utf-8-sig"))
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or error
        raise DriverFileError(say("driver.unreadable_file", path=path, why=why)) from None
    except (MapError, ModuleError) as error:
        raise DriverFileError(str(error)) from None


def site_drivers(tree: Mapping[str, Any], folder: Path) -> tuple[list[Driver], dict[int, str]]:
    """The drivers that devices of a configuration's tree name as files, called as they are called there; and by the
    number of the device what is wrong with its file."""
    found: dict[str, Driver] = {}
    wrong: dict[int, str] = {}
    for number, name in _named(tree):
        try:
            found[name] = found.get(name) or replace(read_file(folder / name.removeprefix(FILE)).driver, name=name)
        except DriverFileError as error:
            wrong[number] = str(error)
    return list(found.values()), wrong


def _named(tree: Mapping[str, Any]) -> Iterator[tuple[int, str]]:
    devices = tree.get("device")
    for number, device in enumerate(devices if isinstance(devices, list) else ()):
        name = device.get("driver") if isinstance(device, dict) else None
        if isinstance(name, str) and name.startswith(FILE) and "\0" not in name:
            yield number, name
