"""What a trial's tally means, in words: what to look at next."""

from __future__ import annotations

from dataclasses import dataclass

from drivers.core.contract import Dialogue, Driver, Listening
from gateway.cli.device_trial import Tally
from gateway.ops.texts import say

_NOISY_SHARE = 0.1
_FLAT_SHARE = 0.8
_ALLOWED = 2
"""Refusals of a healthy listening device: a trial begins in the middle of a frame."""


_IN_A_DIALOGUE = {"unanswered": "mute", "echo": "only_echo", "foreign_answer": "no_dialogue", "partly": "good"}
"""What is said otherwise of a device that is talked with: it repeats its questions by itself."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """`key` is stable, for programs; `text` is for people. `is_good`: readings came."""

    key: str
    text: str
    is_good: bool


def judge(driver: Driver, tally: Tally, *, port: str, line: str, address: int) -> Verdict:
    """The likeliest explanation of what came and what did not."""
    key = _key(driver, tally)
    if isinstance(driver.kind, Dialogue):
        key = _IN_A_DIALOGUE.get(key, key)
    refused = sum(tally.rejected.values())
    text = say(
        f"device_cmd.verdict_{key}",
        readings=tally.readings,
        seconds=f"{tally.seconds:.1f}",
        bytes=tally.arrived,
        refused=refused,
        unanswered=tally.unanswered,
        asked=tally.asked,
        driver=driver.name,
        port=port,
        line=line,
        address=address,
        wiring=driver.wiring,
        why=tally.lost or next(iter(reversed(tally.examples)), ""),
    )
    if tally.unheard:
        text = f"{text} {say('device_cmd.unheard', why=tally.unheard)}"
    return Verdict(key, text, key in ("good", "noisy", "partly"))


def _key(driver: Driver, tally: Tally) -> str:
    is_listening = isinstance(driver.kind, Listening)
    refused = sum(tally.rejected.values())
    if tally.readings:
        troubles = max(0, refused - _ALLOWED * is_listening) + tally.unanswered
        if troubles <= _NOISY_SHARE * (tally.readings + troubles):
            return "good"
        return "noisy" if is_listening or refused else "partly"
    if tally.lost:
        return "lost"
    if tally.is_tapped and not is_listening and not tally.asked:
        return "not_asked"
    if not tally.arrived:
        return "silent" if is_listening else "unanswered"
    if tally.echoed:
        return "echo"
    # What the most telling refusal says: one that the instrument itself sent stands above all others.
    for reason, key in (("DeviceFault", "fault"), ("Implausible", "implausible")):
        if tally.rejected.get(reason):
            return key
    if tally.flat >= _FLAT_SHARE * tally.arrived:
        return "flat"
    if tally.rejected.get("Integrity"):
        return "damaged"
    return "foreign" if is_listening else "foreign_answer"
