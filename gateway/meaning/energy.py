"""Energy meters: totals, transformer ratios, sign convention, and whether power, energy and voltage fit together.

Units of the vocabulary: V, A, W, var, VA, kWh. Active power is positive for import.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from math import hypot

from gateway.meaning.counter import CarriedTotal
from gateway.meaning.flags import GOOD, NOT_EVALUATED, SUSPECT, worst
from gateway.meaning.state import SECOND, State, integer, items, number, opened, usable

_PHASES = ("", "_l1", "_l2", "_l3")
_TRIANGLES = tuple(
    tuple(name + phase for name in ("active_power", "reactive_power", "apparent_power")) for phase in _PHASES
)
_PRODUCTS = tuple(
    tuple(name + phase for name in ("voltage", "current", "power_factor", "active_power")) for phase in _PHASES
)


def energy_total(most_w: float, *, wraps_at_kwh: float | None = None, resolution_kwh: float = 0.01) -> CarriedTotal:
    """The carried total of an energy register (kWh) of a connection that can draw at most `most_w`."""
    return CarriedTotal(most_w / 1000, modulus=wraps_at_kwh, resolution=resolution_kwh)


_RATIO = re.compile(
    r"(?P<voltage>voltage)|(?P<current>current)"
    r"|(?:active|reactive|apparent)_power|power_d|(?:reactive_|apparent_)?energy_"
)


def primary(values: Mapping[str, float], ct: float = 1.0, vt: float = 1.0) -> dict[str, float]:
    """Values of a meter behind transformers as they are in the mains: voltages times `vt`, currents times `ct`, powers
    and energies times both; frequency, power factor, angles, distortion stay. ValueError for ratios up to 0."""
    if not (0 < ct < float("inf") and 0 < vt < float("inf")):
        raise ValueError(f"transformer ratios are numbers over 0, not {ct} and {vt}")

    ratios = (1.0, vt, ct, ct * vt)
    return {name: value * ratios[_which(name)] for name, value in values.items()}


@lru_cache(maxsize=1024)
def _which(name: str) -> int:
    """How a quantity depends on transformers: not, on the voltage's, on the current's, on both."""
    match = _RATIO.match(name)
    if match is None:
        return 0
    return 1 if match["voltage"] else 2 if match["current"] else 3


_SIGNED = re.compile(r"(?:active|reactive)_power|power_factor|power_dc|power_demand|energy_net")
_DIRECTION = re.compile(r"((?:reactive_|apparent_)?energy_)(import|export)")
_OTHER = {"import": "export", "export": "import"}


def reversed_sign(values: Mapping[str, float]) -> dict[str, float]:
    """Values of a meter that counts export as positive, in our convention: signs of power, reactive power and power
    factor turned, import and export registers exchanged."""
    return {
        _DIRECTION.sub(lambda match: match[1] + _OTHER[match[2]], name): 0.0 - value if _SIGNED.match(name) else value
        for name, value in values.items()
    }


def power_consistency(
    values: Mapping[str, float], *, tolerance: float = 0.05, floor_va: float = 20.0
) -> dict[str, int]:
    """Whether S² = P² + Q² and P = U I pf hold within `tolerance` of the apparent power, phase by phase and in all.

    Gives 1 or 3 for each quantity that took part, 2 where everything is below `floor_va`, nothing for what cannot be
    compared. A three-phase meter has no plain voltage, so P = U I pf is a check of single phases.
    """
    flags: dict[str, int] = {}
    get = values.get
    for triangle, product in zip(_TRIANGLES, _PRODUCTS, strict=True):
        p, q, s = map(get, triangle)
        if p is not None and q is not None and s is not None:
            flags |= dict.fromkeys(triangle, _compare(hypot(p, q), s, s, tolerance, floor_va))
        u, i, factor, p = map(get, product)
        if u is not None and i is not None and factor is not None and p is not None:
            # Some meters give the power factor without its sign.
            flag = _compare(abs(u * i * factor), abs(p), abs(u * i), tolerance, floor_va)
            for name in product:
                before = flags.get(name)
                flags[name] = flag if before is None or before == flag else worst((flag, before))
    return flags


def _compare(a: float, b: float, scale: float, tolerance: float, floor_va: float) -> int:
    if max(a, b, scale) < floor_va:
        return NOT_EVALUATED
    # Written so that a number that is none (NaN, infinity) does not pass.
    return GOOD if abs(a - b) <= tolerance * max(scale, floor_va) else SUSPECT


class EnergyBalance:
    """Does the register rise as the power says? The integral of power over `window_s` against the register's rise.

    3 when they differ by more than `tolerance` of the integral plus two `resolution_kwh`; the flag lasts until the next
    window ends, 2 before the first. A gap over `gap_s`, or a register that falls, begins a new window. Import only.
    """

    def __init__(
        self,
        *,
        window_s: float = 3600.0,
        tolerance: float = 0.10,
        resolution_kwh: float = 0.01,
        gap_s: float = 120.0,
    ) -> None:
        if not 0 < gap_s <= window_s or not tolerance > 0 or not resolution_kwh >= 0:
            raise ValueError("an energy balance needs a gap up to its window, a tolerance over 0, a resolution from 0")
        self._window_ns, self._gap_ns = round(window_s * SECOND), round(gap_s * SECOND)
        self._tolerance, self._resolution = tolerance, resolution_kwh
        self._start: tuple[int, float] | None = None
        self._last: tuple[int, float, float] = (0, 0.0, 0.0)
        self._integral = 0.0
        self._flag = NOT_EVALUATED

    def add(self, at: int, power_w: float | None, register_kwh: float | None) -> int:
        """Take power and register of one reading; gives the flag of both."""
        power_w, register_kwh = usable(power_w), usable(register_kwh)
        if power_w is None or register_kwh is None:
            return NOT_EVALUATED
        power_w = max(power_w, 0.0)
        last_at, last_power, last_register = self._last
        self._last = (at, power_w, register_kwh)
        if self._start is None or not 0 < at - last_at <= self._gap_ns or register_kwh < last_register:
            self._start, self._integral = (at, register_kwh), 0.0
            return self._flag
        self._integral += (power_w + last_power) / 2 * (at - last_at) / (3_600_000 * SECOND)
        start_at, start_register = self._start
        if at - start_at >= self._window_ns:
            allowed = self._tolerance * self._integral + 2 * self._resolution
            self._flag = SUSPECT if abs(register_kwh - start_register - self._integral) > allowed else GOOD
            self._start, self._integral = (at, register_kwh), 0.0
        return self._flag

    def state(self) -> State:
        return {
            "kind": "energy-balance/1",
            "start": None if self._start is None else list(self._start),
            "last": list(self._last),
            "integral": self._integral,
            "flag": self._flag,
        }

    def restore(self, state: object) -> None:
        saved = opened(state, "energy-balance/1", "start", "last", "integral", "flag")
        start = None
        if saved["start"] is not None:
            start_at, register = items(saved["start"], "start", 2, 2)
            start = (integer(start_at, "start"), number(register, "start"))
        at, power, register = items(saved["last"], "last", 3, 3)
        last = (integer(at, "last"), number(power, "last", 0), number(register, "last"))
        integral, flag = number(saved["integral"], "integral", 0), integer(saved["flag"], "flag", GOOD, SUSPECT)
        self._start, self._last, self._integral, self._flag = start, last, integral, flag
