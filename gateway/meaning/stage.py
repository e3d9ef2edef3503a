"""From an instrument's distance, depth or pressure to the stage above gauge zero and the elevation above sea level.

Lengths in m, pressure in kPa (gauge), temperature in Cel. A stage may be below zero and is never clipped. Which
mounting and gauge zero were used is told with every level, so that history can be computed again after a new survey.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import cos, radians, sqrt
from operator import mul
from typing import NamedTuple

from gateway.meaning.history import Entry, History
from gateway.meaning.state import State, usable
from gateway.meaning.window import Points

GRAVITY = 9.80665
"""m/s2, standard. Chiang Mai has about 9.784."""
WATER = 1000.0
"""kg/m3 at 4 Cel; 995.65 at 30 Cel, which is 17 mm in 4 m."""
HOUR_NS = 3_600_000_000_000


def stage_from_distance(distance_m: float, height_m: float, tilt_deg: float = 0.0) -> float:
    """Stage under a sensor that looks down from `height_m` above gauge zero, tilted from the plumb line."""
    return height_m - distance_m * cos(radians(tilt_deg))


def stage_from_depth(depth_m: float, element_m: float) -> float:
    """Stage over a sensing element `element_m` above gauge zero (often negative)."""
    return element_m + depth_m


def depth_from_pressure(pressure_kpa: float, density: float = WATER, gravity: float = GRAVITY) -> float:
    """Depth of water of `density` (kg/m3) above the element."""
    return pressure_kpa * 1000.0 / (density * gravity)


def sound_corrected(distance_m: float, air_cel: float, assumed_cel: float = 20.0) -> float:
    """Ultrasonic distance for the air's temperature, of an instrument that assumed another one (above -273 Cel)."""
    return distance_m * sqrt((273.15 + air_cel) / (273.15 + assumed_cel))


@dataclass(frozen=True, slots=True)
class Mounting:
    """Where the instrument sits: `height_m` of the sensor face or of the sensing element above gauge zero."""

    height_m: float
    tilt_deg: float = 0.0
    density: float = WATER
    gravity: float = GRAVITY

    def __post_init__(self) -> None:
        if not abs(self.height_m) < 1000 or not 0 <= self.tilt_deg < 60 or not self.density * self.gravity > 0:
            raise ValueError(
                f"{self}: expected a height under 1000 m, a tilt under 60 degrees, density and gravity > 0"
            )


@dataclass(frozen=True, slots=True)
class GaugeZero:
    """Elevation of the gauge's zero above sea level in the named datum."""

    elevation_m: float
    datum: str = "MSL"


class Level(NamedTuple):
    """Stage and elevation (None: no gauge zero is known for that time), and the entries they come from."""

    stage: float
    elevation: float | None
    mounting: Entry[Mounting]
    zero: Entry[GaugeZero] | None


class Gauge:
    """A gauge with its history; nothing is computed for times without a mounting."""

    def __init__(self, mountings: History[Mounting], zeros: History[GaugeZero]) -> None:
        self._mountings, self._zeros = mountings, zeros

    def from_distance(self, at: int, distance_m: float) -> Level | None:
        """Level of a down-looking sensor."""
        entry = self._mountings.at(at)
        if entry is None:
            return None
        return self._level(at, stage_from_distance(distance_m, entry.value.height_m, entry.value.tilt_deg), entry)

    def from_depth(self, at: int, depth_m: float) -> Level | None:
        """Level of a sensor in the water that gives depth."""
        entry = self._mountings.at(at)
        return None if entry is None else self._level(at, stage_from_depth(depth_m, entry.value.height_m), entry)

    def from_pressure(self, at: int, pressure_kpa: float) -> Level | None:
        """Level of a sensor in the water that gives gauge pressure."""
        entry = self._mountings.at(at)
        if entry is None:
            return None
        depth_m = depth_from_pressure(pressure_kpa, entry.value.density, entry.value.gravity)
        return self._level(at, stage_from_depth(depth_m, entry.value.height_m), entry)

    def _level(self, at: int, stage: float, mounting: Entry[Mounting]) -> Level:
        zero = self._zeros.at(at)
        return Level(stage, None if zero is None else zero.value.elevation_m + stage, mounting, zero)


class RateOfRise:
    """Slope in m/h of the least-squares line through the stages of the last `window_s`; negative when falling.

    None with fewer than `least` stages or when they span less than half the window. Keeps at most 26 points.
    """

    def __init__(self, window_s: float = 3600.0, *, least: int = 3) -> None:
        if not 2 <= least <= 24:
            raise ValueError(f"a slope needs 2 to 24 points, not {least}")
        self._points = Points(window_s, 26)
        self._least = least

    def add(self, at: int, stage_m: float | None) -> float | None:
        """Take the next stage (None: missing) and give the rate of rise as of `at`."""
        stage_m = usable(stage_m)
        if stage_m is None:
            self._points.move(at)
        else:
            self._points.add(at, stage_m)
        times, stages = self._points.times, self._points.values
        if len(times) < self._least or 2 * (times[-1] - times[0]) < self._points.window_ns:
            return None
        middle = (times[0] + times[-1]) // 2
        hours = [(time - middle) / HOUR_NS for time in times]
        count, hours_sum = len(hours), sum(hours)
        rise: float = sum(map(mul, hours, stages)) - hours_sum * sum(stages) / count
        run: float = sum(map(mul, hours, hours)) - hours_sum * hours_sum / count
        return rise / run

    def state(self) -> State:
        return self._points.state()

    def restore(self, state: object) -> None:
        self._points.restore(state)
