import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.wire.times import format_time, parse_time


@pytest.mark.parametrize(
    ("text", "at"),
    [
        # `date -u -d TEXT +%s%N` gives these numbers.
        ("2026-03-20T09:46:40.120Z", 1_774_000_000_120_000_000),
        ("1970-01-01T00:00:00Z", 0),
        ("2024-02-29T23:59:59.999999999Z", 1_709_251_199_999_999_999),
    ],
)
def test_known_times(text: str, at: int) -> None:
    assert parse_time(text) == at
    assert parse_time(text) == at, "the cached second gives the same answer"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026-03-20T09:46:40.120",  # naive
        "2026-03-20T09:46:40.120+07:00",  # an offset
        "2026-03-20t09:46:40.120z",
        "2026-03-20 09:46:40.120Z",
        "2026-13-20T09:46:40.120Z",
        "2026-02-29T09:46:40.120Z",
        "2026-03-20T09:46:60.000Z",
        "2026-03-20T09:46:40.12๓Z",
        "๒026-03-20T09:46:40.123Z",
        "2026-03-20T09:46:40.-12Z",
        "2026-03-20T09:46:40.Z",
        "2026-03-20T09:46:40.1234567890Z",
        "x" * 10_000,
    ],
)
def test_what_is_no_time_is_refused(text: str) -> None:
    parse_time("2026-03-20T09:46:40.120Z")  # fill the cache that a wrong text could slip through
    with pytest.raises(ValueError, match=r"not an RFC 3339|second must be|month must be|day is out|day must be"):
        parse_time(text)


@given(st.integers(0, 4_000_000_000_000))
def test_milliseconds_survive(ms: int) -> None:
    assert parse_time(format_time(ms * 1_000_000)) == ms * 1_000_000
