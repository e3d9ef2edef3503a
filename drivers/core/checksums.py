"""Check sums of field protocols. Each takes any bytes-like object and returns an unsigned integer."""

from __future__ import annotations


def sum8(data: bytes) -> int:
    """Low byte of the sum of all bytes."""
    return sum(data) & 0xFF


def sum16(data: bytes) -> int:
    """Low 16 bits of the sum of all bytes."""
    return sum(data) & 0xFFFF


def _modbus_table() -> tuple[int, ...]:
    table = []
    for value in range(256):
        for _ in range(8):
            value = (value >> 1) ^ 0xA001 if value & 1 else value >> 1
        table.append(value)
    return tuple(table)


_MODBUS = _modbus_table()


def crc16_modbus(data: bytes) -> int:
    """CRC-16/MODBUS: initial FFFF, polynomial 8005 reflected, no final xor; on the wire the low byte comes first."""
    return _crc16(data, 0xFFFF)


def crc16_arc(data: bytes) -> int:
    """CRC-16/ARC: as Modbus, but initial 0000 (DSMR P1, SDI-12)."""
    return _crc16(data, 0)


def _crc16(data: bytes, crc: int) -> int:
    table = _MODBUS
    for byte in data:
        crc = (crc >> 8) ^ table[(crc ^ byte) & 0xFF]
    return crc
