"""Gates and remarks on a plan: budget, protection, and what the recorded runs say about the proxy itself. Pure."""

from __future__ import annotations

import math
import statistics
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping

from olmixctl.ledger.model import RunRecord
from olmixctl.lock.model import Lock
from olmixctl.plan.changes import ChangeSet
from olmixctl.plan.declared import is_done
from olmixctl.plan.model import Check, Cost, Observed, block_caps, is_rehearsal
from olmixctl.plan.reuse import Route
from olmixctl.ranks import rank_by_chance
from olmixctl.spec.model import MixSpec

__all__ = [
    "block_cap_check",
    "budget_checks",
    "context_checks",
    "protection_checks",
    "reliability_check",
    "weak_laws_check",
]

RELIABILITY_BAR = 0.9
"""Seed-to-seed correlation of the average metric below which a swarm measures seeds rather than mixtures."""

_SECONDS_PER_HOUR = 3600.0


def budget_checks(observed: Observed, cost: Cost, max_runs: int | None) -> Iterator[Check]:
    """Limits of the mix file and of the command line; the smaller one rules."""
    budget = observed.spec.budget
    limits = [limit for limit in (budget.max_runs, max_runs) if limit is not None]
    if limits and cost.runs > min(limits):
        yield Check(
            level="block",
            name="max-runs",
            message=f"{cost.runs} runs are needed, {min(limits)} are allowed",
            remedy="raise budget.max_runs (or --max-runs), or lower swarm.runs_per_coordinate",
        )
    if budget.max_gpu_hours is not None and cost.device_seconds is not None:
        hours = cost.device_seconds[1] / _SECONDS_PER_HOUR
        if hours > budget.max_gpu_hours:
            yield Check(
                level="block",
                name="max-gpu-hours",
                message=f"about {hours:.2f} device-hours are needed, {budget.max_gpu_hours:g} are allowed",
                remedy="raise budget.max_gpu_hours, or use fewer or smaller runs",
            )
    if budget.max_gpu_hours is not None and cost.device_seconds is None and cost.runs:
        yield Check(
            level="warn",
            name="uncalibrated",
            message="budget.max_gpu_hours cannot be checked: no recorded run of this model says how long one takes",
        )


def protection_checks(lock: Lock | None, changes: ChangeSet | None, allow_remove: frozenset[str]) -> Iterator[Check]:
    """Protected domains leave only with an explicit word."""
    if lock is None or changes is None:
        return
    for domain_id in changes.removed:
        if lock.domains[domain_id].protected and domain_id not in allow_remove:
            yield Check(
                level="block",
                name="protected",
                message=f"{domain_id} is protected and would be removed",
                remedy=f"put it back, or pass --allow-remove {domain_id}",
            )


def context_checks(observed: Observed, lock: Lock | None, route: Route, changes: ChangeSet | None) -> Iterator[Check]:
    """What a reader of the plan should know before trusting it."""
    spec = observed.spec
    if is_rehearsal(observed.trainer):
        yield Check(
            level="warn",
            name="rehearsal",
            message="executor fake answers from a response surface: the weights are a rehearsal, nothing is measured",
            remedy="executor: {kind: local} trains real proxies",
        )
    yield from _unmeasurable(observed, route)
    yield from _idle_declarations(spec, lock)
    yield from block_cap_check(observed, route)
    yield from weak_laws_check(lock)
    if lock is not None and lock.solution.status == "carried" and route.kind == "none":
        free = lock.coordinates.free
        named = f"; not measured: {', '.join(free[:5])}{' …' if len(free) > 5 else ''}" if free else ""
        yield Check(
            level="note",
            name="unmeasured",
            message=f"lock serial {lock.serial} was carried over without a run{named}",
            remedy="--reuse full trains what measures them",
        )
    slack = spec.target.max_repetition * sum(s.tokens for s in observed.states.values()) / spec.target.tokens
    if slack < 1:
        return  # infeasible, reported with its conflicting bounds
    if round(slack, 1) < 4:  # as it is shown: sizes that `init` rounds make four repetitions 3.99 times the target
        yield Check(
            level="note",
            name="caps-decide",
            message=f"all data at {spec.target.max_repetition:g}× repetition is only {slack:.1f}× the target run: "
            "caps, rather than measurements, decide much of this mix",
        )
    if changes and changes.evals_added and route.coordinates.blocks:
        yield Check(
            level="note",
            name="kept-under-old-metrics",
            message=f"the kept ratios were chosen without {', '.join(changes.evals_added)}",
            remedy="--reuse none estimates every share under the new metrics",
        )


def weak_laws_check(lock: Lock | None) -> Iterator[Check]:
    """Warn where the laws that the lock rests on rank runs they have not seen no better than chance."""
    if lock is None or lock.surrogate is None or lock.surrogate.cv is None:
        return
    if lock.surrogate.cv.spearman > rank_by_chance(lock.surrogate.runs):
        return
    yield Check(
        level="warn",
        name="weak-laws",
        message=f"the laws of lock serial {lock.serial} rank unseen runs no better than chance (rank correlation "
        f"{lock.surrogate.cv.spearman:.3f}), and its mix rests on them",
        remedy="train more runs (swarm.runs_per_coordinate), or larger ones that tell mixtures apart (proxy.tokens)",
    )


