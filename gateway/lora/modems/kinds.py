"""Which modem has which reader and dialogue; what is known of it otherwise: drivers.radio.modem_facts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from gateway.lora.modems.ebyte import EbyteTalk, Model
from gateway.lora.modems.events import Reader
from gateway.lora.modems.lines import rak811, rak3172, rfm2pi, rn2483
from gateway.lora.modems.reyax import ReyaxReader
from gateway.lora.modems.settings import RadioSettings
from gateway.lora.modems.talk import Ask, Manners, Said, Talk

_REYAX_BANDWIDTHS = {125_000: 7, 250_000: 8, 500_000: 9}
_RAK_BANDWIDTHS = {125_000: 0, 250_000: 1, 500_000: 2}


class Dialogue(Protocol):
    """What a station leads: `Talk`, or another with the same face."""

    problem: str
    resets: int
    is_listening: bool

    @property
    def reader(self) -> Reader: ...
    @property
    def timeout_s(self) -> float | None: ...
    def start(self) -> Said: ...
    def feed(self, data: bytes) -> Said: ...
    def on_timeout(self) -> Said: ...


def _reyax(wanted: RadioSettings) -> Talk:
    radio = (
        f"{wanted.spreading_factor},{_REYAX_BANDWIDTHS[wanted.bandwidth_hz]},{wanted.coding_rate - 4},{wanted.preamble}"
    )
    check = (
        Ask("AT+BAND?", (rf"\+BAND={wanted.frequency_hz}",)),
        Ask("AT+PARAMETER?", (rf"\+PARAMETER={radio}",)),
        Ask("AT+NETWORKID?", (rf"\+NETWORKID={wanted.network_id}",)),
    )
    setup = (
        Ask("AT"),
        Ask(f"AT+ADDRESS={wanted.address}"),
        Ask(f"AT+NETWORKID={wanted.network_id}"),
        Ask(f"AT+BAND={wanted.frequency_hz}"),
        Ask(f"AT+PARAMETER={radio}"),
        Ask("AT+MODE=0"),
        *check,
    )
    return Talk(ReyaxReader(), Manners(setup, check))


def _rak3172(wanted: RadioSettings) -> Talk:
    sf, code = wanted.spreading_factor, _RAK_BANDWIDTHS[wanted.bandwidth_hz]
    khz, rate, preamble = wanted.bandwidth_hz // 1000, wanted.coding_rate - 5, wanted.preamble
    head, tail = f"{wanted.frequency_hz}:{sf}", f"{rate}:{preamble}:14"
    sync = f"{wanted.sync_word >> 4:X}4{wanted.sync_word & 15:X}4"
    check = (
        Ask("AT+P2P=?", (rf"(AT\+P2P=)?{head}:({khz}|{code}):{rate}:{preamble}:\d+", "OK")),
        Ask("AT+NWM=?", (r"(AT\+NWM=)?0", "OK")),
    )
    setup = (
        Ask("AT+PRECV=0", (r"OK|AT_.*ERROR",)),
        Ask("AT+NWM=0", ("OK",), may_reset=True, timeout_s=5.0),
        Ask(f"AT+P2P={head}:{khz}:{tail}", instead=f"AT+P2P={head}:{code}:{tail}"),
        Ask(f"AT+SYNCWORD={sync}", (r"OK|AT_.*ERROR|ERROR.*",)),
        *check,
        Ask("AT+PRECV=65534", instead="AT+PRECV=65535"),
    )
    return Talk(
        rak3172(),
        Manners(
            setup,
            (check[0], Ask("AT+PRECV=65534", (r"OK|AT_BUSY_ERROR.*",), instead="AT+PRECV=65535")),
            started=r"Current Work Mode.*",
            stopped=r"\+EVT:RXP2P,? RECEIVE TIMEOUT.*|\+EVT:RXP2P,? RECEIVE ERROR.*",
            rearms=True,
        ),
    )


def _rn2483(wanted: RadioSettings) -> Talk:
    setup = (
        Ask("mac pause", (r"\d+",)),
        Ask("radio rxstop", (r"ok|invalid_param",)),
        Ask("radio set mod lora", ("ok",)),
        Ask(f"radio set freq {wanted.frequency_hz}", ("ok",)),
        Ask(f"radio set sf sf{wanted.spreading_factor}", ("ok",)),
        Ask(f"radio set bw {wanted.bandwidth_hz // 1000}", ("ok",)),
        Ask(f"radio set cr 4/{wanted.coding_rate}", ("ok",)),
        Ask(f"radio set sync {wanted.sync_word:X}", ("ok",)),
        Ask("radio set wdt 0", ("ok",)),
        Ask("radio get freq", (f"{wanted.frequency_hz}",)),
        Ask("radio get sf", (f"sf{wanted.spreading_factor}",)),
        Ask("radio rx 0", ("ok",)),
    )
    listens = (Ask("radio rx 0", (r"ok|busy",)),)
    return Talk(rn2483(), Manners(setup, listens, started=r"RN2483 .*|RN2903 .*", stopped="radio_err", rearms=True))


def _listening(reader: Callable[[], Reader]) -> Callable[[RadioSettings], Talk]:
    return lambda wanted: Talk(reader(), Manners(()))


def _ebyte(model: Model) -> Callable[[RadioSettings], EbyteTalk]:
    return lambda wanted: EbyteTalk(model, wanted)


DIALOGUES: Mapping[str, Callable[[RadioSettings], Dialogue]] = {
    "rylr896": _reyax,
    "rylr998": _reyax,
    "rak3172": _rak3172,
    "rn2483": _rn2483,
    "rak811": _listening(rak811),
    "rfm2pi": _listening(rfm2pi),
    "e22": _ebyte("e22"),
    "e220": _ebyte("e220"),
    "e32": _ebyte("e32"),
}
