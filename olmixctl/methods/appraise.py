"""What the laws behind a lock say about the ways to the next one, before anything is trained.

A log-linear law f_i(p) = c_i + exp(A_i·p) is fitted over all domains on every comparable run that is recorded, also
those over fewer domains. A domain that no run has sampled gets coefficients from what it was made of, else from the
other domains of its source, else from all domains. F(p) is the objective of the solve under these laws. A strategy
gives away F(best in its coordinates) − F(best over all domains); its ingredients are those of Theorem 1 of
arXiv 2602.12237. The coupling of a domain j to the affected ones A is S_j = ‖ mean_i e^{z_i} A_ij A_i,A ‖, z_i = A_i·p.

Array dimensions: R runs, M metrics, J affected domains.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property, partial

import numpy as np

from olmixctl.errors import OlmixctlError
from olmixctl.methods.objective import losses_of
from olmixctl.methods.problem import bounds, mix_problem, worst_case
from olmixctl.mixture import Coordinates, Mixture
from olmixctl.plan.appraisal import Question
from olmixctl.plan.evidence import example_inputs, is_comparable
from olmixctl.plan.model import Gap
from olmixctl.solve.interior import minimise
from olmixctl.solve.problem import ConvexMetric, MixProblem
from olmixctl.solve.program import Program, build, objective_at
from olmixctl.solve.project import project
from olmixctl.surrogate.log_linear import LogLinear
from olmixctl.surrogate.model import Array, Evidence
from olmixctl.surrogate.validation import cross_validate

__all__ = ["FittedLaws", "appraise"]

LEAST_MIXTURES = 3
"""Different mixtures below which no law is fitted: there would be no error to compare a gain with."""

MOST_WORK, MOST_DOMAINS = 1.2e7, 100
"""Runs × domains² × metrics, and domains, above which no law is fitted: a plan answers in seconds."""


def appraise(question: Question) -> FittedLaws | str:
    """Laws over all domains, or the reason why there are none."""
    evidence = _evidence(question)
    if evidence is None or len(np.unique(evidence.weights_RC, axis=0)) < LEAST_MIXTURES:
        return "too few recorded runs measured these metrics with this proxy"
    runs, metrics = evidence.losses_RM.shape
    domains = len(evidence.coordinates)
    if runs * domains**2 * metrics > MOST_WORK or domains > MOST_DOMAINS:
        return f"laws over {domains} domains and {runs} runs take too long for a plan"
    try:
        fit = LogLinear().fit(evidence)
    except OlmixctlError as error:
        return f"the laws could not be fitted: {error.message}"
    if not fit.status.converged:
        return "the laws could not be fitted: no optimum was found"
    table = {name: fit.coefficients_MC[:, column] for column, name in enumerate(fit.coordinates)}
    guessed = {d: _guess(d, question, table) for d in question.observed.states if d not in table}
    return FittedLaws(
        question=question,
        evidence=evidence,
        offsets_M=fit.offsets_M,
        table=table | {domain: guess.coefficients_M for domain, guess in guessed.items()},
        guessed=guessed,
    )


@dataclass(frozen=True, slots=True)
class _Guess:
    """Coefficients of a domain without runs, how far they may be off, and where they come from."""

    coefficients_M: Array
    spread_M: Array
    source: str


@dataclass(frozen=True, kw_only=True)
class FittedLaws:
    """Laws over every domain (`olmixctl.plan.appraisal.Appraisal`). Not slotted: what is asked for twice is kept.

    Attributes:
        question: what is appraised.
        evidence: the runs, over the domains they sampled; one that is no more goes by the name it had.
        offsets_M: c.
        table: domain → A.
        guessed: domain without runs → its guess.
    """

    question: Question
    evidence: Evidence
    offsets_M: Array
    table: Mapping[str, Array]
    guessed: Mapping[str, _Guess]

    @property
    def runs(self) -> int:
        """Recorded runs the laws are fitted on."""
        return len(self.evidence.runs)

    @property
    def guesses(self) -> dict[str, str]:
        """Domain without runs → where its coefficients come from."""
        return {domain: guess.source for domain, guess in self.guessed.items()}

    @cached_property
    def scores(self) -> dict[str, float]:
        """Unaffected domain → S_j, at the carried mix."""
        affected = self.question.affected
        if not affected:
            return {}
        mix = self.question.carried
        slope_M = self._metric_weights * np.exp(
            sum((self.table[d] * w for d, w in mix.items()), np.zeros(len(self.offsets_M)))
        )
        A_MJ = np.stack([self.table[d] for d in affected], axis=1)
        return {
            domain: float(np.linalg.norm((slope_M * self.table[domain]) @ A_MJ))
            for domain in self.question.observed.states
            if domain not in affected
        }

    def error(self) -> float:
        """Cross-validated error of the objective; infinite where it cannot be told."""
        return self._error

    def gap(self, coordinates: Coordinates, at: Mixture | None = None) -> Gap | None:
        """What a search in `coordinates`, or the mix `at`, gives away; None when its bounds leave no mix."""
        reached = self._lowest(coordinates, self.table) if at is None else self._value(at)
        if reached is None or self._best is None:
            return None
        value, best = self._best
        frozen = [leaf for block in coordinates.blocks for leaf in block.shares]
        alpha_U, alpha_A = self._norms(frozen), self._norms([d for d in best if d not in set(frozen)])
        return Gap(
            loss=max(reached - value, 0.0),
            kappa=float(np.linalg.norm((1 + alpha_U + alpha_A) * alpha_U)),
            freed=min(max(1 - math.fsum(best[d] for d in frozen), 0.0), 1.0),
        )

    def lowest(self, coordinates: Coordinates) -> tuple[float, ...]:
        """The objective at the best mix in `coordinates`, as guessed and with the guesses a deviation either way."""
        values = [self._lowest(coordinates, table) for table in self._scenarios]
        return () if None in values else tuple(value for value in values if value is not None)

    @cached_property
    def _error(self) -> float:
        weights = {item.name: item.weight for item in self.question.observed.spec.evals}
        observed = self.question.observed
        problem, _ = self._problem(Coordinates(tuple(observed.states)), self.table)
        found = cross_validate(
            self.evidence,
            LogLinear(),
            seed=observed.spec.swarm.seed,
            objective_weights=weights,
            objective=partial(losses_of, problem) if problem.worst_case else None,
        )
        return math.inf if found is None else found.rmse

    @cached_property
    def _best(self) -> tuple[float, dict[str, float]] | None:
        """The objective and the mix at the optimum over all domains."""
        program = build(*self._problem(Coordinates(tuple(self.question.observed.states)), self.table))
        found = _found(program)
        return None if found is None else (program.value(found), program.point(found))

    @cached_property
    def _metric_weights(self) -> Array:
        weights = {item.name: item.weight for item in self.question.observed.spec.evals}
        found_M = np.array([weights[name] for name in self.evidence.metrics])
        return np.asarray(found_M / found_M.sum())

    @cached_property
    def _scenarios(self) -> tuple[Mapping[str, Array], ...]:
        """The coefficients as guessed, and with every guess moved by its spread."""
        unsure = {d: g for d, g in self.guessed.items() if g.spread_M.any()}
        moved = [
            {**self.table, **{d: g.coefficients_M + sign * g.spread_M for d, g in unsure.items()}} for sign in (-1, 1)
        ]
        return (self.table, *moved) if unsure else (self.table,)

    def _norms(self, domains: list[str]) -> Array:
        """α: the norm of each metric's coefficients over `domains`."""
        squares = [self.table[d] ** 2 for d in domains]
        return np.asarray(np.sqrt(sum(squares, np.zeros(len(self.offsets_M)))))

    def _problem(self, coordinates: Coordinates, table: Mapping[str, Array]) -> tuple[MixProblem, list[ConvexMetric]]:
        """The search over `coordinates` under the laws of `table`; guardrails are left to the solve."""
        columns = {
            name: sum((float(ratio) * table[leaf] for leaf, ratio in leaves.items()), np.zeros(len(self.offsets_M)))
            for name, leaves in coordinates.members().items()
        }
        metrics = [
            ConvexMetric(
                name=metric,
                offset=float(self.offsets_M[m]),
                coefficients={name: float(column[m]) for name, column in columns.items()},
            )
            for m, metric in enumerate(self.evidence.metrics)
        ]
        observed = self.question.observed
        # Every search of a plan counts families from the same mix, also where its coordinates do not hold that.
        worst = worst_case(observed.spec, self._at_reference(table))
        return replace(mix_problem(observed, coordinates), worst_case=worst), metrics

    def _at_reference(self, table: Mapping[str, Array]) -> dict[str, float]:
        reference = self.question.observed.reference
        exponent_M = sum((table[d] * w for d, w in reference.items()), np.zeros(len(self.offsets_M)))
        return dict(zip(self.evidence.metrics, (self.offsets_M + np.exp(exponent_M)).tolist(), strict=True))

    def _lowest(self, coordinates: Coordinates, table: Mapping[str, Array]) -> float | None:
        program = build(*self._problem(coordinates, table))
        found = _found(program)
        return None if found is None else program.value(found)

    def _value(self, mix: Mixture) -> float | None:
        """The objective at a mix, moved inside the bounds first."""
        observed = self.question.observed
        rows = bounds(observed)
        values = [(row, math.fsum(c * mix[leaf] for leaf, c in row.coefficients.items())) for row in rows]
        broken = any((r.upper is not None and v > r.upper) or (r.lower is not None and v < r.lower) for r, v in values)
        try:
            inside = project(mix, rows) if broken else mix
        except OlmixctlError:
            return None
        return objective_at(*self._problem(Coordinates(tuple(mix)), self.table), inside)


