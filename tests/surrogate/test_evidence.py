"""Evidence: rows are paired by run id, and what is wrong is named."""

from __future__ import annotations

import math

import numpy as np
import pytest

from olmixctl.errors import IntegrityError
from olmixctl.surrogate import FAMILIES, Evidence, parameters_digest
from olmixctl.surrogate.log_linear import Frame, LogLinearFit
from olmixctl.surrogate.model import FitStatus

WEIGHTS = {"r2": {"a": 0.25, "b": 0.75}, "r1": {"b": 0.5, "a": 0.5}}
LOSSES = {"r1": {"x": 1.0, "y": 2.0}, "r2": {"y": 4.0, "x": 3.0}}


def test_rows_are_paired_by_id() -> None:
    found = Evidence.of(WEIGHTS, LOSSES)
    assert (found.runs, found.coordinates, found.metrics) == (("r1", "r2"), ("a", "b"), ("x", "y"))
    assert found.weights_RC.tolist() == [[0.5, 0.5], [0.25, 0.75]]
    assert found.losses_RM.tolist() == [[1.0, 2.0], [3.0, 4.0]]


@pytest.mark.parametrize(
    ("weights", "losses", "message"),
    [
        ({}, {}, "no runs"),
        (WEIGHTS, {"r1": LOSSES["r1"]}, "run 'r2' stands in mixtures but not in metrics"),
        ({"r1": WEIGHTS["r1"]}, LOSSES, "run 'r2' stands in metrics but not in mixtures"),
        ({**WEIGHTS, "r2": {"a": 1.0}}, LOSSES, "coordinate 'b'"),
        (WEIGHTS, {**LOSSES, "r2": {"x": 1.0, "z": 1.0}}, "metric 'z' stands in run r2"),
        (WEIGHTS, {**LOSSES, "r2": {"x": math.nan, "y": 1.0}}, "metric 'x' of run r2 is nan"),
        (WEIGHTS, {**LOSSES, "r2": {"x": math.inf, "y": 1.0}}, "metric 'x' of run r2 is inf"),
        ({**WEIGHTS, "r2": {"a": math.nan, "b": 1.0}}, LOSSES, "weight 'a' of run r2 is nan"),
        ({**WEIGHTS, "r2": {"a": 0.3, "b": 0.6}}, LOSSES, "r2 sum to 0.9"),
        ({**WEIGHTS, "r2": {"a": -0.1, "b": 1.1}}, LOSSES, "negative"),
    ],
)
def test_wrong_evidence_is_named(weights: dict, losses: dict, message: str) -> None:
    with pytest.raises(IntegrityError, match=message):
        Evidence.of(weights, losses)


def test_the_grid_is_inside_the_tolerance() -> None:
    found = Evidence.of({"r": {"a": 0.333333, "b": 0.333333, "c": 0.333334}}, {"r": {"x": 1.0}})
    assert found.weights_RC.tolist() == [[0.333333, 0.333333, 0.333334]]


def test_subset_and_never_sampled() -> None:
    found = Evidence.of(
        {"r1": {"a": 0.5, "b": 0.5, "c": 0.0}, "r2": {"a": 1.0, "b": 0.0, "c": 0.0}},
        {"r1": {"x": 1.0}, "r2": {"x": 2.0}},
    )
    assert found.never_sampled() == ("c",)
    assert found.subset(np.array([False, True])).never_sampled() == ("b", "c")
    assert found.subset(np.array([False, True])).runs == ("r2",)


def test_registry_names_are_those_of_the_families() -> None:
    assert all(name == family.name for name, family in FAMILIES.items())


def fit_of(scale: float = 1.0, noise: float = 0.0) -> LogLinearFit:
    return LogLinearFit(
        coordinates=("a", "b"),
        metrics=("x",),
        offsets_M=np.array([0.123456789 * scale * (1 + noise)]),
        coefficients_MC=np.array([[-0.5, 0.987654321 * scale]]) * (1 + noise),
        ridges_M=np.array([1.0]),
        frame=Frame(np.array([1.0]), np.array([1.0]), np.array([1.345])),
        status=FitStatus(converged=True),
    )


def test_digest_ignores_rounding_error_and_sees_changes() -> None:
    assert parameters_digest(fit_of()).startswith("sg1:")
    assert parameters_digest(fit_of()) == parameters_digest(fit_of(noise=1e-12))
    assert parameters_digest(fit_of()) != parameters_digest(fit_of(1.0001))


def test_digest_of_zeros() -> None:
    fit = LogLinearFit(
        coordinates=("a",),
        metrics=("x",),
        offsets_M=np.zeros(1),
        coefficients_MC=np.array([[-0.0]]),
        ridges_M=np.ones(1),
        frame=Frame(np.ones(1), np.ones(1), np.ones(1)),
        status=FitStatus(converged=True),
    )
    assert parameters_digest(fit).startswith("sg1:")
