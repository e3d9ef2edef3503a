"""A machine made of plain files: /dev, /sys, /proc and /etc below one folder."""

from __future__ import annotations

import os
from pathlib import Path


class Machine:
    """Adds what a test needs; every path is as the machine itself sees it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "dev").mkdir()

    def write(self, path: str, text: str = "", mode: int = 0o644) -> Path:
        file = self.root / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        file.chmod(mode)
        return file

    def link(self, path: str, target: str) -> None:
        file = self.root / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.symlink_to(target)

    def tty(self, name: str, mode: int = 0o660) -> None:
        self.write(f"/dev/{name}", mode=mode)

    def usb(self, name: str, socket: str, *, by_id: str = "", **facts: str) -> None:
        """A plugged adapter: its tty, what /sys tells of it, and udev's links."""
        self.tty(name)
        device = f"/sys/devices/pci0/usb1/{socket}"
        for key, value in ({"idVendor": "0403", "idProduct": "6001"} | facts).items():
            self.write(f"{device}/{key}", value + "\n")
        self.write(f"{device}/{socket}:1.0/bInterfaceNumber", "00\n")
        self.write(f"{device}/{socket}:1.0/{name}/port_number", "0\n")
        self.link(f"/sys/class/tty/{name}/device", f"../../../devices/pci0/usb1/{socket}/{socket}:1.0/{name}")
        for path in (f"pci-0000-usbv2-0:{socket}:1.0-port0", f"pci-0000-usb-0:{socket}:1.0-port0"):
            self.link(f"/dev/serial/by-path/{path}", f"../../{name}")
        if by_id:
            link = self.root / "dev/serial/by-id" / by_id
            link.unlink(missing_ok=True)
            self.link(f"/dev/serial/by-id/{by_id}", f"../../{name}")

    def process(self, pid: int, name: str, *opened: str) -> None:
        self.write(f"/proc/{pid}/comm", name + "\n")
        (self.root / f"proc/{pid}/fd").mkdir()
        for number, path in enumerate(opened):
            os.symlink(path, self.root / f"proc/{pid}/fd/{number}")
