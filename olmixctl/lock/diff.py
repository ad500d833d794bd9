"""What lies between two locks: pure. Domains whose ratios to each other stand are folded into one entry.

Weights are whole millionths, so a kept ratio is kept up to the rounding of either lock.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

from olmixctl.errors import StaleError
from olmixctl.lock.codec import digest_of
from olmixctl.lock.confidence import confidence_as_json
from olmixctl.lock.identity import contents_of, former_names
from olmixctl.lock.model import Lock, LockedConfidence, LockedDomain
from olmixctl.lock.regrouped import Origins, Regrouped, Regrouping, unknown_origins
from olmixctl.mixture import GRID

__all__ = [
    "DataChange",
    "InputChange",
    "KeptTogether",
    "LockDiff",
    "MetricChange",
    "WeightChange",
    "diff_locks",
]

DataKind = Literal["added", "removed", "revised", "moved"] | Regrouping

_ROUNDING = 2
"""Grid points by which a kept ratio may differ: one of rounding in each lock."""


@dataclass(frozen=True, kw_only=True, slots=True)
class WeightChange:
    """A domain whose share moved; in millionths, None where it is not in the mix. `was` is its old name if renamed."""

    domain: str
    before: int | None
    after: int | None
    was: str | None = None

    @property
    def delta(self) -> int:
        """Millionths gained."""
        return (self.after or 0) - (self.before or 0)


@dataclass(frozen=True, kw_only=True, slots=True)
class KeptTogether:
    """Domains with the same ratios to each other before and after; masses in millionths."""

    domains: tuple[str, ...]
    before: int
    after: int

    @property
    def factor(self) -> float:
        """What every one of them was multiplied by."""
        return self.after / self.before if self.before else 1.0


@dataclass(frozen=True, kw_only=True, slots=True)
class DataChange:
    """A domain whose data or name changed: `tokens` before and after; `moved` has the same documents.

    A domain that was split or merged, or came of that, has the kind of its `Regrouped`.
    """

    domain: str
    kind: DataKind
    before: int | None
    after: int | None
    was: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class InputChange:
    """A declared input that differs; None where one lock does not have it."""

    field: str
    before: Any
    after: Any


@dataclass(frozen=True, kw_only=True, slots=True)
class MetricChange:
    """Predicted bits per byte of the two mixes; None where there is no prediction."""

    metric: str
    before: Decimal | None
    after: Decimal | None


@dataclass(frozen=True, kw_only=True, slots=True)
class LockDiff:
    """The differences from one lock to another.

    Attributes:
        name: of the later mix.
        serials: of the two.
        weights: domains whose share moved on its own, greatest movement first.
        kept: domains that moved as one, or not at all; None when there is none.
        data: domains whose data or name changed, by id.
        regrouped: domains that were split or merged, as far as that is known; they are in `weights` and `data`, too.
        inputs: declared inputs that differ.
        predicted: metrics of either, by name.
        same_laws: both predictions are by the later lock's laws (it was computed from the earlier one); else each is by
            its own lock's.
        confidence: how sure the later mix is, where it was computed from the earlier one; None where it does not say.
        evidence_added: runs only the later one rests on.
        evidence_removed: runs only the earlier one rests on.
        trainer: of the later one's runs; it says what metrics are counted in.
        rank: cross-validated rank correlation of the later one's laws; None where it was not computed from the earlier.
        runs: how many these were fitted on.
        worst_case: the later one's objective is its worst family's change.
    """

    name: str
    serials: tuple[int, int]
    weights: tuple[WeightChange, ...]
    kept: KeptTogether | None
    data: tuple[DataChange, ...]
    regrouped: tuple[Regrouped, ...]
    inputs: tuple[InputChange, ...]
    predicted: tuple[MetricChange, ...]
    same_laws: bool
    evidence_added: tuple[str, ...]
    evidence_removed: tuple[str, ...]
    confidence: LockedConfidence | None = None
    trainer: str = ""
    rank: Decimal | None = None
    runs: int = 0
    worst_case: bool = False

    @property
    def empty(self) -> bool:
        """The mixes, their data and what was asked for are the same; the evidence may still differ."""
        still = self.kept is None or self.kept.before == self.kept.after
        return still and not (self.weights or self.data or self.inputs)

    def as_json(self) -> dict[str, Any]:
        """The diff for programs; shares as numbers of one."""
        kept = self.kept
        return {
            "name": self.name,
            "serials": {"before": self.serials[0], "after": self.serials[1]},
            "changed": not self.empty,
            "weights": [
                {"domain": w.domain, "was": w.was, "before": _share(w.before), "after": _share(w.after)}
                for w in self.weights
            ],
            "kept": None
            if kept is None
            else {"domains": list(kept.domains), "before": _share(kept.before), "after": _share(kept.after)},
            "data": [
                {"domain": d.domain, "kind": d.kind, "was": d.was, "before": d.before, "after": d.after}
                for d in self.data
            ],
            "regrouped": [group.as_json() for group in self.regrouped],
            "inputs": [{"field": i.field, "before": i.before, "after": i.after} for i in self.inputs],
            "same_laws": self.same_laws,
            "predicted": {m.metric: {"before": _number(m.before), "after": _number(m.after)} for m in self.predicted},
            "confidence": None if self.confidence is None else confidence_as_json(self.confidence),
            "evidence": {"added": list(self.evidence_added), "removed": list(self.evidence_removed)},
        }


def diff_locks(before: Lock, after: Lock, origins: Origins = unknown_origins) -> LockDiff:
    """The differences from `before` to `after`.

    Args:
        before: the earlier lock.
        after: the later one.
        origins: tells what was split or merged; the locks alone do not.

    Raises:
        StaleError: they are of different lineages: no diff between them means anything.
    """
    if before.lineage != after.lineage:
        raise StaleError(
            f"the locks are of different lineages: {before.name} ({before.lineage}) and {after.name} ({after.lineage})",
            remedy="compare locks of one mix; a lineage starts with the first lock",
        )
    was = former_names(contents_of(after), contents_of(before))
    groups = origins(before, after)
    kept = _kept(before, after, {new: old for new, old in was.items() if not any(new in g.after for g in groups)})
    child = after.parents == (digest_of(before),)
    return LockDiff(
        name=after.name,
        serials=(before.serial, after.serial),
        weights=tuple(_weights(before, after, was, set(kept.domains) if kept else set())),
        kept=kept,
        data=tuple(_data(before, after, was, groups)),
        regrouped=groups,
        inputs=tuple(_declared(before, after)),
        predicted=tuple(_predicted(before, after, child=child)),
        same_laws=child,
        evidence_added=tuple(sorted(set(after.evidence) - set(before.evidence))),
        evidence_removed=tuple(sorted(set(before.evidence) - set(after.evidence))),
        confidence=after.confidence if child else None,
        trainer=str(after.inputs.get("trainer", "")),
        rank=after.surrogate.cv.spearman if child and after.surrogate and after.surrogate.cv else None,
        runs=after.surrogate.runs if after.surrogate else 0,
        worst_case=bool(after.inputs.get("objective", {}).get("worst_case")),
    )


def _kept(before: Lock, after: Lock, shared: Mapping[str, str]) -> KeptTogether | None:
    """The members of the later lock's block as far as their ratios stand; without a block, what did not move at all."""
    in_block = [new for new in shared if after.domains[new].block is not None]
    still = [new for new, old in shared.items() if before.weights[old] == after.weights[new]]
    candidates = max(_proportional(before, after, shared, in_block), still, key=len)
    if not candidates:
        return None
    return KeptTogether(
        domains=tuple(sorted(candidates)),
        before=sum(before.weights[shared[new]] for new in candidates),
        after=sum(after.weights[new] for new in candidates),
    )


