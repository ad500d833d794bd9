"""Two locks that parted from one, joined again: pure.

A joined lock is decided anew, from the lock both sides started from. What it takes from the sides is its place in the
history: both are its parents, and its serial is above theirs. Ours and theirs are treated alike, so that a merge made
on either branch writes the same bytes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

from olmixctl.errors import StaleError
from olmixctl.lock.codec import digest_of
from olmixctl.lock.model import Lock, LockedDomain

__all__ = ["LockMerge", "joined_lock"]

Standing = Literal["same", "ours", "theirs", "parted"]


@dataclass(frozen=True, kw_only=True, slots=True)
class LockMerge:
    """The locks of a merge.

    Attributes:
        base: where both sides parted; None where that is not known.
        ours: of the branch that is checked out.
        theirs: of the branch that is merged.

    Raises:
        StaleError: they are of different mixes or lineages: nothing joins them.
    """

    base: Lock | None
    ours: Lock
    theirs: Lock

    def __post_init__(self) -> None:
        if self.ours.name != self.theirs.name:
            raise StaleError(
                f"the sides are locks of different mixes: {self.ours.name!r} and {self.theirs.name!r}",
                remedy="give each mix a file of its own",
            )
        if self.ours.lineage != self.theirs.lineage:
            raise StaleError(
                f"the sides are of different lineages: {self.ours.lineage} and {self.theirs.lineage}; "
                "each started with a first lock of its own",
                remedy="keep one of them (`git checkout --ours FILE` or `--theirs`) and plan from it; the runs of both "
                "stay evidence",
            )

    @property
    def start(self) -> Lock:
        """The lock that the mix is planned from: the base, or ours where it is not known or another line's."""
        return self.base if self.base is not None and self.base.lineage == self.ours.lineage else self.ours

    @property
    def serial(self) -> int:
        """The higher of both sides."""
        return max(self.ours.serial, self.theirs.serial)

    @property
    def parents(self) -> tuple[str, ...]:
        """Digests of both sides, sorted."""
        return tuple(sorted({digest_of(self.ours), digest_of(self.theirs)}))

    @property
    def standing(self) -> Standing:
        """`same`; `ours` or `theirs` where that side goes on from the other; `parted` where both went on."""
        ours, theirs = digest_of(self.ours), digest_of(self.theirs)
        base = None if self.base is None else digest_of(self.base)
        if ours == theirs:
            return "same"
        if theirs == base or theirs in self.ours.parents:
            return "ours"
        if ours == base or ours in self.theirs.parents:
            return "theirs"
        return "parted"


def joined_lock(decided: Lock, merge: LockMerge) -> Lock:
    """`decided` in its place in the history: after both sides.

    Args:
        decided: the mix as it was decided from `merge.start`.
        merge: the sides.
    """
    serial = merge.serial + 1
    return replace(
        decided,
        serial=serial,
        parents=merge.parents,
        domains={
            name: replace(record, changed_in=max(_unchanged(name, record, decided, merge), default=serial))
            for name, record in decided.domains.items()
        },
    )


def _unchanged(name: str, record: LockedDomain, decided: Lock, merge: LockMerge) -> Iterator[int]:
    """`changed_in` of the same documents with the same weight on either side."""
    for side in (merge.ours, merge.theirs):
        for other, was in side.domains.items():
            if was.content == record.content and side.weights[other] == decided.weights[name]:
                yield was.changed_in
