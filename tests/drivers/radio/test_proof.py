"""Every radio codec against all its vectors, the tier each reaches, and what it promises beyond them."""

from dataclasses import replace
from random import Random

import pytest

from drivers.core.contract import Rejection, Uplink
from drivers.core.hearing import hear
from drivers.core.prove import prove
from drivers.core.quantities import quantity
from drivers.core.registry import drivers, find
from drivers.core.vectors import Vectors, of_driver, parse

NAMES = [driver.name for driver in drivers() if isinstance(driver.kind, Uplink) and driver.vectors]


def test_every_device_that_was_promised_is_there() -> None:
    milesight = {f"milesight-{name}" for name in ("em310-udl", "em400-udl", "em410-rdl", "em500-udl", "em500-swl")}
    decentlab = {f"decentlab-dl-{n}" for n in ["mbx", "pr21", "pr26", "pr36", "pr36ctd", "ctd10", "tbrg", "dlr2-004"]}
    dragino = {"dragino-dds", "dragino-dds04", "dragino-ps-lb", "dragino-sdi12-lb"}
    others = {"cayenne-lpp", "elsys-elt2", "keller-adt1-lorawan", "pepperl-fuchs-wilsen-sonic"}
    assert milesight | decentlab | dragino | others <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_driver_is_proven(name: str) -> None:
    proof = prove(find(name), seed=7, noise_bytes=1 << 13, stride=3)
    assert proof.failures == ()
    assert proof.tier == 3
    assert any("LoRaWAN's MIC" in weakness for weakness in proof.weaknesses)


@pytest.mark.parametrize("name", NAMES)
def test_driver_tells_how_to_use_it(name: str) -> None:
    driver = find(name)
    assert driver.wiring
    assert driver.sources
    assert driver.quirks
    assert driver.check_bits == 0
    assert driver.silence_s > 2 * driver.period_s
    assert [quantity(q).name for q in driver.quantities] == list(driver.quantities)
    assert all(case.source for case in of_driver(driver).vectors)


@pytest.mark.parametrize("name", NAMES)
def test_simulated_values_move_and_repeat_themselves(name: str) -> None:
    driver = find(name)
    assert driver.simulate is not None
    assert isinstance(driver.kind, Uplink)
    made = [driver.simulate(seed, 0) for seed in (3, 3, 4)]
    payloads = [[one.tick(t) for t in range(0, 86_400, 600)] for one in made]
    assert payloads[0] == payloads[1] != payloads[2]
    assert len(set(payloads[0])) > 30
    assert max(map(len, payloads[0])) <= 51  # the longest payload that every data rate of EU868 carries
    for payload in payloads[0]:
        assert driver.kind.decode(payload, driver.kind.fport, {})


@pytest.mark.parametrize("name", NAMES)
def test_random_payloads_raise_nothing_but_refusals(name: str) -> None:
    driver, dice = find(name), Random(11)
    assert isinstance(driver.kind, Uplink)
    cases = of_driver(driver).vectors
    for _ in range(2000):
        payload = bytearray(dice.choice(cases).data)
        for _ in range(dice.randrange(3)):
            at = dice.randrange(len(payload) + 1)
            payload[at : at + dice.randrange(3)] = dice.randbytes(dice.randrange(4))
        try:
            told = driver.kind.decode(bytes(payload), dice.choice((None, 1, 2, 3, 5, 85)), {})
        except Rejection:
            continue
        for telling in told:
            assert all(value - value == 0 for value in telling.decoded.values.values())
            assert telling.decoded.values.keys().isdisjoint(q for q, f in telling.decoded.quality.items() if f == 9)


def wrong(name: str, text: str) -> str:
    cases = parse(text, name)
    proof = prove(find(name), cases, noise_bytes=1 << 9)
    return "\n".join(proof.failures)


SWL = '[[vector]]\nid = "a"\nhex = "20 ce 80 ab 5c 67 2c 01"\nfport = 85\n'


