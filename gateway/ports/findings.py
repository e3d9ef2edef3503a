"""What stands between a person and a port: its name, who holds it, permission, a login console. Each has its remedy."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gateway.ops.texts import say

from .find import ROOT, FoundPort, real_path
from .holders import Held, Holder

SERIAL_GROUPS = ("dialout", "uucp")
"""Debian's name for those who may use serial ports, and that of others."""
_KNOWN_HOLDERS = {
    "ModemManager": "modem_manager",
    "brltty": "brltty",
    "agetty": "getty",
    "getty": "getty",
    "login": "getty",
    "gateway": "gateway",
}
_UNIT_FOLDERS = ("etc/systemd/system", "run/systemd/system", "run/systemd/generator")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing in the way. `blocks`: the port cannot be used, or not dependably, until it is gone."""

    key: str
    values: dict[str, str] = field(default_factory=dict)
    blocks: bool = True

    def __str__(self) -> str:
        return say(f"ports.{self.key}", **self.values)


@dataclass(frozen=True, slots=True)
class Person:
    """Who wants to use the port: number, groups' numbers, and login name."""

    uid: int
    gids: frozenset[int]
    login: str = "$USER"

    @classmethod
    def running(cls) -> Person:
        """Who runs this program."""
        groups = frozenset((os.getegid(), *os.getgroups()))
        return cls(os.geteuid(), groups, os.environ.get("USER") or os.environ.get("LOGNAME") or "$USER")

    @classmethod
    def of_service(cls, root: Path = ROOT, name: str = "lanna") -> Person:
        """The user that the service runs as, for root who looks on its behalf; else who runs this program."""
        running = cls.running()
        users = {line.split(":")[0]: line.split(":") for line in _text(root / "etc/passwd").splitlines()}
        if running.uid != 0 or len(users.get(name, ())) < 4:
            return running
        groups = {number for number, (_, members) in _groups(root).items() if name in members}
        try:
            return cls(int(users[name][2]), frozenset((int(users[name][3]), *groups)), name)
        except ValueError:
            return running


def findings(
    port: FoundPort, held: Held, *, root: Path = ROOT, person: Person | None = None, said: str = ""
) -> list[Finding]:
    """All that is in the way of using a port; `said` is the name it was called by, "" for none."""
    found = [*_name(port, said), *_permission(port, root, person or Person.running())]
    found += _console(port, root)
    found += [_holder(port, holder) for holder in held.of(port.tty)]
    return found


def is_usable(found: Sequence[Finding]) -> bool:
    """Whether nothing blocks."""
    return not any(each.blocks for each in found)


def _name(port: FoundPort, said: str) -> Iterator[Finding]:
    if port.has_twin:
        yield Finding("twin", {"port": port.tty, "name": port.name}, blocks=False)
    if port.kind == "usb" and not port.names:
        yield Finding("no_stable_name", {"port": port.tty}, blocks=False)
    elif said and not port.is_steady(said):
        key = "twin_name" if port.has_twin and "by-id" in said else "unsteady"
        yield Finding(key, {"said": said, "name": port.name}, blocks=False)


def _permission(port: FoundPort, root: Path, person: Person) -> Iterator[Finding]:
    try:
        facts = os.stat(root / port.tty.lstrip("/"))
    except OSError:
        yield Finding("vanished", {"port": port.tty})
        return
    if person.uid == 0 or port.kind == "other":
        return
    shift = 6 if facts.st_uid == person.uid else 3 if facts.st_gid in person.gids else 0
    if facts.st_mode >> shift & 0o6 == 0o6:
        return
    groups = _groups(root)
    name, members = groups.get(facts.st_gid, (str(facts.st_gid), ()))
    about = {"port": port.tty, "group": name, "login": person.login, "mode": stat.filemode(facts.st_mode)}
    if facts.st_mode & 0o060 != 0o060 or name not in SERIAL_GROUPS:
        yield Finding("wrong_group", about)
    elif person.login in members:
        yield Finding("log_in_again", about)
    else:
        yield Finding("no_permission", about)


def _groups(root: Path) -> dict[int, tuple[str, tuple[str, ...]]]:
    """Group number → name and members."""
    found = {}
    for line in _text(root / "etc/group").splitlines():
        parts = line.split(":")
        if len(parts) == 4 and parts[2].isdigit():
            found[int(parts[2])] = (parts[0], tuple(parts[3].split(",")))
    return found


def _console(port: FoundPort, root: Path) -> Iterator[Finding]:
    """The kernel's messages on this line, or a login prompt that systemd keeps there."""
    for word in re.findall(r"(?:^|\s)console=([A-Za-z0-9/]+)", _text(root / "proc/cmdline")):
        if real_path(f"/dev/{word}", root) == port.tty:
            yield Finding("kernel_console", {"port": port.name, "word": word})
            break
    tty = port.tty.removeprefix("/dev/")
    for name in dict.fromkeys((tty, *(name.removeprefix("/dev/") for name in port.names if name.count("/") == 2))):
        unit = f"serial-getty@{name}.service"
        if _is_wanted(unit, root):
            yield Finding("getty_unit", {"port": port.name, "unit": unit})


def _is_wanted(unit: str, root: Path) -> bool:
    if os.path.realpath(root / "etc/systemd/system" / unit) == os.devnull:  # masked
        return False
    running = root / "sys/fs/cgroup/system.slice/system-serial\\x2dgetty.slice" / unit
    return running.exists() or any(
        os.path.lexists(root / folder / "getty.target.wants" / unit) for folder in _UNIT_FOLDERS
    )


def _holder(port: FoundPort, holder: Holder) -> Finding:
    key = _KNOWN_HOLDERS.get(holder.name, "other")
    return Finding(f"held_{key}", {"port": port.name, "pid": str(holder.pid), "program": holder.name})


def _text(path: Path) -> str:
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            return file.read(1 << 20)
    except OSError:
        return ""
