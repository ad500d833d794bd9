"""The local solve: inside every bound, at a minimum, never worse than a start, and exact where laws are convex."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest

from olmixctl.errors import InfeasibleError
from olmixctl.mixture import Block, Coordinates, Mixture
from olmixctl.solve.exact import optimum
from olmixctl.solve.landscape import Landscape
from olmixctl.solve.local import LOCAL, certify_local, keeps_guardrails, local_optimum
from olmixctl.solve.problem import ConvexMetric, LinearBound, MixProblem, WorstCase
from olmixctl.solve.round import round_solution

NAMES = ("a", "b", "c", "d")


@dataclass(frozen=True)
class Wavy:
    """Convex laws with a wave on top: several minima, smooth everywhere."""

    coordinates: tuple[str, ...]
    base: tuple[ConvexMetric, ...]
    height: float
    turns_MC: np.ndarray

    @property
    def metrics(self):
        return tuple(law.name for law in self.base)

    def predict(self, weights_NC):
        points = [dict(zip(self.coordinates, row.tolist(), strict=True)) for row in weights_NC]
        base_NM = np.array([[law.value(point) for law in self.base] for point in points])
        return base_NM + self.height * np.sin(weights_NC @ self.turns_MC.T)

    def gradient(self, weights_C):
        point = dict(zip(self.coordinates, weights_C.tolist(), strict=True))
        slope_MC = np.array([self.slope(law, point) for law in self.base])
        return slope_MC + self.height * np.cos(self.turns_MC @ weights_C)[:, None] * self.turns_MC

    def slope(self, law, point):
        above = np.exp(law.exponent(point))
        pairs = {name: law.returns.get(name, (0.0, 1.0)) for name in self.coordinates}
        return [above * (law.coefficients.get(name, 0.0) - a / (s + point[name])) for name, (a, s) in pairs.items()]


def laws(seed, *, height=0.05, names=NAMES, metrics=2):
    rng = np.random.default_rng(seed)
    base = tuple(
        ConvexMetric(
            name=f"m{m}",
            offset=0.5,
            coefficients=dict(zip(names, rng.normal(0, 0.3, len(names)).tolist(), strict=True)),
            level=0.3,
            returns={n: (float(rng.exponential(0.3)), float(rng.uniform(0.02, 0.3))) for n in names},
        )
        for m in range(metrics)
    )
    return Wavy(names, base, height, rng.normal(0, 8, (metrics, len(names))))


def problem(*, names=NAMES, kl=0.05, metrics=2, **fields):
    reference = Mixture.normalised({name: 1.0 + i for i, name in enumerate(names)})
    weights = {f"m{m}": 1.0 + m for m in range(metrics)}
    values = {"coordinates": Coordinates(names), "reference": reference, "kl": kl, "metric_weights": weights}
    return MixProblem(**{**values, **fields})


def points(count, seed=0, names=NAMES):
    rows = np.random.default_rng(seed).dirichlet(np.ones(len(names)), count)
    return [dict(zip(names, row.tolist(), strict=True)) for row in rows]


def objective(task, law, point):
    land = Landscape.of(task, law, law.base)
    return float(land.objective(land.vector(point)[None])[0])


def inside(task, point):
    return all(
        (row.upper is None or value <= row.upper + 1e-7) and (row.lower is None or value >= row.lower - 1e-7)
        for row in task.rows
        for value in [sum(c * point[leaf] for leaf, c in row.coefficients.items())]
    )


BOUNDS = (
    LinearBound(name="max:d", coefficients={"d": 1.0}, upper=0.25),
    LinearBound(name="constraint:ab", coefficients={"a": 1.0, "b": 1.0}, lower=0.3, upper=0.7),
)


@pytest.mark.parametrize("kl", [0.05, 0.0])
@pytest.mark.parametrize("seed", range(2))
def test_convex_laws_give_the_exact_optimum(seed, kl):
    law, task = laws(seed, height=0.0), problem(kl=kl, rows=BOUNDS)
    exact = optimum(task, law.base)
    found = local_optimum(task, law, law.base, points(3))
    assert found.objective == pytest.approx(exact.objective, abs=1e-9)
    if kl:
        np.testing.assert_allclose(list(found.point.values()), list(exact.point.values()), atol=2e-6)
        assert {name: pytest.approx(value, abs=1e-4) for name, value in exact.duals.items()} == dict(found.duals)


@pytest.mark.parametrize("seed", range(4))
def test_the_lowest_point_of_a_fine_grid_is_not_lower(seed):
    names = ("a", "b", "c")
    law = laws(seed, names=names, height=0.1)
    task = problem(names=names, rows=(LinearBound(name="max:c", coefficients={"c": 1.0}, upper=0.6),))
    found = local_optimum(task, law, law.base, points(8, names=names))
    grid = [(i / 80, j / 80, 1 - (i + j) / 80) for i in range(81) for j in range(81 - i)]
    grid_NC = np.array([row for row in grid if row[2] <= 0.6])
    lowest = float(Landscape.of(task, law, law.base).objective(np.maximum(grid_NC, 0)).min())
    assert found.objective <= lowest + 1e-9
    assert found.residuals.ok


@pytest.mark.parametrize("seed", range(6))
def test_never_worse_than_a_start_inside_every_bound_and_at_a_minimum(seed):
    rng = np.random.default_rng(seed)
    law = laws(seed, height=float(rng.choice([0.02, 0.1])))
    task = problem(kl=float(rng.choice([0.0, 0.01, 0.05])), rows=BOUNDS, hold={"c": 0.1} if seed % 3 == 0 else {})
    middle = Mixture({"a": 0.35, "b": 0.3, "c": 0.1, "d": 0.25})
    at_middle = dict(zip(law.metrics, law.predict(np.array([list(middle.values())]))[0].tolist(), strict=True))
    if seed % 2:
        task = replace(task, guardrails=(("m0", at_middle["m0"] + 0.05),))
    starts = points(5, seed)
    found = local_optimum(task, law, law.base, starts)
    assert (found.status, found.solver) == ("local", LOCAL)
    assert inside(task, found.point)
    predicted = dict(zip(law.metrics, law.predict(np.array([list(found.point.values())]))[0].tolist(), strict=True))
    assert keeps_guardrails(task, predicted)
    assert all(abs(found.point[name] - weight) < 1e-9 for name, weight in task.hold.items())
    feasible = [
        p for p in [*starts, middle]
        if inside(task, p) and all(abs(p[n] - w) < 1e-9 for n, w in task.hold.items())
        and keeps_guardrails(task, dict(zip(law.metrics, law.predict(np.array([list(p.values())]))[0], strict=True)))
    ]  # fmt: skip
    assert feasible
    for start in feasible[:2]:
        assert local_optimum(task, law, law.base, [start]).objective <= objective(task, law, start) + 1e-12
    assert found.objective <= min(objective(task, law, start) for start in feasible) + 1e-12
    certificate = certify_local(task, law, law.base, found.point)
    assert certificate.ok
    assert certificate.gap < 1e-7
    # No feasible point near by is lower: the model could be wrong, the laws themselves are asked.
    near = [{n: 0.999 * found.point[n] + 0.001 * p[n] for n in NAMES} for p in feasible]
    assert all(objective(task, law, p) >= found.objective - 1e-6 for p in near)


def test_a_point_beside_the_minimum_is_not_certified():
    law, task = laws(1), problem(rows=BOUNDS)
    found = local_optimum(task, law, law.base, points(4))
    moved = {**found.point, "a": found.point["a"] + 0.02, "b": found.point["b"] - 0.02}
    assert not certify_local(task, law, law.base, moved).ok
    assert certify_local(task, law, law.base, {**found.point, "a": found.point["a"] + 0.5}).primal > 0.4
    rounded = round_solution(task, found.point).coordinates.as_mixture()
    assert certify_local(task, law, law.base, rounded).ok


def test_order_of_starts_and_who_asks_again_change_nothing():
    law, task, starts = laws(3, height=0.1), problem(rows=BOUNDS), points(6)
    one, other = (local_optimum(task, law, law.base, s) for s in (starts, starts[::-1]))
    assert one.point == other.point
    assert one == local_optimum(task, law, law.base, starts)


def test_from_its_own_answer_it_does_not_move():
    law, task = laws(5, height=0.1), problem(rows=BOUNDS)
    found = local_optimum(task, law, law.base, points(6))
    again = local_optimum(task, law, law.base, [found.point])
    np.testing.assert_allclose(list(again.point.values()), list(found.point.values()), atol=1e-6)


def test_guardrails_no_mix_keeps_are_named():
    law, task = laws(2), problem(rows=BOUNDS, guardrails=(("m0", 0.7), ("m1", 5.0)))
    with pytest.raises(InfeasibleError, match="guardrail:m0") as caught:
        local_optimum(task, law, law.base, points(3))
    # Somewhere outside these bounds m0 is below 0.6, so the guardrail alone excludes nothing.
    assert set(caught.value.conflict) == {"guardrail:m0", "max:d"}
    assert "misses by" in caught.value.message


def test_a_guardrail_that_no_mix_keeps_at_all_is_named_alone():
    law, task = laws(2), problem(rows=BOUNDS, guardrails=(("m0", 0.55), ("m1", 5.0)))
    assert lowest(law, "m0") > 0.56
    with pytest.raises(InfeasibleError, match=r"guardrail:m0 ≤ 0\.55, whatever the other bounds") as caught:
        local_optimum(task, law, law.base, points(3))
    assert caught.value.conflict == ("guardrail:m0",)


def lowest(law, metric, rows=()):
    """About the least that a metric is predicted at inside linear bounds."""
    kept = [point for point in points(6000, 9) if inside(problem(rows=rows), point)]
    return float(law.predict(np.array([list(p.values()) for p in kept]))[:, law.metrics.index(metric)].min())


@pytest.mark.parametrize("worst", [False, True])
def test_linear_bounds_that_a_guardrail_stands_against_are_named(worst):
    """The cap and the guardrail: without either of the two there is a mix. Other bounds have no part in it."""
    law = laws(1)
    cap = LinearBound(name="max:b", coefficients={"b": 1.0}, upper=0.1)
    limit = lowest(law, "m0", BOUNDS) + 0.04
    assert limit < lowest(law, "m0", (cap,)) - 0.02
    rails = (("m0", limit), ("m1", 5.0))
    families = (WorstCase(name="x", weights={"m0": 1.0}), WorstCase(name="y", weights={"m1": 1.0})) if worst else ()
    task = problem(rows=(*BOUNDS, cap), guardrails=rails, worst_case=families)
    with pytest.raises(InfeasibleError) as caught:
        local_optimum(task, law, law.base, points(3))
    assert set(caught.value.conflict) == {"guardrail:m0", "max:b"}
    assert "max:b ≤ 0.1" in caught.value.message
    assert f"guardrail:m0 ≤ {limit:.6g}" in caught.value.message
    for left_out in (replace(task, rows=BOUNDS), replace(task, guardrails=rails[1:])):
        assert local_optimum(left_out, law, law.base, points(3)).status == "local"


def test_guardrails_that_stand_against_each_other_are_both_named():
    law = laws(1)
    x_NC = np.array([list(p.values()) for p in points(6000, 9)])
    losses_NM = law.predict(x_NC)
    best = losses_NM.argmin(axis=0)
    rails = tuple((f"m{m}", float(losses_NM[best[m], m]) + 0.01) for m in range(2))
    assert (losses_NM - [limit for _, limit in rails]).max(axis=1).min() > 0.02
    with pytest.raises(InfeasibleError) as caught:
        local_optimum(problem(rows=BOUNDS[:0], guardrails=rails), law, law.base, points(3))
    assert set(caught.value.conflict) == {"guardrail:m0", "guardrail:m1"}


def test_a_guardrail_that_no_start_keeps_is_reached_where_a_mix_keeps_it():
    law = laws(4)
    everywhere_NM = law.predict(np.array([list(p.values()) for p in points(4000, 9)]))
    limit = float(everywhere_NM[:, 0].min()) + 0.01
    task = problem(guardrails=(("m0", limit),))
    found = local_optimum(task, law, law.base, [{"a": 0.97, "b": 0.01, "c": 0.01, "d": 0.01}])
    assert law.predict(np.array([list(found.point.values())]))[0, 0] <= limit + 1e-7


def test_bounds_that_exclude_each_other_are_an_error_of_the_bounds():
    law = laws(0)
    rows = (*BOUNDS, LinearBound(name="min:d", coefficients={"d": 1.0}, lower=0.5))
    with pytest.raises(InfeasibleError, match="max:d") as caught:
        local_optimum(problem(rows=rows), law, law.base, points(2))
    assert set(caught.value.conflict) == {"max:d", "min:d"}


def test_the_worst_family_counts():
    law = laws(6, names=("a", "b", "c"), height=0.05)
    worst = (WorstCase(name="x", weights={"m0": 1.0}, baseline=1.2), WorstCase(name="y", weights={"m1": 2.0}))
    task = problem(names=("a", "b", "c"), worst_case=worst)
    found = local_optimum(task, law, law.base, points(6, names=("a", "b", "c")))
    rows = np.random.default_rng(0).dirichlet(np.ones(3), 20_000)
    losses_NM = law.predict(rows[:2000]) - [1.2, 0.0]
    kl_N = [0.05 * float(np.sum(r * np.log(r / np.array([1, 2, 3]) * 6))) for r in rows[:2000]]
    assert found.objective <= (losses_NM.max(axis=1) + kl_N).min() + 1e-9
    assert sum(v for name, v in found.duals.items() if name.startswith("family:")) == pytest.approx(1.0, abs=1e-4)


def test_multipliers_say_what_loosening_gains():
    law, step = laws(8, height=0.03), 1e-3
    free = local_optimum(problem(), law, law.base, points(5)).point
    least = min(NAMES, key=lambda name: free[name])
    cap = LinearBound(
        name="max:x", coefficients={max(NAMES, key=lambda n: free[n]): 1.0}, upper=0.8 * max(free.values())
    )
    floor = LinearBound(name="min:x", coefficients={least: 1.0}, lower=free[least] + 0.05)
    found = local_optimum(problem(rows=(cap, floor)), law, law.base, points(5))
    assert set(found.duals) == {"max:x", "min:x"}
    looser = {
        "max:x": (replace(cap, upper=cap.upper + step), floor),
        "min:x": (cap, replace(floor, lower=floor.lower - step)),
    }
    for name, rows in looser.items():
        gain = found.objective - local_optimum(problem(rows=rows), law, law.base, [found.point]).objective
        assert gain / step == pytest.approx(found.duals[name], rel=0.1)


def test_blocks_move_as_one_and_domains_without_reference_stay_out():
    names = ("block", "c", "d")
    space = Coordinates(("c", "d"), (Block("block", {"a": 600_000_000_000, "b": 400_000_000_000}),))
    law = laws(7, names=names)
    reference = Mixture({"a": 0.3, "b": 0.2, "c": 0.5, "d": 0.0})
    cap = LinearBound(name="max_repetition:b", coefficients={"b": 1.0}, upper=0.1)
    task = MixProblem(
        coordinates=space, reference=reference, kl=0.05, metric_weights={"m0": 1.0, "m1": 1.0}, rows=(cap,)
    )
    found = local_optimum(task, law, law.base, [{"block": 0.9, "c": 0.05, "d": 0.05}])
    assert found.point["d"] == 0.0
    assert found.point["block"] <= 0.25 + 1e-7
    assert found.zero_reference == ("d",)
