"""The local solve, for laws that are not convex: from many starts, each followed down to where its slope ends.

Each step solves a convex model of the problem exactly (`Landscape.model`) and is taken when the laws themselves fall
as promised and keep every guardrail; else the model is bent more and solved again. So every point on the way is
feasible and none is worse than the one before: the result is never worse than any feasible start, the convex answer
among them. Svanberg 2002 (conservative convex separable approximations) has the proof that it ends where the
first-order conditions hold.

There may be a lower minimum elsewhere: a status of `local` says so.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from olmixctl.errors import InfeasibleError
from olmixctl.mixture import Mixture
from olmixctl.solve.against import irreducible, unkept
from olmixctl.solve.certificate import ROUNDED_TOLERANCE, Certificate, on_grid
from olmixctl.solve.exact import Solution, optimum
from olmixctl.solve.exponents import Array
from olmixctl.solve.feasible import with_room
from olmixctl.solve.interior import minimise
from olmixctl.solve.landscape import KEEPS, Landscape, Laws
from olmixctl.solve.problem import ConvexMetric, MixProblem, WorstCase
from olmixctl.solve.program import build

__all__ = ["LOCAL", "certify_local", "keeps_guardrails", "local_optimum"]

LOCAL = "local search"
"""The solver's name in a solution and in a lock."""

_STEPS, _ROUNDS = 5, 16
"""Steps of each path a round, and rounds."""
_EARLY_KEPT, _KEPT = 6, 3
"""Paths that go on after the first round and after each other, the lowest."""
_STILL = 2e-8
"""A step shorter than this, a fiftieth of the grid, is the last."""
_KEPT_PROMISE = 0.1
"""Part of the fall that a model promises which the laws have to keep."""
_ROUNDING = 5e-15
"""A promise below this, relative to the objective, is made of rounding errors."""
_EXACT = 1e-10
"""Linear bounds hold within this where a step leaves the models' optima."""
_MEMORY = 5
"""Models before the last whose optima are remembered."""
_HOPE = 20.0
"""A path whose promise, so many times over, does not reach the lowest one is given up."""
_PARTS = 0.5 ** np.arange(7.0)
_BEND, _LEAST_BEND, _MOST_BEND = 4.0, 0.05, 256.0
_FAINT_KL = 1e-6
_BLEND = 1e-4
"""Of the reference in every start: from a share of zero no model sees a slope in KL."""
_NEAR = 1e-3
"""Starts whose paths come this near to a better one's end there."""


@dataclass(frozen=True, slots=True)
class _Place:
    """A point on the way.

    Attributes:
        x_C: where.
        value: how low.
        factor: bend that its last model needed.
        promise: fall that its last model promised.
        past: points before and the optima of their models, the latest last.
        ended: no step leads on.
    """

    x_C: Array
    value: float
    factor: float = 1.0
    promise: float = math.inf
    past: tuple[tuple[Array, Array], ...] = ()
    ended: bool = False


def local_optimum(
    problem: MixProblem, laws: Laws, curves: Sequence[ConvexMetric], starts: Sequence[Mapping[str, float]]
) -> Solution:
    """The lowest minimum reached from `starts`; deterministic.

    Args:
        problem: bounds, guardrails and held coordinates, as for the convex solve.
        laws: values and slopes.
        curves: convex laws of the same metrics, whose bend the models take.
        starts: points over coordinates, bounds or not: the nearest feasible ones are used. The reference is added.

    Raises:
        InfeasibleError: the bounds exclude each other, or no mix was found that keeps the guardrails.
        ValueError: a metric has no fit.
    """
    land = Landscape.of(problem, laws, curves)
    places = _starts(land, starts)
    for kept in (_EARLY_KEPT, *[_KEPT] * _ROUNDS):
        places = _promising(_distinct([_descend(land, place, _STEPS) for place in places])[:kept])
    return _solution(land, places[0].x_C)


def keeps_guardrails(problem: MixProblem, predicted: Mapping[str, float]) -> bool:
    """Whether predicted metrics keep the guardrails as a solve keeps them, before rounding."""
    return all(predicted[metric] <= limit + KEEPS for metric, limit in problem.guardrails)


def certify_local(
    problem: MixProblem, laws: Laws, curves: Sequence[ConvexMetric], point: Mapping[str, float], *,
    tolerance: float = ROUNDED_TOLERANCE,
) -> Certificate:  # fmt: skip
    """What can be proven of a point of a landscape that is not convex: that no step down starts there.

    `gap` is by how much the convex model at the point can still be lowered: zero where, and only where, the first-order
    conditions hold (the gap of Frank and Wolfe, with KL and returns kept instead of made straight, since both bend
    strongly at small shares). `bound` is the model's least value; it bounds the model, not the laws.

    Raises:
        InfeasibleError: a coordinate without a reference is held above zero.
        ValueError: a metric has no fit.
    """
    land = Landscape.of(problem, laws, curves)
    return _certificate(land, land.vector(point), tolerance)


