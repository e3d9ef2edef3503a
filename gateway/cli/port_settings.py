"""Line settings worth trying, the likeliest first: what the drivers of the catalogue use, and what else is usual."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from drivers.core.contract import Driver, Line

_FIRST = (Line(9600), Line(115200), Line(2400), Line(19200, parity="E"))
BAUDS = (9600, 19200, 115200, 2400, 4800, 38400, 57600, 1200)
"""Every rate that instruments use, the likeliest first."""
PARITIES = (Line(parity="N"), Line(parity="E"), Line(parity="O"))


def settings_to_hear(drivers: Iterable[Driver]) -> list[Line]:
    """Settings for listening: the four usual ones, then the drivers' own by how many use them.

    How many stop bits there are makes no difference to who only listens, so each comes once, with one.
    """
    used = Counter(Line(d.line.baud, d.line.bits, d.line.parity) for d in drivers)
    return list(dict.fromkeys((*_FIRST, *(line for line, _ in used.most_common()))))


def settings_to_ask(drivers: Iterable[Driver]) -> list[Line]:
    """Settings for asking: the drivers' own, by how many use them; the rarer ones by their rate."""
    used = Counter(driver.line for driver in drivers)
    return sorted(used, key=lambda line: (-used[line], line.baud))


def all_settings(besides: Iterable[Line] = ()) -> list[Line]:
    """Every rate with every parity, but for those that were tried already; a stop bit more stands for no parity."""
    tried = set(besides)
    lines = [Line(baud, 8, shape.parity) for shape in PARITIES for baud in BAUDS]
    return [line for line in lines if line not in tried]
