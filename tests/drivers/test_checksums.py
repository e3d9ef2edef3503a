"""Published check values, none of them computed by the code under test."""

import pytest

from drivers.core.checksums import crc16_modbus, sum8, sum16


def test_crc16_modbus_check_value() -> None:
    # The "check" of CRC-16/MODBUS in Greg Cook's catalogue of parametrised CRC algorithms.
    assert crc16_modbus(b"123456789") == 0x4B37


@pytest.mark.parametrize(
    ("data", "low_then_high"),
    [
        ("0207", "4112"),  # Modbus over Serial Line V1.02, appendix B: address 2, function 7 gives CRC 1241
        ("010400000002", "71cb"),  # Eastron SDM protocol manual, the request for voltage
        ("0103000b0001", "f5c8"),  # a SolaX inverter asking an SDM230 for its model
    ],
)
def test_crc16_modbus_published_frames(data: str, low_then_high: str) -> None:
    assert crc16_modbus(bytes.fromhex(data)).to_bytes(2, "little").hex() == low_then_high


def test_crc16_modbus_agrees_with_pymodbus() -> None:
    from pymodbus.framer import FramerRTU

    for size in range(0, 260, 7):
        data = bytes((size * 31 + i * 17) & 0xFF for i in range(size))
        assert crc16_modbus(data).to_bytes(2, "little") == FramerRTU.compute_CRC(data).to_bytes(2, "big")


def test_sum8_of_the_makers_example() -> None:
    assert sum8(bytes.fromhex("ff07a1")) == 0xA7  # DFRobot wiki SEN0311


def test_sum16_of_a_plantower_command() -> None:
    assert sum16(bytes.fromhex("424de10000")) == 0x0170  # PMS5003 manual: passive mode
    assert sum16(b"\xff" * 300) == (255 * 300) & 0xFFFF
