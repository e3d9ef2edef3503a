"""Durations and sizes, as written and back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config.problems import Unfit
from gateway.config.units import duration_s, format_duration, format_size, size_bytes


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("250 ms", 0.25),
        ("60 s", 60),
        ("60s", 60),
        ("1.5 s", 1.5),
        ("5 min", 300),
        ("2 h", 7200),
        ("1 day", 86400),
        ("365 days", 31_536_000),
        (" 0 s ", 0),
        ("60 S", 60),
    ],
)
def test_duration(text, seconds):
    assert duration_s(text) == seconds


@pytest.mark.parametrize(
    ("text", "size"),
    [("0 B", 0), ("64 KiB", 65536), ("2 GB", 2_000_000_000), ("1.5 MB", 1_500_000), ("2gb", 2_000_000_000)],
)
def test_size(text, size):
    assert size_bytes(text) == size


@pytest.mark.parametrize(
    "value",
    [
        60,
        60.0,
        True,
        None,
        [],
        {},
        "",
        "60",
        "s",
        "-1 s",
        "1e3 s",
        "nan s",
        "inf s",
        "5 m",
        "60  seconds",
        "๖๐ s",
        "1 s\n2 s",
        "9" * 400 + " s",
        "1,5 s",
        "1. s",
        "60\u00a0ſ",
    ],
)
def test_what_is_no_duration_or_size(value):
    with pytest.raises(Unfit):
        duration_s(value)
    with pytest.raises(Unfit):
        size_bytes(value)


@given(st.integers(0, 10**9))
def test_formats_are_read_back(number):
    assert size_bytes(format_size(number)) == number
    assert duration_s(format_duration(number)) == number
    assert duration_s(format_duration(number / 1000)) == number / 1000


def test_formats_are_short():
    assert [format_duration(s) for s in (0.25, 1, 60, 3600, 86400, 31_536_000)] == [
        "250 ms",
        "1 s",
        "60 s",
        "60 min",
        "24 h",
        "365 days",
    ]
    assert [format_size(s) for s in (100, 2_000_000_000, 65536)] == ["100 B", "2 GB", "64 KiB"]
