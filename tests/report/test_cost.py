"""What an apply took beside what its plan had said."""

from __future__ import annotations

import pytest

from olmixctl.plan.model import Cost
from olmixctl.report.text_cost import spent_as_json, spent_in_words


def cost(seconds):
    return Cost(runs=4, flops=1e12, device_seconds=seconds, calibration=3 if seconds else 0, money=None, currency="EUR")


@pytest.mark.parametrize(
    ("actual", "planned", "price", "words"),
    [
        (41.0, (33.0, 38.0, 47.0), None, "Device time 41 s, predicted 38 s (p10 33 s – p90 47 s)"),
        (7200.0, (33.0, 38.0, 47.0), 2.5, "Device time 2 h 00 min (5.00 EUR), predicted 38 s (p10 33 s – p90 47 s)"),
        (41.0, None, None, "Device time 41 s, not predicted: the plan was uncalibrated"),
        (None, (33.0, 38.0, 47.0), 2.5, ""),
    ],
    ids=["predicted", "with a price", "uncalibrated", "runs that do not tell"],
)
def test_what_an_apply_took(actual, planned, price, words):
    assert spent_in_words(actual, cost(planned), price) == words


def test_as_json():
    assert spent_as_json(41.0, cost((33.0, 38.0, 47.0))) == {
        "actual": 41.0,
        "predicted": {"p10": 33.0, "p50": 38.0, "p90": 47.0},
    }
    assert spent_as_json(None, cost(None)) == {"actual": None, "predicted": {"p10": None, "p50": None, "p90": None}}
