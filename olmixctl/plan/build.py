"""Spec, data, lock and ledger in, `Plan` out: pure."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from olmixctl.errors import UsageError
from olmixctl.ledger.model import RunInputs, RunRecord, parts_of
from olmixctl.lock.codec import digest_of
from olmixctl.lock.model import Lock
from olmixctl.mixture import Coordinates, GridMixture
from olmixctl.plan.changes import detect_changes
from olmixctl.plan.checks import budget_checks, context_checks, protection_checks, reliability_check
from olmixctl.plan.cost import calibrate
from olmixctl.plan.model import Change, Check, Observed, Plan, PlanBase, PlannedRun
from olmixctl.plan.reuse import Route, choose_route

__all__ = ["Design", "PlanOptions", "build_plan", "evidence_weights", "full_swarm_size", "run_inputs"]

Design = Callable[[Observed, Coordinates], tuple[GridMixture, ...]]
"""Which mixtures to train over given coordinates: a method's swarm."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PlanOptions:
    """What the command line adds.

    Attributes:
        reuse: strategy instead of the spec's.
        max_runs: a further limit on missing runs.
        allow_remove: protected domains that may go.
    """

    reuse: str | None = None
    max_runs: int | None = None
    allow_remove: frozenset[str] = frozenset()


def build_plan(
    observed: Observed,
    lock: Lock | None,
    records: Mapping[str, RunRecord],
    design: Design,
    options: PlanOptions = PlanOptions(),
) -> Plan:
    """The plan from the committed lock to the present.

    Args:
        observed: the present.
        lock: the committed lock, or None.
        records: the ledger.
        design: the method's swarm.
        options: what the command line adds.

    Raises:
        UsageError: a reuse strategy this version does not have, or a word for a domain that nobody knows.
    """
    changes = None if lock is None else detect_changes(observed, lock)
    _check_words(observed, lock, options)
    lost = 0 if lock is None else sum(key not in records for key in lock.evidence)
    route = choose_route(observed, lock, changes, options.reuse or observed.spec.reuse, lost_runs=lost)
    runs = _planned_runs(observed, route, records, design) if route.kind == "train" else ()
    extra = _extra_evidence(observed, lock, route, records, runs)
    missing = len({run.key for run in runs if not run.recorded})
    spec = observed.spec
    rates = calibrate(observed, records.values(), () if lock is None else lock.evidence)
    cost = rates.of(missing)
    whole = full_swarm_size(observed) if lock else len({run.key for run in runs})
    counterfactual = rates.of(whole)
    weights = {observed.evals[e.name]: e.weight for e in spec.evals}
    checks: list[Check] = [
        *protection_checks(lock, changes, options.allow_remove),
        *budget_checks(observed, cost, options.max_runs),
        *context_checks(observed, lock, route, changes),
        *reliability_check(records.values(), _setting(observed), weights),
    ]
    return Plan(
        observed=observed,
        base=PlanBase() if lock is None else PlanBase(digest=digest_of(lock), lineage=lock.lineage, serial=lock.serial),
        changes=_first_changes(observed) if changes is None else changes.changes,
        kind=route.kind,
        reason=route.reason,
        coordinates=route.coordinates,
        kept_from=route.kept_from,
        runs=runs,
        extra_evidence=extra,
        counterfactual=counterfactual,
        cost=cost,
        checks=tuple(checks),
        renames={} if changes is None else {new: old for new, old in changes.kept.items() if new != old},
    )


def _check_words(observed: Observed, lock: Lock | None, options: PlanOptions) -> None:
    known = {*observed.states, *(lock.domains if lock else ())}
    unknown = sorted(options.allow_remove - known)
    if unknown:
        raise UsageError(f"--allow-remove {unknown[0]}: there is no such domain in the lock or the mix file")


def full_swarm_size(observed: Observed) -> int:
    """Runs of a full recomputation: K = runs_per_coordinate · (m + 1), rounded up, times the repeats."""
    swarm = observed.spec.swarm
    return -int(-swarm.runs_per_coordinate * (len(observed.states) + 1) // 1) * observed.spec.proxy.repeats


def run_inputs(observed: Observed, coordinates: Coordinates, point: GridMixture, seed: int) -> RunInputs:
    """What a run at `point` trains: the inputs of its key."""
    proxy = observed.spec.proxy
    return RunInputs(
        parts=parts_of(coordinates, point, observed.contents),
        model=proxy.model,
        tokens=proxy.tokens,
        sequence_length=proxy.sequence_length,
        batch_size=proxy.batch_size,
        tokenizer=observed.tokenizer,
        evals=tuple(sorted(observed.evals.values())),
        seed=seed,
        trainer=observed.trainer,
    )


def evidence_weights(observed: Observed, coordinates: Coordinates, record: RunRecord) -> dict[str, float] | None:
    """Where a recorded run stands in `coordinates` (coordinate → weight); None when it is no evidence for them.

    It is evidence when it measured every metric, on documents that are still what they were, at a mixture that keeps
    the blocks' ratios.
    """
    if record.status != "done" or not set(observed.evals.values()) <= set(record.metrics_by_eval()):
        return None
    ids = {state.content: domain_id for domain_id, state in observed.states.items()}
    weights = record.inputs.content_weights()
    if not set(weights) <= set(ids):
        return None
    point = coordinates.collapse({ids[content]: weight for content, weight in weights.items()})
    return None if point is None else dict(point)


def _first_changes(observed: Observed) -> tuple[Change, ...]:

    return tuple(
        Change(category="added", subject=d, action="re-estimate", reason="there is no lock yet", after=s.tokens)
        for d, s in sorted(observed.states.items())
    )


def _planned_runs(
    observed: Observed, route: Route, records: Mapping[str, RunRecord], design: Design
) -> tuple[PlannedRun, ...]:
    proxy = observed.spec.proxy
    runs = []
    for point in design(observed, route.coordinates):
        weights = route.coordinates.expand(point.as_mixture())
        for repeat in range(proxy.repeats):
            inputs = run_inputs(observed, route.coordinates, point, proxy.seed + repeat)
            runs.append(PlannedRun(inputs=inputs, point=point, weights=weights, recorded=inputs.key in records))
    return tuple(runs)


def _setting(observed: Observed) -> str:
    """The `RunInputs.setting` of the runs this spec asks for."""
    first = min(observed.states)
    coordinates = Coordinates((first,))
    return run_inputs(observed, coordinates, GridMixture({first: 1_000_000}), 0).setting


def _extra_evidence(
    observed: Observed,
    lock: Lock | None,
    route: Route,
    records: Mapping[str, RunRecord],
    runs: tuple[PlannedRun, ...],
) -> tuple[str, ...]:
    """Recorded runs, beyond the designed ones, that the fit may use."""
    if route.kind == "resolve":
        assert lock is not None
        return lock.evidence
    if route.kind != "train":
        return ()
    designed = {run.key for run in runs}
    comparable = _setting(observed)
    return tuple(
        key
        for key, record in sorted(records.items())
        if key not in designed
        and _comparable(record, observed, comparable)
        and evidence_weights(observed, route.coordinates, record) is not None
    )


def _comparable(record: RunRecord, observed: Observed, setting: str) -> bool:
    """Same proxy, trainer and tokeniser; more metrics than asked for are welcome."""
    asked = tuple(sorted(observed.evals.values()))
    return dataclasses.replace(record.inputs, evals=asked).setting == setting