def _certificate(land: Landscape, x_C: Array, tolerance: float) -> Certificate:
    objective, over = float(land.objective(x_C[None])[0]), max(float(land.excess(x_C[None])[0]), 0.0)
    program = land.program(land.model(x_C), _loosened(land, over))
    found = minimise(program)
    primal, bound = max(land.breach(x_C), over), program.value(found.x_C)
    gap = objective - bound
    ok = primal <= tolerance and found.converged and -tolerance <= gap <= tolerance
    plain = Certificate(primal=primal, dual=found.residual, gap=gap, objective=objective, bound=bound, ok=ok)
    if not found.converged:
        return plain
    return on_grid(land.problem, program, plain, found, land.point(x_C), tolerance=tolerance)


def _loosened(land: Landscape, over: float) -> MixProblem:
    """The problem with guardrails loosened by what the point breaks them by: its model must have a feasible point."""
    rails = tuple((name, limit + over) for name, limit in land.problem.guardrails)
    return replace(land.problem, guardrails=rails)


def _starts(land: Landscape, starts: Sequence[Mapping[str, float]]) -> list[_Place]:
    """Feasible starts, the lowest first; the reference is always among them."""
    problem = land.problem
    reference = {c: sum(problem.reference[leaf] for leaf in m) for c, m in problem.coordinates.members().items()}
    inside = [_nearest(land, point) for point in (reference, *starts)]
    safe_C = _safe(land, inside)
    x_NC = np.stack([_pulled_back(land, x_C, safe_C) for x_C in inside])
    return _distinct([_Place(x_C, float(v)) for x_C, v in zip(x_NC, land.objective(x_NC), strict=True)])


def _nearest(land: Landscape, point: Mapping[str, float]) -> Array:
    """The point inside the linear bounds and holds that is nearest to `point` (KL); guardrails are not asked."""
    problem = land.problem
    mix = problem.coordinates.expand(Mixture.normalised(point))
    blended = {leaf: (1 - _BLEND) * weight + _BLEND * problem.reference[leaf] for leaf, weight in mix.items()}
    near = replace(
        problem,
        reference=Mixture.normalised(blended),
        kl=1.0,
        metric_weights={},
        guardrails=(),
        worst_case=(),
        hold=land.bare.held,
    )
    program = with_room(build(near, ()))
    return land.vector(program.point(minimise(program).x_C))


def _safe(land: Landscape, inside: Sequence[Array]) -> Array:
    """A point that keeps all guardrails, the first of `inside` that does; else one that is looked for.

    Raises:
        InfeasibleError: none was found.
    """
    excess_N = land.excess(np.stack(inside))
    if excess_N.min() <= KEEPS:
        return inside[int(np.argmax(excess_N <= KEEPS))]
    x_C = _towards(_rails_alone(land), land, inside[int(np.argmin(excess_N))])
    nearest = float(land.excess(x_C[None])[0])
    if nearest > KEEPS:
        raise _against(land, x_C, nearest)
    return x_C


def _rails_alone(land: Landscape) -> Landscape:
    """The landscape of how far the worst guardrail is from being kept, under the linear bounds."""
    problem = land.problem
    worst = tuple(WorstCase(name=name, weights={name: 1.0}, baseline=limit) for name, limit in problem.guardrails)
    return Landscape.of(replace(problem, guardrails=(), worst_case=worst, kl=_FAINT_KL), land.laws, land.curves)


def _towards(rails: Landscape, land: Landscape, x_C: Array) -> Array:
    """The first point on the way down from x that keeps all guardrails of `land`; where there is none, the end."""
    place = _Place(x_C, float(rails.objective(x_C[None])[0]))
    while not place.ended and float(land.excess(place.x_C[None])[0]) > KEEPS:
        place = _descend(rails, place, 1)
    return place.x_C


def _against(land: Landscape, x_C: Array, nearest: float) -> InfeasibleError:
    """The error that names the bounds which a search for the guardrails ended against, at x."""
    rails = _rails_alone(land)
    model = optimum(rails.problem, rails.model(x_C))

    def met(fewer: MixProblem) -> bool:
        if not fewer.guardrails:
            return True
        other = Landscape.of(fewer, land.laws, land.curves)
        start_C = _nearest(other, other.point(x_C))
        return float(other.excess(_towards(_rails_alone(other), other, start_C)[None])[0]) <= KEEPS

    names = irreducible(land.problem, model.duals, met)
    return unkept(land.problem, names, (*land.bare.rows.sides_K, *land.bare.rows.sides_E), nearest)


