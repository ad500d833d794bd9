"""The interior-point method: to the last digits on hard and plain problems, and the same from any order."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from olmixctl.mixture import Coordinates, Mixture
from olmixctl.solve import ConvexMetric, LinearBound, MixProblem
from olmixctl.solve.interior import minimise
from olmixctl.solve.program import LEAST, Program, build


def slope_of(program: Program, x_C: np.ndarray) -> np.ndarray:
    """Of the objective where one family counts."""
    return program.loss_slopes(x_C)[0] + program.pull(x_C)


def scaled(drawn: object, scale: float) -> Program:
    metrics = [replace(m, coefficients={c: v * scale for c, v in m.coefficients.items()}) for m in drawn.metrics]
    return build(replace(drawn.problem, guardrails=()), metrics)


@pytest.mark.parametrize("scale", [0.1, 1.0, 5.0])
@pytest.mark.parametrize("domains", [2, 6, 15])
def test_drawn_problems_end_at_rounding_error(case: Callable, scale: float, domains: int) -> None:
    for seed in range(20):
        found = minimise(scaled(case(seed, domains=domains), scale))
        assert found.residual < 1e-10, seed
        assert found.converged


@pytest.mark.parametrize(
    ("seed", "scale", "domains"),
    [(225, 0.1, 6), (239, 0.1, 6), (382, 0.1, 15), (23, 5.0, 15), (14, 1.0, 6), (59, 1.0, 6), (426, 12.0, 2)],
)
def test_problems_that_were_hard(case: Callable, seed: int, scale: float, domains: int) -> None:
    """Weak KL and vanishing shares, steep losses, binding groups: each once stalled above 1e-5."""
    assert minimise(scaled(case(seed, domains=domains), scale)).residual < 1e-10


def test_stationarity_and_complementarity_of_what_is_returned(case: Callable) -> None:
    for seed in range(30):
        program = scaled(case(seed, kl=0.05), 1.0)
        found, rows = minimise(program), program.rows
        slack_K = rows.limit_K - rows.left.A_NC @ found.x_C
        assert slack_K.min() > -1e-12
        assert found.duals_K.min() >= 0
        assert np.abs(slack_K * found.duals_K * rows.scale_K).max() < 1e-12
        slope_C = slope_of(program, found.x_C) + (rows.scale_K[:, None] * rows.left.A_NC).T @ found.duals_K
        slope_C += rows.B_EC.T @ found.duals_E
        # What is left belongs to x ≥ 0: not negative, and complementary to x.
        assert slope_C.min() > -1e-9
        assert np.abs(slope_C * found.x_C).max() < 1e-12


def test_derivatives_match_differences(case: Callable) -> None:
    program = scaled(case(4, kl=0.05), 1.0)
    x_C = np.random.default_rng(0).dirichlet(np.ones(len(program.names)))
    for j, step in enumerate(1e-6 * np.eye(len(x_C))):
        slope = (program.value(x_C + step) - program.value(x_C - step)) / 2e-6
        bend_C = (slope_of(program, x_C + step) - slope_of(program, x_C - step)) / 2e-6
        assert slope == pytest.approx(slope_of(program, x_C)[j], abs=1e-7)
        assert np.allclose(bend_C, program.hessian(x_C)[j], rtol=1e-4, atol=1e-5)


def test_without_kl_the_middle_of_the_optimal_face() -> None:
    """Two domains that no metric tells apart share what the third leaves."""
    problem = MixProblem(
        coordinates=Coordinates(("a", "b", "c")),
        reference=Mixture({"a": 0.8, "b": 0.1, "c": 0.1}),
        kl=0.0,
        metric_weights={"m": 1.0},
        rows=(LinearBound(name="min:c", coefficients={"c": 1.0}, lower=0.2),),
    )
    metric = ConvexMetric(name="m", offset=0.1, coefficients={"a": 0.0, "b": 0.0, "c": 1.0})
    x_C = minimise(build(problem, [metric])).x_C
    assert x_C == pytest.approx([0.4, 0.4, 0.2], abs=1e-6)


def test_the_objective_is_exact_below_the_straightened_share() -> None:
    problem = MixProblem(
        coordinates=Coordinates(("a", "b")), reference=Mixture({"a": 0.5, "b": 0.5}), kl=1.0, metric_weights={}
    )
    program = build(problem, [])
    tiny = LEAST / 10
    exact = tiny * np.log(tiny / 0.5) + (1 - tiny) * np.log((1 - tiny) / 0.5)
    assert program.value(np.array([tiny, 1 - tiny])) == pytest.approx(exact, rel=1e-14)
    assert program.value(np.array([0.0, 1.0])) == pytest.approx(np.log(2), rel=1e-14)
