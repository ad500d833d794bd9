"""OlmixBase with mixture reuse (Chen et al. 2026, arXiv 2602.12237): draw a swarm, fit laws, solve, round.

The same functions decide a mix after training and certify a committed one: `fit_evidence` and `solve_mix` see only
recorded runs and the declared problem.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from olmixctl.errors import IncompleteError
from olmixctl.ledger.model import RunRecord
from olmixctl.methods.problem import bounds, breaks, collapsed_reference, convex_metrics, mix_problem
from olmixctl.methods.steady import masses, still_optimal
from olmixctl.mixture import GRID, Coordinates, GridMixture
from olmixctl.plan.build import evidence_weights
from olmixctl.plan.model import Observed
from olmixctl.plan.rounds import sizes
from olmixctl.solve.certificate import Certificate, certify
from olmixctl.solve.exact import Solution, solve
from olmixctl.solve.problem import MixProblem
from olmixctl.solve.project import project
from olmixctl.solve.round import Rounded, round_solution
from olmixctl.surrogate.log_linear import LogLinearFit
from olmixctl.surrogate.model import Evidence
from olmixctl.surrogate.registry import FAMILIES, resolve
from olmixctl.surrogate.validation import HeldOut, hold_out
from olmixctl.swarm.dirichlet import draw_swarm
from olmixctl.swarm.informative import draw_informative
from olmixctl.swarm.model import SwarmProblem

__all__ = [
    "Fitted",
    "Solved",
    "design",
    "draw",
    "fit_evidence",
    "fitted_problem",
    "gather",
    "keep_ratios",
    "solve_mix",
    "swarm_problem",
]


@dataclass(frozen=True, kw_only=True)
class Fitted:
    """Laws fitted on recorded runs. Not slotted: predictions of held-out runs are made once, when they are asked for.

    Attributes:
        family: registry name of the law.
        reason: why that law.
        evidence: the runs.
        fit: the laws.
        seed: of the folds that runs are held out in.
    """

    family: str
    reason: str
    evidence: Evidence
    fit: LogLinearFit
    seed: int = 0

    @cached_property
    def held(self) -> HeldOut | None:
        """Every run predicted by laws that had not seen it; None with fewer than three different mixtures."""
        return hold_out(self.evidence, FAMILIES[self.family], seed=self.seed)


@dataclass(frozen=True, kw_only=True, slots=True)
class Solved:
    """A mix, solved and rounded.

    Attributes:
        problem: what was solved.
        solution: the optimum, before rounding.
        rounded: the decided mix.
        certificate: how far the decided mix can be from optimal.
        stands: the weights are the committed ones, which are still optimal within tolerance.
    """

    problem: MixProblem
    solution: Solution
    rounded: Rounded
    certificate: Certificate
    stands: bool = False


def design(observed: Observed, coordinates: Coordinates) -> tuple[GridMixture, ...]:
    """The swarm over `coordinates`, as far as it is known beforehand: all K mixtures, or those of the first round."""
    return draw(observed, coordinates, sizes(observed.spec.swarm, len(coordinates.names))[0])


def draw(observed: Observed, coordinates: Coordinates, count: int) -> tuple[GridMixture, ...]:
    """The first `count` mixtures of the declared design: those of fewer begin those of more."""
    drawn = {"dirichlet": draw_swarm, "informative": draw_informative}[observed.spec.swarm.design]
    return drawn(swarm_problem(observed, coordinates, count))


def swarm_problem(observed: Observed, coordinates: Coordinates, count: int) -> SwarmProblem:
    """What `count` mixtures are drawn for.

    Limited only by what the proxy itself can read of a domain, repeated as often as the target may.
    """
    spec = observed.spec
    reach = {d: s.tokens * spec.target.max_repetition / spec.proxy.tokens for d, s in observed.states.items()}
    return SwarmProblem(
        coordinates=coordinates,
        prior=collapsed_reference(coordinates, observed.natural),
        count=count,
        seed=spec.swarm.seed,
        limits={
            name: min(reach[leaf] / float(ratio) for leaf, ratio in leaves.items() if ratio)
            for name, leaves in coordinates.members().items()
        },
    )


def gather(
    observed: Observed, coordinates: Coordinates, keys: tuple[str, ...], records: Mapping[str, RunRecord]
) -> Evidence:
    """The evidence of the runs `keys`, paired by run key.

    Raises:
        IncompleteError: none of them is recorded.
    """
    weights, losses = {}, {}
    names = {evaluation: name for name, evaluation in observed.evals.items()}
    for key in keys:
        record = records.get(key)
        point = None if record is None else evidence_weights(observed, coordinates, record)
        if record is not None and point is not None:
            weights[key] = point
            losses[key] = {names[ev]: value for ev, value in record.metrics_by_eval().items() if ev in names}
    if not weights:
        raise IncompleteError(
            "no recorded run is evidence for this mix", remedy="train the planned runs: olmixctl apply"
        )
    return Evidence.of(weights, losses)


def fit_evidence(observed: Observed, evidence: Evidence) -> Fitted:
    """Fit the declared family."""
    choice = resolve(observed.spec.surrogate, evidence)
    fit = choice.family.fit(evidence)
    assert isinstance(fit, LogLinearFit), "the only family there is"
    seed = observed.spec.swarm.seed
    return Fitted(family=fit.family, reason=choice.reason, evidence=evidence, fit=fit, seed=seed)


def solve_mix(
    observed: Observed, coordinates: Coordinates, fitted: Fitted, *, committed: GridMixture | None = None
) -> Solved:
    """The best mix under the laws and every bound, on the grid; `committed` weights stay where they are still optimal.

    Raises:
        InfeasibleError: the bounds exclude each other.
    """
    problem, metrics = fitted_problem(observed, coordinates, fitted), convex_metrics(fitted.fit)
    solution = solve(problem, metrics)
    standing = None if committed is None else still_optimal(problem, metrics, committed)
    if standing is not None:
        rounded, certificate = standing
        return Solved(problem=problem, solution=solution, rounded=rounded, certificate=certificate, stands=True)
    rounded = round_solution(problem, solution.point)
    point = {name: points / GRID for name, points in rounded.coordinates.items()}
    return Solved(problem=problem, solution=solution, rounded=rounded, certificate=certify(problem, metrics, point))


def fitted_problem(observed: Observed, coordinates: Coordinates, fitted: Fitted) -> MixProblem:
    """The convex program under fitted laws: what has no evidence is held, guardrails count from the reference mix."""
    return mix_problem(
        observed,
        coordinates,
        never_sampled=fitted.fit.status.never_sampled,
        at_reference=predict(fitted, collapsed_reference(coordinates, observed.reference)),
    )


def certify_mix(observed: Observed, coordinates: Coordinates, fitted: Fitted, weights: GridMixture) -> Certificate:
    """How far recorded weights can be from optimal under refitted laws."""
    problem = fitted_problem(observed, coordinates, fitted)
    point = {name: points / GRID for name, points in masses(coordinates, weights).items()}
    return certify(problem, convex_metrics(fitted.fit), point)


def keep_ratios(observed: Observed, coordinates: Coordinates) -> tuple[GridMixture, bool]:
    """The kept ratios under the present bounds; True when a bound moved them.

    Raises:
        InfeasibleError: the bounds exclude each other.
    """
    kept = coordinates.expand(dict.fromkeys(coordinates.names, 1.0))
    rows = bounds(observed)
    inside = not any(breaks(row, kept) for row in rows)
    mix = kept if inside else project(kept, rows)
    # Rounding a block keeps its ratios; once a bound moved them, every domain is rounded on its own.
    space = coordinates if inside else Coordinates(tuple(kept))
    problem = mix_problem(observed, space)
    point = dict.fromkeys(space.names, 1.0) if inside else dict(mix)
    return round_solution(problem, point).leaves, not inside


def predict(fitted: Fitted, point: Mapping[str, float]) -> dict[str, float]:
    """Metric → bits per byte at a point in coordinates."""
    import numpy as np

    row_NC = np.array([[point[name] for name in fitted.fit.coordinates]], dtype=np.float64)
    return {m: float(v) for m, v in zip(fitted.fit.metrics, fitted.fit.predict(row_NC)[0], strict=True)}
