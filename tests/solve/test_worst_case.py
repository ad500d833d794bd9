"""The worst of several families: exact, its shadow weights, its proof."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from olmixctl.mixture import Coordinates, Mixture
from olmixctl.solve import (
    ConvexMetric,
    MixProblem,
    WorstCase,
    certify,
    check_feasible,
    objective_at,
    optimum,
    quick_optimum,
    solve,
)
from olmixctl.solve.program import build

TWO = Coordinates(("a", "b"))
HALF = Mixture({"a": 0.5, "b": 0.5})
UP = ConvexMetric(name="up", offset=0.1, coefficients={"a": 1.0, "b": 0.0})
DOWN = ConvexMetric(name="down", offset=0.3, coefficients={"a": 0.0, "b": 1.0})


def alone(name: str, baseline: float = 0.0) -> WorstCase:
    return WorstCase(name=name, weights={name: 1.0}, baseline=baseline)


def two(*families: WorstCase, **changes: object) -> MixProblem:
    fields: dict[str, object] = {"coordinates": TWO, "reference": HALF, "kl": 0.0, "metric_weights": {}}
    return MixProblem(**(fields | changes), worst_case=families)


def test_two_families_end_even() -> None:
    """0.1 + e^x = 0.3 + e^(1−x) has one solution, and it is the optimum."""
    found = solve(two(alone("up"), alone("down")), [UP, DOWN])
    x = found.point["a"]
    assert 0.1 + math.exp(x) == pytest.approx(0.3 + math.exp(1 - x), abs=1e-9)
    assert found.objective == pytest.approx(0.1 + math.exp(x), abs=1e-9)


def test_baselines_shift_what_is_even() -> None:
    """Counted from the reference, the families of a symmetric pair start even there and stay."""
    families = (alone("up", UP.value(HALF)), alone("down", DOWN.value(HALF)))
    found = solve(two(*families), [UP, DOWN])
    assert found.point["a"] == pytest.approx(0.5, abs=1e-9)
    assert found.objective == pytest.approx(0.0, abs=1e-9)


def test_shadow_weights_are_those_of_the_mean_with_the_same_optimum() -> None:
    problem = two(alone("up"), alone("down"), kl=0.05)
    found = solve(problem, [UP, DOWN])
    weights = {name: found.duals[f"family:{name}"] for name in ("up", "down")}
    assert math.fsum(weights.values()) == pytest.approx(1.0, abs=1e-9)
    mean = solve(replace(problem, worst_case=(), metric_weights=weights), [UP, DOWN])
    assert dict(mean.point) == pytest.approx(dict(found.point), abs=1e-7)


def test_one_family_is_the_weighted_mean_less_its_baseline(case: Callable) -> None:
    drawn = case(6, kl=0.05)
    family = WorstCase(name="all", weights=drawn.problem.metric_weights, baseline=0.25)
    mean = solve(drawn.problem, drawn.metrics)
    worst = solve(replace(drawn.problem, worst_case=(family,)), drawn.metrics)
    assert dict(worst.point) == pytest.approx(dict(mean.point), abs=1e-12)
    assert worst.objective == pytest.approx(mean.objective - 0.25, abs=1e-12)
    assert worst.duals["family:all"] == 1.0


def test_a_family_that_never_binds_has_no_shadow_weight() -> None:
    found = solve(two(alone("up"), alone("down", baseline=9.0)), [UP, DOWN])
    assert found.duals == pytest.approx({"family:up": 1.0})
    assert found.point["a"] == pytest.approx(0.0, abs=1e-7)


@given(seed=st.integers(0, 10**6))
@settings(max_examples=12, deadline=None)
def test_no_mean_has_a_better_worst_family(bent: Callable, kkt: Callable, seed: int) -> None:
    """Weak duality, and the optimality conditions: any weighted mean's optimum is worse for the worst family."""
    drawn = bent(seed, worst=True)
    problem = drawn.problem
    kkt(problem, drawn.metrics)
    worst = optimum(problem, drawn.metrics)
    shares = np.random.default_rng(seed).dirichlet(np.ones(len(problem.worst_case)))
    weights = dict.fromkeys((m.name for m in drawn.metrics), 0.0)
    for share, family in zip(shares.tolist(), problem.worst_case, strict=True):
        for name, weight in family.weights.items():
            weights[name] += share * weight / math.fsum(family.weights.values())
    baseline = math.fsum(s * f.baseline for s, f in zip(shares.tolist(), problem.worst_case, strict=True))
    mean = optimum(replace(problem, worst_case=(), metric_weights=weights), drawn.metrics)
    assert objective_at(problem, drawn.metrics, mean.point) >= worst.objective - 1e-8
    assert mean.objective - baseline <= worst.objective + 1e-8


