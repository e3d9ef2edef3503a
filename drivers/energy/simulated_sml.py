"""An optical head that is not there: a three-phase meter that pushes SML."""

from __future__ import annotations

from drivers.energy.simulated_meter import load_model
from drivers.energy.sml_wire import X25, crc

_PHASES = tuple(f"{name}_l{phase}" for name in ("voltage", "current", "active_power") for phase in (1, 2, 3))
QUANTITIES = ("energy_import", "energy_export", "active_power", *_PHASES)
_SERVER = bytes.fromhex("0a0154535400000004d2")
_WH, _W, _V, _A = 30, 27, 35, 33
_ESCAPE = b"\x1b\x1b\x1b\x1b"


class SimulatedSml:
    """It pushes its list, with every quantity that it has."""

    def __init__(self, seed: int, address: int) -> None:
        self._values = load_model(("voltage_l1",), seed, address)

    def tick(self, t: float) -> bytes:
        """The frame of the moment `t`."""
        now = self._values(t)
        told = [
            _octets(bytes((1, 0, 96, 50, 1, 1)), b"TST"),
            _number((1, 8), now["energy_import"] * 1000, _WH, -1),
            _number((2, 8), now["energy_export"] * 1000, _WH, -1),
            _number((16, 7), now["active_power"], _W, -1),
        ]
        for phase in (1, 2, 3):
            told.append(_number((20 * phase + 16, 7), now[f"active_power_l{phase}"], _W, -1))
            told.append(_number((20 * phase + 12, 7), now[f"voltage_l{phase}"], _V, -1))
            told.append(_number((20 * phase + 11, 7), now[f"current_l{phase}"], _A, -2))
        opened = _message(1, 0x0101, b"\x76\x01\x01" + _text(b"\0\1\2\3") + _text(_SERVER) + b"\x01\x01")
        listed = b"\x77\x01" + _text(_SERVER) + b"\x01\x01" + _list(told) + b"\x01\x01"
        body = opened + _message(2, 0x0701, listed) + _message(3, 0x0201, b"\x71\x01")
        fill = -len(body) % 4
        frame = (
            _ESCAPE + b"\x01" * 4 + (body + bytes(fill)).replace(_ESCAPE, _ESCAPE * 2) + _ESCAPE + bytes((0x1A, fill))
        )
        return frame + crc(frame, X25).to_bytes(2, "little")

    def answer(self, data: bytes, t: float) -> bytes:
        """It hears nothing."""
        return b""


def _text(data: bytes) -> bytes:
    return bytes((len(data) + 1,)) + data


def _list(parts: list[bytes]) -> bytes:
    size = len(parts)
    head = bytes((0x70 | size,)) if size < 16 else bytes((0xF0 | size >> 4, size & 15))
    return head + b"".join(parts)


def _octets(name: bytes, value: bytes) -> bytes:
    return b"\x77" + _text(name) + b"\x01\x01\x01\x01" + _text(value) + b"\x01"


def _number(code: tuple[int, int], value: float, unit: int, scaler: int) -> bytes:
    name = bytes((1, 0, *code, 0, 255))
    raw = round(value / 10.0**scaler).to_bytes(8, "big", signed=True)
    return b"\x77" + _text(name) + b"\x01\x01\x62" + bytes((unit, 0x52, scaler & 0xFF)) + b"\x59" + raw + b"\x01"


def _message(number: int, tag: int, content: bytes) -> bytes:
    body = b"\x72\x63" + tag.to_bytes(2, "big") + content
    message = b"\x76" + _text(bytes((number,))) + b"\x62\x00\x62\x00" + body
    return message + b"\x63" + crc(message, X25).to_bytes(2, "little") + b"\x00"
