"""Runs that others trained, as evidence for a mix: rows of tables in, run records out. Pure.

Nothing is pretended: the trainer of such a run is `adopted1:` and the swarm's own digest, its model is `adopted`, it
has no tokens, and its seed is a number made of its id in the tables. So adopted runs compare with each other, and never
with runs that are trained here. What they claim, and nobody can check, is that their domains and metrics are those of
the mix, as these are now.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from olmixctl.errors import Place, UsageError
from olmixctl.fingerprint import digest, sha256_hex
from olmixctl.ledger.model import MixturePart, RunInputs, RunRecord, is_adopted
from olmixctl.mixture import GRID, Coordinates, GridMixture, round_to_grid
from olmixctl.plan.evidence import run_inputs
from olmixctl.plan.model import Observed

__all__ = ["RUN_ID", "Adoption", "TableRun", "adopt", "adopted_swarms", "on_grid", "same_mixture", "with_trainer"]

RUN_ID = "run_id"
"""Where the provenance of an adopted run has its id in the tables."""

_VERSION = "adopted1"
_OWN_DIGITS = 15
"""Ids that are whole numbers of at most this many digits are seeds as they are."""
_FIRST_MADE = 1 << 50
"""Other ids make seeds from here to 2^51: above all whole ids, and exact in every reader of JSON."""


@dataclass(frozen=True, slots=True)
class TableRun:
    """A run as tables tell it.

    Attributes:
        id: in the tables.
        shares: domain id → share of the mixture, summing to one; what is left out is zero.
        metrics: metric → value.
        place: where it stands, for messages.
    """

    id: str
    shares: Mapping[str, float]
    metrics: Mapping[str, float]
    place: Place | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Adoption:
    """What adopting tables comes to.

    Attributes:
        trainer: of all runs of this swarm.
        fresh: records that the ledger lacks, sorted by key.
        recorded: rows that it has already.
        moved: the most that a share was moved to stand on the grid of millionths, in millionths; below 1.
        replicates: mixtures that several rows have → how many, in the order of the first.
    """

    trainer: str
    fresh: tuple[RunRecord, ...]
    recorded: int
    moved: float
    replicates: tuple[int, ...]


def adopt(
    observed: Observed,
    rows: Sequence[TableRun],
    recorded: Sequence[RunRecord],
    origin: Mapping[str, Any],
    *,
    more: bool = False,
) -> Adoption:
    """The records of `rows`, over the domains and evals as they are now.

    Args:
        observed: the present; its trainer does not matter.
        rows: at least one, with ids that differ.
        recorded: the ledger; runs trained here are passed over.
        origin: provenance of every record.
        more: rows that share no run with those adopted before are runs of the same swarm.

    Raises:
        UsageError: a run was adopted before with other numbers; or runs of another swarm were, and `more` is not said.
    """
    points = {row.id: on_grid(observed, row) for row in rows}
    drafts = [_record(observed, row, points[row.id], origin) for row in rows]
    earlier = [record for record in recorded if is_adopted(record.inputs.trainer)]
    trainer = _swarm(drafts, earlier, frozenset(observed.contents.values()), more=more)
    made = [replace(record, inputs=replace(record.inputs, trainer=trainer)) for record in drafts]
    known = {record.key for record in recorded}
    counts: dict[object, int] = {}
    for record in made:
        counts[record.inputs.parts] = counts.get(record.inputs.parts, 0) + 1
    return Adoption(
        trainer=trainer,
        fresh=tuple(sorted((r for r in made if r.key not in known), key=lambda record: record.key)),
        recorded=sum(record.key in known for record in made),
        moved=max(abs(p - row.shares.get(d, 0.0) * GRID) for row in rows for d, p in points[row.id].items()),
        replicates=tuple(count for count in counts.values() if count > 1),
    )


def adopted_swarms(records: Iterable[RunRecord]) -> dict[str, int]:
    """Trainer of adopted runs → how many there are, sorted."""
    counts: dict[str, int] = {}
    for record in records:
        if is_adopted(record.inputs.trainer):
            counts[record.inputs.trainer] = counts.get(record.inputs.trainer, 0) + 1
    return dict(sorted(counts.items()))


def with_trainer(observed: Observed, trainer: str) -> Observed:
    """`observed`, with the runs of another trainer as its evidence."""
    return replace(observed, trainer=trainer, inputs={**observed.inputs, "trainer": trainer})


def on_grid(observed: Observed, row: TableRun) -> GridMixture:
    """The mixture of `row` over the domains there are, in millionths by largest remainder."""
    return GridMixture(round_to_grid({d: row.shares.get(d, 0.0) * GRID for d in observed.states}))


def _record(observed: Observed, row: TableRun, point: GridMixture, origin: Mapping[str, Any]) -> RunRecord:
    """The run, its swarm still unnamed."""
    unnamed = with_trainer(observed, _VERSION)
    return RunRecord(
        inputs=run_inputs(unnamed, Coordinates(tuple(observed.states)), point, _seed(row.id)),
        mixture=point.as_mixture(),
        evals=dict(observed.evals),
        status="done",
        metrics=dict(row.metrics),
        provenance={**origin, RUN_ID: row.id},
    )


def _seed(run_id: str) -> int:
    """A number for the run: runs of one mixture are told apart by it, as runs trained here are by their seeds."""
    if re.fullmatch(r"0|[1-9][0-9]*", run_id) and len(run_id) <= _OWN_DIGITS:
        return int(run_id)
    return _FIRST_MADE + int(sha256_hex(run_id)[:12], 16)


def _swarm(drafts: Sequence[RunRecord], earlier: Sequence[RunRecord], present: frozenset[str], *, more: bool) -> str:
    """The trainer that all these runs have: that of the swarm they belong to, else a new one.

    `present` are the contents of the mix's domains.

    Raises:
        UsageError: see `adopt`.
    """
    if not earlier:
        findings = sorted(record.finding for record in drafts)
        return f"{_VERSION}:{digest(findings, prefix=_VERSION).partition(':')[2][:12]}"
    by_id: dict[object, list[RunRecord]] = {}
    for record in earlier:
        by_id.setdefault(record.provenance.get(RUN_ID), []).append(record)
    agreeing: dict[str, int] = {}
    conflict = ""
    for draft in drafts:
        for record in by_id.get(draft.provenance[RUN_ID], ()):
            difference = _difference(record, draft, present)
            conflict = conflict or difference
            if not difference:
                agreeing[record.inputs.trainer] = agreeing.get(record.inputs.trainer, 0) + 1
    if conflict:
        raise UsageError(
            conflict,
            remedy="give other runs other ids; runs that were measured wrongly are taken out of use by "
            "`olmixctl runs taint`",
        )
    if agreeing:
        return max(agreeing, key=lambda trainer: (agreeing[trainer], trainer))
    return _joined(adopted_swarms(earlier), more=more)


def _joined(swarms: Mapping[str, int], *, more: bool) -> str:
    """The swarm that runs are added to which share none with those adopted before.

    Raises:
        UsageError: nobody said that they belong together, or it is not clear to which.
    """
    if more and len(swarms) == 1:
        return next(iter(swarms))
    count = sum(swarms.values())
    raise UsageError(
        f"{count} runs were adopted before, and none of these is among them",
        remedy="--add says that they are runs of the same swarm, trained alike; another swarm needs a mix of its own"
        if len(swarms) == 1
        else f"there are {len(swarms)} swarms already, and it is not clear which these belong to: use a mix of its own",
    )


def _difference(before: RunRecord, now: RunRecord, present: frozenset[str]) -> str:
    """In what a run differs from the one adopted before under its id, in words; empty where in nothing."""
    name = f"run {now.provenance[RUN_ID]!r} was adopted before with other numbers"
    then, here = before.metrics_by_eval(), now.metrics_by_eval()
    metrics = {digest_: metric for metric, digest_ in now.evals.items()}
    for evaluation in sorted(set(then) & set(here), key=lambda ev: metrics[ev]):
        if then[evaluation] != here[evaluation]:
            return f"{name}: {metrics[evaluation]} was {then[evaluation]!r} and is {here[evaluation]!r}"
    if not same_mixture(before.inputs, now.inputs.parts, present):
        changed = next(iter(_shares_that_differ(before, now)), "")
        return f"{name}: its mixture is another{changed}"
    return ""


def same_mixture(before: RunInputs, now: tuple[MixturePart, ...], present: frozenset[str]) -> bool:
    """By content; where a domain changed since, only how much each had can be compared.

    Args:
        before: a recorded run.
        now: parts of a mixture of the domains there are.
        present: contents of the domains there are.
    """
    if present.issuperset(before.content_weights()):
        return before.parts == now
    return sorted(part.weight for part in before.parts) == sorted(part.weight for part in now)


def _shares_that_differ(before: RunRecord, now: RunRecord) -> Iterator[str]:
    for domain in sorted({*before.mixture, *now.mixture}):
        then, here = before.mixture.get(domain, 0.0), now.mixture.get(domain, 0.0)
        if then != here:
            yield f" ({domain} was {then:.6f} and is {here:.6f})"