def _proportional(before: Lock, after: Lock, shared: Mapping[str, str], names: list[str]) -> list[str]:
    """Those of `names` whose weights were all multiplied by one factor, that of their sums."""
    old = sum(before.weights[shared[new]] for new in names)
    new_mass = sum(after.weights[new] for new in names)
    if not old or len(names) < 2:
        return []
    factor = new_mass / old
    room = _ROUNDING * max(factor, 1.0)
    return [n for n in names if abs(after.weights[n] - factor * before.weights[shared[n]]) <= room]


def _weights(before: Lock, after: Lock, was: Mapping[str, str], kept: set[str]) -> list[WeightChange]:
    changes = [
        WeightChange(
            domain=new,
            before=before.weights[was[new]] if new in was else None,
            after=after.weights[new],
            was=_old_name(new, was),
        )
        for new in after.weights
        if new not in kept
    ]
    gone = set(before.weights) - set(was.values())
    changes += [WeightChange(domain=old, before=before.weights[old], after=None) for old in gone]
    changes = [c for c in changes if c.delta or c.before is None or c.after is None]
    return sorted(changes, key=lambda c: (-abs(c.delta), c.domain))


def _data(before: Lock, after: Lock, was: Mapping[str, str], groups: tuple[Regrouped, ...]) -> Iterator[DataChange]:
    news = {new: group.kind for group in groups for new in group.after}
    olds = {old: group.kind for group in groups for old in group.before}
    pairs = [(new, before.domains[was[new]] if new in was else None, after.domains[new]) for new in after.domains]
    gone = [(old, before.domains[old], None) for old in set(before.domains) - set(was.values())]
    for domain, old, new in sorted([*pairs, *gone], key=lambda pair: (pair[0], pair[2] is None)):
        name = None if new is None else _old_name(domain, was)
        kind = (olds if new is None else news).get(domain) or _kind(old, new, name is not None)
        if kind is not None:
            yield DataChange(
                domain=domain,
                kind=kind,
                before=None if old is None else old.tokens,
                after=None if new is None else new.tokens,
                was=name,
            )


