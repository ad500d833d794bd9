"""Locks over commits: what each changed, and why. Pure; the reason is read from two locks, nobody has to write it down.

A lock is compared with the one it was computed from, found by the digest it names. Where that one is not in the history
(several applies in one commit, a damaged lock between) the next older lock that is whole stands in for it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from olmixctl.lock.diff import LockDiff, diff_locks
from olmixctl.lock.identity import contents_of, former_names
from olmixctl.lock.model import Lock
from olmixctl.mixture import GRID

__all__ = ["SHOWN", "Committed", "DomainEntry", "Entry", "Fact", "domain_history", "lock_history"]

SHOWN = 9
"""Digits of a commit's name that people read."""

# Section of the declared inputs → what kind of change one in it is; the words of a plan's categories.
_SECTIONS = {
    "target": "constraint",
    "domains": "constraint",
    "constraints": "constraint",
    "objective": "objective",
    "evals": "objective",
    "proxy": "proxy",
    "tokenizer": "proxy",
    "trainer": "proxy",
    "swarm": "proxy",
    "surrogate": "solver",
    "method": "solver",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Committed:
    """A lock as a commit left it.

    Attributes:
        commit: its full name; None for the working tree.
        date: ISO 8601; empty for the working tree.
        subject: first line of the message.
        lock: it; None where it was removed or is damaged.
        digest: of the lock; empty where there is none.
        problem: why there is none, in words.
        side: digest of the lock at the commit's first parent, where the commit is a merge.
    """

    commit: str | None
    date: str
    subject: str
    lock: Lock | None
    digest: str = ""
    problem: str = ""
    side: str | None = None

    def as_json(self) -> dict[str, Any]:
        """The part every entry has."""
        return {"commit": self.commit, "date": self.date or None, "subject": self.subject}


@dataclass(frozen=True, kw_only=True, slots=True)
class Fact:
    """One thing that changed.

    Attributes:
        kind: of data `added`, `removed`, `revised` or `moved`; of what was asked for `constraint`, `objective`, `proxy`
            or `solver`; `kept` for ratios; `decided` for how the weights came about.
        subject: domain or field; empty for `kept` and `decided`.
        before: the old value: tokens, name or declared value.
        after: the new value.
        reason: in words, where values do not say it.
    """

    kind: str
    subject: str = ""
    before: Any = None
    after: Any = None
    reason: str = ""

    def as_json(self) -> dict[str, Any]:
        """The fact for programs."""
        return {
            "kind": self.kind,
            "subject": self.subject,
            "before": self.before,
            "after": self.after,
            "reason": self.reason,
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """A committed lock beside the one it was computed from.

    Attributes:
        at: where it stands.
        before: the lock it is compared with; None for a first one, or where there is none to compare with.
        facts: what changed.
    """

    at: Committed
    before: Lock | None
    facts: tuple[Fact, ...]

    def as_json(self) -> dict[str, Any]:
        """The entry for programs."""
        lock = self.at.lock
        return self.at.as_json() | {
            "serial": None if lock is None else lock.serial,
            "digest": self.at.digest or None,
            "parents": [] if lock is None else list(lock.parents),
            "compared_with": None if self.before is None else self.before.serial,
            "problem": self.at.problem or None,
            "changes": [fact.as_json() for fact in self.facts],
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class DomainEntry:
    """A domain in a committed lock.

    Attributes:
        at: where the lock stands.
        name: of the domain in it; None where it is gone.
        weight: millionths; None where it is gone.
        before: weight in the lock before; None where it was not there or nothing is known of it.
        reason: of the change, in words.
        changed: weight, name, data or repetition is not what it was.
    """

    at: Committed
    name: str | None
    weight: int | None
    before: int | None
    reason: str
    changed: bool

    def as_json(self) -> dict[str, Any]:
        """The entry for programs; shares as numbers of one."""
        lock = self.at.lock
        record = None if lock is None or self.name is None else lock.domains[self.name]
        return self.at.as_json() | {
            "serial": None if lock is None else lock.serial,
            "domain": self.name,
            "weight": None if self.weight is None else self.weight / GRID,
            "before": None if self.before is None else self.before / GRID,
            "repetition": None if record is None else float(record.repetition),
            "tokens": None if record is None else record.tokens,
            "changed": self.changed,
            "reason": self.reason,
            "problem": self.at.problem or None,
        }


def lock_history(committed: Sequence[Committed], *, complete: bool = True) -> tuple[Entry, ...]:
    """What each of `committed` (newest first) changed.

    Args:
        committed: the locks.
        complete: no older ones are missing.
    """
    line, entries = _Line.of(committed), []
    for number, at in enumerate(committed):
        before = line.lock_before(number)
        facts = () if at.lock is None else tuple(_facts(at.lock, before, line.origin(number, complete=complete)))
        entries.append(Entry(at=at, before=before, facts=facts))
    return tuple(entries)


def domain_history(committed: Sequence[Committed], domain: str, *, complete: bool = True) -> tuple[DomainEntry, ...]:
    """A domain over `committed` (newest first), under whatever name its documents had; empty where it never was.

    Args:
        committed: the locks.
        domain: its name in the newest lock that has one of that name.
        complete: no older locks are missing.
    """
    line = _Line.of(committed)
    names = line.names(domain)
    entries = []
    for number, at in enumerate(committed):
        before, older = line.lock_before(number), line.before(number)
        if at.lock is None:
            if names and min(names) <= number <= max(names):
                entries.append(DomainEntry(at=at, name=None, weight=None, before=None, reason=at.problem, changed=True))
        elif number in names:
            entries.append(_domain_entry(at, at.lock, names[number], before, line.origin(number, complete=complete)))
        elif before is not None and older in names:
            entries.append(_end(at, at.lock, names[older], before))
    return tuple(entries)


@dataclass(frozen=True, slots=True)
class _Line:
    """Committed locks by number, newest first, and the number of each digest: of the oldest commit that has it."""

    committed: Sequence[Committed]
    numbers: Mapping[str, int]

    @classmethod
    def of(cls, committed: Sequence[Committed]) -> _Line:
        return cls(committed, {at.digest: number for number, at in enumerate(committed) if at.lock is not None})

    def lock(self, number: int) -> Lock:
        lock = self.committed[number].lock
        assert lock is not None, "only whole locks have a number to go by"
        return lock

    def lock_before(self, number: int) -> Lock | None:
        older = self.before(number)
        return None if older is None else self.lock(older)

    def before(self, number: int) -> int | None:
        """Which lock the one at `number` is compared with; of a merge the side it was made on."""
        at = self.committed[number]
        if at.lock is None:
            return None
        known = [digest for digest in at.lock.parents if digest in self.numbers]
        if known and not self._again(number):
            return self.numbers[at.side if at.side in known else known[0]]
        if not at.lock.parents and not self._again(number):
            return None
        lineage = at.lock.lineage
        older = (n for n in range(number + 1, len(self.committed)) if self.committed[n].lock is not None)
        return next((n for n in older if self.lock(n).lineage == lineage), None)

    def _again(self, number: int) -> bool:
        """An older commit has this very lock: it was put back."""
        return self.numbers[self.committed[number].digest] != number

    def origin(self, number: int, *, complete: bool) -> str:
        """Where the lock at `number` comes from, where that is not the lock it is compared with; else empty."""
        lock = self.committed[number].lock
        if lock is None:
            return ""
        if self._again(number):
            first = self.committed[self.numbers[self.committed[number].digest]]
            return f"put back as it was in {(first.commit or '')[:SHOWN]}"
        if self.before(number) is not None:
            return ""
        if not lock.parents:
            return "the first lock"
        return "the lock before is not in this history" + ("" if complete else ", the clone is shallow")

    def names(self, domain: str) -> dict[int, str]:
        """Number of each lock that has the domain → its name there; from the newest to older ones, by content."""
        start = next((n for n, c in enumerate(self.committed) if c.lock is not None and domain in c.lock.domains), None)
        names = {} if start is None else {start: domain}
        for number in range(start or 0, len(self.committed)):
            if number not in names:
                continue
            before = self.before(number)
            parents = [self.numbers[digest] for digest in self.lock(number).parents if digest in self.numbers]
            for older in {*parents, *([] if before is None else [before])}:
                name = _name_before(self.lock(number), self.lock(older), names[number])
                if name is not None and older > number:
                    names.setdefault(older, name)
        return names


def _facts(lock: Lock, before: Lock | None, origin: str) -> Iterator[Fact]:
    if before is None:
        size = _count(len(lock.domains), "domain")
        yield Fact(kind="decided", reason=f"{origin}: {size}, {_decided(lock, None)}")
        return
    diff = diff_locks(before, lock)
    for change in diff.data:
        old, new = (change.was, change.domain) if change.kind == "moved" else (change.before, change.after)
        yield Fact(kind=change.kind, subject=change.domain, before=old, after=new)
    for asked in diff.inputs:
        kind = _SECTIONS.get(asked.field.partition(".")[0], "objective")
        yield Fact(kind=kind, subject=asked.field, before=asked.before, after=asked.after)
    yield from _kept(lock, diff)
    yield Fact(kind="decided", reason=origin or _decided(lock, before))


def _kept(lock: Lock, diff: LockDiff) -> Iterator[Fact]:
    kept = diff.kept
    if kept is not None and kept.before != kept.after:
        where = " in the block" if all(lock.domains[d].block for d in kept.domains) else ""
        reason = f"ratios kept{where}: multiplied by {kept.factor:.4g}"
        subject = _count(len(kept.domains), "domain")
        yield Fact(kind="kept", subject=subject, before=kept.before / GRID, after=kept.after / GRID, reason=reason)


def _decided(lock: Lock, before: Lock | None) -> str:
    """How the weights came about, in one clause."""
    joined = "both sides of a merge joined: " if len(lock.parents) > 1 else ""
    return joined + _solved(lock, before)


def _solved(lock: Lock, before: Lock | None) -> str:
    runs = _count(len(lock.evidence), "run")
    match lock.solution.status:
        case "kept":
            return "the kept ratios, renormalised; no runs needed"
        case "projected":
            return "the kept ratios, moved to the nearest mix that meets every bound"
        case "carried":
            return "shares carried over, nothing measured"
        case "optimal":
            pass
    if lock.solution.weights_from is not None:
        return f"solved on {runs}: the weights of serial {lock.solution.weights_from} are still optimal and stand"
    new = len(set(lock.evidence) - set(before.evidence)) if before is not None else len(lock.evidence)
    if before is None or new == len(lock.evidence):
        return f"estimated from {runs}"
    return f"estimated from {runs}, {new} of them new" if new else f"re-solved from the same {runs}"


def _name_before(lock: Lock, before: Lock, name: str) -> str | None:
    return former_names(contents_of(lock), contents_of(before)).get(name)


def _end(at: Committed, lock: Lock, name: str, before: Lock) -> DomainEntry:
    names = former_names(contents_of(lock), contents_of(before))
    new = next((new for new, old in names.items() if old == name), None)
    reason = "removed" if new is None else f"renamed to {new}"
    return DomainEntry(at=at, name=None, weight=None, before=before.weights[name], reason=reason, changed=True)


def _domain_entry(at: Committed, lock: Lock, name: str, before: Lock | None, origin: str) -> DomainEntry:
    weight, was = lock.weights[name], None if before is None else _name_before(lock, before, name)
    if before is None or was is None:
        reason = f"{origin}: {_decided(lock, None)}" if before is None else f"added: {origin or _decided(lock, before)}"
        return DomainEntry(at=at, name=name, weight=weight, before=None, reason=reason, changed=True)
    old, new = before.domains[was], lock.domains[name]
    then = (before.weights[was], was, old.content, old.repetition)
    return DomainEntry(
        at=at,
        name=name,
        weight=weight,
        before=before.weights[was],
        reason=origin or _reason(lock, before, name, was),
        changed=(weight, name, new.content, new.repetition) != then,
    )


def _reason(lock: Lock, before: Lock, name: str, was: str) -> str:
    """Why a domain's weight is what it is now, given the lock before."""
    moved = f"renamed from {was}; " if was != name else ""
    old, new = before.domains[was], lock.domains[name]
    now, then = lock.weights[name], before.weights[was]
    if old.content != new.content:
        return f"{moved}re-estimated: its documents changed, {old.tokens:,} → {new.tokens:,} tokens"
    if now == then:
        again = f"passes {old.repetition:.2f} → {new.repetition:.2f}" if old.repetition != new.repetition else ""
        return f"{moved}{again}".removesuffix("; ") or "unchanged"
    if new.block is not None and then:
        return f"{moved}kept in the block: multiplied by {now / then:.4g}"
    if lock.solution.status == "projected":
        return f"{moved}its kept ratio moved to meet the bounds"
    if set(lock.evidence) - set(before.evidence):
        return f"{moved}{_decided(lock, before).replace('estimated', 're-estimated')}"
    asked = ", ".join(change.field for change in diff_locks(before, lock).inputs)
    return f"{moved}{_decided(lock, before)}" + (f"; {asked} changed" if asked else "")


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
