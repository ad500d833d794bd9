"""What a lock says of its laws."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from decimal import Decimal

import numpy as np
import pytest

from olmixctl.methods.fixed import fixed
from olmixctl.methods.record import _scored
from olmixctl.surrogate import Evidence
from olmixctl.surrogate.choice import best_of
from olmixctl.surrogate.intervals import Intervals
from olmixctl.surrogate.log_linear import LogLinear
from olmixctl.surrogate.noise import of_errors
from olmixctl.surrogate.validation import MOST_ERROR, hold_out, score


@dataclass(frozen=True)
class Exploding:
    """A family whose laws predict `loss` of the first run when it is held out, as log-linear ones of few runs may."""

    loss: float
    name: str = "log_linear"

    def fit(self, evidence):
        return LogLinear().fit(evidence) if "r00" in evidence.runs else _Exploded(self.loss, LogLinear().fit(evidence))


@dataclass(frozen=True)
class _Exploded:
    loss: float
    fit: object

    def predict(self, weights_NC):
        return np.full((len(weights_NC), 2), self.loss)

    def spread(self, weights_NC):
        return self.fit.spread(weights_NC)


@pytest.fixture
def evidence():
    rng = np.random.default_rng(0)
    weights_RC = rng.dirichlet(np.ones(3), 20)
    losses_RM = 2 + weights_RC @ rng.normal(size=(3, 2)) + rng.normal(0, 0.05, (20, 2))
    names = tuple(f"r{i:02}" for i in range(20))
    return Evidence(
        runs=names, coordinates=("a", "b", "c"), metrics=("x", "y"), weights_RC=weights_RC, losses_RM=losses_RM
    )


@pytest.mark.parametrize("loss", [3e34, -3e34, math.inf])
def test_what_is_said_of_a_law_that_explodes_can_be_written(evidence, loss):
    """Seen of log-linear laws on eleven and 21 runs: one fold predicts a run at 1e34, which no fixed point holds."""
    held = hold_out(evidence, Exploding(loss))
    assert held is not None
    locked = _scored(score(evidence, held))
    assert locked is not None
    assert Decimal(100_000) < locked.rmse <= Decimal(MOST_ERROR)
    assert locked.mean_rmse is not None
    assert locked.mean_rmse <= Decimal(MOST_ERROR)
    noise = of_errors(evidence.losses_RM, held.predicted_RM)
    said = Intervals.of(evidence, held).predict(LogLinear().fit(evidence), evidence.weights_RC)
    for value in (noise.of_objective(2.0), noise.apart(2.0), *said.low_NT.ravel(), *said.high_NT.ravel()):
        assert fixed(float(value), 6).is_finite()


def test_a_verify_reads_what_decides(evidence):
    """Six decimals are what a lock has of each score."""
    held = hold_out(evidence, LogLinear())
    assert held is not None
    plain = score(evidence, held)
    found = {"log_linear": plain, "saturating": replace(plain, rmse=plain.rmse + 4e-7)}
    locked = {name: _scored(each) for name, each in found.items()}
    assert best_of(found, 20) == best_of(locked, 20)