def _found(program: Program) -> Array | None:
    """The optimum; None where the bounds leave none."""
    with np.errstate(all="ignore"):  # of a program without a feasible point the iterates may run away
        found = minimise(program)
    return found.x_C if found.converged else None


def _evidence(question: Question) -> Evidence | None:
    """Every comparable run over what it sampled: domains of the present, and those of the lock that are no more."""
    observed = question.observed
    names = {state.content: domain_id for domain_id, state in observed.states.items()}
    names |= {r.content: _former(d) for d, r in question.lock.domains.items() if r.content not in names}
    metrics = {digest: name for name, digest in observed.evals.items()}
    wanted = example_inputs(observed)
    points: dict[str, dict[str, float]] = {}
    losses: dict[str, dict[str, float]] = {}
    for key, record in question.records.items():
        if is_comparable(record, wanted):
            # What an older lock had, and this one has not, still says what the rest is worth beside it.
            points[key] = {names.get(c, c): weight for c, weight in record.inputs.content_weights().items()}
            losses[key] = {metrics[ev]: value for ev, value in record.metrics_by_eval().items() if ev in metrics}
    sampled = sorted({name for point in points.values() for name in point})
    return Evidence.of({key: dict.fromkeys(sampled, 0.0) | p for key, p in points.items()}, losses) if points else None


