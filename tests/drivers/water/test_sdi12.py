"""SDI-12 as a dialogue: a sensor that is slow, noisy, echoed, short of values or dead."""

from collections.abc import Sequence

import pytest

from drivers.core.contract import Decoded, Dialogue, Options, Session
from drivers.core.registry import find
from drivers.core.talking import Talk
from drivers.water import sdi12_wire as wire
from drivers.water.sdi12_session import BREAK_S, Sdi12Session
from drivers.water.sdi12_values import plan

IDENTITY = b"013CampbellCS45X 001SN=12345678"
SILENCE = b""


def checked(text: bytes) -> bytes:
    return text + wire.crc(text)


def begin(address: int = 0, options: Options | None = None, name: str = "sdi12") -> Session:
    kind = find(name).kind
    assert isinstance(kind, Dialogue)
    return kind.begin(address, options or {})


def play(talk: Talk, script: Sequence[tuple[bytes, bytes]], size: int = 1000) -> list[Decoded]:
    """One round: each step must write the bytes before; then the bytes behind are heard, and silence."""
    talk.begin()
    for wanted, heard in script:
        step = talk.step
        assert step is not None, f"the round is over, {wanted!r} was to be written"
        assert step.data == wanted
        done = False
        for at in range(0, len(heard), size):
            assert not done
            done = talk.feed(heard[at : at + size])
        if not done:
            talk.timeout()
    assert talk.step is None
    return talk.readings


def lines(*texts: bytes) -> bytes:
    return b"".join(text + b"\r\n" for text in texts)


GOOD = [
    (b"0I!", lines(IDENTITY)),
    (b"0MC!", lines(b"00003")),
    (b"0D0!", lines(checked(b"0+1.5-2+.25"))),
]


@pytest.mark.parametrize("size", [1, 3, 100])
def test_a_round(size: int) -> None:
    talk = Talk(begin())
    (reading,) = play(talk, GOOD, size)
    assert reading.values == {"x_sdi12_1": 1.5, "x_sdi12_2": -2.0, "x_sdi12_3": 0.25}
    assert reading.info["vendor"] == "Campbell"
    assert reading.info["sdi12_version"] == "1.3"
    assert play(talk, GOOD[1:], size)  # it said once who it is
    assert not talk.rejected


def test_breaks_and_patience() -> None:
    talk = Talk(begin())
    talk.begin()
    assert talk.step is not None
    assert talk.step.break_s == BREAK_S >= 0.012
    assert talk.step.mark_s >= 0.00833
    assert talk.step.line is None


def test_the_service_request_is_no_data() -> None:
    talk = Talk(begin())
    script = [GOOD[0], (b"0MC!", lines(b"00053")), (b"", lines(b"0")), GOOD[2]]
    assert len(play(talk, script)) == 1
    talk.begin()
    talk.feed(lines(b"00053"))
    assert talk.step is not None
    assert talk.step.data == b""
    assert 5 < talk.step.timeout_s < 10
    assert talk.step.break_s == 0  # a break would abort the measurement


def test_a_service_request_that_never_comes_is_not_waited_for_for_ever() -> None:
    assert len(play(Talk(begin()), [GOOD[0], (b"0MC!", lines(b"00053")), (b"", SILENCE), GOOD[2]])) == 1


def test_noise_while_waiting_is_refused_and_waiting_goes_on() -> None:
    talk = Talk(begin())
    assert len(play(talk, [GOOD[0], (b"0MC!", lines(b"00053")), (b"", lines(b"1", b"0x", b"0")), GOOD[2]])) == 1
    assert talk.rejected == {"FixedBits": 2}


def test_concurrent_measurements_send_no_request() -> None:
    talk = Talk(begin(options={"command": "C2"}))
    script = [GOOD[0], (b"0CC2!", lines(b"000203")), (b"", SILENCE), GOOD[2]]
    assert len(play(talk, script)) == 1


def test_values_in_several_answers() -> None:
    talk = Talk(begin(options={"crc": "off"}))
    script = [
        GOOD[0],
        (b"0M!", lines(b"00005")),
        (b"0D0!", lines(b"0+1+2")),
        (b"0D1!", lines(b"0+3+4")),
        (b"0D2!", lines(b"0+5")),
    ]
    (reading,) = play(talk, script)
    assert list(reading.values.values()) == [1, 2, 3, 4, 5]


