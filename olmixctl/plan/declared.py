"""What the mix file declares of changes, as far as the lock has not seen it yet. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from olmixctl.lock.model import Lock
from olmixctl.plan.model import Observed
from olmixctl.spec.model import ChangeSpec

__all__ = ["Declared", "declared_changes", "is_done"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Declared:
    """Declared changes between the lock and the present.

    Attributes:
        partitions: id in the lock → its parts now.
        merges: id now → ids in the lock.
        moves: id now → id in the lock.
    """

    partitions: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    merges: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    moves: Mapping[str, str] = field(default_factory=dict)

    @property
    def targets(self) -> set[str]:
        """All ids now that are declared to come from something."""
        return {*self.merges, *self.moves, *(new for parts in self.partitions.values() for new in parts)}

    @property
    def sources(self) -> set[str]:
        """All ids of the lock that something is declared to come from."""
        return {*self.partitions, *self.moves.values(), *(old for olds in self.merges.values() for old in olds)}


def is_done(change: ChangeSpec, known: Collection[str]) -> bool:
    """Whether a lock with these domains has a declared change behind it already."""
    return set(change.targets) <= set(known) and not (set(change.sources) - set(change.targets)) & set(known)


def declared_changes(observed: Observed, lock: Lock) -> Declared:
    """Those declared changes that the lock has not seen; sources that it does not know are left out."""
    partitions: dict[str, tuple[str, ...]] = {}
    merges: dict[str, tuple[str, ...]] = {}
    moves: dict[str, str] = {}
    for change in observed.spec.changes:
        sources = tuple(old for old in change.sources if old in lock.domains)
        targets = tuple(new for new in change.targets if new in observed.states)
        if not sources or not targets or is_done(change, lock.domains):
            continue
        if change.kind == "partition":
            partitions[sources[0]] = targets
        elif change.kind == "merge":
            merges[targets[0]] = sources
        else:
            moves[targets[0]] = sources[0]
    return Declared(partitions=partitions, merges=merges, moves=moves)
