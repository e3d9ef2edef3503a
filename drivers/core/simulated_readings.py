"""What the code that stations use makes of a simulated instrument."""

from __future__ import annotations

from collections.abc import Iterable

from drivers.core.contract import Decoded, Dialogue, Driver, Instrument, Listening, Rejection, Uplink
from drivers.core.hearing import hear
from drivers.core.listening import Listener
from drivers.core.polling import Round
from drivers.core.talking import Talk


def simulated_readings(
    driver: Driver, instrument: Instrument, address: int, times: Iterable[float]
) -> tuple[list[Decoded], list[Rejection]]:
    """Readings and refusals of one frame or one round at each time, in seconds."""
    readings: list[Decoded] = []
    refusals: list[Rejection] = []
    kind = driver.kind
    listener = Listener(driver) if isinstance(kind, Listening) else None
    talk = Talk(kind.begin(address, {})) if isinstance(kind, Dialogue) else None
    for t in times:
        if listener is not None:
            for item in listener.feed(instrument.tick(t)):
                if isinstance(item, Decoded):
                    readings.append(item)
                else:
                    refusals.append(item)
        elif talk is not None:
            talk.begin()
            while (step := talk.step) is not None:
                if not talk.feed(instrument.answer(step.data, t)):
                    talk.timeout()
            readings += talk.readings
            refusals += talk.refusals
        elif isinstance(kind, Uplink):
            heard = hear(driver, [instrument.tick(t)], {}, None, ends=True, fport=kind.fport)
            readings += heard.readings
            refusals += heard.refusals
        elif not isinstance(kind, Listening | Dialogue):
            one = Round.of(kind, address)
            while (request := one.request) is not None:
                if not one.feed(instrument.answer(request.data, t)):
                    one.timeout()
            decoded = one.result()
            readings += [decoded] if decoded is not None else []
            refusals += one.refusals
    return readings, refusals
