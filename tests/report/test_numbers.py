"""Numbers read right at every size, and at the edges between sizes."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from olmixctl.report import numbers


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (999, "999"),
        (1000, "1K"),
        (1234, "1.23K"),
        (12_345_678, "12.3M"),
        (999_499, "999K"),
        (999_999, "1.00M"),
        (57_992_322_702, "58.0B"),
        (10**12, "1T"),
        (2_500_000, "2.5M"),
        (4 * 10**15, "4000T"),
    ],
)
def test_counts(value, text):
    assert numbers.count(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0 FLOP"), (3.2e5, "0.32 MFLOP"), (4.2e9, "4.20 GFLOP"), (9.999e11, "1.00 TFLOP"), (1.35e25, "13.5 YFLOP")],
)
def test_flops(value, text):
    assert numbers.flops(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0.0 s"),
        (9.94, "9.9 s"),
        (9.96, "10 s"),
        (59.4, "59 s"),
        (59.6, "1 min 00 s"),
        (200, "3 min 20 s"),
        (3599.7, "1 h 00 min"),
        (3900, "1 h 05 min"),
        (86_399, "24 h 00 min"),
        (86_400, "1 d 0 h"),
        (180_000, "2 d 2 h"),
    ],
)
def test_seconds(value, text):
    assert numbers.seconds(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0.00 %"), (1, "100.00 %"), (0.237115, "23.71 %"), (0.000001, "<0.01 %"), (0.00005, "0.01 %")],
)
def test_percent(value, text):
    assert numbers.percent(value) == text


@pytest.mark.parametrize(("value", "text"), [(0.012, "+1.20"), (-0.0035, "−0.35"), (-0.000001, "0.00"), (0, "0.00")])
def test_points(value, text):
    assert numbers.points(value) == text


@pytest.mark.parametrize(("value", "text"), [(1.957, "1.96×"), (9.996, "10.0×"), (123.4, "123×"), (0, "0.00×")])
def test_factor(value, text):
    assert numbers.factor(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(2.65704, "2.6570"), (-0.5, "−0.5000"), (0, "0.0000"), (0.0123456, "0.01235"), (-1.23456e-6, "−1.235e-06")],
)
def test_loss(value, text):
    assert numbers.loss(value) == text


def test_words_and_amounts():
    assert numbers.plural(1, "run") == "1 run"
    assert numbers.plural(1234, "run") == "1,234 runs"
    assert numbers.money(1234.5, "EUR") == "1,234.50 EUR"
    assert numbers.short("sha256:0123456789abcdef") == "01234567"
    assert numbers.bits(0.88) == "0.8800"


@given(st.integers(0, 10**15 - 10**12))
def test_a_count_is_short_and_within_half_a_percent(value):
    text = numbers.count(value)
    assert re.fullmatch(r"[\d.]+[KMBT]?", text)
    assert len(text) <= 6
    scale = {"K": 1e3, "M": 1e6, "B": 1e9, "T": 1e12}.get(text[-1], 1)
    read = float(text.rstrip("KMBT")) * scale
    assert abs(read - value) <= 0.0051 * max(value, 1)


@given(st.floats(0, 1))
def test_only_nothing_reads_zero_percent(share):
    assert (numbers.percent(share) == "0.00 %") == (share == 0)
