"""From a decided mix to the lock that records it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal

from olmixctl.fingerprint import digest
from olmixctl.ledger.model import RunRecord
from olmixctl.ledger.store import evidence_root
from olmixctl.lock.codec import digest_of
from olmixctl.lock.identity import under_present_names
from olmixctl.lock.model import (
    ActiveBound,
    Choice,
    CrossValidation,
    Excluded,
    Lock,
    LockedBlock,
    LockedDomain,
    LockedMetric,
    LockedSolution,
    LockedSurrogate,
)
from olmixctl.methods.fixed import fixed
from olmixctl.methods.olmix import Fitted, Solved, predict
from olmixctl.mixture import GRID, SHARE_UNITS, Block, Coordinates, GridMixture
from olmixctl.plan.model import Observed, Plan
from olmixctl.solve.certificate import Certificate
from olmixctl.solve.exact import Solution
from olmixctl.surrogate.choice import Scored
from olmixctl.surrogate.model import parameters_digest
from olmixctl.surrogate.validation import score
from olmixctl.version import __version__

__all__ = [
    "carried_lock",
    "first_lineage",
    "kept_lock",
    "predicted_of",
    "says_the_same",
    "solution_of",
    "solved_lock",
    "surrogate_of",
]


def solved_lock(
    plan: Plan, previous: Lock | None, fitted: Fitted, solved: Solved, records: Mapping[str, RunRecord]
) -> Lock:
    """The lock of a mix that was solved from evidence."""
    weights_from = _decided_in(previous) if solved.stands else None
    solution = replace(solution_of(solved.solution, solved.certificate, solved.convex), weights_from=weights_from)
    return _lock(
        plan,
        previous,
        plan.coordinates,
        solved.rounded.leaves,
        solution,
        evidence=fitted.evidence.runs,
        records=records,
        surrogate=surrogate_of(plan.observed, fitted),
        predicted=predicted_of(
            plan.observed, plan.coordinates, fitted, solved.rounded.coordinates, _before(plan, previous)
        ),
    )


def solution_of(solution: Solution, certificate: Certificate, convex: float | None) -> LockedSolution:
    """How the weights were found, as the lock says it: the optimum, and the certificate of the recorded weights.

    Args:
        solution: before rounding.
        certificate: of the recorded weights.
        convex: objective of the convex answer, where the laws are not convex.
    """
    return LockedSolution(
        status="local" if solution.status == "local" else "optimal",
        objective_at_convex=None if convex is None else fixed(convex, 9),
        solver=solution.solver,
        objective=fixed(solution.objective, 9),
        objective_at_rounded=fixed(certificate.objective, 9),
        residuals={
            "primal": fixed(certificate.primal, 12),
            "dual": fixed(certificate.dual, 12),
            "gap": fixed(certificate.gap, 12),
        },
        active=tuple(
            ActiveBound(constraint=name, multiplier=fixed(value, 9)) for name, value in solution.duals.items()
        ),
    )


def _decided_in(previous: Lock | None) -> int:
    """The serial of the lock whose solve gave the weights that stand in `previous`."""
    assert previous is not None, "weights stand from a lock"
    return previous.solution.weights_from or previous.serial


def says_the_same(lock: Lock, previous: Lock) -> bool:
    """Nothing but its place in the history, or that its weights stand, tells `lock` from the one before: then that one
    is the lock still, to the last byte.
    """
    then = previous.solution
    moved = replace(
        lock,
        serial=previous.serial,
        parents=previous.parents,
        tool_version=previous.tool_version,
        solution=replace(lock.solution, weights_from=then.weights_from, residuals=then.residuals),
        # The same laws at the same weights; only what was before them differs, and what is said of how sure they are.
        predicted=previous.predicted,
        uncertainty=previous.uncertainty,
        confidence=previous.confidence,
    )
    return moved == previous


def kept_lock(plan: Plan, previous: Lock, weights: GridMixture, *, moved: bool) -> Lock:
    """The lock of kept ratios: no run stands behind it but those of the locks before."""
    coordinates = Coordinates(tuple(weights)) if moved else plan.coordinates
    solution = LockedSolution(status="projected" if moved else "kept")
    return _lock(plan, previous, coordinates, weights, solution, evidence=(), records={})


def carried_lock(plan: Plan, previous: Lock, weights: GridMixture, *, moved: bool) -> Lock:
    """The lock of shares that were carried over: its free domains are those that no run has measured.

    Where a bound moved the ratios of the block, the block goes on with the moved ones.
    """
    coordinates = plan.coordinates
    if moved and coordinates.blocks:
        (block,) = coordinates.blocks
        shares = {leaf: weights[leaf] * (SHARE_UNITS // GRID) for leaf in block.shares}
        coordinates = Coordinates(coordinates.free, (Block(block.name, shares),) if any(shares.values()) else ())
    return _lock(plan, previous, coordinates, weights, LockedSolution(status="carried"), evidence=(), records={})


def _lock(
    plan: Plan,
    previous: Lock | None,
    coordinates: Coordinates,
    weights: GridMixture,
    solution: LockedSolution,
    *,
    evidence: tuple[str, ...],
    records: Mapping[str, RunRecord],
    surrogate: LockedSurrogate | None = None,
    predicted: Mapping[str, LockedMetric] | None = None,
) -> Lock:
    observed, serial = plan.observed, plan.base.serial + 1
    excluded = tuple(
        Excluded(run=run.key, reason="the run diverged")
        for run in plan.runs
        if run.key in records and records[run.key].status == "diverged"
    )
    root = evidence_root(dict(records), evidence)
    return Lock(
        name=observed.spec.name,
        lineage=previous.lineage if previous else first_lineage(observed, root),
        serial=serial,
        parents=(digest_of(previous),) if previous else (),
        tool_version=__version__,
        spec_semantic=observed.semantic,
        spec_full=observed.full,
        inputs=observed.inputs,
        evals=observed.evals,
        weights=weights,
        domains=_domains(plan, previous, coordinates, weights, serial),
        blocks={
            block.name: LockedBlock(
                mass=sum(weights[leaf] for leaf in block.shares),
                members=len(block.shares),
                from_serial=plan.kept_from or 0,
            )
            for block in coordinates.blocks
        },
        evidence=evidence,
        evidence_root=root,
        excluded=tuple(dict.fromkeys(excluded)),
        surrogate=surrogate,
        stopped=plan.stopped,
        solution=solution,
        predicted=predicted or {},
    )


def first_lineage(observed: Observed, root: str) -> str:
    """A lock's family: from what the first lock was made of, so that making it again gives the same bytes."""
    value = {"name": observed.spec.name, "semantic": observed.semantic, "contents": observed.contents, "root": root}
    return digest(value, prefix="lin1")


