"""Spec, data, lock and ledger in, `Plan` out: pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from olmixctl.errors import UsageError
from olmixctl.ledger.model import RunRecord, is_adopted
from olmixctl.ledger.standing import UNCONTESTED, Standing
from olmixctl.lock.codec import digest_of
from olmixctl.lock.model import Lock
from olmixctl.mixture import Coordinates
from olmixctl.plan.appraisal import Appraise, unknown_laws
from olmixctl.plan.changes import ChangeSet, detect_changes
from olmixctl.plan.checks import budget_checks, context_checks, protection_checks, reliability_check
from olmixctl.plan.cost import calibrate
from olmixctl.plan.evidence import Recorded, covers, setting_of
from olmixctl.plan.lost import lost_evidence
from olmixctl.plan.model import Change, Check, Observed, Plan, PlanBase
from olmixctl.plan.reuse import choose_route, unmeasured
from olmixctl.plan.smallness import check_tells, small_swarm_checks
from olmixctl.plan.strategies import Decision, Design, Situation, Wish, decide, swarm_runs
from olmixctl.spec.select import select, suggest

__all__ = ["Design", "PlanOptions", "build_plan", "full_swarm_size"]

_STRATEGIES = ("auto", "full", "partial", "none")


@dataclass(frozen=True, kw_only=True, slots=True)
class PlanOptions:
    """What the command line adds.

    Attributes:
        reuse: strategy instead of the spec's.
        recompute: domains that are estimated anew besides the affected ones, as typed: ids, groups, globs, tags.
        solve_only: train nothing.
        max_runs: a further limit on missing runs.
        allow_remove: protected domains that may go.
        refresh: count declared domains where they can be read; whoever observes does that.
    """

    reuse: str | None = None
    recompute: tuple[str, ...] = ()
    solve_only: bool = False
    max_runs: int | None = None
    allow_remove: frozenset[str] = frozenset()
    refresh: bool = False


def build_plan(
    observed: Observed,
    lock: Lock | None,
    records: Mapping[str, RunRecord],
    design: Design,
    options: PlanOptions = PlanOptions(),
    *,
    appraise: Appraise = unknown_laws,
    standing: Standing = UNCONTESTED,
) -> Plan:
    """The plan from the committed lock to the present.

    Args:
        observed: the present.
        lock: the committed lock, or None.
        records: the ledger; only its keys are looked at where there is nothing to do.
        design: the method's swarm.
        options: what the command line adds.
        appraise: the method's laws, for the gaps of the strategies.
        standing: taints and replicates of the ledger.

    Raises:
        UsageError: a reuse strategy or a domain that nobody knows.
        IncompleteError: nothing may be trained, and there is nothing to solve or to carry; or the swarm is one mixture.
    """
    found = None if lock is None else detect_changes(observed, lock)
    _check_words(observed, lock, options)
    changes = found
    if lock is not None and found is not None:
        more = unmeasured(observed, lock, found, asked=options.reuse is not None)
        changes = replace(found, affected=tuple(sorted({*found.affected, *more})))
    wish = _wish(observed, changes, options)
    lost = lost_evidence(lock, records, standing)
    adopted = _adopted_evidence(observed, lock, changes, records)
    asked = choose_route(observed, lock, changes, wish.reuse, recompute=wish.recompute, lost=lost, adopted=adopted)
    # With nothing to do nothing is fitted or priced: a ledger that reads a run when it is asked for reads none.
    known: Mapping[str, RunRecord] = {} if asked.kind == "none" else records
    situation = Situation(
        observed=observed,
        lock=lock,
        changes=changes,
        recorded=Recorded.of(observed, known),
        lost=lost,
        design=design,
        rates=calibrate(observed, known.values(), () if lock is None else lock.evidence),
        appraise=appraise,
        adopted=adopted,
    )
    decision = decide(situation, wish)
    check_tells(observed, decision, situation.recorded)
    return _plan(situation, decision, found, options, standing)


def _adopted_evidence(
    observed: Observed, lock: Lock | None, changes: ChangeSet | None, records: Mapping[str, RunRecord]
) -> tuple[str, ...]:
    """The adopted runs that answer for the present whole, of a lock that rests on such; none where something came or
    changed that they did not sample. No run is read where they are the lock's own.
    """
    if lock is None or changes is None or not is_adopted(observed.trainer):
        return ()
    if not changes.affected:
        if not lock.evidence or lock.blocks or changes.removed:
            return ()
        if set(records) == {*lock.evidence, *lock.spiked} and not changes.evals_added:
            return lock.evidence
    points = Recorded.of(observed, records).points
    sampled = {domain for point in points.values() for domain, weight in point.items() if weight > 0}
    everything = Coordinates(tuple(observed.states))
    answer = set(changes.affected) <= sampled and covers(points, everything, adopted=True)
    return tuple(points) if answer else ()


def _base(lock: Lock) -> PlanBase:
    return PlanBase(digest=digest_of(lock), lineage=lock.lineage, serial=lock.serial, confidence=lock.confidence)


def _plan(
    situation: Situation, decision: Decision, changes: ChangeSet | None, options: PlanOptions, standing: Standing
) -> Plan:
    observed, lock, records = situation.observed, situation.lock, situation.recorded.records
    keys = {run.key for run in decision.runs}
    more = decision.rounds.more
    missing = len({run.key for run in decision.runs if not run.recorded}) + decision.rounds.missing
    whole = full_swarm_size(observed) if lock or not keys else len(keys) + more
    cost = situation.rates.of(missing)
    weights = {observed.evals[e.name]: e.weight for e in observed.spec.evals}
    checks: list[Check] = [
        *protection_checks(lock, changes, options.allow_remove),
        *budget_checks(observed, cost, options.max_runs),
        *context_checks(observed, lock, decision.route, changes),
        *small_swarm_checks(observed, decision),
        *(changes.notes if changes else ()),
        *reliability_check((*records.values(), *standing.replicates), setting_of(observed), weights),
    ]
    route = decision.route
    return Plan(
        observed=observed,
        base=PlanBase() if lock is None else _base(lock),
        changes=_first_changes(observed) if changes is None else changes.changes,
        kind=route.kind,
        reason=route.reason,
        coordinates=route.coordinates,
        kept_from=route.kept_from,
        runs=decision.runs,
        extra_evidence=decision.extra,
        counterfactual=situation.rates.of(whole),
        cost=cost,
        checks=tuple(checks),
        renames={} if changes is None else {new: old for new, old in changes.kept.items() if new != old},
        carried=decision.carried,
        strategies=decision.strategies,
        laws=decision.laws,
        proposals=changes.proposals if changes else (),
        rounds=decision.rounds,
    )


def full_swarm_size(observed: Observed) -> int:
    """Runs of a full recomputation: a swarm over every domain."""
    return swarm_runs(observed, len(observed.states))


def _wish(observed: Observed, changes: ChangeSet | None, options: PlanOptions) -> Wish:
    """What is asked for, with domains by id.

    Raises:
        UsageError: partial reuse without domains, or domains with another strategy.
    """
    spec = observed.spec
    reuse = options.reuse or ("partial" if options.recompute else spec.reuse)
    if options.recompute and reuse != "partial":
        raise UsageError(
            f"--recompute goes with partial reuse, not with --reuse {reuse}",
            remedy="leave --reuse out, or write partial",
        )
    named = _named(observed, changes, options.recompute)
    if not options.recompute and reuse == "partial" and changes is not None and (changes.affected or changes.removed):
        # Of the mix file: they go along with a change, they are none by themselves.
        named = tuple(d for d in spec.recompute if d not in changes.affected)
    if options.reuse == "partial" and not (options.recompute or spec.recompute):
        raise UsageError(
            "partial reuse needs the domains to estimate anew",
            remedy="name them: --recompute DOMAIN, or `recompute: [ids or globs]` in the mix file",
        )
    limits = [n for n in (spec.budget.max_runs, options.max_runs) if n is not None]
    return Wish(reuse=reuse, recompute=named, solve_only=options.solve_only, max_runs=min(limits) if limits else None)


def _named(observed: Observed, changes: ChangeSet | None, patterns: tuple[str, ...]) -> tuple[str, ...]:
    """The unaffected domains that the command line names.

    Raises:
        UsageError: a pattern names no domain, or only such that are estimated anew already.
    """
    tags = {domain.id: domain.tags for domain in observed.spec.domains}
    affected = set(tags) if changes is None else set(changes.affected)
    found: set[str] = set()
    for pattern in patterns:
        ids = set(select(pattern, tags))
        if not ids:
            raise UsageError(f"--recompute {pattern}: it names no domain", remedy=suggest(pattern, tags))
        if ids <= affected:
            why = "there is no lock yet" if changes is None else "it is among the changes"
            raise UsageError(
                f"--recompute {pattern}: estimated anew already, {why}",
                remedy="leave it out, or name an unaffected domain",
            )
        found |= ids - affected
    return tuple(sorted(found))


def _check_words(observed: Observed, lock: Lock | None, options: PlanOptions) -> None:
    if options.reuse is not None and options.reuse not in _STRATEGIES:
        raise UsageError(
            f"{options.reuse!r} is no reuse strategy", remedy=f"use {', '.join(_STRATEGIES[:-1])} or {_STRATEGIES[-1]}"
        )
    known = {*observed.states, *(lock.domains if lock else ())}
    unknown = sorted(options.allow_remove - known)
    if unknown:
        raise UsageError(f"--allow-remove {unknown[0]}: there is no such domain in the lock or the mix file")


def _first_changes(observed: Observed) -> tuple[Change, ...]:
    return tuple(
        Change(category="added", subject=d, action="re-estimate", reason="there is no lock yet", after=s.tokens)
        for d, s in sorted(observed.states.items())
    )