def test_fewer_values_than_promised_are_no_reading() -> None:
    talk = Talk(begin(options={"crc": "off"}))
    script = [GOOD[0], (b"0M!", lines(b"00003")), (b"0D0!", lines(b"0+1+2")), (b"0D1!", lines(b"0"))]
    assert play(talk, script) == []
    assert talk.rejected == {"Truncated": 1}


def test_ten_answers_are_the_end() -> None:
    script = [GOOD[0], (b"0C!", lines(b"000030"))]
    script += [(b"0D%d!" % number, lines(b"0+1")) for number in range(10)]
    assert play(Talk(begin(options={"crc": "off", "command": "C"})), script) == []


def test_no_values_mean_an_aborted_measurement() -> None:
    talk = Talk(begin())
    assert play(talk, [*GOOD[:2], (b"0D0!", lines(checked(b"0")))]) == []
    assert talk.rejected == {"DeviceFault": 1}
    assert play(talk, [(b"0MC!", lines(b"00000"))]) == []
    assert talk.rejected == {"DeviceFault": 2}


def test_a_damaged_answer_is_asked_for_again() -> None:
    talk = Talk(begin())
    damaged = bytearray(checked(b"0+1.5-2+.25"))
    damaged[2] ^= 4
    assert len(play(talk, [*GOOD[:2], (b"0D0!", lines(bytes(damaged))), GOOD[2]])) == 1
    assert talk.rejected == {"Integrity": 1}


def test_an_answer_without_the_crc_that_was_asked_for_is_refused() -> None:
    talk = Talk(begin())
    assert play(talk, [*GOOD[:2], *[(b"0D0!", lines(b"0+1.5-2+.25"))] * 3]) == []
    assert talk.rejected == {"FixedBits": 3}


def test_half_an_answer_is_refused_and_asked_for_again() -> None:
    talk = Talk(begin())
    assert len(play(talk, [*GOOD[:2], (b"0D0!", b"0+1.5-2"), GOOD[2]])) == 1
    assert talk.rejected == {"Truncated": 1}


def test_a_dead_sensor_is_asked_three_times_and_gives_nothing() -> None:
    talk = Talk(begin())
    assert play(talk, [(b"0I!", SILENCE)] * 3) == []
    assert not talk.rejected
    assert play(talk, GOOD)


def test_a_sensor_that_dies_while_it_measures() -> None:
    talk = Talk(begin())
    assert play(talk, [*GOOD[:2], *[(b"0D0!", SILENCE)] * 3]) == []
    assert play(talk, GOOD[1:])


def test_echo_and_stray_bytes_before_an_answer() -> None:
    script = [(command, b"\0\xff" + command + b"\0" + answer) for command, answer in GOOD]
    talk = Talk(begin())
    assert len(play(talk, script, 1)) == 1
    assert not talk.rejected


def test_another_sensor_s_answer_is_refused() -> None:
    talk = Talk(begin())
    assert len(play(talk, [*GOOD[:2], (b"0D0!", lines(checked(b"1+1+2+3"))), GOOD[2]])) == 1
    assert talk.rejected == {"FixedBits": 1}


def test_endless_noise_ends_the_round() -> None:
    talk = Talk(begin())
    talk.begin()
    for _ in range(200):
        if talk.step is None:
            break
        talk.feed(b"\x80\x9f" * 20)
    assert talk.step is None
    assert talk.rejected["Truncated"] == 3


@pytest.mark.parametrize(("version", "command"), [(b"10", b"0M!"), (b"12", b"0M!"), (b"13", b"0MC!"), (b"14", b"0MC!")])
def test_the_crc_is_asked_for_where_the_sensor_knows_it(version: bytes, command: bytes) -> None:
    talk = Talk(begin())
    talk.begin()
    talk.feed(lines(b"0" + version + IDENTITY[3:]))
    assert talk.step is not None
    assert talk.step.data == command


@pytest.mark.parametrize(("address", "letter"), [(0, b"0"), (9, b"9"), (97, b"a"), (90, b"Z")])
def test_addresses(address: int, letter: bytes) -> None:
    talk = Talk(begin(address))
    talk.begin()
    assert talk.step is not None
    assert talk.step.data == letter + b"I!"


@pytest.mark.parametrize("address", [10, 33, 200, -1])
def test_wrong_addresses(address: int) -> None:
    with pytest.raises(ValueError, match=r"address|chr\(\)"):
        begin(address)
    with pytest.raises(ValueError, match="address"):
        Sdi12Session("ab", plan("", "M"), "auto")