def _domains(
    plan: Plan, previous: Lock | None, coordinates: Coordinates, weights: GridMixture, serial: int
) -> dict[str, LockedDomain]:
    observed = plan.observed
    specs = {domain.id: domain for domain in observed.spec.domains}
    shares = {leaf: (block.name, share) for block in coordinates.blocks for leaf, share in block.shares.items()}
    table = {}
    for domain_id, state in sorted(observed.states.items()):
        block, share = shares.get(domain_id, (None, None))
        was = previous.domains.get(plan.renames.get(domain_id, domain_id)) if previous else None
        old_weight = previous.weights.get(plan.renames.get(domain_id, domain_id)) if previous else None
        unchanged = was is not None and was.content == state.content and old_weight == weights[domain_id]
        tokens = Decimal(weights[domain_id]) * observed.spec.target.tokens / GRID
        table[domain_id] = LockedDomain(
            fingerprint=state.fingerprint,
            content=state.content,
            tokens=state.tokens,
            documents=state.documents,
            repetition=fixed(tokens / state.tokens, 6),
            changed_in=was.changed_in if was is not None and unchanged else serial,
            protected=specs[domain_id].protected,
            block=block,
            share=share,
        )
    return table


def surrogate_of(observed: Observed, fitted: Fitted, *, of_mean: bool = False) -> LockedSurrogate:
    """The laws as the lock names them, cross-validated; with the reason where their family was chosen.

    Args:
        observed: says how metrics count.
        fitted: the laws.
        of_mean: judge them by the weighted mean also where the worst family counts, as locks once did.
    """
    weights = {e.name: e.weight for e in observed.spec.evals}
    held, objective = fitted.held, None if of_mean else fitted.objective
    cv = None if held is None else score(fitted.evidence, held, objective_weights=weights, objective=objective)
    scores = {name: locked for name, found in fitted.scores.items() if (locked := _scored(found)) is not None}
    return LockedSurrogate(
        family=fitted.family,
        digest=parameters_digest(fitted.fit),
        runs=len(fitted.evidence.runs),
        cv=None if cv is None else _scored(cv),
        choice=Choice(reason=fitted.reason, scores=scores) if fitted.chosen else None,
    )


def _scored(found: Scored) -> CrossValidation | None:
    """A score in fixed point; None where no rank can be told."""
    if found.spearman is None:
        return None
    mean = None if found.mean_rmse is None else fixed(found.mean_rmse, 6)
    return CrossValidation(spearman=fixed(found.spearman, 6), rmse=fixed(found.rmse, 6), mean_rmse=mean)


def predicted_of(
    observed: Observed,
    coordinates: Coordinates,
    fitted: Fitted,
    this: Mapping[str, int],
    before: Mapping[str, float] | None,
) -> dict[str, LockedMetric]:
    """Metrics under the natural, the previous and this mix, where they lie in the coordinates of the laws.

    Args:
        observed: spec and data.
        coordinates: of the laws.
        fitted: the laws.
        this: coordinate → millionths of the decided mix.
        before: the previous mix over domains, under their present names; None without one.
    """
    natural = coordinates.collapse(observed.natural)
    # The old mix was rounded to the grid; its ratios are the block's within that.
    previous = None if before is None else coordinates.collapse(before, tolerance=2 / GRID)
    now = {name: points / GRID for name, points in this.items()}
    columns = [{} if point is None else predict(fitted, point) for point in (natural, previous, now)]
    rows = {metric: [_written(column.get(metric)) for column in columns] for metric in fitted.fit.metrics}
    return {metric: LockedMetric(natural=row[0], previous=row[1], this=row[2]) for metric, row in rows.items()}


def _written(value: float | None) -> Decimal | None:
    return None if value is None else fixed(value, 6)


def _before(plan: Plan, previous: Lock | None) -> dict[str, float] | None:
    """The previous mix under the present names of its domains."""
    if previous is None:
        return None
    return under_present_names(previous.weights.as_mixture(), plan.renames)
