"""Sizes read exactly and written shortest."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from olmixctl.spec.presets import PRESETS
from olmixctl.spec.units import format_size, parse_proxy_tokens, parse_size


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("1T", 10**12),
        ("300B", 300 * 10**9),
        ("2.5M", 2_500_000),
        ("10K", 10_000),
        ("1000000", 1_000_000),
        (7, 7),
        (7.0, 7),
        ("0.1K", 100),
        ("1.234567M", 1_234_567),
        ("8.9999999999999T", 8_999_999_999_999_9 // 10),
    ],
)
def test_parse(text, tokens):
    if text == "8.9999999999999T":
        with pytest.raises(ValueError, match="not a whole number"):
            parse_size(text)
    else:
        assert parse_size(text) == tokens


@pytest.mark.parametrize("text", ["", "T", "1t", "1 T", "-1", "+1K", "1e6", "1,000", "1.K", ".5K", "5x", "1KK", "١K"])
def test_parse_refuses_what_is_no_size(text):
    with pytest.raises(ValueError, match="is not a size"):
        parse_size(text)


@pytest.mark.parametrize("value", [0, -3, 1.5, "0", "0K", "1.5", "0.0001K"])
def test_parse_refuses_what_is_no_positive_whole_number(value):
    with pytest.raises(ValueError, match="not a whole number above zero"):
        parse_size(value)


@pytest.mark.parametrize(
    ("tokens", "text"),
    [
        (10**12, "1T"),
        (999, "999"),
        (1_000, "1K"),
        (2_500_000, "2.5M"),
        (1_234_000, "1.234M"),
        (1_234_500, "1234.5K"),
        (1_234_567, "1234.567K"),
        (10**15, "1000T"),
        (1_234_567_891, "1234567.891K"),
    ],
)
def test_format(tokens, text):
    assert format_size(tokens) == text


@given(st.integers(min_value=1, max_value=10**18))
def test_parse_reads_what_format_writes(tokens):
    assert parse_size(format_size(tokens)) == tokens


def test_proxy_tokens():
    parameters = PRESETS["250k"].non_embedding_parameters
    assert parse_proxy_tokens("5x", "250k") == 100 * parameters
    assert parse_proxy_tokens("0.05x", "250k") == parameters
    assert parse_proxy_tokens("400K", "250k") == 400_000
    assert parse_proxy_tokens(123, "250k") == 123
    with pytest.raises(ValueError, match="no tokens at all"):
        parse_proxy_tokens("0.0000000001x", "250k")
    with pytest.raises(ValueError, match="is not a size"):
        parse_proxy_tokens("x", "250k")
    with pytest.raises(KeyError):
        parse_proxy_tokens("5x", "7b")
