"""Electricity meters with an optical head by IEC 62056-21: asked (modes A, B and C) or pushing (mode D).

See `iec62056_wire` for the frames, `iec62056_session` for the dialogue, `obis` for the lines.
"""

from __future__ import annotations

from drivers.core.contract import Decoded, Dialogue, Driver, Framer, Line, Listening, Option, Options
from drivers.energy import iec62056_wire as wire
from drivers.energy.iec62056_session import Iec62056Session
from drivers.energy.simulated_iec62056 import QUANTITIES, SimulatedHead, SimulatedPush

OFFERED, SLOW = "offered", "300"
_SOMETIMES = (
    *(f"energy_{way}{tariff}" for way in ("import", "export") for tariff in ("", "_t1", "_t2", "_t3", "_t4")),
    *("energy_sum", "reactive_energy_import", "reactive_energy_export", "active_power", "reactive_power"),
    *(f"{name}_l{phase}" for name in ("voltage", "current", "active_power", "power_factor") for phase in (1, 2, 3)),
    *("frequency", "power_factor"),
)
_SOURCES = (
    "IEC 62056-21",
    "github.com/volkszaehler/vzlogger tests/MeterD0.cpp",
    "github.com/pwitab/iec62056-21 issue 16",
    "github.com/ndokter/dsmr_parser test/example_telegrams.py (EasyMeter)",
)
_WIRING = "Optical head on the meter's round window, cable down; the head repeats what is sent."


def _explain(answer: bytes, options: Options) -> Decoded:
    return wire.decode(answer)


def _session(address: int, options: Options) -> Iec62056Session:
    is_slow = options.get("speed", OFFERED) == SLOW
    return Iec62056Session(str(options.get("device", "")), is_slow=is_slow, wakes=bool(options.get("wake", False)))


def _framer(options: Options) -> Framer:
    return wire.block_framer()


DRIVERS = (
    Driver(
        name="iec62056-21",
        title="Electricity meter with optical head (IEC 62056-21, modes A, B, C)",
        device_class="energy",
        models=("Landis+Gyr E350, ZMD120", "Iskra MT174", "ACE3000", "meters with an IEC 1107 head"),
        kind=Dialogue(_session, _framer, _explain, needs_wires=lambda options: options.get("speed", OFFERED) != SLOW),
        quantities=QUANTITIES,
        sometimes=tuple(name for name in _SOMETIMES if name not in QUANTITIES),
        line=wire.SLOW,
        sources=_SOURCES,
        check_bits=8,
        frame_bytes=wire.BLOCK_BYTES,
        silence_s=900.0,
        options={
            "speed": Option(OFFERED, "300 reads out at 300 baud, where the change of speed fails", (OFFERED, SLOW)),
            "device": Option("", "the meter's address, for several on one line; often its serial number"),
            "wake": Option(False, "true sends 2.2 s of NUL bytes first, for meters with a battery"),
        },
        aliases=("iec1107", "iec62056-21-c"),
        wiring=_WIRING,
        quirks=(
            "A whole read-out at 300 baud takes 20 to 60 s.",
            "Meters with a battery count read-outs: ask hourly at most.",
            "What the meter keeps of past months is left out.",
        ),
        period_s=300.0,
        simulate=SimulatedHead,
        vectors=("drivers.energy", "iec62056_21.vectors.toml"),
    ),
    Driver(
        name="iec62056-21-d",
        title="Electricity meter that pushes (IEC 62056-21, mode D)",
        device_class="energy",
        models=("EasyMeter Q3D, Q3DA (D0)",),
        kind=Listening(_framer, lambda frame, options: wire.decode(frame)),
        quantities=QUANTITIES,
        sometimes=tuple(name for name in _SOMETIMES if name not in QUANTITIES),
        line=Line(9600, 7, "E", 1),
        sources=_SOURCES,
        check_bits=0,
        frame_bytes=wire.BLOCK_BYTES,
        silence_s=30.0,
        aliases=("easymeter-q3d",),
        wiring=_WIRING,
        quirks=(
            "Its telegram has no check: a turned digit goes unnoticed but for the parity of its characters.",
            "Some meters send at 2400 baud.",
        ),
        period_s=2.0,
        simulate=SimulatedPush,
        vectors=("drivers.energy", "iec62056_21.vectors.toml"),
    ),
)
