"""A meter on a wired M-Bus that is not there: three phases, in two telegrams, named as Saia-Burgess and others do."""

from __future__ import annotations

from drivers.energy.mbus_wire import ACK, GIVE, GIVE_NEXT, RESET, SELECTED, long_frame
from drivers.energy.simulated_meter import load_model

_PHASES = (1, 2, 3)
QUANTITIES = (
    *("energy_import", "active_power"),
    *(f"{name}_l{phase}" for name in ("voltage", "current") for phase in _PHASES),
)
_HEARD_LIMIT = 64
_ID = bytes.fromhex("78563412")
_SELECT = b"\x68\x0b\x0b\x68\x73\xfd\x52"
_HEAD = _ID + b"\x43\x4c\x01\x02"


class SimulatedMbus:
    """It acknowledges a reset and its being chosen, and gives its data; a turned bit gives the rest."""

    def __init__(self, seed: int, address: int) -> None:
        self._values = load_model(("voltage_l1",), seed, address)
        self._address = address
        self._is_selected = False
        self._heard = b""

    def tick(self, t: float) -> bytes:
        """It speaks only when asked."""
        return b""

    def answer(self, data: bytes, t: float) -> bytes:
        """The answer to a whole question for its own address."""
        self._heard = (self._heard + data)[-_HEARD_LIMIT:]
        if not self._heard.endswith(b"\x16"):
            return b""
        heard, self._heard = self._heard, b""
        if heard[-17:-10] == _SELECT:
            wanted = heard[-10:-2]
            self._is_selected = all(mine == asked or asked == 0xFF for mine, asked in zip(_HEAD, wanted, strict=True))
            return ACK if self._is_selected else b""
        begin, control, address = heard[-5], heard[-4], heard[-3]
        if begin != 0x10 or not (address == self._address or (address == SELECTED and self._is_selected)):
            return b""
        if control == RESET:
            return ACK
        if control not in (GIVE, GIVE_NEXT):
            return b""
        return self._telegram(control == GIVE, t)

    def _telegram(self, is_first: bool, t: float) -> bytes:
        now = self._values(t)
        head = bytes((0x08, self._address, 0x72)) + _HEAD + b"\x05\x00\x00\x00"
        if is_first:
            energy, power = round(now["energy_import"] * 1000), round(now["active_power"])
            return long_frame(head + b"\x04\x03" + energy.to_bytes(4, "little") + _power(power) + b"\x1f")
        records = b""
        for phase in _PHASES:
            volts, amps = round(now[f"voltage_l{phase}"] * 10), round(now[f"current_l{phase}"] * 1000)
            records += b"\x02\xfd\xc8\xff" + bytes((phase,)) + volts.to_bytes(2, "little")
            records += b"\x04\xfd\xd9\xff" + bytes((phase,)) + amps.to_bytes(4, "little")
        return long_frame(head + records)


def _power(watts: int) -> bytes:
    return b"\x04\x2b" + watts.to_bytes(4, "little", signed=True)
