"""Rounds of a swarm: the next runs that a mix asks for, and how sure it is of what it would decide now.

Both are functions of the evidence, the declared problem and the seed alone: an interrupted apply finds the same rounds
again from the ledger. Array dimensions: C coordinates that can be sampled, K runs.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from olmixctl.methods.laws import Fitted
from olmixctl.methods.olmix import Solved, swarm_problem
from olmixctl.methods.sensitivity import sensitivity_of
from olmixctl.mixture import Coordinates, GridMixture
from olmixctl.plan.model import Observed
from olmixctl.surrogate.model import Array, Evidence, Fit
from olmixctl.swarm.limits import ceilings_of
from olmixctl.swarm.model import SwarmProblem
from olmixctl.swarm.sequential import Belief, Decided, ask, regrets

__all__ = ["Confidence", "Standing", "confidence_of", "next_batch", "standing_of"]

_LEAST_KL = 1e-3
"""Without KL nothing bends the bound of the regret; so little of it is taken in its place."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Standing:
    """Where a swarm that is run in rounds stands.

    Attributes:
        swarm: what its runs are drawn for; `count` does not matter.
        evidence: every usable run so far.
        fit: convex laws fitted on it; where the mix is decided by others, those that guide them.
        point: coordinate → weight of the mix that they lead to.
        metric_weights: metric → weight in the objective.
        kl: λ.
    """

    swarm: SwarmProblem
    evidence: Evidence
    fit: Fit
    point: Mapping[str, float]
    metric_weights: Mapping[str, float]
    kl: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Confidence:
    """How sure a decided mix is.

    Attributes:
        probability: that its regret is below what was asked.
        regret_q50: the regret it has at most in half of what may be true.
        regret_q90: and in nine tenths.
    """

    probability: float
    regret_q50: float
    regret_q90: float


def standing_of(observed: Observed, coordinates: Coordinates, fitted: Fitted, solved: Solved) -> Standing:
    """The standing of a plan after the runs that `fitted` rests on."""
    return Standing(
        swarm=swarm_problem(observed, coordinates, 1),
        evidence=fitted.evidence,
        fit=fitted.guide or fitted.fit,
        point=solved.solution.point,
        metric_weights=_counted(solved),
        kl=solved.problem.kl,
    )


def _counted(solved: Solved) -> dict[str, float]:
    """Metric → weight in the objective; where the worst family counts, in the mean that has the same optimum."""
    if not solved.problem.worst_case:
        return dict(solved.problem.metric_weights)
    found: dict[str, float] = {}
    for family in solved.problem.worst_case:
        share = solved.solution.duals.get(f"family:{family.name}", 0.0)
        for name, weight in family.weights.items():
            found[name] = found.get(name, 0.0) + share * weight / math.fsum(family.weights.values())
    return found if any(found.values()) else dict(solved.problem.metric_weights)


def next_batch(standing: Standing, size: int) -> tuple[GridMixture, ...]:
    """The next `size` mixtures to run: those that lower the expected regret most, the most telling first.

    Raises:
        InfeasibleError: the proxy's data limits sum to less than one.
    """
    belief, decided = _belief(standing)
    return ask(replace(standing.swarm, count=size), belief, decided, len(standing.evidence.runs))


def confidence_of(standing: Standing, epsilon: float) -> Confidence:
    """How sure it is that the decided mix is within `epsilon` (bits per byte of the objective) of the best."""
    regret_T = regrets(*_belief(standing, cautious=True), standing.swarm.seed)
    return Confidence(
        probability=float((regret_T < epsilon).mean()),
        regret_q50=float(np.quantile(regret_T, 0.5)),
        regret_q90=float(np.quantile(regret_T, 0.9)),
    )


def _belief(standing: Standing, *, cautious: bool = False) -> tuple[Belief, Decided]:
    evidence, columns = standing.evidence, _columns(standing)
    weight_M = np.array([standing.metric_weights.get(name, 0.0) for name in evidence.metrics])
    point_C = np.array([standing.point[name] for name in evidence.coordinates])
    decided = Decided(point_C=_normalised(point_C[None, columns])[0], kl=max(standing.kl, _LEAST_KL))
    known_KC = _normalised(evidence.weights_RC[:, columns])
    sensitivity = sensitivity_of(standing.fit, evidence, columns, weight_M / weight_M.sum(), cautious=cautious)
    return Belief(known_KC, sensitivity), decided


def _columns(standing: Standing) -> list[int]:
    """The columns of the evidence that can be sampled."""
    place = {name: column for column, name in enumerate(standing.evidence.coordinates)}
    return [place[name] for name in ceilings_of(standing.swarm)]


def _normalised(weights_KC: Array) -> Array:
    return np.asarray(weights_KC / weights_KC.sum(axis=1, keepdims=True))
