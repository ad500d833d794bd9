"""OlmixBase with mixture reuse (Chen et al. 2026, arXiv 2602.12237): draw a swarm, fit laws, solve, round.

The same functions decide a mix after training and certify a committed one: `fit_evidence` and `solve_mix` see only
recorded runs and the declared problem.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial

from olmixctl.errors import IncompleteError, InfeasibleError, IntegrityError
from olmixctl.ledger.model import RunRecord
from olmixctl.lock.whole import RESTORE
from olmixctl.methods.laws import Fitted, best_from, best_near, certified, convex_at, objective_of, predict, predicted
from olmixctl.methods.objective import losses_of
from olmixctl.methods.problem import bounds, breaks, collapsed_reference, is_convex, mix_problem
from olmixctl.methods.steady import masses, still_optimal
from olmixctl.mixture import Coordinates, GridMixture, Mixture
from olmixctl.plan.evidence import evidence_weights
from olmixctl.plan.model import Observed
from olmixctl.plan.rounds import sizes
from olmixctl.solve.certificate import Certificate
from olmixctl.solve.exact import Solution, SolveError
from olmixctl.solve.problem import MixProblem
from olmixctl.solve.project import project
from olmixctl.solve.round import Rounded, round_solution
from olmixctl.surrogate.choice import AUTO, choose
from olmixctl.surrogate.model import Evidence, Fit
from olmixctl.surrogate.registry import FAMILIES, SOLVED
from olmixctl.surrogate.validation import Objective
from olmixctl.swarm.dirichlet import draw_swarm
from olmixctl.swarm.informative import draw_informative
from olmixctl.swarm.model import SwarmProblem

__all__ = [
    "GUIDE",
    "Fitted",
    "Solved",
    "convex_answer",
    "design",
    "draw",
    "fit_evidence",
    "fitted_problem",
    "gather",
    "keep_ratios",
    "predict",
    "solve_mix",
    "swarm_problem",
    "weights_of",
]

GUIDE = "saturating"
"""The family of convex laws that laws without convexity are solved beside."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Solved:
    """A mix, solved and rounded.

    Attributes:
        problem: what was solved.
        solution: the optimum, before rounding.
        rounded: the decided mix.
        certificate: how far the decided mix can be from optimal.
        convex: objective of the convex answer under the same laws, where these are not convex; None where they are, or
            where it breaks a guardrail.
        stands: the weights are the committed ones, which are still optimal within tolerance.
    """

    problem: MixProblem
    solution: Solution
    rounded: Rounded
    certificate: Certificate
    convex: float | None = None
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


def fit_evidence(
    observed: Observed, coordinates: Coordinates, evidence: Evidence, *, family: str | None = None
) -> Fitted:
    """Fit the declared family; `auto` takes the one that predicts the objective of unseen runs best.

    Args:
        observed: the declared problem.
        coordinates: of the runs' mixtures.
        evidence: the runs.
        family: what `auto` took before, where it is not to choose again.

    Raises:
        IntegrityError: the family cannot describe these losses, or there is none of this name.
    """
    declared, seed = observed.spec.surrogate, observed.spec.swarm.seed
    worst = partial(_worst_case, observed, coordinates) if observed.spec.objective.worst_case else None
    if declared != AUTO:
        return _fitted(declared, "as declared", evidence, seed, worst)
    if family is not None:
        if family not in SOLVED:
            raise IntegrityError(
                f"the lock rests on laws of the family {family!r}, which no mix is solved with", remedy=RESTORE
            )
        return _fitted(family, "as chosen before", evidence, seed, worst)
    chosen = choose(evidence, objective_weights=weights_of(observed), worst_case=worst, seed=seed)
    found = _fitted(chosen.family.name, chosen.reason, evidence, seed, worst)
    return replace(found, chosen=True, scores=chosen.scores, known=chosen.held)


def weights_of(observed: Observed) -> dict[str, float]:
    """Metric → weight in the objective."""
    return {item.name: item.weight for item in observed.spec.evals}


def _fitted(
    family: str, reason: str, evidence: Evidence, seed: int, worst: Callable[[Fit], Objective] | None
) -> Fitted:
    fit = FAMILIES[family].fit(evidence)
    guide = None if is_convex(fit) else FAMILIES[GUIDE].fit(evidence)
    objective = None if worst is None else worst(fit)
    return Fitted(family=family, reason=reason, evidence=evidence, fit=fit, guide=guide, seed=seed, objective=objective)


def _worst_case(observed: Observed, coordinates: Coordinates, fit: Fit) -> Objective:
    """What the worst case counts of metrics, its families changing from what `fit` predicts of the reference mix."""
    reference = collapsed_reference(coordinates, observed.reference)
    return partial(losses_of, mix_problem(observed, coordinates, at_reference=predicted(fit, reference)))


def solve_mix(
    observed: Observed, coordinates: Coordinates, fitted: Fitted, *, committed: GridMixture | None = None
) -> Solved:
    """The best mix under the laws and every bound, on the grid; `committed` weights stay where they are still optimal.

    Raises:
        InfeasibleError: the bounds exclude each other.
    """
    problem = fitted_problem(observed, coordinates, fitted)
    convex = convex_answer(observed, coordinates, fitted)
    starts = [] if convex is None else [convex]
    if committed is not None and set(committed) == set(coordinates.leaves):
        starts.append(masses(coordinates, committed).as_mixture())
    solution = best_from(problem, fitted, starts, seed=observed.spec.swarm.seed)
    standing = None
    if committed is not None:
        standing = still_optimal(problem, partial(certified, problem, fitted), committed, best=solution.objective)
    if standing is not None:
        rounded, certificate = standing
    else:
        rounded = round_solution(problem, solution.point, convex_at(problem, fitted, solution.point))
        certificate = certified(problem, fitted, rounded.coordinates.as_mixture())
    return Solved(
        problem=problem,
        solution=solution,
        rounded=rounded,
        certificate=certificate,
        convex=None if convex is None else objective_of(problem, fitted, convex),
        stands=standing is not None,
    )


def convex_answer(observed: Observed, coordinates: Coordinates, fitted: Fitted) -> Mixture | None:
    """The optimum under the convex laws that guide others; None where there are none, or they leave no mix."""
    if fitted.guide is None:
        return None
    guide = replace(fitted, family=GUIDE, fit=fitted.guide, guide=None)
    try:
        return best_near(fitted_problem(observed, coordinates, guide), guide, ()).point
    except (InfeasibleError, SolveError):
        return None


def fitted_problem(observed: Observed, coordinates: Coordinates, fitted: Fitted) -> MixProblem:
    """The program under fitted laws: what has no evidence is held, guardrails count from the reference mix."""
    return mix_problem(
        observed,
        coordinates,
        never_sampled=fitted.fit.status.never_sampled,
        at_reference=predict(fitted, collapsed_reference(coordinates, observed.reference)),
    )


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