def _pulled_back(land: Landscape, x_C: Array, safe_C: Array) -> Array:
    """The point on the way from `safe_C` to `x_C` that is as near to `x_C` as guardrails allow."""
    part_N = np.linspace(1.0, 0.0, 33)
    way_NC = safe_C + part_N[:, None] * (x_C - safe_C)
    return np.asarray(way_NC[int(np.argmax(land.excess(way_NC) <= KEEPS))])


def _distinct(places: Sequence[_Place]) -> list[_Place]:
    """The lowest first, without those that stand beside a lower one."""
    kept: list[_Place] = []
    for place in sorted(places, key=lambda place: place.value):
        if all(np.abs(place.x_C - other.x_C).sum() > 2 * _NEAR for other in kept):
            kept.append(place)
    return kept


def _promising(places: Sequence[_Place]) -> list[_Place]:
    """Those that may still end below the lowest."""
    return [place for place in places if place.value - _HOPE * place.promise <= places[0].value]


def _descend(land: Landscape, place: _Place, steps: int) -> _Place:
    """At most so many steps down."""
    for _ in range(steps):
        if place.ended:
            break
        place = _step(land, place)
    return place


def _step(land: Landscape, place: _Place) -> _Place:
    """Towards the optimum of a convex model, as far as the laws keep its promise; ended where nothing is promised."""
    factor = place.factor
    while factor <= _MOST_BEND:
        program = land.program(land.model(place.x_C, factor))
        with np.errstate(all="ignore"):  # far from the point a model may overflow; its answer is tried, not believed
            found = minimise(program)
            promise = place.value - program.value(found.x_C)
        if found.converged:
            if promise <= _ROUNDING * max(1.0, abs(place.value)):
                return replace(place, promise=max(promise, 0.0), ended=True)
            past = (*place.past[-_MEMORY:], (place.x_C, land.vector(program.point(found.x_C))))
            reached = _walk(land, place, past, promise)
            if reached is not None:
                whole, x_C, value = reached
                short = bool(np.abs(x_C - place.x_C).max() <= _STILL)
                return _Place(x_C, value, max(factor / 2, _LEAST_BEND) if whole else factor, promise, past, short)
        factor *= _BEND
    return replace(place, ended=True)


def _walk(
    land: Landscape, place: _Place, past: tuple[tuple[Array, Array], ...], promise: float
) -> tuple[bool, Array, float] | None:
    """The lowest place ahead that keeps guardrails and the promise: whether the whole way was good, point, value.

    Ahead are parts of the way to the model's optimum, and where the last optima together point (`_beyond`).
    """
    ahead_NC = place.x_C + _PARTS[:, None] * (past[-1][1] - place.x_C)
    further_C = land.on_simplex(_beyond(past))
    if land.breach(further_C) <= _EXACT:
        ahead_NC = np.concatenate([ahead_NC, further_C[None]])
    value_N, part_N = land.objective(ahead_NC), np.append(_PARTS, 1.0)[: len(ahead_NC)]
    good_N = (value_N <= place.value - _KEPT_PROMISE * promise * part_N) & (land.excess(ahead_NC) <= KEEPS)
    if not good_N.any():
        return None
    at = int(np.argmin(np.where(good_N, value_N, np.inf)))
    return bool(good_N[0]), ahead_NC[at], float(value_N[at])


def _beyond(past: Sequence[tuple[Array, Array]]) -> Array:
    """Where the steps of the last models would vanish, were they linear in the point (Anderson 1965)."""
    at_HC, to_HC = np.array([x_C for x_C, _ in past]), np.array([x_C for _, x_C in past])
    step_HC = to_HC - at_HC
    change_HC = np.diff(step_HC, axis=0)
    if not len(change_HC):
        return np.asarray(to_HC[-1])
    share_H = np.linalg.lstsq(change_HC.T, step_HC[-1], rcond=1e-10)[0]
    return np.asarray(to_HC[-1] - share_H @ np.diff(to_HC, axis=0))


def _solution(land: Landscape, x_C: Array) -> Solution:
    """The solution at a minimum, with the multipliers of its model."""
    certificate = _certificate(land, x_C, ROUNDED_TOLERANCE)
    found = optimum(_loosened(land, max(float(land.excess(x_C[None])[0]), 0.0)), land.model(x_C))
    point = Mixture(land.point(x_C))
    return replace(
        found, status="local", solver=LOCAL, point=point, objective=certificate.objective, residuals=certificate
    )
