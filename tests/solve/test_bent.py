"""Laws with diminishing returns: their objective, guardrails on them, conflicts, and the ends of their range."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize as scipy_minimize

from olmixctl.errors import InfeasibleError
from olmixctl.mixture import Coordinates, Mixture
from olmixctl.solve import (
    ConvexMetric,
    MixProblem,
    SolveError,
    certify,
    check_feasible,
    objective_at,
    optimum,
    round_solution,
    solve,
)
from olmixctl.solve.certificate import lower_bound
from olmixctl.solve.exponents import Exponents
from olmixctl.solve.feasible import _agree, with_room
from olmixctl.solve.interior import minimise
from olmixctl.solve.program import Program, build
from olmixctl.solve.rows import in_coordinates

TWO = Coordinates(("a", "b"))
HALF = Mixture({"a": 0.5, "b": 0.5})
NOTHING = {"a": 0.0, "b": 0.0}


def law(name: str = "m", offset: float = 0.0, level: float = 0.0, **returns: tuple[float, float]) -> ConvexMetric:
    return ConvexMetric(name=name, offset=offset, coefficients=NOTHING, level=level, returns=returns)


def two(**changes: object) -> MixProblem:
    fields: dict[str, object] = {"coordinates": TWO, "reference": HALF, "kl": 0.0, "metric_weights": {"m": 1.0}}
    return MixProblem(**(fields | changes))


def slope_of(program: Program, x_C: np.ndarray) -> np.ndarray:
    """Of the objective where one family counts."""
    return program.loss_slopes(x_C)[0] + program.pull(x_C)


def test_a_law_with_returns_is_what_it_says() -> None:
    found = law(offset=0.3, level=-0.1, a=(0.4, 0.02))
    assert found.value({"a": 0.25, "b": 0.75}) == pytest.approx(0.3 + math.exp(-0.1) * (1 + 0.25 / 0.02) ** -0.4)
    assert found.value({"a": 0.0, "b": 1.0}) == pytest.approx(0.3 + math.exp(-0.1))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"returns": {"a": (-0.1, 1.0)}}, "slope below 0"),
        ({"returns": {"a": (0.1, 0.0)}}, "not above 0"),
        ({"returns": {"a": (math.inf, 1.0)}}, "not finite"),
        ({"level": math.nan}, "not finite"),
    ],
)
def test_laws_that_are_not_convex_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ConvexMetric(**({"name": "m", "offset": 0.1, "coefficients": NOTHING} | changes))


def test_a_law_that_lacks_a_coordinate_is_refused() -> None:
    lacking = ConvexMetric(name="m", offset=0.1, coefficients={}, returns={"a": (1.0, 0.1)})
    with pytest.raises(ValueError, match="metric 'm' lacks coordinate 'b'"):
        solve(two(), [lacking])


def test_equal_returns_are_shared_evenly() -> None:
    """(1 + x/s)^−a (1 + (1 − x)/s)^−a is least at one half, whatever a and s."""
    found = solve(two(), [law(a=(0.3, 0.01), b=(0.3, 0.01))])
    assert found.point["a"] == pytest.approx(0.5, abs=1e-8)


def test_returns_divide_a_mix_as_their_slopes_do() -> None:
    """A / (s + x) = b / (s + 1 − x) has x = (a (1 + s) − b s) / (a + b)."""
    found = solve(two(), [law(a=(0.6, 0.05), b=(0.2, 0.05))])
    assert found.point["a"] == pytest.approx((0.6 * 1.05 - 0.2 * 0.05) / 0.8, abs=1e-8)


@given(seed=st.integers(0, 10**6))
@settings(max_examples=15, deadline=None)
def test_a_law_without_returns_is_the_law_it_was(case: Callable, seed: int) -> None:
    """Returns of slope zero go the way of bent laws, and end where straight ones do."""
    drawn = case(seed, kl=0.05)
    zero = dict.fromkeys(drawn.problem.coordinates.names, (0.0, 0.3))
    straight = optimum(drawn.problem, drawn.metrics)
    bent = optimum(drawn.problem, [replace(m, returns=zero) for m in drawn.metrics])
    assert dict(bent.point) == pytest.approx(dict(straight.point), abs=1e-8)
    assert bent.objective == pytest.approx(straight.objective, abs=1e-12)


def test_a_level_is_a_factor(case: Callable) -> None:
    """A law of twice the height at half the weight is the same part of the objective."""
    drawn = case(4, kl=0.05)
    (first, *others), problem = drawn.metrics, replace(drawn.problem, guardrails=(), kl=0.0)
    weights = problem.metric_weights
    halved = replace(problem, metric_weights={**weights, first.name: weights[first.name] / 2})
    twice = replace(first, level=math.log(2))
    assert dict(optimum(halved, [twice, *others]).point) == pytest.approx(
        dict(optimum(problem, drawn.metrics).point), abs=1e-7
    )


@given(seed=st.integers(0, 10**6), worst=st.booleans(), held=st.booleans())
@settings(max_examples=30, deadline=None)
def test_every_answer_meets_the_optimality_conditions(
    bent: Callable, kkt: Callable, seed: int, worst: bool, held: bool
) -> None:
    drawn = bent(seed, worst=worst, held=held, domains=3 + seed % 6)
    kkt(drawn.problem, drawn.metrics)


@pytest.mark.parametrize("seed", [3, 8, 15, 21])
def test_both_solvers_and_the_proof_agree(bent: Callable, seed: int) -> None:
    """`solve` ends only where Clarabel, the interior point and the tangents say the same."""
    drawn = bent(seed)
    found = solve(drawn.problem, drawn.metrics)
    assert found.residuals.ok
    assert abs(found.residuals.gap) < 1e-8
    assert found.objective == pytest.approx(objective_at(drawn.problem, drawn.metrics, found.point), abs=1e-14)


def test_where_clarabel_cannot_tell_the_proof_alone_is_taken_and_said(
    bent: Callable, case: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    import cvxpy

    drawn, straight = bent(3, kl=0.05), case(3, kl=0.05)
    both = solve(drawn.problem, drawn.metrics)
    monkeypatch.setattr(cvxpy.Problem, "solve", lambda _, **__: None)
    monkeypatch.setattr(cvxpy.Problem, "status", property(lambda _: "optimal_inaccurate"))
    alone = solve(drawn.problem, drawn.metrics)
    assert (both.solver, alone.solver) == ("CLARABEL", "interior point")
    assert alone == replace(both, solver="interior point")
    with pytest.raises(SolveError, match="optimal_inaccurate"):
        solve(straight.problem, straight.metrics)


def test_solvers_that_disagree_are_an_error_for_bent_laws_too(bent: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    from olmixctl.solve import exact

    drawn = bent(3, kl=0.05)
    monkeypatch.setattr(exact, "_clarabel", lambda program: program.reference_C)
    with pytest.raises(SolveError, match="disagree"):
        solve(drawn.problem, drawn.metrics)


@pytest.mark.parametrize("seed", range(6))
def test_a_general_solver_finds_nothing_better(bent: Callable, seed: int) -> None:
    """Sequential quadratic programming on the laws as they are written."""
    drawn = bent(seed, kl=0.05, domains=4)
    problem, names = drawn.problem, drawn.problem.coordinates.names
    laws = {m.name: m for m in drawn.metrics}

    def at(x: np.ndarray) -> dict[str, float]:
        return dict(zip(names, np.maximum(x, 1e-15).tolist(), strict=True))

    rails = [
        {"type": "ineq", "fun": lambda x, law=laws[name], top=limit: top - law.value(at(x))}
        for name, limit in problem.guardrails
    ]
    for row in problem.rows:
        of = in_coordinates(row.coefficients, problem)
        c = np.array([of[name] for name in names])
        if row.upper is not None:
            rails.append({"type": "ineq", "fun": lambda x, c=c, top=row.upper: top - c @ x})
        if row.lower is not None:
            rails.append({"type": "ineq", "fun": lambda x, c=c, low=row.lower: c @ x - low})
    found = scipy_minimize(
        lambda x: objective_at(problem, drawn.metrics, at(x)),
        [drawn.inside[name] for name in names],
        method="SLSQP",
        bounds=[(1e-12, 1.0)] * len(names),
        constraints=[{"type": "eq", "fun": lambda x: x.sum() - 1.0}, *rails],
        options={"maxiter": 500, "ftol": 1e-12},
    )
    mine = optimum(problem, drawn.metrics)
    for name, limit in problem.guardrails:
        assert laws[name].value(mine.point) <= limit + 1e-6
    assert mine.objective <= found.fun + 1e-6
    assert found.fun <= mine.objective + 1e-3, "the reference is no reference"


def test_a_guardrail_on_a_bent_law_binds_exactly_and_has_its_price() -> None:
    guarded = law("n", offset=0.5, b=(0.4, 0.05))
    wanted = ConvexMetric(name="m", offset=0.1, coefficients={"a": -1.0, "b": 0.0})
    limit = guarded.value({"a": 0.7, "b": 0.3})
    found = solve(two(guardrails=(("n", limit),)), [wanted, guarded])
    assert found.point["b"] == pytest.approx(0.3, abs=1e-9)
    looser = limit + 1e-6
    then = solve(two(guardrails=(("n", looser),)), [wanted, guarded])
    gained = (found.objective - then.objective) / (math.log(looser - 0.5) - math.log(limit - 0.5))
    assert found.duals["guardrail:n"] == pytest.approx(gained, rel=1e-3)


@given(seed=st.integers(0, 10**6), share=st.floats(0.5, 1.0))
@settings(max_examples=10, deadline=None)
def test_tightening_a_guardrail_never_helps(bent: Callable, seed: int, share: float) -> None:
    drawn = bent(seed)
    floors = {m.name: m.offset for m in drawn.metrics}
    limits = tuple((name, floors[name] + share * (limit - floors[name])) for name, limit in drawn.problem.guardrails)
    before = optimum(drawn.problem, drawn.metrics)
    try:
        after = optimum(replace(drawn.problem, guardrails=limits), drawn.metrics)
    except InfeasibleError:
        return
    assert after.objective >= before.objective - 1e-8


@given(seed=st.integers(0, 10**6))
@settings(max_examples=10, deadline=None)
def test_order_does_not_matter(bent: Callable, seed: int) -> None:
    drawn = bent(seed, kl=0.05)
    problem = replace(
        drawn.problem, rows=tuple(reversed(drawn.problem.rows)), guardrails=tuple(reversed(drawn.problem.guardrails))
    )
    turned = [replace(m, returns=dict(reversed(m.returns.items()))) for m in reversed(drawn.metrics)]
    assert optimum(problem, turned) == optimum(drawn.problem, drawn.metrics)


@given(seed=st.integers(0, 10**6), at=st.integers(0, 10**6))
@settings(max_examples=20, deadline=None)
def test_tangents_bound_the_optimum_from_below_wherever_they_are_taken(bent: Callable, seed: int, at: int) -> None:
    drawn = bent(seed, worst=seed % 2 == 0)
    program = with_room(build(drawn.problem, drawn.metrics))
    anywhere = np.random.default_rng(at).dirichlet(np.ones(len(program.names)))
    assert lower_bound(program, anywhere) <= program.value(minimise(program).x_C) + 1e-8


@given(seed=st.integers(0, 10**6), tighter=st.sampled_from([0.0, 1e-6, 1e-3, 0.02]))
@example(seed=5, tighter=0.02)
@settings(max_examples=15, deadline=None)
def test_conflicts_with_bent_guardrails_are_irreducible(bent: Callable, seed: int, tighter: float) -> None:
    drawn = bent(seed, rails=4)
    floors = {m.name: m.offset for m in drawn.metrics}
    limits = tuple((n, max(top - tighter, floors[n] + 0.1 * (top - floors[n]))) for n, top in drawn.problem.guardrails)
    problem = replace(drawn.problem, guardrails=limits)
    named = conflict_of(problem, drawn.metrics)
    if not named:
        assert optimum(problem, drawn.metrics).residuals.ok
        return
    assert conflict_of(only(problem, named), drawn.metrics) == named
    for name in named:
        assert not conflict_of(only(problem, named - {name}), drawn.metrics)


def conflict_of(problem: MixProblem, metrics: Any) -> set[str]:
    try:
        check_feasible(problem, metrics)
    except InfeasibleError as error:
        return set(error.conflict)
    return set()


def only(problem: MixProblem, names: set[str]) -> MixProblem:
    """The bounds of these names."""
    return replace(
        problem,
        rows=tuple(row for row in problem.rows if row.name in names),
        guardrails=tuple(rail for rail in problem.guardrails if f"guardrail:{rail[0]}" in names),
    )


def test_two_guardrails_that_exclude_each_other_are_named_with_their_limits() -> None:
    """Each needs more than half of the mix for its own domain."""
    metrics = [law("m", a=(1.0, 0.1)), law("n", b=(1.0, 0.1))]
    limits = tuple((m.name, m.value({"a": 0.55, "b": 0.55})) for m in metrics)
    with pytest.raises(InfeasibleError, match=r"guardrail:m ≤ 0\.153846, guardrail:n ≤ 0\.153846") as caught:
        solve(two(guardrails=limits), metrics)
    assert caught.value.conflict == ("guardrail:m", "guardrail:n")
    exact = tuple((m.name, m.value(HALF)) for m in metrics)
    assert solve(two(guardrails=exact), metrics).point["a"] == pytest.approx(0.5, abs=1e-6)


@pytest.mark.parametrize("seed", [4, 5, 23])
def test_guardrails_that_leave_almost_a_point_are_solved(bent: Callable, seed: int) -> None:
    """Each once stopped the path from outside: bent rows of a twentieth of a millionth of room."""
    drawn = bent(seed, domains=(3, 6, 12)[seed % 3], rails=4)
    low, high = -1.0, 1.0
    for _ in range(36):
        middle = (low + high) / 2
        low, high = (middle, high) if agrees(lowered(drawn.problem, middle), drawn.metrics) else (low, middle)
    for wider in (0.0, 1e-8, 1e-6):
        found = optimum(lowered(drawn.problem, low - wider), drawn.metrics)
        assert found.residuals.ok
        assert found.residuals.primal < 7e-8


def agrees(problem: MixProblem, metrics: Any) -> bool:
    """As `check_feasible` sees it, without a search for what conflicts."""
    try:
        program = build(problem, metrics)
    except InfeasibleError:
        return False
    every = [np.ones(len(sides), dtype=bool) for sides in (program.rows.sides_K, program.rows.sides_E)]
    return _agree(program, *every)


def lowered(problem: MixProblem, by: float) -> MixProblem:
    return replace(problem, guardrails=tuple((name, limit - by) for name, limit in problem.guardrails))


def test_a_guardrail_a_hair_above_the_offset() -> None:
    """log(limit − offset) is −20.7: no mix has it, and the message names the guardrail alone."""
    assert conflict_of(two(guardrails=(("m", 0.5 + 1e-9),)), [law(offset=0.5, a=(1.0, 0.1))]) == {"guardrail:m"}


@pytest.mark.parametrize("scale", [1e-4, 1e-5])
@pytest.mark.parametrize("kl", [0.0, 0.05])
def test_tiny_scales(kl: float, scale: float) -> None:
    found = solve(two(kl=kl), [law(a=(0.5, scale), b=(0.5, 1.0))])
    program = build(two(kl=kl), [law(a=(0.5, scale), b=(0.5, 1.0))])
    slope_C = slope_of(program, program.vector(found.point))
    assert slope_C[0] == pytest.approx(slope_C[1], abs=1e-7)


def test_a_slope_of_zero_and_a_single_coordinate() -> None:
    flat = solve(two(kl=0.05), [law(a=(0.0, 0.1))])
    assert dict(flat.point) == pytest.approx(dict(HALF), abs=1e-9)
    one = MixProblem(coordinates=Coordinates(("a",)), reference=Mixture({"a": 1.0}), kl=0.05, metric_weights={"m": 1.0})
    metric = ConvexMetric(name="m", offset=0.2, coefficients={}, returns={"a": (0.5, 0.1)})
    assert solve(one, [metric]).objective == pytest.approx(0.2 + 11**-0.5)


def test_everything_held_keeps_bent_guardrails_or_names_them() -> None:
    metrics = [law(a=(0.5, 0.1))]
    value = metrics[0].value({"a": 0.4, "b": 0.6})
    held = two(hold={"a": 0.4, "b": 0.6}, kl=0.05)
    assert solve(replace(held, guardrails=(("m", value + 1e-9),)), metrics).point["a"] == 0.4
    with pytest.raises(InfeasibleError) as caught:
        solve(replace(held, guardrails=(("m", value - 1e-3),)), metrics)
    assert set(caught.value.conflict) == {"guardrail:m", "hold:a", "hold:b"}


def test_what_is_left_for_free_coordinates_may_be_nothing() -> None:
    problem = MixProblem(
        coordinates=Coordinates(("a", "b", "c")),
        reference=Mixture({"a": 0.5, "b": 0.25, "c": 0.25}),
        kl=0.05,
        metric_weights={"m": 1.0},
        hold={"a": 1.0},
    )
    metric = ConvexMetric(name="m", offset=0.2, coefficients={"a": 0, "b": 0, "c": 0}, returns={"b": (0.5, 0.1)})
    limit = metric.value({"a": 1.0, "b": 0.0, "c": 0.0})
    assert conflict_of(replace(problem, guardrails=(("m", limit - 1e-3),)), [metric]) == {"guardrail:m", "hold:a"}
    assert not conflict_of(replace(problem, guardrails=(("m", limit + 1e-3),)), [metric])


@given(seed=st.integers(0, 10**6))
@settings(max_examples=12, deadline=None)
def test_rounded_answers_are_certified(bent: Callable, seed: int) -> None:
    drawn = bent(seed, worst=seed % 2 == 0)
    rounded = round_solution(drawn.problem, optimum(drawn.problem, drawn.metrics).point)
    assert certify(drawn.problem, drawn.metrics, rounded.coordinates.as_mixture()).ok


def test_a_rounded_answer_that_was_moved_is_not_certified(bent: Callable) -> None:
    drawn = bent(7, kl=0.05)
    point = dict(optimum(drawn.problem, drawn.metrics).point)
    largest, other = sorted(point, key=lambda name: -point[name])[:2]
    point[largest] -= 0.02
    point[other] += 0.02
    assert not certify(drawn.problem, drawn.metrics, point).ok


def test_derivatives_match_differences() -> None:
    rng = np.random.default_rng(5)
    names = ("a", "b", "c")
    metrics = [
        ConvexMetric(
            name=f"m{i}",
            offset=0.1,
            coefficients={n: float(rng.normal()) for n in names},
            returns={n: (float(rng.gamma(1)), 0.05) for n in names[:i]},
        )
        for i in range(3)
    ]
    laws, weight_N, x_C = Exponents.of(metrics, names[:2], {"c": 0.2}), np.array([0.5, 1.0, 2.0]), np.array([0.3, 0.5])
    for n, metric in enumerate(metrics):
        assert laws.values(x_C)[n] == pytest.approx(metric.exponent({"a": 0.3, "b": 0.5, "c": 0.2}))
    for j, step in enumerate(1e-6 * np.eye(2)):
        ahead, behind = laws.values(x_C + step), laws.values(x_C - step)
        assert np.allclose((ahead - behind) / 2e-6, laws.slopes(x_C)[:, j], rtol=1e-6)
        bend = weight_N @ (laws.slopes(x_C + step) - laws.slopes(x_C - step))[:, j] / 2e-6
        assert bend == pytest.approx(laws.bend(x_C, weight_N)[j], rel=1e-6)
