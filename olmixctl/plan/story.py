"""All that is known of what became of each domain since the lock: declared, recognised, or neither. Pure.

What the mix file declares comes first, then what is recognised from content (`recognise`), then names.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from olmixctl.inventory import Inventory
from olmixctl.lock.model import Lock
from olmixctl.plan.declared import Declared, declared_changes
from olmixctl.plan.flows import Flow
from olmixctl.plan.identity import kept_domains, to_compare
from olmixctl.plan.model import Observed
from olmixctl.plan.recognise import Recognised, recognise

__all__ = ["Story", "tell_story"]


@dataclass(frozen=True, kw_only=True)  # without slots: it keeps what is asked for every domain
class Story:
    """What became of the domains.

    Attributes:
        observed: the present.
        lock: the past.
        then: id in the lock → inventory, of those that have to be compared and are known.
        now: id now → inventory, likewise.
        unknown: ids of the lock that would have to be compared, and are not known.
        kept: id now → id in the lock, with the same documents.
        declared: what the mix file says.
        recognised: what the documents say.
        partitions: id in the lock → its parts now, declared or recognised.
        merges: id now → ids in the lock, declared or recognised.
        moves: id now → id in the lock, of domains that were renamed and revised, declared or recognised.
    """

    observed: Observed
    lock: Lock
    then: Mapping[str, Inventory]
    now: Mapping[str, Inventory]
    unknown: tuple[str, ...]
    kept: Mapping[str, str]
    declared: Declared
    recognised: Recognised
    partitions: Mapping[str, tuple[str, ...]]
    merges: Mapping[str, tuple[str, ...]]
    moves: Mapping[str, str]

    @cached_property
    def gone(self) -> frozenset[str]:
        """Ids of the lock whose documents stand under no id any more: gone, or their name taken by other ones."""
        stay = {*self.kept.values(), *self.moves.values()}
        taken = {new for new, old in self.kept.items() if new != old}
        return frozenset(old for old in self.lock.domains if old not in self.observed.states or old in taken) - stay

    def flows_into(self, new: str) -> dict[str, Flow]:
        """Id in the lock → what a domain of the present has of it."""
        return self._into.get(new, {})

    def flows_from(self, old: str) -> dict[str, Flow]:
        """Id now → what it has of a domain of the lock."""
        return self._from.get(old, {})

    @cached_property
    def _into(self) -> dict[str, dict[str, Flow]]:
        flows: dict[str, dict[str, Flow]] = {}
        for (old, new), flow in self.recognised.flows.items():
            flows.setdefault(new, {})[old] = flow
        return flows

    @cached_property
    def _from(self) -> dict[str, dict[str, Flow]]:
        flows: dict[str, dict[str, Flow]] = {}
        for (old, new), flow in self.recognised.flows.items():
            flows.setdefault(old, {})[new] = flow
        return flows

    def both_known(self, old: str, new: str) -> bool:
        """Whether the documents of both are known, so that having nothing in common is known too."""
        return old in self.then and new in self.now


def tell_story(observed: Observed, lock: Lock) -> Story:
    """Put together what is declared and what is recognised; a declared domain is not told of again."""
    kept, declared = kept_domains(observed, lock), declared_changes(observed, lock)
    olds, news = to_compare(observed, lock)
    then = {d: inventory for d in olds if (inventory := observed.compared.then.get(d))}
    now = {d: inventory for d in news if (inventory := observed.compared.now.get(d))}
    recognised = recognise(then, now, gone=set(then) - set(observed.states), came=set(now) - set(lock.domains))
    partitions = {old: parts for old, parts in recognised.partitions.items() if old not in declared.sources}
    merges = {new: sources for new, sources in recognised.merges.items() if new not in declared.targets}
    seen = {n: o for n, o in recognised.moves.items() if n not in declared.targets and o not in declared.sources}
    stay = set(kept.values())
    stated = {n: o for n, o in declared.moves.items() if n not in kept and o not in stay}
    return Story(
        observed=observed,
        lock=lock,
        then=then,
        now=now,
        unknown=tuple(old for old in olds if old not in then),
        kept=kept,
        declared=declared,
        recognised=recognised,
        partitions=partitions | dict(declared.partitions),
        merges=merges | dict(declared.merges),
        moves=seen | stated,
    )
