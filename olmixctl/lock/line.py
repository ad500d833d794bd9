"""Committed locks in a line, newest first: which one each is compared with, and what a domain is called in each.

A lock is compared with the one it was computed from, found by the digest it names. Where that one is not in the history
(several applies in one commit, a damaged lock between) the next older lock that is whole stands in for it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from olmixctl.lock.identity import contents_of, former_names
from olmixctl.lock.model import Lock
from olmixctl.lock.regrouped import Origins, unknown_origins

__all__ = ["SHOWN", "Committed", "Line", "name_before"]

SHOWN = 9
"""Digits of a commit's name that people read."""


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


@dataclass(frozen=True, slots=True)
class Line:
    """Committed locks by number, newest first, and the number of each digest: of the oldest commit that has it."""

    committed: Sequence[Committed]
    numbers: Mapping[str, int]

    @classmethod
    def of(cls, committed: Sequence[Committed]) -> Line:
        """The line of `committed`, newest first."""
        return cls(committed, {at.digest: number for number, at in enumerate(committed) if at.lock is not None})

    def lock(self, number: int) -> Lock:
        """The lock at `number`, which is whole."""
        lock = self.committed[number].lock
        assert lock is not None, "only whole locks have a number to go by"
        return lock

    def lock_before(self, number: int) -> Lock | None:
        """The lock that the one at `number` is compared with."""
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

    def names(self, domain: str, origins: Origins = unknown_origins) -> dict[int, str]:
        """Number of each lock that has the domain → its name there; from the newest to older ones, by content.

        Where a lock does not have it, the one domain of that lock that `origins` knows it to come from; what was made
        of several begins there.
        """
        start = next((n for n, c in enumerate(self.committed) if c.lock is not None and domain in c.lock.domains), None)
        names = {} if start is None else {start: domain}
        for number in range(start or 0, len(self.committed)):
            if number not in names:
                continue
            before = self.before(number)
            parents = [self.numbers[digest] for digest in self.lock(number).parents if digest in self.numbers]
            for older in {*parents, *([] if before is None else [before])}:
                if older <= number:
                    continue
                name = _name_in(self.lock(older), self.lock(number), names[number], origins)
                if name is not None:
                    names.setdefault(older, name)
        return names


def name_before(lock: Lock, before: Lock, name: str) -> str | None:
    """What a domain of `lock` was called in `before`; None where it was not in it."""
    return former_names(contents_of(lock), contents_of(before)).get(name)


def _name_in(before: Lock, lock: Lock, name: str, origins: Origins) -> str | None:
    """What a domain of `lock` was called in `before`, or what it alone was part of there."""
    same = name_before(lock, before, name)
    if same is not None:
        return same
    group = next((group for group in origins(before, lock) if name in group.after), None)
    return next(iter(group.before)) if group is not None and len(group.before) == 1 else None
