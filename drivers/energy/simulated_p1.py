"""A P1 port that is not there: a DSMR 5 telegram of three phases and a gas meter."""

from __future__ import annotations

from drivers.core.checksums import crc16_arc
from drivers.energy.simulated_meter import load_model

_PHASES = tuple(f"{name}_l{phase}" for name in ("voltage", "current", "active_power") for phase in (1, 2, 3))
QUANTITIES = (
    *("energy_import_t1", "energy_import_t2", "energy_export_t1", "energy_export_t2", "active_power", *_PHASES),
    "gas_volume",
)


class SimulatedP1:
    """A house that buys at day and night."""

    def __init__(self, seed: int, address: int) -> None:
        self._values = load_model(("voltage_l1",), seed, address)

    def tick(self, t: float) -> bytes:
        """The telegram of the moment `t`."""
        now = self._values(t)
        lines = [
            "/ISK5\\2M550E-1012",
            "",
            "1-3:0.2.8(50)",
            f"1-0:1.8.1({now['energy_import'] * 0.4 % 1e6:010.3f}*kWh)",
            f"1-0:1.8.2({now['energy_import'] * 0.6 % 1e6:010.3f}*kWh)",
            "1-0:2.8.1(000000.000*kWh)",
            "1-0:2.8.2(000000.000*kWh)",
            "0-0:96.14.0(0002)",
            f"1-0:1.7.0({now['active_power'] / 1000:06.3f}*kW)",
            "1-0:2.7.0(00.000*kW)",
        ]
        for phase in (1, 2, 3):
            base = 20 * phase
            lines.append(f"1-0:{base + 12}.7.0({now[f'voltage_l{phase}']:05.1f}*V)")
            lines.append(f"1-0:{base + 11}.7.0({now[f'current_l{phase}']:06.2f}*A)")
            lines.append(f"1-0:{base + 1}.7.0({now[f'active_power_l{phase}'] / 1000:06.3f}*kW)")
        lines += ["0-1:24.1.0(003)", f"0-1:24.2.1(260101120000W)({t % 1e8 / 7200:09.3f}*m3)", "!"]
        text = "\r\n".join(lines).encode()
        return text + b"%04X\r\n" % crc16_arc(text)

    def answer(self, data: bytes, t: float) -> bytes:
        """Its request line is a wire, not a command."""
        return b""
