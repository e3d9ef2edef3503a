"""SunSpec: the search for the meter's model, and what is in it, against the facts' vectors."""

import pytest

from drivers.core import modbus
from drivers.core.contract import Decoded, DeviceFault, Instrument, Options, Polled
from drivers.core.polling import Round
from drivers.core.registry import find
from drivers.core.simulated_slave import SimulatedSlave
from drivers.core.vectors import of_driver

DRIVER = find("sunspec-meter")
KIND = DRIVER.kind
assert isinstance(KIND, Polled)
BLOCK = next(c.data[3:-2] for c in of_driver(DRIVER).vectors if c.id == "sunspec-203-export")


class Memory(SimulatedSlave):
    """Registers by address; what is not there is an illegal address."""

    def __init__(self, parts: dict[int, bytes]) -> None:
        super().__init__(5, 125)
        self.words = {at + i // 2: data[i : i + 2] for at, data in parts.items() for i in range(0, len(data), 2)}
        self.asked: list[tuple[int, int]] = []

    def data(self, read: modbus.Read, t: float) -> bytes | int:
        self.asked.append((read.start, read.count))
        found = [self.words.get(read.start + i) for i in range(read.count)]
        return 2 if None in found else b"".join(word for word in found if word)


def model(number: int, length: int) -> bytes:
    return number.to_bytes(2, "big") + length.to_bytes(2, "big") + bytes(length * 2)


def run(instrument: Instrument, options: Options | None = None, address: int = 5) -> Decoded | None:
    assert isinstance(KIND, Polled)
    one = Round.of(KIND, address, options)
    while (request := one.request) is not None:
        if not one.feed(instrument.answer(request.data, 1.0)):
            one.timeout()
    return one.result()


def at(base: int, *models: bytes) -> dict[int, bytes]:
    return {base: b"SunS" + b"".join(models) + b"\xff\xff\x00\x00"}


@pytest.mark.parametrize("base", [40000, 50000, 0])
def test_the_meter_is_found_behind_other_models(base: int) -> None:
    memory = Memory(at(base, model(1, 65), model(103, 50), BLOCK))
    decoded = run(memory)
    assert decoded is not None
    assert decoded.values["active_power"] == -135.0
    place = base + 2 + 67 + 52
    assert decoded.info == {"model": 203, "model_at": place}
    heads = [(base, 4), (base + 69, 2), (place, 2), (place, 107)]
    assert memory.asked == [(b, 4) for b in (40000, 50000, 0)[: (40000, 50000, 0).index(base)]] + heads


def test_a_told_place_saves_the_search() -> None:
    memory = Memory(at(40000, model(1, 65), BLOCK))
    decoded = run(memory, {"model_at": 40069})
    assert decoded is not None
    assert memory.asked == [(40069, 107)]


def test_the_second_meter() -> None:
    other = bytearray(BLOCK)
    other[36:38] = (77).to_bytes(2, "big")
    decoded = run(Memory(at(40000, model(1, 65), BLOCK, model(1, 65), bytes(other))), {"meter": 2})
    assert decoded is not None
    assert decoded.values["active_power"] == 77.0


@pytest.mark.parametrize(
    "parts",
    [
        {},
        at(40000, model(1, 65), model(103, 50)),
        at(40000, model(1, 0), BLOCK),
        at(0, b"\xff\xff\x00\x00"),
        {40000: b"SunS" + model(1, 65)},
        {40000: b"\0" * 8, 50000: b"\0" * 8, 0: b"\0" * 8},
        at(40000, BLOCK[:2] + b"\x00\x05" + bytes(10)),
    ],
)
def test_where_there_is_no_meter_the_search_ends(parts: dict[int, bytes]) -> None:
    with pytest.raises(DeviceFault):
        run(Memory(parts))


def test_models_without_end_are_left() -> None:
    memory = Memory({at: b"\x00\x01\x00\x01" if at % 3 == 2 else b"\x00\x01" for at in range(40002, 41000)})
    memory.words[40000], memory.words[40001] = b"Su", b"nS"
    for place in range(40002, 41000, 3):
        memory.words[place], memory.words[place + 1] = b"\x00\x01", b"\x00\x01"
    with pytest.raises(DeviceFault):
        run(memory)
    assert len(memory.asked) == 64


def test_a_silent_device_is_no_reading() -> None:
    assert run(Memory({}), address=6) is None


def test_power_sign() -> None:
    memory = Memory(at(40000, BLOCK))
    plain, turned = run(memory), run(memory, {"power_sign": "export-positive"})
    assert plain is not None
    assert turned is not None
    assert turned.values["active_power"] == -plain.values["active_power"]
    assert turned.values["energy_import"] == plain.values["energy_import"]
    assert turned.values["voltage_l1"] == plain.values["voltage_l1"]
