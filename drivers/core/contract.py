"""What a driver is: frozen values, no class to inherit, no clock, no I/O.

A *listening* device talks by itself: `Listening(framer, decode)`. A *polled* device answers: `Polled(requests, …)`.
A *dialogue* goes to and fro, with breaks and changes of speed: `Dialogue(begin, …)` makes a `Session`. A *radio*
device sends whole payloads: `Uplink(decode)`. All turn what they hear into a `Decoded`, or raise or return a
`Rejection` whose class name is the reason that is counted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

from drivers.core.commands import Command, Wear
from drivers.core.outcomes import Decoded as Decoded
from drivers.core.outcomes import DeviceFault as DeviceFault
from drivers.core.outcomes import FixedBits as FixedBits
from drivers.core.outcomes import Implausible as Implausible
from drivers.core.outcomes import Integrity as Integrity
from drivers.core.outcomes import Options as Options
from drivers.core.outcomes import Reason as Reason
from drivers.core.outcomes import Rejection as Rejection
from drivers.core.outcomes import Telling as Telling
from drivers.core.outcomes import Truncated as Truncated


class Framer(Protocol):
    """Splits a byte stream. Bounded: never holds more than one frame's worth of bytes plus what `feed` was given."""

    def feed(self, data: bytes) -> list[bytes | Rejection]:
        """Take bytes as they come; return whole frames and, in stream order, what was refused and why."""

    def finish(self) -> list[bytes | Rejection]:
        """The line fell silent: what is held will not be completed. Return it as refused, with any frame inside it."""

    def reset(self) -> None:
        """Forget half a frame (after a reconnect)."""

    @property
    def discarded(self) -> int:
        """Bytes thrown away so far because they belonged to no frame."""

    @property
    def held(self) -> int:
        """Bytes waiting for the rest of their frame."""


@dataclass(frozen=True, slots=True)
class Line:
    """Serial line settings."""

    baud: int = 9600
    bits: int = 8
    parity: Literal["N", "E", "O"] = "N"
    stop: float = 1

    def byte_s(self) -> float:
        """Seconds that one byte takes on the wire, start and stop bits included."""
        return (1 + self.bits + (self.parity != "N") + self.stop) / self.baud


@dataclass(frozen=True, slots=True)
class Request:
    """One question to a polled device and how to recognise its answer.

    `timeout_s` is the device's own time to think; what the wire takes comes on top (`patience_s`). `gap_s` is the
    silence the device wants before a question.
    """

    data: bytes
    framer: Callable[[], Framer]
    reply_bytes: int
    timeout_s: float
    gap_s: float

    def patience_s(self, line: Line) -> float:
        """Seconds from writing the question until the answer must be complete."""
        return self.timeout_s + (len(self.data) + self.reply_bytes) * line.byte_s()


Exchange = tuple[Request, "bytes | None"]
"""A question and its answer; None where no answer came."""


@dataclass(frozen=True, slots=True)
class Listening:
    """A device that talks by itself. `start` is told after the port opens: all that the instrument stores, each command
    until it is acknowledged. `decode` returns None for a frame that is no reading (an acknowledgement).
    """

    framer: Callable[[Options], Framer]
    decode: Callable[[bytes, Options], Decoded | None]
    start: tuple[Command, ...] = ()


@dataclass(frozen=True, slots=True)
class Readdress:
    """How a device is told another bus address: `request(old, new)`, whose answer may come from either. `note`: what
    must be done to the device first.
    """

    request: Callable[[int, int], Request]
    note: str = ""


@dataclass(frozen=True, slots=True)
class Polled:
    """A device that answers; `core.polling.Round` asks.

    `requests(address, options)` is one round, in order. `decode(exchanges, options)` gets the questions with their
    answers; what an unanswered question would have told is missing (9), never made up. `ask(data, options)` makes a
    request of a question's bytes. `guess(reply, options)` gives the question that a lone reply seems to answer, and
    whether it is certain which values were asked for. `identify(address, options)` asks which instrument it is, where
    it can tell: its answers decode to `info` alone, or are refused where they are another family's.
    `follow(exchanges, options)` gives what must be asked next where that follows from answers; nothing ends the round.
    `start(options)` gives what the instrument stores and must be told before the first round. `readdress`, where that
    is known, tells it another bus address; only a person's command does.
    """

    requests: Callable[[int, Options], tuple[Request, ...]]
    decode: Callable[[tuple[Exchange, ...], Options], Decoded]
    ask: Callable[[bytes, Options], Request]
    guess: Callable[[bytes, Options], tuple[bytes, bool]]
    identify: Callable[[int, Options], tuple[Request, ...]] | None = None
    follow: Callable[[tuple[Exchange, ...], Options], tuple[Request, ...]] | None = None
    start: Callable[[Options], tuple[Command, ...]] | None = None
    readdress: Readdress | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """What a session wants done next, in this order: keep the line silent for `gap_s`, set it to `line`, hold it in a
    break for `break_s` and then silent for `mark_s`, write `data`, set it to `reply_line` when the last byte has left,
    and listen. A line of None stays as it is.

    `timeout_s` is how long the line may then be silent: it runs from the last byte written or heard. More than
    `max_bytes` heard are noise and end it too. While a step `frees_line` others may have it: nothing is written,
    nothing will be heard, and its `timeout_s` is a time to wait.
    """

    data: bytes = b""
    timeout_s: float = 1.0
    gap_s: float = 0.0
    break_s: float = 0.0
    mark_s: float = 0.0
    line: Line | None = None
    reply_line: Line | None = None
    max_bytes: int = 256
    frees_line: bool = False


