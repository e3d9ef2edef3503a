"""IEC 62056-21 as a dialogue: heads that echo, meters of each mode, changes of speed, and meters that say no."""

import pytest

from drivers.core.contract import Decoded, Dialogue, Line, Listening, Options, Session, Step
from drivers.core.listening import Listener
from drivers.core.registry import find
from drivers.core.talking import Talk
from drivers.core.vectors import of_driver
from drivers.energy.iec62056_wire import block_check

MT174 = next(c.data for c in of_driver(find("iec62056-21")).vectors if c.id == "mt174-constructed")
HEAD, BLOCK = MT174[:17], MT174[17:]
REQUEST = b"/?!\r\n"
ACK = b"\x06050\r\n"
SLOW = Line(300, 7, "E", 1)


def begin(options: Options | None = None) -> Session:
    kind = find("iec62056-21").kind
    assert isinstance(kind, Dialogue)
    return kind.begin(1, options or {})


def start(options: Options | None = None) -> Talk:
    talk = Talk(begin(options))
    talk.begin()
    return talk


def step(talk: Talk) -> Step:
    assert talk.step is not None
    return talk.step


def reading(talk: Talk) -> Decoded:
    assert talk.step is None
    (one,) = talk.readings
    return one


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
@pytest.mark.parametrize("echoes", [False, True])
def test_mode_c_reads_at_the_speed_that_was_offered(size: int, echoes: bool) -> None:
    talk = start()
    assert (step(talk).data, step(talk).line, step(talk).reply_line) == (REQUEST, SLOW, None)
    for written, answer in ((REQUEST, HEAD), (ACK, BLOCK)):
        assert step(talk).data == written
        heard = (b"\x7f\0" + written if echoes else b"") + answer
        if written == ACK:
            assert step(talk).line is None
            assert step(talk).reply_line == Line(9600, 7, "E", 1)
        done = [talk.feed(heard[at : at + size]) for at in range(0, len(heard), size)]
        assert done[-1]
        assert not any(done[:-1])
    assert reading(talk).values == {"energy_import": 12345.678, "energy_export": 1.0}
    assert reading(talk).info["model"] == "MT174-0001"
    talk.begin()
    assert (step(talk).data, step(talk).line) == (REQUEST, SLOW)


def test_the_slow_way() -> None:
    talk = start({"speed": "300"})
    talk.feed(HEAD)
    assert step(talk).data == b"\x06000\r\n"
    assert step(talk).reply_line == SLOW


@pytest.mark.parametrize(("speed", "baud"), [(b"A", 600), (b"C", 2400), (b"E", 9600), (b"F", 19200)])
def test_mode_b_changes_its_speed_unasked(speed: bytes, baud: int) -> None:
    talk = start()
    talk.feed(HEAD.replace(b"ISk5", b"ISk" + speed))
    assert (step(talk).data, step(talk).line) == (b"", Line(baud, 7, "E", 1))
    talk.feed(BLOCK)
    assert reading(talk).values["energy_import"] == 12345.678


@pytest.mark.parametrize("together", [False, True])
def test_mode_a_stays_where_it_is(together: bool) -> None:
    talk = start()
    head = HEAD.replace(b"ISk5", b"ISkx")
    for part in (head + BLOCK,) if together else (head, BLOCK):
        talk.feed(part)
    assert reading(talk).values["energy_export"] == 1.0


@pytest.mark.parametrize("character", list("0123456"))
def test_every_speed_of_mode_c(character: str) -> None:
    talk = start()
    talk.feed(HEAD.replace(b"ISk5", b"ISk" + character.encode()))
    reply_line = step(talk).reply_line
    assert reply_line is not None
    assert reply_line.baud == 300 * 2 ** int(character)
    assert step(talk).data == b"\x060" + character.encode() + b"0\r\n"


def test_a_nak_is_answered_by_the_request_again() -> None:
    talk = start()
    for _ in range(2):
        assert talk.feed(b"\x15")
        assert step(talk).data == REQUEST
    assert talk.feed(REQUEST + b"\x15")
    assert talk.step is None
    assert not talk.readings


def test_a_dead_meter_is_asked_three_times() -> None:
    talk = start()
    for _ in range(3):
        assert step(talk).data == REQUEST
        talk.feed(REQUEST)  # the head alone repeats it
        talk.timeout()
    assert talk.step is None
    assert not talk.rejected


def test_half_an_identification_is_refused_and_asked_for_again() -> None:
    talk = start()
    talk.feed(HEAD[:9])
    talk.timeout()
    assert talk.rejected == {"Truncated": 1}
    talk.feed(HEAD)
    talk.feed(BLOCK)
    assert reading(talk).values


@pytest.mark.parametrize("block", [BLOCK[:-1] + bytes((BLOCK[-1] ^ 1,)), BLOCK.replace(b"12345", b"12346")])
def test_a_block_whose_check_fails_ends_the_round(block: bytes) -> None:
    talk = start()
    talk.feed(HEAD)
    talk.feed(block)
    assert talk.step is None
    assert not talk.readings
    assert talk.rejected == {"Integrity": 1}


def test_half_a_block_ends_the_round_and_the_next_begins_slowly() -> None:
    talk = start()
    talk.feed(HEAD)
    talk.feed(BLOCK[:30])
    talk.timeout()
    assert talk.step is None
    assert talk.rejected == {"Truncated": 1}
    talk.begin()
    assert step(talk).line == SLOW


def test_parity_bits_are_told() -> None:
    talk = start()
    talk.feed(bytes.fromhex("af c9 53 eb 35"))
    assert "7E1" in str(talk.refusals[0])


def test_a_block_check_that_looks_like_a_nak() -> None:
    lines = b"1.8.0(000001.0*kWh)\r\n0.9.9(%c%c)\r\n!\r\n\x03"
    letters = range(ord("0"), ord("z"))
    block = next(one for a in letters for b in letters if block_check(one := lines % (a, b)) == 0x15)
    talk = start()
    talk.feed(HEAD)
    talk.feed(b"\x02" + block + b"\x15")
    assert reading(talk).values == {"energy_import": 1.0}


def test_endless_text_ends_the_round() -> None:
    talk = start()
    talk.feed(HEAD)
    for _ in range(2000):
        if talk.step is None:
            break
        talk.feed(b"\x02" * 16)
    assert talk.step is None


def test_waking_and_addressing() -> None:
    assert step(start({"wake": True})).data == bytes(66) + REQUEST
    assert step(start({"device": "12345678"})).data == b"/?12345678!\r\n"
    for wrong in ("1!", "x" * 33, "ä/"):
        with pytest.raises(ValueError, match="address"):
            begin({"device": wrong})


def test_only_readings_are_ever_asked_for() -> None:
    """Neither programming mode nor a command: nothing a session writes begins with 01 or names mode 1."""
    talk = start()
    written = [step(talk).data]
    talk.feed(HEAD)
    written.append(step(talk).data)
    assert written == [REQUEST, ACK]


def test_mode_d_believes_the_second_telegram_after_noise() -> None:
    driver = find("iec62056-21-d")
    assert isinstance(driver.kind, Listening)
    telegram = next(c.data for c in of_driver(driver).vectors if c.id.startswith("easymeter")) + b"\r\n"
    tail = b"  25818685\r\nDE0000000000000000000000000000003\r\n"
    listener = Listener(driver)
    found = listener.feed((telegram + tail) * 3)
    assert [type(item) for item in found] == [Decoded] * 3
    names = [type(item).__name__ for item in listener.feed(b"\x9c" + (telegram + tail) * 2)]
    assert names == ["FixedBits", "Integrity", "Decoded"]
