"""The page: aligned, never cut, the same text with colour as without."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from olmixctl.report.look import Cell, Column, Look, bar, heading, page, table, wrapped

COLUMNS = [Column("name"), Column("weight", right=True), Column("bar", optional=True), Column("note")]
words = st.text("abcdef/-", min_size=0, max_size=12)
rows = st.lists(st.tuples(words, words, words, words), min_size=1, max_size=5)


def test_numbers_stand_to_the_right_and_words_to_the_left():
    lines = table(COLUMNS, [["a", "1.00 %", "█", "x"], ["bcd", "12.50 %", "██", ""]], Look())
    assert lines == [
        "  name   weight  bar  note",
        "  a      1.00 %  █    x",
        "  bcd   12.50 %  ██",
    ]


def test_a_column_without_content_is_left_out():
    assert table(COLUMNS, [["a", "1", "", ""]], Look()) == ["  name  weight", "  a          1"]


def test_a_narrow_page_loses_ornaments_first_and_data_never():
    lines = table(COLUMNS, [["a" * 30, "1", "█" * 20, "note"]], Look(width=50))
    assert "█" not in lines[1]
    assert "a" * 30 in lines[1]
    assert "note" in table(COLUMNS, [["a" * 90, "1", "█", "note"]], Look(width=40))[1]


@given(rows)
def test_lines_end_where_their_text_ends(cells):
    assert all(line == line.rstrip() for line in table(COLUMNS, cells, Look()))


@given(rows, st.sampled_from(["good", "bad", "faint", "plain"]))
def test_colour_changes_no_letter(cells, tone):
    import re

    toned = [[Cell(text, tone) for text in row] for row in cells]
    colored = [re.sub(r"\x1b\[\d+m", "", line).rstrip() for line in table(COLUMNS, toned, Look(color=True))]
    assert colored == table(COLUMNS, cells, Look())


def test_tones_are_for_terminals():
    assert Look(color=True).paint("x", "bad") == "\x1b[31mx\x1b[0m"
    assert Look(color=True).paint("x", "plain") == "x"
    assert Look(color=True).paint("", "bad") == ""
    assert Look().paint("x", "bad") == "x"
    assert heading("A", Look(), "b") == "A  b"


@given(st.lists(st.text("abc", min_size=1, max_size=30), max_size=40), st.integers(40, 120))
def test_prose_keeps_its_words_and_the_page_width(parts, width):
    lines = wrapped(" ".join(parts), Look(width=width), hanging=4)
    assert " ".join(line.strip() for line in lines).split() == parts
    assert all(len(line) <= width for line in lines)


def test_long_names_are_not_broken():
    name = "web/" + "a-very-long-name-" * 8
    assert wrapped(f"the domain {name} is gone", Look(width=40))[1].strip() == name


@pytest.mark.parametrize(("share", "drawn"), [(0, ""), (0.5, "██"), (1, "████"), (0.03125, "▏"), (9, "████")])
def test_a_bar_is_as_long_as_its_share(share, drawn):
    assert bar(share, 1.0, 4) == drawn


def test_a_bar_of_nothing():
    assert bar(0.0, 0.0, 4) == ""


def test_sections_stand_apart_and_empty_ones_leave_no_gap():
    assert page([["a"], [], ["b", "c"]]) == "a\n\nb\nc\n"
