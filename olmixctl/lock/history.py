"""Locks over commits: what each changed, and why. Pure; the reason is read from two locks, nobody writes it down."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from olmixctl.lock.diff import LockDiff, diff_locks
from olmixctl.lock.identity import contents_of, former_names
from olmixctl.lock.line import Committed, Line, name_before
from olmixctl.lock.model import Lock
from olmixctl.lock.regrouped import REGROUPINGS, Origins, Regrouped, unknown_origins
from olmixctl.mixture import GRID

__all__ = ["DomainEntry", "Entry", "Fact", "domain_history", "lock_history"]

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
class Fact:
    """One thing that changed.

    Attributes:
        kind: of data `added`, `removed`, `revised` or `moved`, and of several domains together `renamed` (and revised),
            `partitioned`, `merged` or `regrouped`; of what was asked for `constraint`, `objective`, `proxy` or
            `solver`; `kept` for ratios; `decided` for how the weights came about.
        subject: domain or field; empty for `kept` and `decided`.
        before: the old value: tokens, name, declared value, or the shares of several domains.
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


def lock_history(
    committed: Sequence[Committed], *, complete: bool = True, origins: Origins = unknown_origins
) -> tuple[Entry, ...]:
    """What each of `committed` (newest first) changed.

    Args:
        committed: the locks.
        complete: no older ones are missing.
        origins: tells what was split or merged; the locks alone do not.
    """
    line, entries = Line.of(committed), []
    for number, at in enumerate(committed):
        past = _Past(line.lock_before(number), line.origin(number, complete=complete), origins)
        facts = () if at.lock is None else tuple(_facts(at.lock, past))
        entries.append(Entry(at=at, before=past.lock, facts=facts))
    return tuple(entries)


def domain_history(
    committed: Sequence[Committed], domain: str, *, complete: bool = True, origins: Origins = unknown_origins
) -> tuple[DomainEntry, ...]:
    """A domain over `committed` (newest first), under whatever name its documents had; empty where it never was.

    A part of what was split goes on as the whole it was part of; what was merged of several begins with the merge.

    Args:
        committed: the locks.
        domain: its name in the newest lock that has one of that name.
        complete: no older locks are missing.
        origins: tells what was split or merged; the locks alone do not.
    """
    line = Line.of(committed)
    names = line.names(domain, origins)
    entries = []
    for number, at in enumerate(committed):
        past = _Past(line.lock_before(number), line.origin(number, complete=complete), origins)
        older = line.before(number)
        if at.lock is None:
            if names and min(names) <= number <= max(names):
                entries.append(DomainEntry(at=at, name=None, weight=None, before=None, reason=at.problem, changed=True))
        elif number in names:
            entries.append(_domain_entry(at, at.lock, names[number], past))
        elif past.lock is not None and older in names:
            entries.append(_end(at, at.lock, names[older], past))
    return tuple(entries)


@dataclass(frozen=True, slots=True)
class _Past:
    """What a lock is compared with: the lock before, where it comes from instead of that, and who tells of splits."""

    lock: Lock | None
    origin: str
    origins: Origins

    def groups(self, lock: Lock) -> tuple[Regrouped, ...]:
        return () if self.lock is None else self.origins(self.lock, lock)


def _facts(lock: Lock, past: _Past) -> Iterator[Fact]:
    before = past.lock
    if before is None:
        size = _count(len(lock.domains), "domain")
        yield Fact(kind="decided", reason=f"{past.origin}: {size}, {_decided(lock, None)}")
        return
    diff = diff_locks(before, lock, past.origins)
    yield from (_regrouped(group) for group in diff.regrouped)
    for change in diff.data:
        if change.kind in REGROUPINGS:
            continue
        old, new = (change.was, change.domain) if change.kind == "moved" else (change.before, change.after)
        yield Fact(kind=change.kind, subject=change.domain, before=old, after=new)
    for asked in diff.inputs:
        kind = _SECTIONS.get(asked.field.partition(".")[0], "objective")
        yield Fact(kind=kind, subject=asked.field, before=asked.before, after=asked.after)
    yield from _kept(lock, diff)
    yield Fact(kind="decided", reason=past.origin or _decided(lock, before))


def _regrouped(group: Regrouped) -> Fact:
    said = group.as_json()
    reason = "as samples of the documents tell" if group.estimated else ""
    return Fact(kind=group.kind, subject=group.in_short(), before=said["before"], after=said["after"], reason=reason)


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


def _end(at: Committed, lock: Lock, name: str, past: _Past) -> DomainEntry:
    before = past.lock
    assert before is not None, "what ends was in the lock before"
    names = former_names(contents_of(lock), contents_of(before))
    new = next((new for new, old in names.items() if old == name), None)
    group = next((group for group in past.groups(lock) if name in group.before), None)
    gone = "removed" if group is None else _went(group)
    reason = gone if new is None else f"renamed to {new}"
    return DomainEntry(at=at, name=None, weight=None, before=before.weights[name], reason=reason, changed=True)


def _went(group: Regrouped) -> str:
    """What became of a domain that was split or merged."""
    into = ", ".join(group.after)
    return f"renamed to {into}, and revised" if group.kind == "renamed" else f"{group.kind} into {into}"


def _came(group: Regrouped | None) -> str:
    """What a domain came from."""
    if group is None:
        return "added"
    came = ", ".join(group.before)
    if group.kind == "renamed":
        return f"renamed from {came}, and revised"
    return f"part of {came}" if group.kind == "partitioned" else f"{group.kind} from {came}"


def _domain_entry(at: Committed, lock: Lock, name: str, past: _Past) -> DomainEntry:
    before, origin = past.lock, past.origin
    weight, was = lock.weights[name], None if before is None else name_before(lock, before, name)
    group = next((group for group in past.groups(lock) if name in group.after), None)
    if before is None or was is None:
        how = origin or _decided(lock, before)
        reason = f"{origin}: {_decided(lock, None)}" if before is None else f"{_came(group)}: {how}"
        return DomainEntry(at=at, name=name, weight=weight, before=None, reason=reason, changed=True)
    old, new = before.domains[was], lock.domains[name]
    then = (before.weights[was], was, old.content, old.repetition)
    return DomainEntry(
        at=at,
        name=name,
        weight=weight,
        before=before.weights[was],
        reason=origin or _reason(lock, before, (name, was), group),
        changed=(weight, name, new.content, new.repetition) != then,
    )


def _reason(lock: Lock, before: Lock, names: tuple[str, str], group: Regrouped | None) -> str:
    """Why a domain's weight is what it is now, given the lock before, its names now and then, and if it was split."""
    name, was = names
    moved = f"renamed from {was}; " if was != name else ""
    old, new = before.domains[was], lock.domains[name]
    now, then = lock.weights[name], before.weights[was]
    if old.content != new.content:
        how = "re-estimated" if group is None else _went(group) if name in group.before else _came(group)
        return f"{moved}{how}: its documents changed, {old.tokens:,} → {new.tokens:,} tokens"
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
