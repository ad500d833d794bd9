"""What became of domains, told from their documents: pure, from inventories to named changes.

Let f(o → n) be the fraction of the tokens of o, a domain of the lock, that is in n, a domain of the present, and
g(o → n) the fraction of n's tokens that is in o (`flows`). Only domains whose documents changed, came or went are
compared; the same documents under another name are a move and are told before, by digest alone.

* **partition** of o: its parts are the domains n with g(o → n) ≥ ½, and o itself where it keeps its name and anything
  of its documents. There are at least two, at least one under another name, and together they hold at least half of o.
* **merge** into n: its sources are the domains o with f(o → n) ≥ ½. There are at least two, and together they are at
  least half of n.
* **moved and revised**: o is gone, n is new, neither takes part in a partition or a merge, and what they share is at
  least half of the tokens of the larger. Of several such pairs those that share most are taken first.
* **revised**: a domain of both, otherwise. **added**, **removed**: what is left.

One domain can be part of a partition and of a merge at once. Halves are inclusive, and are estimates where files were
written anew (see `flows` for the error): a change within the error of a threshold may be named either way, which
decides a name and an origin, never whether a share is estimated anew.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field

from olmixctl.inventory import Inventory
from olmixctl.plan.flows import HALF, Flow, find_flows

__all__ = ["Recognised", "recognise"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Recognised:
    """What inventories tell.

    Attributes:
        partitions: id in the lock → its parts now, sorted.
        merges: id now → ids in the lock it was made of, sorted.
        moves: id now → id in the lock, renamed and revised.
        flows: (id in the lock, id now) → what they have in common.
    """

    partitions: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    merges: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    moves: Mapping[str, str] = field(default_factory=dict)
    flows: Mapping[tuple[str, str], Flow] = field(default_factory=dict)


def recognise(
    then: Mapping[str, Inventory], now: Mapping[str, Inventory], *, gone: Collection[str], came: Collection[str]
) -> Recognised:
    """Name the changes between two sets of inventories.

    Args:
        then: of domains of the lock whose documents are no longer under their name.
        now: of domains of the present whose documents were not in the lock.
        gone: ids of `then` that are not in the mix any more.
        came: ids of `now` that are not in the lock.
    """
    flows = find_flows(then, now)
    partitions = dict(_partitions(flows))
    merges = dict(_merges(flows))
    taken = {*partitions, *merges, *(d for ids in (*partitions.values(), *merges.values()) for d in ids)}
    moves = _moves(flows, then, now, {d for d in gone if d not in taken}, {d for d in came if d not in taken})
    return Recognised(partitions=partitions, merges=merges, moves=moves, flows=flows)


def _partitions(flows: Mapping[tuple[str, str], Flow]) -> Iterator[tuple[str, tuple[str, ...]]]:
    parts: defaultdict[str, dict[str, float]] = defaultdict(dict)
    for (old, new), flow in flows.items():
        if flow.of_new >= HALF or (old == new and flow.of_old > 0):
            parts[old][new] = flow.of_old
    for old, held in sorted(parts.items()):
        if len(held) > 1 and sum(held.values()) >= HALF:
            yield old, tuple(sorted(held))


def _merges(flows: Mapping[tuple[str, str], Flow]) -> Iterator[tuple[str, tuple[str, ...]]]:
    sources: defaultdict[str, dict[str, float]] = defaultdict(dict)
    for (old, new), flow in flows.items():
        if flow.of_old >= HALF:
            sources[new][old] = flow.of_new
    for new, held in sorted(sources.items()):
        if len(held) > 1 and sum(held.values()) >= HALF:
            yield new, tuple(sorted(held))


def _moves(
    flows: Mapping[tuple[str, str], Flow],
    then: Mapping[str, Inventory],
    now: Mapping[str, Inventory],
    gone: set[str],
    came: set[str],
) -> dict[str, str]:
    alike: list[tuple[float, str, str]] = []
    for (old, new), flow in flows.items():
        common = min(flow.of_old * then[old].tokens, flow.of_new * now[new].tokens)
        if old in gone and new in came and common >= HALF * max(then[old].tokens, now[new].tokens):
            alike.append((-common, new, old))
    moves: dict[str, str] = {}
    taken: set[str] = set()
    for _, new, old in sorted(alike):
        if new not in moves and old not in taken:
            moves[new] = old
            taken.add(old)
    return moves
