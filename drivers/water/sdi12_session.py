"""SDI-12 v1.4 as a dialogue: who are you, measure, and give the values, each asked three times at most.

    aI!          once: identity; with SDI-12 1.3 and later the CRC is asked for
    aM! aMC!     measure; then wait for the service request `a`, or for the time it named
    aC! aCC!     measure meanwhile, while others have the line; it sends no service request: wait for the time it named
    aD0! … aD9!  values, until as many came as were promised

A round may hold several measurements, one after another; what one of them lacks is missing (9) in the reading. A break
goes before each command, unless the adapter makes it by itself. Echoed commands, NUL and FF bytes before an answer are
dropped.
"""

from __future__ import annotations

from collections.abc import Callable

from drivers.core.contract import Decoded, DeviceFault, FixedBits, Rejection, Step, Truncated, Turn
from drivers.water import sdi12_wire as wire
from drivers.water.sdi12_values import Measurement

TRIES = 3
BREAK_S, MARK_S = 0.0152, 0.0087
"""More than the 12 ms and 8.33 ms that are asked for."""

_ANSWER_S = 0.5
"""A sensor answers in 15 ms; adapters and their drivers take their time."""

_ADAPTER_S = 1.0
"""One that makes the breaks may try by itself before it gives up."""

_LATE_S = 1.0
_DATA_COMMANDS = 10
_CRC_SINCE = 13
_MEASURE_CHARACTERS = {"M": 5, "C": 6}
_MISSING = 9


