"""The interval set against Python's set, which is slow and right."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.spool.intervals import Intervals

_number = st.integers(0, 60)
_range = st.tuples(_number, st.integers(0, 12)).map(lambda pair: (pair[0], pair[0] + pair[1]))
_steps = st.lists(st.tuples(st.sampled_from(["add", "remove"]), _range), max_size=40)


def _build(steps: list[tuple[str, tuple[int, int]]]) -> tuple[Intervals, set[int]]:
    intervals, model = Intervals(), set[int]()
    for what, (first, last) in steps:
        numbers = set(range(first, last + 1))
        if what == "add":
            intervals.add(first, last)
            model |= numbers
        else:
            intervals.remove(first, last)
            model -= numbers
    return intervals, model


def _members(ranges: list[tuple[int, int]]) -> list[int]:
    return [number for first, last in ranges for number in range(first, last + 1)]


@settings(max_examples=200, deadline=None)
@given(_steps, _range, st.integers(1, 4))
def test_agrees_with_a_set(steps: list[tuple[str, tuple[int, int]]], window: tuple[int, int], limit: int) -> None:
    intervals, model = _build(steps)
    assert _members(intervals.ranges()) == sorted(model)
    assert len(intervals) == len(model)
    assert bool(intervals) == bool(model)
    assert all((number in intervals) == (number in model) for number in range(80))
    # Ranges never touch: otherwise the set would grow without need.
    assert all(
        after[0] > before[1] + 1 for before, after in zip(intervals.ranges(), intervals.ranges()[1:], strict=False)
    )
    holes = sorted(set(range(window[0], window[1] + 1)) - model)
    assert _members(intervals.missing(*window)) == holes
    assert intervals.missing(*window, limit=limit) == intervals.missing(*window)[:limit]
    end = window[0] - 1
    while end + 1 in model:
        end += 1
    assert intervals.upto(window[0]) == end


@settings(max_examples=100, deadline=None)
@given(_steps, _steps)
def test_copy_and_update(ours: list[tuple[str, tuple[int, int]]], theirs: list[tuple[str, tuple[int, int]]]) -> None:
    left, left_model = _build(ours)
    right, right_model = _build(theirs)
    twin = left.copy()
    twin.update(right)
    assert _members(twin.ranges()) == sorted(left_model | right_model)
    assert _members(left.ranges()) == sorted(left_model)
    assert Intervals(left.ranges()) == left
    assert left != 3


@settings(max_examples=200, deadline=None)
@given(_steps, st.integers(0, 2**60))
def test_encoding_comes_back(steps: list[tuple[str, tuple[int, int]]], far: int) -> None:
    intervals, _ = _build(steps)
    intervals.add(100 + far, 100 + far + far % 1000)
    data = intervals.encode()
    assert Intervals.decode(data) == intervals
    for end in range(len(data)):
        with pytest.raises(ValueError, match="interval set"):
            Intervals.decode(data[:end])
    with pytest.raises(ValueError, match="left over"):
        Intervals.decode(data + b"\0")


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=40))
def test_decoding_takes_nothing_for_granted(data: bytes) -> None:
    try:
        decoded = Intervals.decode(data)
    except ValueError:
        return
    assert Intervals.decode(decoded.encode()) == decoded


def test_encoding_is_as_drawn() -> None:
    assert Intervals([(1, 300), (302, 302)]).encode() == bytes([1, 2, 1, 0xAB, 0x02, 1, 0])
    assert Intervals().encode() == bytes([1, 0])


@pytest.mark.parametrize(("first", "last"), [(-1, 3), (5, 4), (-1, None)])
def test_what_is_no_range_is_refused(first: int, last: int | None) -> None:
    with pytest.raises(ValueError, match="no range"):
        Intervals().add(first, last)


def test_shown() -> None:
    assert repr(Intervals([(1, 2)])) == "Intervals([(1, 2)])"
