"""Scalars mean what every reader of YAML takes them for, or are refused."""

from __future__ import annotations

import math

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from olmixctl.errors import SpecError
from olmixctl.spec.scalars import Misread, read_scalar
from olmixctl.spec.source import parse_source


def read(text):
    """The value of `text` as YAML's own resolver tags it."""
    node = yaml.compose(text, Loader=yaml.SafeLoader)
    return read_scalar(node.value, node.tag, plain=not node.style)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("true", True),
        ("false", False),
        ("~", None),
        ("null", None),
        ("0", 0),
        ("-17", -17),
        ("+3", 3),
        ("0.5", 0.5),
        (".5", 0.5),
        ("1.0e-5", 1e-5),
        ("1.5E+3", 1500.0),
        ("plain", "plain"),
        ("'no'", "no"),
        ('"12:30"', "12:30"),
        ("1T", "1T"),
        ("5x", "5x"),
        ("1.2.3", "1.2.3"),
        ("e5", "e5"),
    ],
)
def test_agreed(text, value):
    assert read(text) == value
    assert type(read(text)) is type(value)


@pytest.mark.parametrize(
    "text",
    [
        "no",
        "No",
        "NO",
        "off",
        "yes",
        "on",
        "True",
        "FALSE",
        "y",
        "N",
        "1e5",
        "1e-05",
        "1E5",
        "1.5e3",
        ".5e3",
        "0123",
        "0o17",
        "0x1F",
        "0b11",
        "1_000",
        "1_0.5",
        "12:30",
        "1:2:3",
        "190:20:30.15",
        ".inf",
        "-.Inf",
        ".nan",
        "2026-02-11",
        "=",
    ],
)
def test_refused(text):
    misread = read(text)
    assert isinstance(misread, Misread)
    assert misread.meaning
    assert misread.remedy


@pytest.mark.parametrize(
    ("text", "written"),
    [("1e-05", "0.00001"), ("1e5", "100000"), ("1.5e3", "1500"), ("1e-20", "1.0e-20"), ("2e300", "2.0e+300")],
)
def test_the_remedy_for_an_exponent_is_the_same_number(text, written):
    remedy = read(text).remedy
    assert remedy.startswith(f"write {written},")
    assert float(written) == float(text)
    assert read(written) == float(text), "what is proposed is accepted"


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_refused_float_is_proposed_in_a_form_that_reads_as_itself(number):
    text = f"{number!r}"
    result = read(text)
    if isinstance(result, Misread):
        written = result.remedy.removeprefix("write ").split(",")[0]
        result = read(written)
    assert result == number


@given(st.text(max_size=30))
def test_what_is_quoted_is_text(text):
    quoted = yaml.safe_dump(text, default_style='"', allow_unicode=True, width=math.inf)
    assert parse_source(f"key: {quoted}", "f").data == {"key": text}


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused_with_a_place(text):
    try:
        data, place = parse_source(text, "f").data, None
    except SpecError as error:
        data, place = None, error.place
    assert isinstance(data, dict) or (place is not None and place.line >= 1)
