"""What can be asked of a decoder of radio payloads.

A payload has no check of its own: LoRaWAN's MIC, or nothing, stands outside it. So a turned bit may become another
reading; it must never become anything but readings or a refusal. What a cut payload tells must be part of what the
whole one tells, unless the case is marked `unchecked`.
"""

from __future__ import annotations

from random import Random

from drivers.core.contract import Telling, Uplink
from drivers.core.hearing import Heard, hear
from drivers.core.quantities import quantity
from drivers.core.trial import Trial, difference
from drivers.core.vectors import Case, Expected

LONGEST = 242
"""Bytes of the longest LoRaWAN payload."""
_SECOND = 1_000_000_000
_NEAR_S = 1e-3


def vector(trial: Trial, case: Case) -> None:
    """The payload tells exactly what is expected, on its fPort, and where no fPort is known if it is the usual one."""
    kind = trial.driver.kind
    usual = kind.fport if isinstance(kind, Uplink) else None
    ports = {case.fport, None} if case.fport == usual else {case.fport}
    for fport in ports:
        heard = hear(trial.driver, [case.data], case.options, None, ends=True, fport=fport)
        if heard.refusals:
            trial.fail(case, f"on fPort {fport} is refused: {heard.refusals[0]}")
        elif len(heard.tellings) != len(case.expected):
            trial.fail(case, f"on fPort {fport} gives {len(heard.tellings)} readings, expected {len(case.expected)}")
        for number, (want, telling) in enumerate(zip(case.expected, heard.tellings, strict=False), 1):
            wrong = difference(want, telling.decoded) or _other_time(want, telling)
            if wrong:
                trial.fail(case, f"reading {number}: {wrong}")
            if unknown := [name for name in telling.decoded.values if not _is_announced(trial, case, name)]:
                trial.fail(case, f"{min(unknown)} is not among the driver's quantities")


def torture(trial: Trial, case: Case) -> None:
    """Every bit turned, and every cut; raises what the decoder raises that is no refusal."""
    bits = range(0, len(case.data) * 8, trial.stride)
    data = bytearray(case.data)
    for bit in bits:
        data[bit // 8] ^= 0x80 >> bit % 8
        trial.unnoticed += bool(_hear(trial, case, bytes(data)).readings)
        data[bit // 8] ^= 0x80 >> bit % 8
    trial.flips += len(bits)
    whole = _facts(_hear(trial, case, case.data))
    for size in range(0, len(case.data), trial.stride):
        trial.truncations += 1
        cut = _facts(_hear(trial, case, case.data[:size]))
        if not (case.is_unchecked or cut <= whole):
            trial.fail(case, f"its first {size} bytes tell {min(cut - whole)}, the whole does not")


def noise(trial: Trial, size: int, seed: int) -> None:
    """Random payloads on all kinds of ports. How many of them, and of the turned bits, become readings is told as a
    weakness and no failure: LoRaWAN's MIC refuses them before a decoder sees them.
    """
    dice = Random(seed)
    settings = [dict(items) for items in {tuple(sorted(case.options.items())) for case in trial.cases.vectors}] or [{}]
    ports = [None, 0, 1, 2, 224, 255, *sorted({case.fport for case in trial.cases.vectors if case.fport is not None})]
    payloads = believed = refused = 0
    while size > 0:
        payload = dice.randbytes(dice.choice((dice.randrange(12), dice.randrange(52), dice.randrange(LONGEST + 1))))
        size -= len(payload) + 1
        heard = hear(trial.driver, [payload], dice.choice(settings), None, ends=True, fport=dice.choice(ports))
        payloads += 1
        believed += bool(heard.readings)
        refused += bool(heard.refusals)
        if len(heard.readings) > len(payload) + 1:
            trial.failures.append(f"noise: {len(payload)} bytes become {len(heard.readings)} readings")
            break
    if not refused:
        trial.failures.append(f"noise: none of {payloads} random payloads is refused")
    if believed:
        trial.weaknesses.append(f"{believed} of {payloads} random payloads become a reading; only LoRaWAN's MIC tells")
    if trial.unnoticed:
        trial.weaknesses.append(
            f"{trial.unnoticed} of {trial.flips} turned bits give other readings; only LoRaWAN's MIC tells"
        )


def _is_announced(trial: Trial, case: Case, name: str) -> bool:
    """Whether the driver tells of this quantity, by itself or without its channel's number, or an option names it."""
    known = {*trial.driver.quantities, *trial.driver.sometimes}
    plain = name.rstrip("0123456789").removesuffix("_")
    said = " ".join(str(value) for value in case.options.values()).replace(",", " ").split()
    return bool({name, quantity(name).base, plain} & known) or name in said


def _hear(trial: Trial, case: Case, data: bytes) -> Heard:
    return trial.hear(case, [data])


def _other_time(want: Expected, telling: Telling) -> str:
    at_s = None if telling.at_ns is None else telling.at_ns / _SECOND
    for name, expected, found in (("at_s", want.at_s, at_s), ("age_s", want.age_s, telling.age_s)):
        if (expected is None) != (found is None) or abs((expected or 0) - (found or 0)) > _NEAR_S:
            return f"{name} is {found}, expected {expected}"
    return ""


def _facts(heard: Heard) -> set[str]:
    """Everything that readings say, each with its time."""
    return {
        f"{name} = {value} at {telling.at_ns}/{telling.age_s}"
        for telling in heard.tellings
        for name, value in telling.decoded.values.items()
    }