@given(seed=st.integers(0, 10**6))
@settings(max_examples=10, deadline=None)
def test_more_families_never_help(bent: Callable, seed: int) -> None:
    drawn = bent(seed, worst=True)
    fewer = replace(drawn.problem, worst_case=drawn.problem.worst_case[:2])
    assert optimum(drawn.problem, drawn.metrics).objective >= optimum(fewer, drawn.metrics).objective - 1e-8


@pytest.mark.parametrize("seed", [2, 11])
def test_blocks_held_coordinates_and_guardrails_beside_it(bent: Callable, seed: int) -> None:
    drawn = bent(seed, worst=True, held=True, kl=0.05)
    found = solve(drawn.problem, drawn.metrics)
    laws = {m.name: m for m in drawn.metrics}
    assert all(found.point[name] == weight for name, weight in drawn.problem.hold.items())
    assert all(laws[name].value(found.point) <= limit + 1e-6 for name, limit in drawn.problem.guardrails)
    values = [
        math.fsum(w * laws[m].value(found.point) for m, w in f.weights.items()) / math.fsum(f.weights.values())
        - f.baseline
        for f in drawn.problem.worst_case
    ]
    program = build(drawn.problem, drawn.metrics)
    divergence = program.divergence(program.vector(found.point))
    assert found.objective == pytest.approx(max(values) + divergence, abs=1e-12)


def test_a_mix_that_is_best_on_average_is_not_certified_for_the_worst() -> None:
    problem = two(alone("up"), alone("down"), kl=0.01)
    mean = solve(replace(problem, worst_case=(), metric_weights={"up": 1.0, "down": 3.0}), [UP, DOWN])
    found = certify(problem, [UP, DOWN], mean.point)
    assert not found.ok
    assert found.gap > 1e-3


def test_everything_held_names_the_worst() -> None:
    problem = two(alone("up"), alone("down"), hold={"a": 0.9, "b": 0.1})
    found = solve(problem, [UP, DOWN])
    assert found.objective == pytest.approx(0.1 + math.exp(0.9))
    assert found.duals == {"family:up": 1.0}
    assert quick_optimum(problem, [UP, DOWN])["a"] == 0.9


def test_bounds_are_judged_before_there_are_laws() -> None:
    check_feasible(two(alone("up"), alone("down")))


def test_order_of_families_does_not_matter() -> None:
    families = (alone("up"), alone("down"))
    assert solve(two(*families, kl=0.05), [UP, DOWN]) == solve(two(*reversed(families), kl=0.05), [DOWN, UP])


@pytest.mark.parametrize(
    ("weights", "baseline", "message"),
    [
        ({"m": -1.0}, 0.0, "below 0"),
        ({"m": 0.0}, 0.0, "no metric with weight"),
        ({}, 0.0, "no metric with weight"),
        ({"m": 1.0}, math.nan, "not finite"),
    ],
)
def test_wrong_families_are_refused(weights: dict[str, float], baseline: float, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        WorstCase(name="f", weights=weights, baseline=baseline)


def test_two_families_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match="two families have the same name"):
        two(alone("up"), alone("up"))


def test_a_family_without_a_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="'down' has no fit"):
        solve(two(alone("up"), alone("down")), [UP])
