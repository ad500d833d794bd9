"""The exact solve: analytic answers, optimality conditions, laws."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from olmixctl.errors import InfeasibleError
from olmixctl.mixture import Block, Coordinates, Mixture
from olmixctl.solve import (
    ConvexMetric,
    LinearBound,
    MixProblem,
    Solution,
    SolveError,
    block_cap,
    cap_rows,
    caps,
    certify,
    objective_at,
    solve,
)
from olmixctl.solve.feasible import check_feasible, with_room
from olmixctl.solve.interior import minimise
from olmixctl.solve.program import build
from olmixctl.solve.round import round_solution

TWO = Coordinates(("a", "b"))
HALF = Mixture({"a": 0.5, "b": 0.5})


def metric(name: str = "m", offset: float = 0.0, **coefficients: float) -> ConvexMetric:
    return ConvexMetric(name=name, offset=offset, coefficients=coefficients)


def two(**changes: object) -> MixProblem:
    fields: dict[str, object] = {"coordinates": TWO, "reference": HALF, "kl": 0.0, "metric_weights": {"m": 1.0}}
    return MixProblem(**(fields | changes))


def row(name: str, lower: float | None = None, upper: float | None = None, **coefficients: float) -> LinearBound:
    return LinearBound(name=name, coefficients=coefficients, lower=lower, upper=upper)


def test_one_metric_alone_goes_to_the_best_vertex() -> None:
    found = solve(two(), [metric(a=1.0, b=0.2)])
    assert found.point["b"] == pytest.approx(1.0, abs=1e-9)
    assert found.objective == pytest.approx(math.exp(0.2))
    assert (found.status, found.solver, found.duals) == ("optimal", "CLARABEL", {})


def test_two_metrics_meet_in_the_middle() -> None:
    """exp(x) + exp(1 − x) is least at one half."""
    found = solve(two(metric_weights={"m": 1.0, "n": 1.0}), [metric(a=1.0, b=0.0), metric("n", a=0.0, b=1.0)])
    assert found.point["a"] == pytest.approx(0.5, abs=1e-10)


def test_weights_are_relative() -> None:
    metrics = [metric(a=1.0, b=0.0), metric("n", a=0.0, b=1.0)]
    weighed = [solve(two(metric_weights={"m": k * 3.0, "n": k}), metrics) for k in (1.0, 7.0)]
    # 3 e^x = e^(1−x)  →  x = (1 − log 3) / 2 < 0: at the boundary.
    assert weighed[0].point["a"] == pytest.approx(0.0, abs=1e-9)
    assert weighed[0].point["a"] == pytest.approx(weighed[1].point["a"], abs=1e-12)


def test_without_metrics_the_reference_is_best() -> None:
    found = solve(two(reference=Mixture({"a": 0.3, "b": 0.7}), kl=0.05, metric_weights={}), [])
    assert dict(found.point) == pytest.approx({"a": 0.3, "b": 0.7}, abs=1e-12)
    assert found.objective == pytest.approx(0.0, abs=1e-12)


def test_without_metrics_a_cap_projects() -> None:
    """KL projection under one cap: the rest keeps its ratios."""
    three = Coordinates(("a", "b", "c"))
    reference = Mixture({"a": 0.6, "b": 0.3, "c": 0.1})
    problem = MixProblem(
        coordinates=three, reference=reference, kl=0.2, metric_weights={}, rows=(row("max:a", upper=0.4, a=1.0),)
    )
    found = solve(problem, [])
    assert dict(found.point) == pytest.approx({"a": 0.4, "b": 0.45, "c": 0.15}, abs=1e-12)
    # Multiplier: λ (log(b/b0) − log(a/a0)) = λ log(1.5 / (2/3)).
    assert found.duals == pytest.approx({"max:a": 0.2 * math.log(2.25)})


def test_kl_of_a_block_counts_inside_it() -> None:
    """With a block whose ratios differ from the reference, r_v ∝ r0_v exp(−KL inside)."""
    coordinates = Coordinates(("a",), (Block("v", {"x": 3, "y": 1}),))
    reference = Mixture({"a": 0.5, "x": 0.25, "y": 0.25})
    found = solve(MixProblem(coordinates=coordinates, reference=reference, kl=0.1, metric_weights={}), [])
    inside = 0.75 * math.log(0.75 / 0.5) + 0.25 * math.log(0.25 / 0.5)
    pull = 0.5 * math.exp(-inside)
    assert found.point["v"] == pytest.approx(pull / (0.5 + pull), abs=1e-12)


def test_multipliers_are_shadow_prices() -> None:
    metrics = [metric(a=1.0, b=0.0, offset=0.3)]
    problem = two(kl=0.05, rows=(row("max:b", upper=0.6, b=1.0),))
    found = solve(problem, metrics)
    looser = solve(two(kl=0.05, rows=(row("max:b", upper=0.6 + 1e-5, b=1.0),)), metrics)
    assert found.duals["max:b"] == pytest.approx((found.objective - looser.objective) / 1e-5, rel=1e-3)


@pytest.mark.parametrize("bound", [{"lower": 0.7}, {"lower": 0.7, "upper": 0.7}, {"lower": 0.7, "upper": 0.9}])
def test_minima_equalities_and_ranges_hold(bound: dict[str, float]) -> None:
    found = solve(two(rows=(row("constraint:a", a=1.0, **bound),)), [metric(a=1.0, b=0.0)])
    assert found.point["a"] == pytest.approx(0.7, abs=1e-10)
    assert found.duals["constraint:a"] == pytest.approx(math.exp(0.7), rel=1e-6)


def test_guardrails_are_exact() -> None:
    """Predicted m ≤ limit holds with equality where it binds, and has a price."""
    metrics = [metric(a=1.0, b=0.0, offset=0.5), metric("n", a=0.0, b=0.4, offset=0.5)]
    limit = 0.5 + math.exp(0.2)
    found = solve(two(metric_weights={"m": 1.0}, guardrails=(("n", limit),)), metrics)
    assert found.point["b"] == pytest.approx(0.5, abs=1e-9)
    assert found.duals["guardrail:n"] > 0


def test_an_impossible_guardrail_is_named() -> None:
    with pytest.raises(InfeasibleError, match=r"guardrail:m ≤ 0\.4 cannot be met") as caught:
        solve(two(guardrails=(("m", 0.4),)), [metric(a=1.0, b=0.0, offset=0.5)])
    assert caught.value.conflict == ("guardrail:m",)


def test_hold_keeps_a_coordinate() -> None:
    three = Coordinates(("a", "b", "c"))
    reference = Mixture({"a": 0.2, "b": 0.3, "c": 0.5})
    problem = MixProblem(coordinates=three, reference=reference, kl=0.05, metric_weights={"m": 1.0}, hold={"b": 0.3})
    found = solve(problem, [metric(a=0.0, b=9.0, c=0.5)])
    assert found.point["b"] == 0.3
    free = replace(problem, hold={}, rows=(row("constraint:b", lower=0.3, upper=0.3, b=1.0),))
    assert dict(solve(free, [metric(a=0.0, b=9.0, c=0.5)]).point) == pytest.approx(dict(found.point), abs=1e-9)
    assert found.objective == pytest.approx(solve(free, [metric(a=0.0, b=9.0, c=0.5)]).objective, abs=1e-10)


def test_everything_held() -> None:
    found = solve(two(hold={"a": 0.4, "b": 0.6}, kl=0.05), [metric(a=1.0, b=0.0)])
    assert dict(found.point) == {"a": 0.4, "b": 0.6}
    assert found.objective == pytest.approx(math.exp(0.4) + 0.05 * (0.4 * math.log(0.8) + 0.6 * math.log(1.2)))


def test_a_zero_reference_is_held_at_zero_and_named() -> None:
    reference = Mixture({"a": 0.0, "b": 0.5, "c": 0.5})
    problem = MixProblem(
        coordinates=Coordinates(("a", "b", "c")), reference=reference, kl=0.05, metric_weights={"m": 1.0}
    )
    found = solve(problem, [metric(a=-9.0, b=0.1, c=0.2)])
    assert found.point["a"] == 0.0
    assert found.zero_reference == ("a",)
    assert solve(replace(problem, kl=0.0), [metric(a=-9.0, b=0.1, c=0.2)]).point["a"] == pytest.approx(1.0, abs=1e-9)


def test_a_zero_reference_held_above_zero_is_refused() -> None:
    problem = two(reference=Mixture({"a": 0.0, "b": 1.0}), kl=0.05, hold={"a": 0.2})
    with pytest.raises(InfeasibleError, match="reference share is 0"):
        solve(problem, [metric(a=1.0, b=0.0)])


def test_bounds_that_leave_one_mix() -> None:
    """Caps that sum to exactly one: no interior, one answer."""
    reference = {f"d{i}": 0.1 for i in range(10)}
    problem = MixProblem(
        coordinates=Coordinates(tuple(reference)),
        reference=Mixture(reference),
        kl=0.05,
        metric_weights={"m": 1.0},
        rows=tuple(row(f"max:{d}", upper=0.1, **{d: 1.0}) for d in reference),
    )
    found = solve(problem, [metric(**{d: i / 10 for i, d in enumerate(reference)})])
    assert dict(found.point) == pytest.approx(reference, abs=5e-7), "within the room, half the grid at most"
    assert dict(round_solution(problem, found.point).leaves.as_mixture()) == pytest.approx(reference, abs=0)


@pytest.mark.parametrize("kl", [1e-6, 1e-4, 0.05, 1.0, 100.0])
def test_any_strength_of_kl(kl: float, case: Callable) -> None:
    drawn = case(11, kl=kl)
    assert solve(drawn.problem, drawn.metrics).residuals.ok


@given(seed=st.integers(0, 10**6))
@settings(max_examples=25, deadline=None)
def test_every_solution_is_proven(case: Callable, seed: int) -> None:
    drawn = case(seed)
    found = solve(drawn.problem, drawn.metrics)
    assert found.residuals.ok
    assert found.residuals.primal < 1e-9
    assert abs(found.residuals.gap) < 1e-8
    assert found.residuals.dual < 1e-8
    assert certify(drawn.problem, drawn.metrics, found.point, tolerance=1e-7).ok
    assert found.objective == pytest.approx(objective_at(drawn.problem, drawn.metrics, found.point), abs=1e-12)


@given(seed=st.integers(0, 10**6), share=st.floats(0.6, 0.999))
@settings(max_examples=20, deadline=None)
def test_tightening_a_bound_never_helps(case: Callable, seed: int, share: float) -> None:
    drawn = case(seed)
    before = solve(drawn.problem, drawn.metrics)
    try:
        after = solve(tightened(drawn.problem, share), drawn.metrics)
    except InfeasibleError:
        return
    assert after.objective >= before.objective - 1e-9


def tightened(problem: MixProblem, share: float) -> MixProblem:
    rows = [replace(r, upper=r.upper * share) if r.name.startswith("max:") and r.upper else r for r in problem.rows]
    return replace(problem, rows=tuple(rows))


def least_feasible_share(drawn: Any) -> float:
    """The share at which the tightened bounds leave a single point."""
    low, high = 0.2, 1.0
    for _ in range(45):
        middle = (low + high) / 2
        try:
            check_feasible(tightened(drawn.problem, middle), drawn.metrics)
            high = middle
        except InfeasibleError:
            low = middle
    return high


@pytest.mark.parametrize("wider", [0.0, 1e-8, 1e-7, 1e-6, 1e-4])
@pytest.mark.parametrize("seed", [32075, 471325, 800875, 98418, 123646])
def test_bounds_that_leave_almost_a_point_are_solved(case: Callable, seed: int, wider: float) -> None:
    drawn = case(seed)
    problem = tightened(drawn.problem, least_feasible_share(drawn) * (1 + wider))
    found = solve(problem, drawn.metrics)
    assert found.residuals.ok
    assert found.residuals.primal <= 6e-8, "looser than the room that is given is loosened in silence"
    assert minimise(with_room(build(problem, drawn.metrics))).residual < 1e-12


def test_bounds_with_an_inside_are_not_loosened(case: Callable) -> None:
    drawn = case(5)
    assert with_room(build(drawn.problem, drawn.metrics)).room == 0.0


@given(seed=st.integers(0, 10**6))
@settings(max_examples=15, deadline=None)
def test_renaming_domains_permutes_the_answer(case: Callable, seed: int) -> None:
    drawn = case(seed, kl=0.05)
    names = sorted({*drawn.problem.coordinates.leaves, *drawn.problem.coordinates.names})
    new = dict(zip(names, [f"z{(7 * i) % 11:02}" for i in range(len(names))], strict=True))
    problem, metrics = renamed(drawn.problem, drawn.metrics, new)
    plain, moved = solve(drawn.problem, drawn.metrics), solve(problem, metrics)
    assert {new[name]: w for name, w in plain.point.items()} == pytest.approx(dict(moved.point), abs=1e-9)


def renamed(
    problem: MixProblem, metrics: tuple[ConvexMetric, ...], new: dict[str, str]
) -> tuple[MixProblem, tuple[ConvexMetric, ...]]:
    def over(table: dict[str, float]) -> dict[str, float]:
        return {new[name]: value for name, value in table.items()}

    old = problem.coordinates
    blocks = tuple(Block(new[b.name], {new[m]: s for m, s in b.shares.items()}) for b in old.blocks)
    moved = replace(
        problem,
        coordinates=Coordinates(tuple(new[d] for d in old.free), blocks),
        reference=Mixture(over(dict(problem.reference))),
        rows=tuple(replace(r, coefficients=over(dict(r.coefficients))) for r in reversed(problem.rows)),
    )
    return moved, tuple(replace(m, coefficients=over(dict(m.coefficients))) for m in reversed(metrics))


@given(seed=st.integers(0, 10**6))
@example(seed=5901)  # the block's members vanish, where the objective has no digits left
@settings(max_examples=15, deadline=None)
def test_a_block_is_its_domains_with_fixed_ratios(case: Callable, seed: int) -> None:
    """The collapsed program and the full one with equality rows for the ratios have the same answer."""
    drawn = case(seed, kl=0.05)
    collapsed = solve(drawn.problem, drawn.metrics)
    (block,) = drawn.problem.coordinates.blocks
    ratios = {leaf: float(ratio) for leaf, ratio in block.ratios().items()}
    last = max(ratios)
    ties = tuple(
        LinearBound(name=f"tie:{leaf}", coefficients={leaf: ratios[last], last: -ratio}, lower=0.0, upper=0.0)
        for leaf, ratio in ratios.items()
        if leaf != last
    )
    full = replace(
        drawn.problem,
        coordinates=Coordinates(drawn.problem.coordinates.leaves),
        rows=(*drawn.problem.rows, *ties),
    )
    metrics = [
        replace(m, coefficients={leaf: m.coefficients.get(leaf, m.coefficients["old"]) for leaf in full.reference})
        for m in drawn.metrics
    ]
    expanded = solve(full, metrics)
    assert expanded.objective == pytest.approx(collapsed.objective, abs=1e-8)
    assert dict(expanded.point) == pytest.approx(dict(drawn.problem.coordinates.expand(collapsed.point)), abs=1e-6)


def test_caps_and_the_exact_cap_of_a_block() -> None:
    tokens = {"x": 100, "y": 10, "z": 10_000}
    assert caps(tokens, 1000, 4) == pytest.approx({"x": 0.4, "y": 0.04, "z": 40.0})
    assert [r.name for r in cap_rows(tokens, 1000, 4)] == ["max_repetition:x", "max_repetition:y"]
    block = Block("v", {"x": 3, "y": 1})
    # Summing tokens would allow 0.44; y runs out at 0.04 / (1/4).
    assert block_cap(block, caps(tokens, 1000, 4)) == pytest.approx(0.16)
    problem = MixProblem(
        coordinates=Coordinates(("z",), (block,)),
        reference=Mixture({"x": 0.3, "y": 0.1, "z": 0.6}),
        kl=0.0,
        metric_weights={"m": 1.0},
        rows=cap_rows(tokens, 1000, 4),
    )
    found = solve(problem, [metric(v=0.0, z=1.0)])
    assert found.point["v"] == pytest.approx(0.16, abs=1e-10)
    assert list(found.duals) == ["max_repetition:y"]


def test_a_block_cap_without_capped_members() -> None:
    assert block_cap(Block("v", {"x": 1}), {}) == 1.0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kl": -1.0}, "not negative"),
        ({"kl": math.inf}, "finite"),
        ({"metric_weights": {"m": -1.0}}, "not negative"),
        ({"rows": (LinearBound(name="max:z", coefficients={"z": 1.0}, upper=0.1),)}, "'z'"),
        ({"hold": {"z": 0.1}}, "'z'"),
        ({"reference": Mixture({"a": 1.0})}, "'b'"),
        ({"rows": (row("same", upper=1.0, a=1.0), row("same", lower=0.0, b=1.0))}, "same name"),
    ],
)
def test_wrong_problems_are_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        two(**changes)


def test_metrics_without_a_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="'m' has no fit"):
        solve(two(), [])
    with pytest.raises(ValueError, match="not finite"):
        metric(a=math.nan, b=0.0)
    with pytest.raises(ValueError, match="not finite"):
        row("max:a", upper=math.nan, a=1.0)


def test_a_solver_that_is_not_optimal_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    import cvxpy

    monkeypatch.setattr(cvxpy.Problem, "solve", lambda _, **__: None)
    monkeypatch.setattr(cvxpy.Problem, "status", property(lambda _: "optimal_inaccurate"))
    with pytest.raises(SolveError, match="optimal_inaccurate, then optimal_inaccurate, then optimal_inaccurate"):
        solve(two(), [metric(a=1.0, b=0.2)])


def test_solvers_that_disagree_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    from olmixctl.solve import exact

    monkeypatch.setattr(exact, "_clarabel", lambda _: np.array([1.0, 0.0]))
    with pytest.raises(SolveError, match="disagree"):
        solve(two(), [metric(a=1.0, b=0.2)])


def large() -> tuple[MixProblem, list[ConvexMetric]]:
    rng = np.random.default_rng(0)
    names = [f"d{i:02}" for i in range(64)]
    reference = Mixture.normalised(dict(zip(names, rng.dirichlet(np.full(64, 0.5)), strict=True)))
    metrics = [
        metric(f"m{k:02}", 0.5, **dict(zip(names, map(float, rng.normal(0, 0.3, 64)), strict=True))) for k in range(52)
    ]
    tokens = {name: int(share * 10**12) for name, share in reference.items()}
    problem = MixProblem(
        coordinates=Coordinates(tuple(names)),
        reference=reference,
        kl=0.05,
        metric_weights={m.name: 1.0 for m in metrics},
        rows=cap_rows(tokens, 2 * 10**12, 4),
    )
    return problem, metrics


def test_sixty_four_coordinates_and_fifty_two_metrics_are_quick() -> None:
    problem, metrics = large()
    import cvxpy  # noqa: F401  (its import is not the solve's time)

    start = time.process_time()
    found: Solution = solve(problem, metrics)
    assert found.residuals.ok
    assert time.process_time() - start < 4.0
    assert minimise(build(problem, metrics)).iterations < 60
