"""What a driver must survive before anybody trusts it: `driver check` and the tests run this.

Each vector whole, byte by byte and in odd pieces; each single-bit flip of each vector refused or listed as accepted;
each truncation silent; each fault refused for its reason; streams to the byte; random bytes neither raise nor grow.
Radio payloads come whole or not at all: `prove_radio` has what can be asked of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from drivers.core import prove_radio
from drivers.core.contract import Dialogue, Driver, Framer, Listening, Polled, Uplink
from drivers.core.hearing import hear, pieces
from drivers.core.quantities import UnknownQuantity, quantity
from drivers.core.simulated_readings import simulated_readings
from drivers.core.trial import Trial, difference
from drivers.core.vectors import Case, Vectors, of_driver

MIN_VECTORS = 3
REAL = "real-capture"


@dataclass(frozen=True, slots=True)
class Proof:
    """What was tried and what failed. `tier` is 0 where not even the vectors decode."""

    driver: str
    vectors: int
    real: int
    faults: int
    flips: int
    truncations: int
    noise_bytes: int
    failures: tuple[str, ...]
    weaknesses: tuple[str, ...]
    tier: int

    @property
    def holds(self) -> bool:
        """Whether nothing failed."""
        return not self.failures


def prove(
    driver: Driver, cases: Vectors | None = None, *, noise_bytes: int = 1 << 16, seed: int = 1, stride: int = 1
) -> Proof:
    """Try everything; nothing here raises for what a driver does wrong, except what the driver itself raises.

    With a `stride` only every so manieth bit is turned, and length cut: a glance, not a proof.
    """
    cases = of_driver(driver) if cases is None else cases
    trial = Trial(driver, cases, stride)
    is_radio = isinstance(driver.kind, Uplink)
    for case in cases.vectors:
        (prove_radio.vector if is_radio else _vector)(trial, case)
    decodes = not trial.failures
    for case in cases.vectors:
        (prove_radio.torture if is_radio else _torture)(trial, case)
    for case in cases.faults:
        _fault(trial, case)
    for case in cases.streams:
        _stream(trial, case)
    for case in cases.weaknesses:
        if not trial.hear(case, [case.data]).readings:
            trial.fail(case, "is listed as a weakness but is refused")
        trial.weaknesses.append(f"{case.id}: {case.note}")
    (prove_radio.noise if is_radio else _noise)(trial, noise_bytes, seed)
    _words(trial)
    is_robust = not trial.failures
    simulates = _simulator(trial)
    real = sum(case.kind == REAL for case in cases.vectors)
    tier = 0
    if decodes and driver.sources and len(cases.vectors) >= MIN_VECTORS:
        tier = 1
    if tier == 1 and is_robust and cases.faults:
        tier = 2
    if tier == 2 and simulates and driver.silence_s > 0 and driver.wiring:
        tier = 3
    if tier == 3 and real > 1:
        tier = 4
    return Proof(
        driver=driver.name,
        vectors=len(cases.vectors),
        real=real,
        faults=len(cases.faults),
        flips=trial.flips,
        truncations=trial.truncations,
        noise_bytes=noise_bytes,
        failures=tuple(trial.failures),
        weaknesses=tuple(trial.weaknesses),
        tier=tier,
    )


def _vector(trial: Trial, case: Case) -> None:
    for size in (len(case.data), 1, 3, 7):
        heard = trial.hear(case, pieces(case.data, size), ends=case.values is None)
        if case.values is None:
            if heard.readings or heard.refusals:
                trial.fail(case, "is no reading, but became one or was refused")
        elif len(heard.readings) != 1 or heard.refusals:
            why = "; ".join(map(str, heard.refusals)) or "nothing was found"
            trial.fail(case, f"in pieces of {size} gives {len(heard.readings)} readings ({why})")
        elif wrong := difference(case, heard.readings[0]):
            trial.fail(case, wrong)
        elif unknown := heard.readings[0].values.keys() - {*trial.driver.quantities, *trial.driver.sometimes}:
            trial.fail(case, f"{min(unknown)} is not among the driver's quantities")


def _torture(trial: Trial, case: Case) -> None:
    data, unnoticed = bytearray(case.data), 0
    whole = len(data) - case.spare
    bits = range(0, whole * 8, trial.stride)
    for bit in bits:
        data[bit // 8] ^= 0x80 >> bit % 8
        passes = bool(trial.hear(case, [bytes(data)]).readings)
        data[bit // 8] ^= 0x80 >> bit % 8
        unnoticed += passes
        if passes and not (case.is_unchecked or bit in case.accepted_flips):
            trial.fail(case, f"a flip of bit {bit} goes unnoticed")
    trial.flips += len(bits)
    if unnoticed:
        trial.weaknesses.append(f"{case.id}: {unnoticed} of {len(bits)} turned bits go unnoticed")
    for size in range(0, whole, trial.stride):
        trial.truncations += 1
        for ends in (False, True):
            if trial.hear(case, [case.data[:size]], ends=ends).readings:
                trial.fail(case, f"its first {size} bytes become a reading")


def _fault(trial: Trial, case: Case) -> None:
    for size in (len(case.data), 1, 5):
        heard = trial.hear(case, pieces(case.data, size))
        reasons = [refusal.reason for refusal in heard.refusals]
        if heard.readings:
            trial.fail(case, f"in pieces of {size} becomes a reading")
        elif not reasons or (case.reason and case.reason not in reasons):
            trial.fail(case, f"in pieces of {size} is refused for {reasons or 'nothing'}, expected {case.reason}")


def _stream(trial: Trial, case: Case) -> None:
    kind = trial.driver.kind
    for size in (len(case.data), 1, 8, 13):
        if isinstance(kind, Listening | Dialogue):
            framer: Framer = kind.framer(case.options)
        elif isinstance(kind, Polled) and case.question is not None:
            framer = kind.ask(case.question, case.options).framer()
        else:
            trial.fail(case, "has no request")
            return
        items = [item for piece in pieces(case.data, size) for item in framer.feed(piece)] + framer.finish()
        frames = tuple(item for item in items if isinstance(item, bytes))
        if frames != case.frames:
            trial.fail(case, f"in pieces of {size} gives {len(frames)} frames, expected {len(case.frames)}")
        if case.discarded is not None and framer.discarded != case.discarded:
            trial.fail(case, f"in pieces of {size} discards {framer.discarded} bytes, expected {case.discarded}")


def _noise(trial: Trial, size: int, seed: int) -> None:
    dice = Random(seed)
    noise = dice.randbytes(size)
    cuts = [noise[at : at + 61] for at in range(0, size, 61)]
    settings = [dict(items) for items in {tuple(sorted(case.options.items())) for case in trial.cases.vectors}] or [{}]
    for options in settings:
        heard = hear(trial.driver, cuts, options, None, ends=True)
        if heard.readings:
            trial.failures.append(f"noise: {len(heard.readings)} readings out of {size} random bytes")
        if heard.held > trial.driver.frame_bytes:
            trial.failures.append(f"noise: the framer holds {heard.held} bytes")
        if not heard.refusals:
            trial.failures.append(f"noise: {size} random bytes are refused without a word")


def _words(trial: Trial) -> None:
    for name in (*trial.driver.quantities, *trial.driver.sometimes):
        try:
            quantity(name)
        except UnknownQuantity as error:
            trial.failures.append(f"vocabulary: {error}")


def _simulator(trial: Trial) -> bool:
    """Whether the driver's own simulator is read without a refusal."""
    driver = trial.driver
    if driver.simulate is None:
        return False
    address = driver.at(None)
    instrument = driver.simulate(1, address)
    found, refusals = simulated_readings(driver, instrument, address, [10.0 + 7 * step for step in range(8)])
    complete = all(set(decoded.values) == set(driver.quantities) for decoded in found)
    if len(found) != 8 or refusals or not complete:
        trial.failures.append(f"simulator: {len(found)} of 8 readings, {len(refusals)} refusals")
        return False
    return True
