"""Which serial ports this machine has, by names that a replug does not change.

`/dev/serial/by-id` names the adapter, `/dev/serial/by-path` the socket it is in; both are links that udev keeps. The
UARTs on the board (`/dev/serial0`, ttyAMA, ttyS …) are where they are, and their names are stable already. Everything
is read below `root`, so that a tree of plain files can stand for a machine.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

ROOT = Path("/")
Kind = Literal["usb", "on-board", "other"]
_ON_BOARD = re.compile(r"tty(AMA|S|O|AML|mxc|PS|SC|STM|THS|MSM|SAC|HS)\d+", re.ASCII)
_PLUGGED = re.compile(r"tty(USB|ACM|XRUSB|MXUSB)\d+", re.ASCII)
_ALIASES = ("serial0", "serial1", "serial2", "serial3", "serial4", "serial5")
_FACT_BYTES = 256
_NO_UART = "0"


@dataclass(frozen=True, slots=True)
class Adapter:
    """What a plugged adapter says of itself; `ids` is "0403:6001"."""

    ids: str
    vendor: str = ""
    product: str = ""
    serial: str = ""
    interface: str = ""


@dataclass(frozen=True, slots=True)
class FoundPort:
    """One port. `tty` is its name until the next replug, `name` the one to write, `names` all stable ones, best first.

    `has_twin`: another adapter calls itself the same, so that by-id could mean either.
    """

    tty: str
    kind: Kind
    names: tuple[str, ...] = ()
    adapter: Adapter | None = None
    has_twin: bool = False

    @property
    def name(self) -> str:
        """What to write in a configuration."""
        return self.names[0] if self.names else self.tty

    def is_steady(self, said: str) -> bool:
        """Whether this name of it stays the same port."""
        return said in self.names or (self.kind != "usb" and said == self.tty)


def find_ports(root: Path = ROOT) -> list[FoundPort]:
    """Every serial port there is now, plugged ones first. Never raises: what vanishes meanwhile is not there."""
    ttys = [name for name in _listed(root / "dev") if _is_port(name, root)]
    adapters = {name: _adapter(name, root) for name in ttys}
    by_id, by_path = (_links(root, folder) for folder in ("by-id", "by-path"))
    aliases = _aliases(root)
    seen: list[FoundPort] = []
    for tty in ttys:
        adapter = adapters[tty]
        has_twin = adapter is not None and list(adapters.values()).count(adapter) > 1
        ids, paths = by_id.get(tty, []), by_path.get(tty, [])
        named = [*paths] if has_twin else [*ids, *paths]
        names = [*aliases.get(tty, []), *named]
        kind: Kind = "usb" if adapter or _PLUGGED.fullmatch(tty) else "on-board"
        if kind == "on-board":
            names.append(f"/dev/{tty}")
        seen.append(FoundPort(f"/dev/{tty}", kind, tuple(names), adapter, has_twin))
    return sorted(seen, key=lambda port: (port.kind != "usb", _natural(port.tty)))


def find_port(said: str, root: Path = ROOT) -> FoundPort | None:
    """The port that this path names now; None where there is none. A tty of another kind (a pty) is found too."""
    if not said.startswith("/"):
        return None
    tty = real_path(said, root)
    for port in find_ports(root):
        if port.tty == tty or said in port.names:
            return port
    return FoundPort(tty, "other", (said,)) if os.path.lexists(_below(root, tty)) else None


def real_path(said: str, root: Path = ROOT) -> str:
    """Where a path leads when its links are followed, as seen from `root`."""
    try:
        real = _below(root, said).resolve()
        return "/" + str(real.relative_to(root.resolve()))
    except (OSError, ValueError, RuntimeError):  # RuntimeError: links in a circle
        return said


def _below(root: Path, path: str) -> Path:
    return root / path.lstrip("/")


def _is_port(name: str, root: Path) -> bool:
    if _PLUGGED.fullmatch(name):
        return True
    # A PC's kernel lists four or more ttyS of which most have no UART behind them.
    return bool(_ON_BOARD.fullmatch(name)) and _fact(root / "sys/class/tty" / name / "type") != _NO_UART


def _adapter(tty: str, root: Path) -> Adapter | None:
    """What the USB device above this tty says; the interface's number lies one floor below it."""
    try:
        place = (root / "sys/class/tty" / tty / "device").resolve()
    except (OSError, RuntimeError):
        return None
    interface = ""
    for folder in (place, *place.parents):
        if folder == root.resolve() or not folder.is_relative_to(root.resolve()):
            return None
        interface = interface or _fact(folder / "bInterfaceNumber")
        if vendor := _fact(folder / "idVendor"):
            model = _fact(folder / "idProduct")
            maker, product, serial = (_fact(folder / key) for key in ("manufacturer", "product", "serial"))
            return Adapter(f"{vendor}:{model}", maker, product, serial, interface)
    return None


def _links(root: Path, folder: str) -> dict[str, list[str]]:
    """tty → the links of /dev/serial/`folder` that lead to it, the plainest first."""
    found: dict[str, list[str]] = {}
    for name in _listed(root / "dev/serial" / folder):
        link = f"/dev/serial/{folder}/{name}"
        found.setdefault(_tty(link, root), []).append(link)
    # Newer udevs put a second link by path, with the version of USB in it, beside the one of before.
    return {tty: sorted(links, key=lambda link: ("-usbv" in link, link)) for tty, links in found.items()}


def _aliases(root: Path) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for alias in _ALIASES:
        if (root / "dev" / alias).is_symlink():
            found.setdefault(_tty(f"/dev/{alias}", root), []).append(f"/dev/{alias}")
    return found


def _tty(link: str, root: Path) -> str:
    return real_path(link, root).removeprefix("/dev/")


def _fact(path: Path) -> str:
    """A line of /sys; "" where there is none."""
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            return file.read(_FACT_BYTES).strip()
    except OSError:
        return ""


def _listed(folder: Path) -> Iterable[str]:
    try:
        return sorted(os.listdir(folder))
    except OSError:
        return []


def _natural(name: str) -> tuple[str, int]:
    match = re.search(r"(\d*)$", name)
    digits = match.group(1) if match else ""
    return name.removesuffix(digits) if digits else name, int(digits or 0)