def _unmeasurable(observed: Observed, route: Route) -> Iterator[Check]:
    """Runs that would have to measure what is only adopted."""
    declared = [item.name for item in observed.spec.evals if item.declared is not None]
    if declared and route.kind == "train" and not is_rehearsal(observed.trainer):
        more = f" and {len(declared) - 3} more" if len(declared) > 3 else ""
        yield Check(
            level="block",
            name="declared-evals",
            message=f"runs are needed, and nobody can measure {', '.join(declared[:3])}{more} here: declared evals are "
            "adopted with the runs of others",
            remedy="`olmixctl import runs` adopts such runs and --solve-only decides on them; what is to be trained "
            "needs evals with `paths` or `heldout`",
        )


def block_cap_check(observed: Observed, route: Route) -> Iterator[Check]:
    """Say when a kept domain that runs out holds the whole block far below its share of the reference mix."""
    reference, states = observed.reference, observed.states
    if not route.coordinates.free or route.kind == "none":
        return
    caps = block_caps(observed, route.coordinates)
    for block, (_, cap) in zip(route.coordinates.blocks, caps, strict=True):
        natural = sum(reference[leaf] for leaf in block.shares)
        if cap < natural / 2:
            first = sorted((states[d].tokens / share, d) for d, share in block.shares.items() if share)[:3]
            yield Check(
                level="warn",
                name="block-cap",
                message=f"the kept ratios hold {len(block.shares)} domains to {cap:.2%} of the mix, the reference "
                f"gives them {natural:.2%}: {', '.join(d for _, d in first)} run out first",
                remedy="estimate those anew (--recompute), or every share (--reuse none)",
            )


def _idle_declarations(spec: MixSpec, lock: Lock | None) -> Iterator[Check]:
    """Declared changes that say nothing to this lock; a misspelt one must not look like a done one."""
    for change in spec.changes:
        strangers = [] if lock is None else [d for d in change.sources if d not in lock.domains]
        if strangers:
            yield Check(
                level="note",
                name="idle-declaration",
                message=f"declared {change.kind} of {', '.join(strangers)}: not in the lock, so it says nothing",
                remedy="remove it from `changes` once it is applied, or mend the name",
            )
        elif lock is not None and is_done(change, lock.domains):
            yield Check(
                level="note",
                name="idle-declaration",
                message=f"declared {change.kind} of {', '.join(change.sources)}: the lock has it already",
                remedy="remove it from `changes`",
            )


def reliability_check(
    records: Iterable[RunRecord], setting: str, metric_weights: Mapping[str, float]
) -> Iterator[Check]:
    """Warn when replicates say that the proxy's budget is too small to tell mixtures apart, and name one that would do.

    Replicates are runs of one mixture that differ in their seed. With noise variance v within mixtures and total
    variance t of the average metric, reliability is 1 − v/t; noise falls as 1/tokens, so reliability ρ needs
    (v/(t−v)) · ρ/(1−ρ) times the tokens.

    Args:
        records: runs of the ledger.
        setting: the `RunInputs.setting` that counts.
        metric_weights: eval digest → weight in the average.
    """
    groups: dict[object, list[float]] = defaultdict(list)
    tokens = 0
    for record in records:
        if record.inputs.setting == setting and record.status == "done":
            metrics = record.metrics_by_eval()
            groups[record.inputs.parts].append(sum(w * metrics[ev] for ev, w in metric_weights.items()))
            tokens = record.inputs.tokens
    replicated = [values for values in groups.values() if len(values) > 1]
    if len(replicated) < 2 or len(groups) < 3:
        return
    noise = statistics.fmean(statistics.variance(values) for values in replicated)
    total = statistics.variance([values[0] for values in groups.values()])
    signal = max(total - noise, 0.0)
    reliability = signal / total if total else 0.0
    if reliability >= RELIABILITY_BAR:
        return
    factor = noise / signal * RELIABILITY_BAR / (1 - RELIABILITY_BAR) if signal else math.inf
    if not tokens:
        yield _noisy_adopted(reliability)
        return
    wanted = (
        f"about {_tokens(tokens * factor)} tokens a run would do" if factor < 1000 else "no budget near it would do"
    )
    yield Check(
        level="warn",
        name="reliability",
        message=f"replicates say this proxy cannot tell these mixtures apart: reliability {reliability:.2f}, "
        f"{RELIABILITY_BAR:.2f} is wanted; {wanted}",
        remedy="raise proxy.tokens, or proxy.repeats",
    )


def _noisy_adopted(reliability: float) -> Check:
    """Of runs whose size nobody knows."""
    return Check(
        level="warn",
        name="reliability",
        message="replicates say that the adopted runs cannot tell these mixtures apart: reliability "
        f"{reliability:.2f}, {RELIABILITY_BAR:.2f} is wanted",
        remedy="what is decided on them is mostly noise: adopt more runs, or a swarm of larger proxies",
    )


def _tokens(count: float) -> str:
    for size, unit in ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "K")):
        if count >= size:
            return f"{math.ceil(count / size * 10) / 10:g}{unit}"
    return str(math.ceil(count))
