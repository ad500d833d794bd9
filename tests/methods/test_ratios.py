"""Ratio constraints under the solver: exact in millionths, priced by what loosening gains, kept by kept ratios."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from workspaces import write_domain, write_mix

from olmixctl.errors import InfeasibleError
from olmixctl.methods.problem import _ratio_rows, bounds, breaks, broken_rows
from olmixctl.methods.pulls import RATIO_STEP, Solve, bounds_on
from olmixctl.mixture import GRID, Coordinates, Mixture
from olmixctl.solve.exact import optimum
from olmixctl.solve.problem import ConvexMetric, MixProblem
from olmixctl.solve.round import round_solution
from olmixctl.spec.model import MixSpec, RatioSpec
from olmixctl.workspace import Workspace

LEAVES = ("a", "b", "c", "d", "e")


def rows_of(*ratios):
    spec = MixSpec(name="m", target=None, domains=(), evals=(), proxy=None, ratios=tuple(ratios))
    return tuple(_ratio_rows(spec))


def problem_of(seed, *ratios, rows=()):
    rng = np.random.default_rng(seed)
    metrics = tuple(
        ConvexMetric(name=f"m{m}", offset=0.5, coefficients=dict(zip(LEAVES, rng.uniform(-2, 0.5, 5), strict=True)))
        for m in range(2)
    )
    problem = MixProblem(
        coordinates=Coordinates(LEAVES),
        reference=Mixture.normalised(dict(zip(LEAVES, rng.dirichlet(np.ones(5)).tolist(), strict=True))),
        kl=0.05,
        metric_weights={"m0": 1.0, "m1": 2.0},
        rows=(*rows_of(*ratios), *rows),
    )
    return problem, metrics


def solve_of(problem, metrics):
    return Solve(
        problem=problem,
        metrics=metrics,
        best=optimum(problem, metrics),
        again=lambda other: optimum(other, metrics),
        repetition=4.0,
    )


def test_the_rows_of_a_ratio():
    both = RatioSpec(name="r", of=("a",), to=("b", "c"), min=0.1, max=0.5)
    most, least = rows_of(both)
    assert (most.name, most.upper, most.lower, most.ratio) == ("max_ratio:r", 0.0, None, 0.5)
    assert dict(most.coefficients) == {"a": 1.0, "b": -0.5, "c": -0.5}
    assert (least.name, least.upper, least.lower, least.ratio) == ("min_ratio:r", None, 0.0, 0.1)
    assert rows_of(replace(both, min=0.0)) == (most,)
    assert rows_of(replace(both, max=None)) == (least,)
    (fixed,) = rows_of(replace(both, min=0.5))
    assert (fixed.name, fixed.lower, fixed.upper, fixed.ratio) == ("ratio:r", -0.75e-6, 0.75e-6, 0.5)


def test_a_lower_side_without_share_forbids_the_upper_one_under_a_max_alone():
    (most,) = rows_of(RatioSpec(name="r", of=("a",), to=("b",), max=100.0))
    (least,) = rows_of(RatioSpec(name="r", of=("a",), to=("b",), min=100.0))
    none = dict.fromkeys(LEAVES, 0) | {"c": GRID}
    some = none | {"c": GRID - 1, "a": 1}
    assert broken_rows([most, least], none) == {}
    assert list(broken_rows([most, least], some)) == ["max_ratio:r"]


def test_the_last_bits_of_kept_ratios_break_nothing():
    (most,) = rows_of(RatioSpec(name="r", of=("a",), to=("b",), max=0.1))
    weights = {"a": 0.03, "b": 0.3, "c": 0.47}
    for rest in np.linspace(0.1, 0.9, 33):
        total = 0.8 + rest
        assert not breaks(most, {name: weight / total for name, weight in weights.items()})
    assert breaks(most, weights | {"a": 0.030001})


ratios = st.builds(
    lambda cut, wide, of_number, spread, order: (cut, wide, of_number, spread, order),
    st.integers(1, 3),
    st.integers(1, 2),
    st.integers(1, 400),
    st.sampled_from(["max", "min", "both", "fixed"]),
    st.permutations(LEAVES),
)


@settings(max_examples=40, deadline=None)
@given(ratios, st.integers(0, 1000))
def test_rounded_mixes_keep_every_ratio_in_whole_millionths(drawn, seed):
    cut, wide, hundredths, kind, order = drawn
    of, to, value = tuple(sorted(order[:cut])), tuple(sorted(order[cut : cut + wide])), hundredths / 100
    ratio = {
        "max": RatioSpec(name="r", of=of, to=to, max=value),
        "min": RatioSpec(name="r", of=of, to=to, min=value),
        "both": RatioSpec(name="r", of=of, to=to, min=value, max=round(value * 1.01, 6)),
        "fixed": RatioSpec(name="r", of=of, to=to, min=value, max=value),
    }[kind]
    problem, metrics = problem_of(seed, ratio)
    leaves = round_solution(problem, optimum(problem, metrics).point).leaves
    above, below = sum(leaves[leaf] for leaf in of), sum(leaves[leaf] for leaf in to)
    slack = (1 + Fraction(str(value))) / 2 if kind == "fixed" else 0
    if ratio.max is not None:
        assert above - Fraction(str(ratio.max)) * below <= slack
    assert above - Fraction(str(ratio.min)) * below >= -slack
    assert broken_rows(problem.rows, leaves) == {}


@pytest.mark.parametrize("kind", ["max", "min"])
@pytest.mark.parametrize("seed", range(3))
def test_the_price_of_a_ratio_is_the_slope_of_the_objective(seed, kind):
    problem, metrics = problem_of(seed)
    free = optimum(problem, metrics).point
    value = free["a"] / (free["b"] + free["c"]) * (0.8 if kind == "max" else 1.25)
    ratio = RatioSpec(name="r", of=("a",), to=("b", "c"), **{kind: value})
    problem, metrics = problem_of(seed, ratio)
    (found,) = bounds_on("a", solve_of(problem, metrics))
    assert (found.constraint, found.limit) == (f"{kind}_ratio:r", value)
    step = value * 1e-4
    objective = [
        optimum(problem_of(seed, replace(ratio, **{kind: value + change}))[0], metrics).objective
        for change in (-step, step)
    ]
    assert found.price == pytest.approx(abs(objective[1] - objective[0]) / (2 * step), rel=1e-2)
    assert found.loosened == pytest.approx(value * (1 + RATIO_STEP if kind == "max" else 1 - RATIO_STEP))
    looser = optimum(problem_of(seed, replace(ratio, **{kind: found.loosened}))[0], metrics)
    assert found.worth == pytest.approx(solve_of(problem, metrics).best.objective - looser.objective, abs=1e-9)
    assert 0 < found.worth <= found.price * value * RATIO_STEP * (1 + 1e-3)


def test_a_fixed_ratio_is_explained_too():
    problem, metrics = problem_of(0)
    free = optimum(problem, metrics).point
    value = round(free["a"] / free["b"] / 2, 3)
    problem, metrics = problem_of(0, RatioSpec(name="r", of=("a",), to=("b",), min=value, max=value))
    (found,) = bounds_on("b", solve_of(problem, metrics))
    assert (found.constraint, found.limit) == ("ratio:r", value)
    assert found.loosened == pytest.approx(value * (1 + RATIO_STEP))
    assert found.worth > 0


def test_ratios_that_exclude_each_other_are_named_with_what_was_written():
    up = RatioSpec(name="up", of=("a",), to=("b",), min=2.0)
    down = RatioSpec(name="down", of=("a",), to=("b",), max=0.5)
    problem, metrics = problem_of(0, up, down, RatioSpec(name="rest", of=("c",), to=("a", "b"), max=1.0))
    rows = (
        replace(row, coefficients={"b": 1.0}, lower=0.1, upper=None, ratio=None, name="min:b")
        for row in problem.rows[:1]
    )
    with pytest.raises(InfeasibleError, match=r"max_ratio:down ≤ 0.5, min:b ≥ 0.1, min_ratio:up ≥ 2") as error:
        optimum(replace(problem, rows=(*problem.rows, *rows)), metrics)
    assert set(error.value.conflict) == {"max_ratio:down", "min_ratio:up", "min:b"}


def test_kept_ratios_keep_a_ratio_that_binds(tmp_path):
    domains = {"code": "", "docs": "", "misc": "", "web": ""}
    for domain in domains:
        write_domain(tmp_path, domain, 40)
    write_mix(tmp_path, domains, evals=("code", "web"))
    workspace = Workspace.open(cwd=tmp_path)
    weights = workspace.apply(workspace.plan()).lock.weights
    most = round(weights["code"] / (weights["docs"] + weights["web"]) * 0.7, 4)
    extra = f"constraints: [{{name: r, ratio: {{of: [code], to: [docs, web]}}, max: {most}}}]"
    write_mix(tmp_path, domains, evals=("code", "web"), extra=extra)
    workspace = Workspace.open(cwd=tmp_path)
    bound = workspace.apply(workspace.plan()).lock
    assert [active.constraint for active in bound.solution.active] == ["max_ratio:r"]
    del domains["misc"]
    write_mix(tmp_path, domains, evals=("code", "web"), extra=extra)
    workspace = Workspace.open(cwd=tmp_path)
    plan = workspace.plan()
    assert plan.kind == "rescale"
    assert "bounds-move-ratios" not in {check.name for check in plan.checks}
    kept = workspace.apply(plan).lock
    assert kept.solution.status == "kept"
    assert broken_rows(bounds(plan.observed), kept.weights) == {}
    assert workspace.verify().ok
