"""What `explain` says, against brute force: differences of re-solved objectives, numeric slopes, known truths."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from workspaces import make_workspace, write_domain, write_mix

from olmixctl.errors import StaleError
from olmixctl.methods.explain import explain_domain, measured_in
from olmixctl.methods.olmix import fit_evidence, fitted_problem, gather
from olmixctl.methods.problem import convex_metrics
from olmixctl.methods.pulls import STEP, Solve, bounds_on, direction, pulls_on, repetition_for_all
from olmixctl.methods.resample import Bootstrap
from olmixctl.methods.steady import masses
from olmixctl.mixture import GRID, Block, Coordinates, Mixture
from olmixctl.present import observed_as_locked
from olmixctl.solve.exact import optimum
from olmixctl.solve.problem import ConvexMetric, LinearBound, MixProblem
from olmixctl.solve.program import objective_at
from olmixctl.workspace import Workspace

NO_BOOTSTRAP = Bootstrap(resamples=0)


def solve_of(problem, metrics, repetition=4.0):
    return Solve(
        problem=problem,
        metrics=metrics,
        best=optimum(problem, metrics),
        again=lambda other: optimum(other, metrics),
        repetition=repetition,
    )


def surface(names, seed, metrics=3):
    """Laws over `names`, as the solver sees them."""
    rng = np.random.default_rng(seed)
    return tuple(
        ConvexMetric(
            name=f"m{m}",
            offset=0.5,
            coefficients=dict(zip(names, rng.uniform(-2, 0.5, len(names)).tolist(), strict=True)),
        )
        for m in range(metrics)
    )


LEAVES = ("a", "b", "c", "d")
BLOCKS = (Block("kept", {"c": 1, "d": 3}),)


def problem_of(seed=0, *, rows=(), blocks=(), guardrails=(), kl=0.05):
    inside = {leaf for block in blocks for leaf in block.shares}
    coordinates = Coordinates(tuple(leaf for leaf in LEAVES if leaf not in inside), blocks)
    problem = MixProblem(
        coordinates=coordinates,
        reference=Mixture.normalised({leaf: 1.0 + place for place, leaf in enumerate(LEAVES)}),
        kl=kl,
        metric_weights={"m0": 1.0, "m1": 2.0, "m2": 0.5},
        rows=tuple(rows),
        guardrails=tuple(guardrails),
    )
    return problem, surface(coordinates.names, seed)


def row(name, leaves, **sides):
    return LinearBound(name=name, coefficients=dict.fromkeys(leaves, 1.0), **sides)


def active_rows(seed):
    """Bounds that cut into the free optimum by a tenth of each share."""
    problem, metrics = problem_of(seed)
    free = optimum(problem, metrics).point
    high, low = max(free, key=free.get), min(free, key=free.get)
    return [
        row(f"max:{high}", [high], upper=free[high] * 0.9),
        row(f"min:{low}", [low], lower=free[low] * 1.2 + 0.01),
    ]


def objective(problem, metrics):
    return optimum(problem, metrics).objective


@pytest.mark.parametrize("seed", range(6))
def test_a_price_is_the_slope_of_the_solved_objective(seed):
    rows = active_rows(seed)
    problem, metrics = problem_of(seed, rows=rows)
    solve = solve_of(problem, metrics)
    for bound in rows:
        (found,) = [b for b in bounds_on(bound.name[4:], solve) if b.constraint == bound.name]
        step = 1e-5
        side = "upper" if bound.upper is not None else "lower"
        values = []
        for change in (-step, step):
            other = replace(bound, **{side: getattr(bound, side) + change})
            moved = [other if r.name == bound.name else r for r in rows]
            values.append(objective(replace(problem, rows=tuple(moved)), metrics))
        slope = (values[1] - values[0]) / (2 * step)
        assert found.price == pytest.approx(abs(slope), rel=1e-3, abs=1e-6)
        # Loosening by a whole step gains less than the price says: returns diminish.
        assert 0 < found.worth <= found.price * STEP * (1 + 1e-6)


def test_a_cap_is_worth_what_one_pass_more_gains():
    problem, metrics = problem_of(1)
    free = optimum(problem, metrics).point
    name = max(free, key=free.get)
    cap = row(f"max_repetition:{name}", [name], upper=free[name] * 0.6)
    problem = replace(problem, rows=(cap,))
    (found,) = bounds_on(name, solve_of(problem, metrics, repetition=4.0))
    looser = replace(problem, rows=(replace(cap, upper=cap.upper * 5 / 4),))
    assert (found.limit, found.loosened) == (4.0, 5.0)
    assert found.worth == pytest.approx(objective(problem, metrics) - objective(looser, metrics), abs=1e-9)
    assert found.share_then == pytest.approx(optimum(looser, metrics).point[name], abs=1e-6)
    assert repetition_for_all(solve_of(problem, metrics, repetition=4.0)) == pytest.approx(found.worth, abs=1e-9)


def test_no_cap_that_holds_is_no_worth_for_all():
    problem, metrics = problem_of(1)
    assert repetition_for_all(solve_of(problem, metrics)) is None


def test_a_block_is_held_through_its_scarcest_member():
    problem, metrics = problem_of(2, blocks=BLOCKS)
    free = optimum(problem, metrics).point
    cap = row("max_repetition:d", ["d"], upper=free["kept"] * 0.75 * 0.8)
    problem = replace(problem, rows=(cap,))
    solve = solve_of(problem, metrics)
    (found,) = bounds_on("kept", solve)
    assert found.constraint == "max_repetition:d"
    assert found.worth > 0
    assert bounds_on("a", solve) == ()


def test_a_guardrail_is_priced_in_bits_of_its_metric():
    problem, metrics = problem_of(3)
    point = optimum(problem, metrics).point
    values = {m.name: m.offset + math.exp(sum(a * point[n] for n, a in m.coefficients.items())) for m in metrics}
    worst = max(values, key=values.get)
    limit = values[worst] - 0.01
    problem = replace(problem, guardrails=((worst, limit),))
    (found,) = bounds_on("a", solve_of(problem, metrics))
    step = 1e-5
    low, high = (
        objective(replace(problem, guardrails=((worst, limit + change),)), metrics) for change in (-step, step)
    )
    assert found.price == pytest.approx((low - high) / (2 * step), rel=1e-3)
    assert found.worth == pytest.approx(
        objective(problem, metrics) - objective(replace(problem, guardrails=((worst, limit + 0.01),)), metrics),
        abs=1e-9,
    )


def test_a_fixed_share_is_loosened_on_the_side_that_gains():
    problem, metrics = problem_of(4)
    free = optimum(problem, metrics).point
    for fixed in (free["a"] + 0.1, max(free["a"] - 0.05, 0.02)):
        held = replace(problem, rows=(row("max:a", ["a"], lower=fixed, upper=fixed),))
        (found,) = bounds_on("a", solve_of(held, metrics))
        assert found.worth > 0
        assert (found.loosened > found.limit) == (fixed < free["a"])


class Law:
    """As much of a fit as the pulls read."""

    def __init__(self, metrics, names):
        self.coordinates, self.metrics = names, tuple(m.name for m in metrics)
        self._A = np.array([[m.coefficients[n] for n in names] for m in metrics])

    def gradient(self, weights_C):
        return self._A * np.exp(self._A @ weights_C)[:, None]


class Laws:
    def __init__(self, metrics, names):
        self.fit = Law(metrics, names)


@pytest.mark.parametrize("blocks", [(), BLOCKS])
@pytest.mark.parametrize("seed", range(4))
def test_pulls_are_numeric_slopes_and_cancel_at_a_free_optimum(seed, blocks):
    problem, metrics = problem_of(seed, blocks=blocks)
    solve, names = solve_of(problem, metrics), problem.coordinates.names
    total = sum(problem.metric_weights.values())
    for coordinate in names:
        pulls = pulls_on(coordinate, solve, Laws(metrics, names), solve.best.point)
        assert pulls.held == pytest.approx(0.0, abs=1e-7)
        at = {name: 1.0 / len(names) for name in names}
        pulls = pulls_on(coordinate, solve, Laws(metrics, names), at)
        along, step = direction(at, coordinate, {}), 1e-6
        ahead, behind = ({n: at[n] + sign * step * along[n] for n in names} for sign in (1, -1))
        for metric in metrics:
            f = [
                metric.offset + math.exp(sum(a * p[n] for n, a in metric.coefficients.items())) for p in (ahead, behind)
            ]
            slope = -(f[0] - f[1]) / (2 * step) * problem.metric_weights[metric.name] / total
            assert pulls.metrics[metric.name] == pytest.approx(slope, rel=1e-6, abs=1e-9)
        whole = [objective_at(problem, metrics, p) for p in (ahead, behind)]
        assert pulls.held == pytest.approx(-(whole[0] - whole[1]) / (2 * step), rel=1e-5, abs=1e-8)


def test_what_a_bound_holds_back_is_its_price_along_the_direction():
    problem, metrics = problem_of(1)
    free = optimum(problem, metrics).point
    name = max(free, key=free.get)
    problem = replace(problem, rows=(row(f"max:{name}", [name], upper=free[name] * 0.8),))
    solve = solve_of(problem, metrics)
    pulls = pulls_on(name, solve, Laws(metrics, problem.coordinates.names), solve.best.point)
    assert pulls.held == pytest.approx(solve.best.duals[f"max:{name}"], rel=1e-5)


def test_a_share_that_cannot_move_has_no_pulls():
    problem, metrics = problem_of(1)
    held = replace(problem, hold={"a": 0.2})
    solve = solve_of(held, metrics)
    assert pulls_on("a", solve, Laws(metrics, held.coordinates.names), solve.best.point) is None
    along = direction(solve.best.point, "b", {"a": 0.2})
    assert "a" not in along
    assert sum(along.values()) == pytest.approx(0.0)


# Through a whole workspace.


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("explained")
    make_workspace(folder)
    write_mix(folder, {"code": "", "docs": "max: 0.5", "web": ""})
    apply(folder)
    return folder


def apply(folder):
    workspace = Workspace.open(cwd=folder)
    return workspace.apply(workspace.plan())


def explained(folder, domain, bootstrap=NO_BOOTSTRAP):
    return Workspace.open(cwd=folder).explain(domain, bootstrap)


def test_the_explanation_of_a_free_domain(root):
    lock = Workspace.open(cwd=root).lock()
    found = explained(root, "docs", Bootstrap(resamples=12))
    assert found.weight == lock.weights["docs"] / GRID
    assert (found.coordinate, found.ratio, found.kept_from) == ("docs", 1.0, None)
    assert found.measured_in == 1
    (bound,) = found.because.bounds
    assert bound.constraint == "max:docs"
    stated = {a.constraint: float(a.multiplier) for a in lock.solution.active}
    assert bound.price == pytest.approx(stated["max:docs"], abs=1e-6)
    assert found.because.certainty.resamples == 12
    interval = found.because.certainty.interval
    assert interval.low <= found.because.optimum + 1e-9 <= interval.high + 2e-9


def test_the_runs_that_say_so_are_those_with_the_most_and_the_least(root):
    workspace = Workspace.open(cwd=root)
    found = explained(root, "web")
    shares = sorted(record.mixture.get("web", 0.0) for record in workspace.ledger)
    told = [witness.share for witness in found.because.witnesses]
    assert told == pytest.approx([shares[-1], shares[-2], shares[1], shares[0]])
    strongest = max(found.because.pulls.metrics, key=lambda m: abs(found.because.pulls.metrics[m]))
    for witness in found.because.witnesses:
        record = workspace.ledger.get(witness.run)
        assert witness.measured[strongest] == record.metrics[strongest]
        assert abs(witness.residual[strongest]) < 1e-3


def test_pulls_in_a_workspace_balance_with_the_bounds(root):
    workspace = Workspace.open(cwd=root)
    lock = workspace.lock()
    observed = observed_as_locked(workspace.spec, lock, "fake1")
    evidence = gather(observed, lock.coordinates, lock.evidence, workspace.ledger.records())
    fitted = fit_evidence(observed, lock.coordinates, evidence)
    metrics = convex_metrics(fitted.fit)
    solve = solve_of(fitted_problem(observed, lock.coordinates, fitted), metrics)
    point = {name: points / GRID for name, points in masses(lock.coordinates, lock.weights).items()}
    assert pulls_on("docs", solve, fitted, point).held == pytest.approx(explained(root, "docs").because.pulls.held)


def test_more_resamples_start_with_the_fewer(root):
    few, more = (explained(root, "web", Bootstrap(resamples=n)).because.certainty for n in (10, 20))
    assert few.interval is not None
    assert more.resamples == 20


def test_kept_and_unmeasured_domains(tmp_path):
    make_workspace(tmp_path)
    apply(tmp_path)
    write_domain(tmp_path, "papers", 40)
    base = {"code": "", "docs": "", "papers": "", "web": ""}
    write_mix(tmp_path, base, evals=("code", "docs"))
    first = Workspace.open(cwd=tmp_path).lock()
    second = apply(tmp_path).lock
    found = explained(tmp_path, "web")
    assert (found.coordinate, found.kept_from, found.measured_in) == ("reused", 1, None)
    assert found.ratio == pytest.approx(first.weights["web"] / GRID)
    assert found.mass == pytest.approx(second.blocks["reused"].mass / GRID)
    assert measured_in(second, "web", [first]) == 1
    assert measured_in(second, "papers", [first]) == 2
    del base["docs"]
    write_mix(tmp_path, base, evals=("code",))
    third = apply(tmp_path).lock
    assert third.solution.status == "kept"
    found = explained(tmp_path, "papers")
    assert found.because is None
    assert measured_in(third, "papers", [first, second]) == 2
    assert measured_in(third, "web", [first, second]) == 1


def test_another_mix_file_is_refused(root, tmp_path):
    workspace = Workspace.open(cwd=root)
    lock = workspace.lock()
    spec = replace(workspace.spec, objective=replace(workspace.spec.objective, kl=0.2))
    with pytest.raises(StaleError, match="asks for something else"):
        explain_domain(lock, observed_as_locked(spec, lock, "fake1"), {}, "docs")