class Sdi12Session:
    """Rounds with the sensor at one address. `crc` is auto, on or off; without `breaks` the adapter makes them."""

    def __init__(self, address: str, plan: tuple[Measurement, ...], crc: str, *, breaks: bool = True) -> None:
        if len(address) != 1 or address.encode() not in (bytes((c,)) for c in wire.ADDRESSES):
            raise ValueError(f"an SDI-12 address is one of 0 to 9, A to Z, a to z, not {address!r}")
        self._address = address
        self._plan = plan
        self._at = 0
        self._told: list[Decoded] = []
        self._crc = crc
        self._breaks = breaks
        self._identity: wire.Identity | None = None
        self._sent = b""
        self._held = b""
        self._left = 0
        self._take: Callable[[bytes], Turn] = self._identified
        self._count = self._asked_for = 0
        self._is_checked = False
        self._values: tuple[float, ...] = ()

    def knows(self, version: int) -> Sdi12Session:
        """This session, as if the sensor had said before that it speaks SDI-12 of this version (in tenths)."""
        self._identity = wire.Identity(self._address, version, "", "", "", "")
        return self

    def start(self) -> Turn:
        """Begin a round: measure, after the sensor has said once who it is."""
        self._held = b""
        self._at, self._told = 0, []
        if self._identity is None:
            return self._ask("I", self._identified)
        return self._measure()

    def feed(self, data: bytes) -> Turn:
        """Take bytes; an answer ends with CR LF."""
        self._held += data
        events: list[Decoded | Rejection] = []
        while True:
            line, end, rest = self._held.partition(wire.END)
            if not end:
                return Turn(None, tuple(events))
            self._held = rest
            turn = self._answered(line.lstrip(b"\0\xff").removeprefix(self._sent).lstrip(b"\0\xff"))
            events += turn.events
            if turn.step is not None or turn.is_over:
                return Turn(turn.step, tuple(events), turn.is_over)

    def on_timeout(self) -> Turn:
        """No answer, or no service request: then the values are asked for as if it had come."""
        if not self._sent:
            return self._give(0)
        half = (Truncated(f"no CR LF ends {self._held!r}"),) if self._held.strip(b"\0\xff") else ()
        turn = self._again()
        return Turn(turn.step, (*half, *turn.events), turn.is_over)

    def _answered(self, line: bytes) -> Turn:
        try:
            if line[:1] != self._address.encode():
                raise FixedBits(f"the sensor at address {self._address} was asked, this came: {line!r}")
            return self._take(line)
        except DeviceFault as fault:
            return self._next(fault)
        except Rejection as refusal:
            turn = self._again()
            return Turn(turn.step, (refusal, *turn.events), turn.is_over)

    def _identified(self, line: bytes) -> Turn:
        self._identity = wire.parse_identity(line)
        return self._measure()

    def _measure(self) -> Turn:
        version = self._identity.version if self._identity else 0
        self._is_checked = self._crc == "on" or (self._crc == "auto" and version >= _CRC_SINCE)
        command = self._plan[self._at].command
        return self._ask(command[0] + "C" * self._is_checked + command[1:], self._measuring)

    def _measuring(self, line: bytes) -> Turn:
        answer = wire.parse_measure(line)
        command = self._plan[self._at].command
        if len(line) != _MEASURE_CHARACTERS[command[0]]:
            raise FixedBits(f"{line!r} does not answer {command}")
        self._count = answer.count
        if not answer.count:
            raise DeviceFault(f"the sensor promises no value for {command}")
        self._values = ()
        if not answer.ready_s:
            return self._give(0)
        self._sent, self._take = b"", self._requested
        if command[0] == "M":
            return Turn(Step(timeout_s=answer.ready_s + _LATE_S))
        return Turn(Step(timeout_s=answer.ready_s, frees_line=True))

    def _requested(self, line: bytes) -> Turn:
        if len(line) != 1:
            raise FixedBits(f"a service request is the address alone, not {line!r}")
        return self._give(0)

    def _give(self, number: int) -> Turn:
        self._asked_for = number
        return self._ask(f"D{number}", self._given)

    def _given(self, line: bytes) -> Turn:
        data = wire.parse_data(line)
        if self._is_checked and not data.is_checked:
            raise FixedBits(f"no CRC closes {line!r}")
        if not data.values and not self._values:
            raise DeviceFault("the sensor has no values: its measurement was aborted")
        self._values += data.values
        if data.values and len(self._values) < self._count and self._asked_for + 1 < _DATA_COMMANDS:
            return self._give(self._asked_for + 1)
        try:
            wire.complete(self._values, self._count)
            info = self._identity.info() if self._identity and self._identity.vendor else {}
            return self._next(self._plan[self._at].meaning(self._values[: self._count], info))
        except Rejection as refusal:  # all of it came, and it is no reading: asking again would change nothing
            return self._next(refusal)

    def _next(self, event: Decoded | Rejection) -> Turn:
        """This measurement is done; go on to the next one, or end the round with all that was told."""
        refused = (event,) if isinstance(event, Rejection) else ()
        self._told.append(event if isinstance(event, Decoded) else _without(self._plan[self._at]))
        self._at += 1
        if self._at < len(self._plan):
            turn = self._measure()
            return Turn(turn.step, (*refused, *turn.events))
        return self._end(refused)

    def _end(self, refused: tuple[Rejection, ...]) -> Turn:
        """The round is over: one reading of all that was told."""
        told = [*self._told, *map(_without, self._plan[len(self._told) :])]
        values = {name: value for one in told for name, value in one.values.items()}
        if not values:
            return Turn(None, refused, is_over=True)
        quality = {name: flag for one in told for name, flag in one.quality.items()}
        info = {key: value for one in told for key, value in one.info.items()}
        return Turn(None, (*refused, Decoded(values, quality, info)), is_over=True)

    def _ask(self, command: str, take: Callable[[bytes], Turn]) -> Turn:
        self._sent = f"{self._address}{command}!".encode()
        self._take = take
        self._left = TRIES
        return self._again()

    def _again(self) -> Turn:
        """The same command once more; without a command, go on waiting; after the last try the round is over."""
        if not self._sent:
            return Turn()
        self._held = b""
        if not self._left:
            return self._end(())
        self._left -= 1
        if not self._breaks:
            return Turn(Step(self._sent, _ADAPTER_S))
        return Turn(Step(self._sent, _ANSWER_S, break_s=BREAK_S, mark_s=MARK_S))


def _without(measurement: Measurement) -> Decoded:
    """Nothing came of a measurement: its values are missing."""
    return Decoded({}, dict.fromkeys(measurement.names, _MISSING))
