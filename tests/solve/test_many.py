"""Many programs at once: each ends where it would end alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from olmixctl.errors import InfeasibleError
from olmixctl.mixture import Block, Coordinates, Mixture
from olmixctl.solve import many
from olmixctl.solve.exact import optimum
from olmixctl.solve.many import optima
from olmixctl.solve.problem import ConvexMetric, LinearBound, MixProblem, WorstCase

LEAVES = ("a", "b", "c", "d", "e")
METRICS = ("m0", "m1", "m2")


def problem_of(**changes):
    given = {
        "coordinates": Coordinates(LEAVES),
        "reference": Mixture.normalised({leaf: 1.0 + place for place, leaf in enumerate(LEAVES)}),
        "kl": 0.05,
        "metric_weights": {"m0": 1.0, "m1": 2.0, "m2": 0.5},
    }
    return MixProblem(**{**given, **changes})


def laws_of(seed, names=LEAVES, *, curved=False):
    """Laws over `names`: log-linear, or of diminishing returns."""
    rng = np.random.default_rng(seed)
    laws = []
    for metric in METRICS:
        slopes = rng.normal(-0.4, 0.8, len(names)).tolist()
        returns = {name: (abs(slope) / 4, 0.02) for name, slope in zip(names, slopes, strict=True)} if curved else {}
        straight = {} if curved else dict(zip(names, slopes, strict=True))
        laws.append(ConvexMetric(name=metric, offset=0.5, coefficients=straight, returns=returns))
    return tuple(laws)


def row(name, leaves, **bounds):
    return LinearBound(name=name, coefficients=dict.fromkeys(leaves, 1.0), **bounds)


def check_same(problems, laws, *, within=2e-6):
    """Every optimum is that of the program alone; the points found."""
    found = optima(problems, laws)
    assert found.solved_N.all()
    names = sorted(problems[0].coordinates.names)
    points_NC = found.points()
    for n, metrics in enumerate(laws):
        alone = optimum(problems[min(n, len(problems) - 1)], metrics).point
        assert points_NC[n] == pytest.approx([alone[name] for name in names], abs=within)
    return points_NC


PROBLEMS = {
    "free": problem_of(),
    "caps": problem_of(rows=tuple(row(f"max:{leaf}", [leaf], upper=0.3) for leaf in LEAVES)),
    "group": problem_of(rows=(row("constraint:g", ["a", "b"], lower=0.3, upper=0.4),)),
    "fixed": problem_of(rows=(row("max:a", ["a"], lower=0.25, upper=0.25),)),
    "held": problem_of(hold={"b": 0.2}),
    "without KL": problem_of(kl=0.0, rows=(row("max:a", ["a"], upper=0.3),)),
    "no reference": problem_of(reference=Mixture({"a": 0.0, "b": 0.25, "c": 0.25, "d": 0.25, "e": 0.25})),
}


@pytest.mark.parametrize("curved", [False, True])
@pytest.mark.parametrize("name", PROBLEMS)
def test_each_ends_where_it_would_alone(name, curved):
    # Without KL the objective is flat around the optimum, and points are known less well.
    within = 1e-4 if name == "without KL" else 2e-6
    check_same([PROBLEMS[name]], [laws_of(seed, curved=curved) for seed in range(5)], within=within)


def test_a_kept_block_moves_as_one():
    coordinates = Coordinates(("a", "b"), (Block("kept", {"c": 1, "d": 3, "e": 2}),))
    problem = problem_of(coordinates=coordinates, rows=(row("max_repetition:d", ["d"], upper=0.2),))
    check_same([problem], [laws_of(seed, coordinates.names) for seed in range(4)])


@pytest.mark.parametrize("curved", [False, True])
def test_guardrails_are_each_program_s_own(curved):
    laws = [laws_of(seed, curved=curved) for seed in range(4)]
    reference = problem_of().reference
    problems = [problem_of(guardrails=(("m0", metrics[0].value(reference) - 0.002),)) for metrics in laws]
    points_NC = check_same(problems, laws)
    for point_C, problem, metrics in zip(points_NC, problems, laws, strict=True):
        at = metrics[0].value(dict(zip(LEAVES, point_C.tolist(), strict=True)))
        assert at <= problem.guardrails[0][1] + 1e-7


FAMILIES = (WorstCase(name="x", weights={"m0": 1.0}), WorstCase(name="y", weights={"m1": 1.0, "m2": 1.0}))
EACH = tuple(WorstCase(name=name, weights={name: 1.0}) for name in METRICS)


@pytest.fixture
def together(monkeypatch):
    """No program may be left to be solved alone."""

    def alone(*_):
        raise AssertionError("solved alone")

    monkeypatch.setattr(many, "quick_optimum", alone)


@pytest.mark.usefixtures("together")
@pytest.mark.parametrize("curved", [False, True])
@pytest.mark.parametrize("families", [FAMILIES, EACH], ids=["two", "each"])
@pytest.mark.parametrize("name", PROBLEMS)
def test_the_worst_of_several_families_is_solved_together(name, families, curved):
    # Without KL the objective is flat around the optimum, and points are known less well.
    within = 1e-4 if name == "without KL" else 2e-6
    problem = replace(PROBLEMS[name], worst_case=families)
    check_same([problem], [laws_of(seed, curved=curved) for seed in range(5)], within=within)


@pytest.mark.usefixtures("together")
@pytest.mark.parametrize("curved", [False, True])
def test_families_count_from_baselines_of_their_own(curved):
    """Each draw counts from what its own laws predict of the reference; the optima differ for it."""
    laws = [laws_of(seed, curved=curved) for seed in range(4)]
    reference = problem_of().reference
    problems = [
        problem_of(
            worst_case=tuple(replace(each, baseline=metrics[m].value(reference)) for m, each in enumerate(EACH)),
            guardrails=(("m0", metrics[0].value(reference) + 0.002),),
        )
        for metrics in laws
    ]
    own_NC = check_same(problems, laws)
    assert np.abs(own_NC - check_same([problem_of(worst_case=EACH)], laws)).max() > 0.001


@pytest.mark.usefixtures("together")
def test_families_with_one_that_is_never_worst():
    """Its row is far from binding, and its multiplier vanishes."""
    easy = WorstCase(name="easy", weights={"m2": 1.0}, baseline=5.0)
    check_same([problem_of(worst_case=(*FAMILIES, easy))], [laws_of(seed) for seed in range(3)])


def test_a_program_without_a_mix_fails_alone():
    laws = [laws_of(seed) for seed in range(3)]
    floor = problem_of(guardrails=(("m0", 0.5000001),))
    loose = problem_of(guardrails=(("m0", 5.0),))
    found = optima([loose, floor, loose], laws)
    assert found.solved_N.tolist() == [True, False, True]


def test_bounds_that_exclude_each_other_leave_none():
    rows = tuple(row(f"max:{leaf}", [leaf], upper=0.1) for leaf in LEAVES)
    found = optima([problem_of(rows=rows)], [laws_of(0), laws_of(1)])
    assert not found.solved_N.any()
    with pytest.raises(InfeasibleError):
        optimum(problem_of(rows=rows), laws_of(0))


def test_steep_laws_are_solved_too():
    steep = [
        tuple(replace(m, coefficients={k: 15 * v for k, v in m.coefficients.items()}) for m in laws_of(seed))
        for seed in range(6)
    ]
    check_same([problem_of()], steep)


def test_a_single_program_is_a_batch_of_one():
    check_same([problem_of()], [laws_of(9)])