@dataclass(frozen=True, slots=True)
class Turn:
    """What came of hearing bytes or silence. `step`: do this now; without one, go on listening, or stop where the
    round `is_over`. `events`: readings and refusals in the order in which they came.
    """

    step: Step | None = None
    events: tuple[Decoded | Rejection, ...] = ()
    is_over: bool = False


class Session(Protocol):
    """One device's dialogue, round after round; it remembers what it learned. Bounded, no clock, no I/O."""

    def start(self) -> Turn:
        """Begin a round, whatever became of the one before."""

    def feed(self, data: bytes) -> Turn:
        """Take bytes as they come."""

    def on_timeout(self) -> Turn:
        """The line was silent for the step's `timeout_s`."""


@dataclass(frozen=True, slots=True)
class Dialogue:
    """A device that is talked with; `core.talking.Talk` leads its session.

    `begin(address, options)` makes the session; it raises ValueError for options that make no sense. `framer` finds
    the device's answers in bytes that were heard elsewhere, and `explain(answer, options)` tells what a lone one says;
    what is no reading has `info` alone. `has_letter_address`: 0 to 9 stand for themselves, letters by their code (97
    is a). `needs_wires(options)`: breaks or changes of speed, which not every port can do. `midway(address, options)`
    makes the sessions that a host may be leading who has talked with the device before, for who only listens.
    """

    begin: Callable[[int, Options], Session]
    framer: Callable[[Options], Framer]
    explain: Callable[[bytes, Options], Decoded]
    has_letter_address: bool = False
    needs_wires: Callable[[Options], bool] = lambda options: True
    midway: Callable[[int, Options], tuple[Session, ...]] = lambda address, options: ()


@dataclass(frozen=True, slots=True)
class Uplink:
    """A device whose payloads come by radio, whole or not at all.

    `decode(payload, fport, options)` gives its reports, oldest first, or none where the payload is about
    something else; `fport` is LoRaWAN's (1 to 223), None where a raw modem heard it. It raises a `Rejection`. The field
    `fport` is the one its simulated counterpart sends on. `check(options)` raises ValueError for options that make no
    sense, and so does `decode`.
    """

    decode: Callable[[bytes, int | None, Options], tuple[Telling, ...]]
    fport: int = 1
    check: Callable[[Options], object] | None = None


class Instrument(Protocol):
    """The simulated counterpart: what the real device would put on the wire. Pure; time comes in as a parameter."""

    def tick(self, t: float) -> bytes:
        """Bytes a listening device or a radio sends for the reading at time t seconds (b"" for a polled one)."""

    def answer(self, data: bytes, t: float) -> bytes:
        """Reply to bytes the host wrote (b"" for silence)."""


@dataclass(frozen=True, slots=True)
class Option:
    """One setting of a device: type by its default, allowed values or range, one line of help."""

    default: str | int | float | bool
    help: str
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Driver:
    """Knowledge of one device family. `name` is what configuration files say."""

    name: str
    title: str
    device_class: Literal["air", "water", "weather", "energy", "mobility", "place"]
    models: tuple[str, ...]
    kind: Listening | Polled | Dialogue | Uplink
    quantities: tuple[str, ...]
    """What it reports as delivered."""
    line: Line
    sources: tuple[str, ...]
    check_bits: int = 16
    frame_bytes: int = 1024
    """No frame of it is longer; a framer that holds more grows."""
    silence_s: float = 10.0
    default_address: int | None = None
    options: Mapping[str, Option] = field(default_factory=dict)
    aliases: tuple[str, ...] = ()
    wiring: str = ""
    quirks: tuple[str, ...] = ()
    period_s: float = 1.0
    simulate: Callable[[int, int], Instrument] | None = None
    """`simulate(seed, address)` makes the instrument."""
    wear: Wear | None = None
    sometimes: tuple[str, ...] = ()
    """Quantities that only some settings or models give."""
    gives: Callable[[Options], tuple[str, ...]] | None = None
    """`gives(options)`: the quantities of a device with these options, where they follow from the options alone."""
    vectors: tuple[str, str] | None = None
    """Package and file name of the test vectors, as `importlib.resources` finds them."""

    def at(self, address: int | None) -> int:
        """This address; where none is said the driver's own, or 1 where it has none."""
        if address is not None:
            return address
        return 1 if self.default_address is None else self.default_address

    def may_give(self, options: Options) -> tuple[str, ...]:
        """Every quantity that a device with these options may give."""
        if self.gives is not None:
            return self.gives(options)
        return (*self.quantities, *self.sometimes)
