"""Columns line up for a terminal, whatever stands in them."""

import io
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wcwidth import wcswidth

from gateway.cli.table import Cell, Column, Table, clean, fit, has_colour, width_of

ESCAPE = re.compile("\x1b\\[[0-9]+m")


def test_thai_lines_up():
    table = Table([Column("ชื่อ", 4), Column("ค่า", 6, align="right"), Column("หน่วย")])
    lines = table.render([["น้ำ", "1.5", "m"], ["กู้ที่ปั๊ม", "10", "µg/m³"], ["air", "7", ""]])
    assert lines == [
        "ชื่อ" + " " * 2 + "  " + " " * 4 + "ค่า" + "  หน่วย",  # 2 cells of 4, 2 cells of 6
        "น้ำ" + " " * 2 + "  " + "   1.5" + "  m",
        "กู้ที่ปั๊ม" + "  " + "    10" + "  µg/m³",  # 4 consonants, and 6 marks that take no cell
        "air " + "  " + "     7",
    ]
    assert [wcswidth(line[: line.index(mark)]) for line, mark in zip(lines, ("หน่วย", "m", "µ"), strict=False)] == [
        14
    ] * 3


def test_a_column_grows_and_stays():
    table = Table([Column("A", 3), Column("B")])
    assert table.row(["x", "y"]) == "x    y"
    assert table.row(["xxxxx", "y"]) == "xxxxx  y"
    assert table.row(["x", "y"]) == "x      y"


def test_a_column_is_cut_at_its_most():
    assert Table([Column("A", most=4), Column("B")]).render([["abcdef", "y"]])[1] == "abc…  y"


def test_a_narrow_terminal_cuts_the_widest_first():
    table = Table([Column("A"), Column("B")], width=12)
    for line in table.render([["a" * 20, "bbbb"], ["a", "b"]]):
        assert width_of(line) <= 12
    assert table.row(["a" * 20, "bbbb"]) == "aaaaa…  bbbb"
    assert Table([Column("A"), Column("B")], width=1).row(["aaa", "bbb"]) == "…  …"


def test_colour_only_where_it_is_wanted():
    cells = [Cell("ok", "good"), "x"]
    assert Table([Column("A", 4), Column("B")], colour=True).row(cells) == "\x1b[32mok  \x1b[0m  x"
    assert Table([Column("A", 4), Column("B")]).row(cells) == "ok    x"


@pytest.mark.parametrize(
    ("dirty", "safe"),
    [
        ("\x1b[2J\x1b]0;title\x07", "�[2J�]0;title�"),
        ("a\r\nb\tc\x00\x9b31m", "a��b�c��31m"),
        ("\u202eevil\u2066\u200b\ufeff", "evil"),
        ("ก" + "\u0e49" * 50, "ก" + "\u0e49" * 4),
        ("a\u2028b\u00a0c\ue000", "a�b c�"),
        ("\ud800", "�"),
        ("ที่น้ำ", "ที่น้ำ"),
        ("x" * 1000, "x" * 300),
    ],
)
def test_foreign_text_is_made_safe(dirty, safe):
    assert clean(dirty) == safe


@given(st.text(), st.integers(0, 30), st.sampled_from(["left", "right"]))
def test_fit_is_exact(text, width, align):
    text = clean(text)
    made = fit(text, width, align)
    assert width_of(made) == width
    assert width_of(text) > width or made.strip(" ") == text.strip(" ")


@given(st.lists(st.lists(st.text(max_size=40), min_size=3, max_size=3), max_size=5), st.integers(9, 60))
def test_no_line_is_wider_than_the_terminal_or_holds_a_control(rows, width):
    table = Table([Column("A"), Column("B", align="right"), Column("C")], width=width, colour=True)
    for line in table.render([[Cell(a, "fail"), b, Cell(c, "good")] for a, b, c in rows]):
        plain = ESCAPE.sub("", line)
        assert width_of(plain) <= width
        assert not any(ord(char) < 32 or 0x7F <= ord(char) < 0xA0 for char in plain)


def test_cutting_keeps_letters_and_their_marks_together():
    assert fit("น้ำที่", 2) == "น้…"
    assert fit("日本語", 4) == "日… "


def test_has_colour(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert has_colour(Terminal())
    assert not has_colour(io.StringIO())
    monkeypatch.setenv("TERM", "dumb")
    assert not has_colour(Terminal())
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("NO_COLOR", "1")
    assert not has_colour(Terminal())