def _old_name(domain: str, was: Mapping[str, str]) -> str | None:
    """What a domain was called, if that is another name."""
    return None if was.get(domain, domain) == domain else was[domain]


def _kind(old: LockedDomain | None, new: LockedDomain | None, moved: bool) -> DataKind | None:
    if old is None or new is None:
        return "added" if old is None else "removed"
    if moved:
        return "moved"
    return "revised" if old.content != new.content else None


def _declared(before: Lock, after: Lock) -> Iterator[InputChange]:
    """Declared inputs that differ, without those of domains that came or went: the data says that."""
    lone = {f"domains.{domain}" for domain in set(before.domains) ^ set(after.domains)}
    return (change for change in _inputs("", before.inputs, after.inputs) if change.field not in lone)


def _inputs(path: str, before: Any, after: Any) -> Iterator[InputChange]:  # noqa: ANN401  (any JSON value)
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for key in sorted(set(before) | set(after)):
            if before.get(key) != after.get(key):
                yield from _inputs(f"{path}.{key}".lstrip("."), before.get(key), after.get(key))
    elif before != after:
        yield InputChange(field=path, before=before, after=after)


def _predicted(before: Lock, after: Lock, *, child: bool) -> Iterator[MetricChange]:
    for metric in sorted(set(before.predicted) | set(after.predicted)):
        old, new = before.predicted.get(metric), after.predicted.get(metric)
        was = new.previous if child and new is not None else None if old is None else old.this
        yield MetricChange(metric=metric, before=was, after=None if new is None else new.this)


def _share(millionths: int | None) -> float | None:
    return None if millionths is None else millionths / GRID


def _number(value: Decimal | None) -> float | None:
    return None if value is None else float(value)
