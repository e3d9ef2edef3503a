"""Frames decoded a second, each driver: bytes in, values in the vocabulary's units out, through framer and checks."""

from __future__ import annotations

import time
from collections.abc import Iterator

from drivers.core.contract import Driver, Listening, Polled
from drivers.core.listening import Listener
from drivers.core.polling import Round
from drivers.core.registry import drivers
from drivers.core.vectors import of_driver

SECONDS = 0.4
_JOINED = 200


def run() -> Iterator[dict[str, object]]:
    """One figure a driver, from its own vectors (listening) or the answers of its simulated instrument (polled)."""
    for driver in drivers():
        rate = _listening(driver) if isinstance(driver.kind, Listening) else _polled(driver)
        yield {"name": f"decode {driver.name}", "value": round(rate), "unit": "frames/s"}


def _listening(driver: Driver) -> float:
    case = next(case for case in of_driver(driver).vectors if case.values is not None)
    data = case.data * _JOINED
    listener = Listener(driver, case.options)
    started = time.perf_counter()
    while (elapsed := time.perf_counter() - started) < SECONDS:
        listener.feed(data)
    if not listener.readings:
        raise RuntimeError(f"{driver.name}: its own vector {case.id} gives no reading")
    return listener.frames / elapsed


def _polled(driver: Driver) -> float:
    kind, address = driver.kind, driver.default_address or 1
    assert isinstance(kind, Polled)
    assert driver.simulate is not None, f"{driver.name} has no simulated instrument"
    options = {name: option.default for name, option in driver.options.items()}
    instrument = driver.simulate(1, address)
    requests = kind.requests(address, options)
    answers = [instrument.answer(request.data, 1.0) for request in requests]
    frames = 0
    started = time.perf_counter()
    while (elapsed := time.perf_counter() - started) < SECONDS:
        # The requests are made once, as a station makes them.
        asked = Round(kind, requests, options)
        for answer in answers:
            asked.feed(answer)
        asked.result()
        frames += asked.answered
    if not frames:
        raise RuntimeError(f"{driver.name}: its simulated instrument gives no answer")
    return frames / elapsed