def test_values_by_name_and_unit() -> None:
    talk = Talk(begin(options={"values": "water_depth mm, -, water_temperature"}))
    (reading,) = play(talk, [*GOOD[:2], (b"0D0!", lines(checked(b"0+1500-2+28.25")))])
    assert reading.values == {"water_depth": 1.5, "water_temperature": 28.25}
    (reading,) = play(talk, [GOOD[1], (b"0D0!", lines(checked(b"0+1500-2+228.25")))])
    assert reading.quality == {"water_temperature": 4}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("water_dept m", "did you mean 'water_depth'"),
        ("water_depth kg", "no conversion from 'kg'"),
        ("water_depth m, water_depth m", "stands twice"),
        ("water_depth in m", "is no quantity with its unit"),
        ("water_depth m,", "is no quantity"),
        ("M: water_depth m; water_temperature", "begins with no command"),
        ("M: water_depth m; M1: water_depth m", "'water_depth' stands twice"),
        ("M: water_depth m; M: stage m", "'M' stands twice"),
        ("R0: water_depth m", "begins with no command"),
    ],
)
def test_wrong_descriptions_are_told_at_the_beginning(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        begin(options={"values": text})


TWO = {"values": "M: water_depth mm, water_temperature; M1: -, battery_voltage V", "crc": "off"}


def test_values_of_several_commands_are_one_reading() -> None:
    talk = Talk(begin(options=TWO))
    script = [
        GOOD[0],
        (b"0M!", lines(b"00002")),
        (b"0D0!", lines(b"0+1500+28.25")),
        (b"0M1!", lines(b"00002")),
        (b"0D0!", lines(b"0+7+12.6")),
    ]
    (reading,) = play(talk, script)
    assert reading.values == {"water_depth": 1.5, "water_temperature": 28.25, "battery_voltage": 12.6}
    assert not reading.quality
    assert reading.info["vendor"] == "Campbell"
    (reading,) = play(talk, [*script[1:3], (b"0M1!", lines(b"00000"))])
    assert reading.values == {"water_depth": 1.5, "water_temperature": 28.25}
    assert reading.quality == {"battery_voltage": 9}
    assert talk.rejected == {"DeviceFault": 1}
    (reading,) = play(talk, [*script[1:3], *[(b"0M1!", SILENCE)] * 3])
    assert reading.quality == {"battery_voltage": 9}
    assert find("sdi12").gives is not None
    assert find("sdi12").gives(TWO) == ("water_depth", "water_temperature", "battery_voltage")
    assert play(talk, [(b"0M!", lines(b"00000")), (b"0M1!", lines(b"00000"))]) == []


def test_an_adapter_may_make_the_breaks() -> None:
    talk = Talk(begin(options={"breaks": "adapter"}))
    talk.begin()
    assert talk.step is not None
    assert (talk.step.data, talk.step.break_s, talk.step.mark_s) == (b"0I!", 0, 0)


@pytest.mark.parametrize(("status", "flag"), [(0, None), (13, 4), (17, 4), (25, 4), (36, 4), (507, 3), (1, 3)])
def test_vegapuls_status(status: int, flag: int | None) -> None:
    talk = Talk(begin(name="vegapuls-c-sdi12"))
    text = checked(b"0+29.272+0.728+25.4+14+%d" % status)
    script = [(b"0I!", lines(b"014VEGA    PSC 2100143210123")), (b"0MC!", lines(b"00005")), (b"0D0!", lines(text))]
    (reading,) = play(talk, script)
    assert reading.values == {"stage": 29.272, "distance": 0.728, "device_temperature": 25.4, "echo_strength": 14.0}
    assert reading.quality == ({} if flag is None else dict.fromkeys(("stage", "distance", "echo_strength"), flag))
    assert reading.info["serial"] == "43210123"


def test_the_simulated_sensor_speaks_to_all_and_to_itself() -> None:
    made = find("sdi12").simulate
    assert made is not None
    one = made(1, 97)
    assert one.answer(b"?!", 1.0) == b"a\r\n"
    assert one.answer(b"0I!", 1.0) == b""
    assert one.answer(b"aI", 1.0) + one.answer(b"!", 1.0) == b"a13SIMULATEGAUGE 001\r\n"
    assert one.answer(b"aX!", 1.0) == b"a\r\n"
    assert one.tick(2.0) == b""
