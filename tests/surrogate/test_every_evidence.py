"""Whatever is finite is fitted: few runs, no noise, pure noise, level and bent data all have one answer."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from olmixctl.errors import IntegrityError
from olmixctl.surrogate import Evidence
from olmixctl.surrogate.log_linear import RIDGES, LogLinear, LogLinearFit

Array = NDArray[np.float64]

# Twelve proxies of one small model: level to half a percent, nearly straight, with little noise.
LEVEL_WEIGHTS = np.array(
    [
        [0.742702, 0.131688, 0.12561],
        [0.429795, 0.111978, 0.458227],
        [0.740941, 0.117495, 0.141564],
        [0.93012, 0.066564, 0.003316],
        [0.645291, 0.214261, 0.140448],
        [0.339082, 0.421246, 0.239672],
        [0.841528, 0.086575, 0.071897],
        [0.865449, 0.093093, 0.041458],
        [0.660129, 0.119909, 0.219962],
        [0.33901, 0.081706, 0.579284],
        [0.301586, 0.621689, 0.076725],
        [0.371163, 0.588305, 0.040532],
    ]
)
LEVEL_LOSSES = np.array(
    [
        [4.568227, 4.580636],
        [4.582149, 4.581814],
        [4.568909, 4.580276],
        [4.560993, 4.591983],
        [4.571443, 4.579533],
        [4.578946, 4.574311],
        [4.566798, 4.587334],
        [4.565067, 4.584676],
        [4.572415, 4.580979],
        [4.58341, 4.591793],
        [4.585047, 4.563398],
        [4.581714, 4.564929],
    ]
)


def evidence_of(weights_RC: Array, losses_RM: Array) -> Evidence:
    runs, coordinates = weights_RC.shape
    return Evidence(
        runs=tuple(f"r{i:03}" for i in range(runs)),
        coordinates=tuple(f"d{j:02}" for j in range(coordinates)),
        metrics=tuple(f"m{j:02}" for j in range(losses_RM.shape[1])),
        weights_RC=weights_RC,
        losses_RM=losses_RM,
    )


def sound(fit: LogLinearFit) -> bool:
    return (
        fit.status.converged
        and bool(np.isfinite(fit.coefficients_MC).all())
        and bool((fit.offsets_M >= 0).all())
        and set(fit.ridges_M) <= set(RIDGES)
    )


def moved(one: LogLinearFit, other: LogLinearFit) -> float:
    """The largest change of a parameter, relative to its array."""
    arrays = zip(one.parameters().values(), other.parameters().values(), strict=True)
    return max(float(np.abs(a - b).max() / np.abs(a).max()) for a, b in arrays if np.abs(a).max() > 0)


def family(runs: int, coordinates: int, shape: str, seed: int) -> tuple[Array, Array]:
    """Mixtures, and metrics from c = 0 to 0.97 of the mean, from level to steep, with noise up to thrice the signal."""
    rng = np.random.default_rng([runs, coordinates, seed])
    weights_RC = rng.dirichlet(np.full(coordinates, 0.6), runs) + 1e-9
    if shape == "zero":
        weights_RC[:, -1] = 0.0
    if shape == "collinear":
        weights_RC[:, -1] = weights_RC[:, 0]
    weights_RC /= weights_RC.sum(axis=1, keepdims=True)
    metrics = [np.full(runs, 2.5), rng.uniform(0.1, 5.0, runs), np.r_[9.0, np.ones(runs - 1)]]
    for share in (0.0, 0.5, 0.97):
        for steepness in (0.002, 0.3):
            for noise in (0.0, 0.3, 3.0):
                growth_R = np.exp(steepness * weights_RC @ rng.normal(0, 1, coordinates) / (1 - share))
                clean_R = 4.5 * (share + (1 - share) * growth_R / growth_R.mean())
                metrics.append(np.maximum(clean_R + rng.normal(0, noise * clean_R.std() + 1e-15, runs), 1e-3))
    losses_RM = np.array(metrics).T
    if shape == "replicates":
        again_RM = losses_RM * (1 + rng.normal(0, 1e-3, losses_RM.shape))
        return np.repeat(weights_RC, 2, axis=0), np.stack([losses_RM, again_RM], axis=1).reshape(2 * runs, -1)
    return weights_RC, losses_RM


FEW = [(1, 3), (2, 2), (3, 6), (4, 3), (4, 24), (6, 3)]
SIZES = [*FEW, (9, 2), (9, 12), (12, 3), (12, 24), (30, 6), (100, 6)]


@pytest.mark.parametrize("shape", ["plain", "replicates", "zero", "collinear"])
@pytest.mark.parametrize(("runs", "coordinates"), SIZES)
def test_every_family_converges_and_a_last_bit_moves_nothing(runs: int, coordinates: int, shape: str) -> None:
    weights_RC, losses_RM = family(runs, coordinates, shape, 0)
    fit = LogLinear().fit(evidence_of(weights_RC, losses_RM))
    assert sound(fit)
    rng = np.random.default_rng(1)
    nudged_RM = losses_RM * (1 + 1e-15 * rng.uniform(-1, 1, losses_RM.shape))
    assert moved(fit, LogLinear().fit(evidence_of(weights_RC, nudged_RM))) < 1e-8


@settings(max_examples=40, deadline=None, derandomize=True)
@given(data=st.data())
def test_arbitrary_evidence_converges(data: st.DataObject) -> None:
    runs, coordinates = data.draw(st.integers(1, 9)), data.draw(st.integers(1, 5))
    share, loss = st.integers(0, 1000), st.integers(1, 10**7)
    rows = data.draw(
        st.lists(st.lists(share, min_size=coordinates, max_size=coordinates), min_size=runs, max_size=runs)
    )
    weights_RC = np.array([r if sum(r) else [1] * coordinates for r in rows], dtype=np.float64)
    weights_RC /= weights_RC.sum(axis=1, keepdims=True)
    losses = data.draw(st.lists(loss, min_size=runs, max_size=runs))
    assert sound(LogLinear().fit(evidence_of(weights_RC, np.array([losses], dtype=np.float64).T / 1e6)))


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_level_evidence_has_one_answer_in_any_unit(scale: float) -> None:
    fit = LogLinear().fit(evidence_of(LEVEL_WEIGHTS, scale * LEVEL_LOSSES))
    plain = LogLinear().fit(evidence_of(LEVEL_WEIGHTS, LEVEL_LOSSES))
    assert sound(fit)
    assert np.allclose(fit.offsets_M, scale * plain.offsets_M, rtol=1e-7)
    assert np.allclose(fit.coefficients_MC, plain.coefficients_MC + np.log(scale), rtol=1e-7)
    rng = np.random.default_rng(0)
    for _ in range(5):
        nudged_RM = LEVEL_LOSSES * (1 + 1e-13 * rng.uniform(-1, 1, LEVEL_LOSSES.shape))
        assert moved(plain, LogLinear().fit(evidence_of(LEVEL_WEIGHTS, nudged_RM))) < 1e-8


def test_exact_laws_are_recovered_with_few_runs() -> None:
    """Twelve runs, five parameters, no residual at all: the objective goes to the priors alone."""
    rng = np.random.default_rng(4)
    weights_RC, coefficients_C = rng.dirichlet(np.ones(4), 12), np.array([0.3, -0.4, 0.1, 0.6])
    losses_R1 = 0.7 + np.exp(weights_RC @ coefficients_C)[:, None]
    fit = LogLinear().fit(evidence_of(weights_RC, losses_R1))
    assert sound(fit)
    assert np.abs(fit.predict(weights_RC) - losses_R1).max() < 1e-3
    assert fit.offsets_M[0] == pytest.approx(0.7, abs=0.05)


@pytest.mark.parametrize("value", [1e-6, 0.1, 2.5, 1e5])
@pytest.mark.parametrize("runs", [1, 2, 7])
def test_what_never_changes_has_equal_coefficients(value: float, runs: int) -> None:
    weights_RC = np.random.default_rng(runs).dirichlet(np.ones(3), runs)
    fit = LogLinear().fit(evidence_of(weights_RC, np.full((runs, 1), value)))
    assert sound(fit)
    assert np.ptp(fit.coefficients_MC) == 0.0
    assert fit.offsets_M[0] == pytest.approx(value / 2)
    assert np.allclose(fit.predict(np.eye(3)), value, rtol=1e-12)


def test_runs_of_one_mixture_do_not_vouch_for_each_other() -> None:
    """Replicates agree whatever the law is; left out one at a time they would ask for no ridge at all."""
    rng = np.random.default_rng(6)
    weights_RC = np.repeat(rng.dirichlet(np.ones(12), 20), 2, axis=0)
    losses_R1 = np.repeat(2.0 + rng.normal(0, 0.3, 20), 2)[:, None]
    fit = LogLinear().fit(evidence_of(weights_RC, losses_R1))
    assert fit.ridges_M[0] >= 1e-2


@pytest.mark.parametrize("losses", [[0.0, 0.0, 0.0], [-1.0, -2.0, 0.5]])
def test_a_metric_that_is_not_positive_is_refused_by_name(losses: list[float]) -> None:
    weights_RC = np.eye(3)
    with pytest.raises(IntegrityError, match=r"'m00' is .* on average"):
        LogLinear().fit(evidence_of(weights_RC, np.array([losses]).T))
