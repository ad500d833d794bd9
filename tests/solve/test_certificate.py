"""The certificate: accepts what is optimal, refuses what is not, and never trusts where the point came from."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from olmixctl.errors import InfeasibleError
from olmixctl.mixture import Coordinates, Mixture
from olmixctl.solve import LinearBound, certify, project, round_solution, solve
from olmixctl.solve.certificate import lower_bound
from olmixctl.solve.interior import minimise
from olmixctl.solve.program import build


@given(seed=st.integers(0, 10**6))
@settings(max_examples=20, deadline=None)
def test_a_moved_lock_is_refused(case: Callable, seed: int) -> None:
    """A hundredth of mass shifted by hand between two domains: outside a bound, or measurably worse."""
    drawn = case(seed, kl=0.05)
    solution = solve(drawn.problem, drawn.metrics)
    point = dict(round_solution(drawn.problem, solution.point).coordinates.as_mixture())
    largest = max(point, key=lambda name: point[name])
    other = min(name for name in point if name != largest)
    point[largest] -= 0.02
    point[other] += 0.02
    found = certify(drawn.problem, drawn.metrics, point)
    assert not found.ok
    assert found.primal > 1e-4 or found.gap > 2e-5


@given(seed=st.integers(0, 10**6), at=st.integers(0, 10**6))
@settings(max_examples=30, deadline=None)
def test_the_bound_holds_wherever_it_is_taken(case: Callable, seed: int, at: int) -> None:
    drawn = case(seed)
    program = build(drawn.problem, drawn.metrics)
    anywhere = np.random.default_rng(at).dirichlet(np.ones(len(program.names)))
    optimum = program.value(minimise(program).x_C)
    assert lower_bound(program, anywhere) <= optimum + 1e-9


def test_a_point_outside_a_bound_is_refused(case: Callable) -> None:
    drawn = case(3, kl=0.05)
    row = next(r for r in drawn.problem.rows if r.name.startswith("max:d"))
    solution = solve(replace(drawn.problem, rows=()), drawn.metrics)
    tight = replace(row, upper=solution.point[row.name.removeprefix("max:")] - 0.01)
    found = certify(replace(drawn.problem, rows=(tight,)), drawn.metrics, solution.point)
    assert not found.ok
    assert found.primal == pytest.approx(0.01)


def test_another_objective_is_noticed(case: Callable) -> None:
    drawn = case(5, kl=0.05)
    point = solve(drawn.problem, drawn.metrics).point
    assert not certify(replace(drawn.problem, kl=0.5), drawn.metrics, point).ok


def test_a_moved_hold_is_noticed(case: Callable) -> None:
    drawn = case(5, kl=0.05)
    point = solve(drawn.problem, drawn.metrics).point
    held = replace(drawn.problem, rows=(), guardrails=(), hold={"d1": point["d1"] + 0.05})
    assert certify(held, drawn.metrics, point).primal == pytest.approx(0.05)


def test_a_missing_coordinate_is_an_error(case: Callable) -> None:
    drawn = case(5, kl=0.05)
    point = dict(solve(drawn.problem, drawn.metrics).point)
    del point["d2"]
    with pytest.raises(ValueError, match="lacks coordinate 'd2'"):
        certify(drawn.problem, drawn.metrics, point)


def test_infeasible_bounds_are_not_certified(case: Callable) -> None:
    drawn = case(5, kl=0.05)
    point = solve(drawn.problem, drawn.metrics).point
    rows = (LinearBound(name="min:d0", coefficients={"d0": 1.0}, lower=1.5),)
    assert not certify(replace(drawn.problem, rows=rows), drawn.metrics, point).ok


def test_certifying_needs_no_cvxpy() -> None:
    code = """
import sys
from olmixctl.mixture import Coordinates, Mixture
from olmixctl.solve import MixProblem, certify, check_feasible
assert not {"scipy", "cvxpy", "torch", "yaml"} & set(sys.modules), "heavy at import"
p = MixProblem(coordinates=Coordinates(("a", "b")), reference=Mixture({"a": 0.5, "b": 0.5}), kl=1.0, metric_weights={})
check_feasible(p)
assert certify(p, (), {"a": 0.5, "b": 0.5}).ok
assert "cvxpy" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def cap(leaf: str, upper: float) -> LinearBound:
    return LinearBound(name=f"max:{leaf}", coefficients={leaf: 1.0}, upper=upper)


def test_projection_keeps_the_ratios_of_the_others() -> None:
    found = project({"a": 0.6, "b": 0.3, "c": 0.1}, [cap("a", 0.4)])
    assert dict(found) == pytest.approx({"a": 0.4, "b": 0.45, "c": 0.15}, abs=1e-12)


def test_projection_of_a_mix_inside_is_itself() -> None:
    mix = {"a": 0.6, "b": 0.3, "c": 0.1}
    assert dict(project(mix, [cap("a", 0.7)])) == pytest.approx(mix, abs=1e-12)


def test_projection_renormalises_and_keeps_zeros() -> None:
    """What is left after a removal sums to less than one; a domain at zero is not brought in."""
    found = project({"a": 0.3, "b": 0.1, "c": 0.0}, [cap("a", 0.6)])
    assert dict(found) == pytest.approx({"a": 0.6, "b": 0.4, "c": 0.0}, abs=1e-12)


def test_projection_cascades() -> None:
    found = project({"a": 0.5, "b": 0.3, "c": 0.2}, [cap("a", 0.4), cap("b", 0.33)])
    assert dict(found) == pytest.approx({"a": 0.4, "b": 0.33, "c": 0.27}, abs=1e-10)


def test_projection_with_blocks_keeps_them() -> None:
    from olmixctl.mixture import Block

    coordinates = Coordinates(("a",), (Block("v", {"x": 3, "y": 1}),))
    found = project({"a": 0.2, "x": 0.6, "y": 0.2}, [cap("y", 0.1)], coordinates=coordinates)
    assert dict(found) == pytest.approx({"a": 0.6, "x": 0.3, "y": 0.1}, abs=1e-10)


def test_projection_on_nothing_is_refused() -> None:
    with pytest.raises(InfeasibleError, match=r"max:a 0\.1 \+ max:b 0\.2"):
        project(Mixture({"a": 0.5, "b": 0.5}), [cap("a", 0.1), cap("b", 0.2)])
