"""What is in the way of ports, by the names they are called by: /sys, /dev and /proc, walked once for all of them."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from .find import ROOT, find_port
from .findings import Finding, Person, findings
from .holders import who_holds


def look(urls: Iterable[str], *, root: Path = ROOT, person: Person | None = None) -> dict[str, list[Finding]]:
    """Findings of each url that is a port of this machine; this process itself is in nobody's way. Blocking."""
    ports = {url: port for url in urls if (port := find_port(url, root)) is not None}
    held = who_holds({port.tty for port in ports.values()}, root, ignore=(os.getpid(),))
    return {url: findings(port, held, root=root, person=person, said=url) for url, port in ports.items()}