def _former(domain_id: str) -> str:
    """The name of a domain as the lock has it, where its documents are no more in the mix."""
    return f"{domain_id} as it was"


def _guess(domain: str, question: Question, table: Mapping[str, Array]) -> _Guess:
    """Coefficients for a domain that no run has sampled."""
    origins = _known_origins(domain, question, table)
    share = min(math.fsum(origins.values()), 1.0)
    rest = _neighbours(domain, table)
    coefficients_M = sum((f * table[name] for name, f in origins.items()), (1 - share) * rest.coefficients_M)
    if not origins:
        return rest
    words = ", ".join(f"{name} ({fraction:.0%})" for name, fraction in sorted(origins.items()))
    if share > 1 - 1e-9:
        return _Guess(coefficients_M, 0.0 * rest.spread_M, words)
    return _Guess(coefficients_M, (1 - share) * rest.spread_M, f"{words}, the rest {rest.source}")


def _known_origins(domain: str, question: Question, table: Mapping[str, Array]) -> dict[str, float]:
    """What the domain was made of, as far as runs have sampled it; a revision is made of what it was."""
    changes = question.changes
    stated = changes.origins.get(domain) or ({domain: 1.0} if domain in question.lock.domains else {})
    now = {old: new for new, old in changes.kept.items()}
    named = {now.get(old, _former(old)): float(fraction) for old, fraction in stated.items()}
    return {name: fraction for name, fraction in named.items() if name in table and fraction > 0}


def _neighbours(domain: str, table: Mapping[str, Array]) -> _Guess:
    """The mean over the domains of the same source, or over all where it has none."""
    source = domain.split("/", 1)[0]
    near = sorted(name for name in table if name.split("/", 1)[0] == source)
    group, words = (near, f"domains of {source}") if near else (sorted(table), "domains")
    stack_DM = np.stack([table[name] for name in group])
    source_words = f"the mean of {len(group)} {words}" if len(group) > 1 else f"{group[0]}, the only one near"
    # One domain says nothing about how much they differ; all together do.
    spread_M = stack_DM.std(axis=0) if len(group) > 1 else np.stack(list(table.values())).std(axis=0)
    return _Guess(stack_DM.mean(axis=0), spread_M, source_words)
