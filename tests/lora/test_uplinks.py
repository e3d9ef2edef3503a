"""Which receiver and which time of an uplink is believed."""

import pytest

from gateway.lora.uplinks import Receiver, TimeTold, UplinkMessage, best, chosen_time

S = 1_000_000_000
NOW = 1_800_000_000 * S


@pytest.mark.parametrize(
    ("receivers", "expected"),
    [
        ([("far", -120, -12.0), ("near", -118, -3.5), ("noisy", -90, -15.0)], "near"),
        ([("near", -40, 8.0), ("far", -100, 11.0)], "near"),
        ([("mute", None, None), ("heard", -119, -20.0)], "heard"),
        ([("zero", -80, 0.0), ("mute", -70, None)], "zero"),
        ([("only", None, None)], "only"),
    ],
)
def test_best_signal(receivers: list[tuple[str, float | None, float | None]], expected: str) -> None:
    for order in (receivers, receivers[::-1]):
        found = best(Receiver(*one) for one in order)
        assert found is not None
        assert found.id == expected


def test_nobody_heard_it() -> None:
    assert best([]) is None
    assert UplinkMessage(b"").signal() == {}


def test_signal_keeps_zeros_and_leaves_out_what_is_unknown() -> None:
    one = UplinkMessage(b"", f_cnt=0, receivers=(Receiver("a", rssi=-97, snr=0.0),))
    assert one.signal() == {"rssi": -97.0, "snr": 0.0, "frame_counter": 0.0}


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        ([(-2, "server"), (-1, "gateway")], -2),
        ([(-86_400, "server")], -86_400),
        ([(-8 * 86_400, "server")], None),
        ([(3600, "server"), (-1, "gateway")], -1),
        ([(-30_000_000, "gateway")], None),
        ([(-3600, "gateway")], None),
        ([(-3600, "either")], -3600),
        ([(-5, "server"), (-9, "server"), (-20, "either")], -9),
        ([], None),
    ],
)
def test_which_time_is_believed(times: list[tuple[int, str]], expected: int | None) -> None:
    told = [TimeTold(NOW + s * S, by) for s, by in times]  # type: ignore[arg-type]  # words of the type
    found = chosen_time(told, NOW)
    assert (found and found.at_ns) == (None if expected is None else NOW + expected * S)