def test_the_proof_notices_a_wrong_time() -> None:
    assert wrong("milesight-em500-swl", SWL + "expect = { water_depth = 3.0 }\nat_s = 1734126464") == ""
    assert "at_s is" in wrong("milesight-em500-swl", SWL + "expect = { water_depth = 3.0 }\nat_s = 1734126465")
    assert "at_s is" in wrong("milesight-em500-swl", SWL + "expect = { water_depth = 3.0 }")
    assert "gives 1 readings, expected 0" in wrong("milesight-em500-swl", SWL)


def test_the_proof_notices_a_cut_that_tells_something_else() -> None:
    """The first three characters of an SDI-12 number are another number: such a case must say so."""
    text = '[[vector]]\nid = "a"\nhex = "0c e4 01 30 2b 31 32"\nfport = 2\n'
    text += "expect = { x_sdi12_1 = 12, battery_voltage = 3.3 }"
    assert "bytes tell x_sdi12_1 = 1.0" in wrong("dragino-sdi12-lb", text)
    assert wrong("dragino-sdi12-lb", text + "\nunchecked = true") == ""


def test_the_proof_notices_a_quantity_that_was_not_announced() -> None:
    vectors = of_driver(find("cayenne-lpp"))
    driver = replace(find("cayenne-lpp"), quantities=(), sometimes=())
    assert "is not among the driver's quantities" in "\n".join(prove(driver, vectors, noise_bytes=1 << 9).failures)


def test_options_that_make_no_sense_are_found_before_the_first_payload() -> None:
    for name, options, why in (
        ("cayenne-lpp", {"channels": "1 = stagee"}, "did you mean 'stage'"),
        ("cayenne-lpp", {"channels": "1 stage"}, "no channel"),
        ("cayenne-lpp", {"channels": "1 = stage, 1 = distance"}, "stands twice"),
        ("cayenne-lpp", {"channels": "1 = stage, 2 = stage"}, "stands twice"),
        ("dragino-sdi12-lb", {"values": "water_depth furlong"}, "no conversion"),
        ("decentlab-dl-pr26", {"p_min": 1.0, "p_max": 1.0}, "not above"),
        ("decentlab-dl-pr36", {"kp": 0.0}, "above 0"),
    ):
        kind = find(name).kind
        assert isinstance(kind, Uplink)
        assert kind.check is not None
        with pytest.raises(ValueError, match=why):
            kind.check(options)


def test_vectors_of_a_file_share_their_port() -> None:
    found: Vectors = parse(
        'fport = 7\n[[vector]]\nid = "a"\nhex = "00"\n[[vector]]\nid = "b"\nhex = "00"\nfport = 8', "x"
    )
    first, second = found.vectors
    assert (first.fport, second.fport) == (7, 8)


def test_a_payload_on_a_port_that_is_not_read_says_so() -> None:
    heard = hear(find("dragino-dds"), [bytes(8)], {}, None, ends=True, fport=6)
    assert "fPort 6" in str(heard.refusals[0])


@pytest.mark.parametrize("name", NAMES)
def test_what_a_device_may_give_covers_what_its_vectors_give(name: str) -> None:
    driver = find(name)
    for case in of_driver(driver).vectors:
        given = {value for expected in case.expected for value in (*expected.values, *expected.quality)}
        unnamed = {value for value in given if "__" in value or value.startswith(("x_lpp_", "x_sdi12_"))}
        extra = {"battery_voltage", "battery_level"}  # a status may come from any of them
        assert given - unnamed - extra <= set(driver.may_give(case.options)), case.id


def test_a_channel_that_the_site_named_is_announced() -> None:
    assert find("cayenne-lpp").may_give({"channels": "1 = stage, 3 = water_temperature, 9 = -"}) == (
        "stage",
        "water_temperature",
    )
    assert find("dragino-dds").may_give({"probe": "soil_temperature"})[-1] == "soil_temperature"


def test_the_simulated_rain_gauge_counts_what_it_tells() -> None:
    gauge = find("decentlab-dl-tbrg")
    assert gauge.simulate is not None
    assert isinstance(gauge.kind, Uplink)
    instrument, last = gauge.simulate(1, 0), None
    for t in range(0, 600 * 40, 600):
        (telling,) = gauge.kind.decode(instrument.tick(float(t)), 1, {})
        values = telling.decoded.values
        assert last is None or values["rain_counter"] - last == pytest.approx(values["rain"])
        last = values["rain_counter"]
