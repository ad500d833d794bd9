"""What was split, merged, or renamed and revised between two locks, told from the inventories of their domains. Pure.

The same as a plan tells of a lock and the present (`recognise`), over two locks that were written already.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from olmixctl.inventory import Inventory
from olmixctl.lock.identity import contents_of, same_documents
from olmixctl.lock.model import Lock
from olmixctl.lock.regrouped import Regrouped
from olmixctl.plan.recognise import Recognised, recognise

__all__ = ["find_origins", "to_tell"]


def to_tell(before: Lock, after: Lock) -> tuple[dict[str, str], dict[str, str]]:
    """Id → fingerprint of the domains of either lock that only their inventories can relate; empty when one side is."""
    kept = same_documents(contents_of(after), contents_of(before))
    stay = set(kept.values())
    olds = {old: record.fingerprint for old, record in before.domains.items() if old not in stay}
    news = {new: record.fingerprint for new, record in after.domains.items() if new not in kept}
    return (olds, news) if olds and news else ({}, {})


def find_origins(before: Lock, after: Lock, inventories: Mapping[str, Inventory]) -> tuple[Regrouped, ...]:
    """What was split, merged, or renamed and revised from `before` to `after`.

    Args:
        before: the earlier lock.
        after: the later one.
        inventories: fingerprint → inventory, as far as they are known. One that does not answer to the documents of its
            lock says nothing.
    """
    olds, news = to_tell(before, after)
    then, now = _known(before, olds, inventories), _known(after, news, inventories)
    told = recognise(then, now, gone=set(then) - set(after.domains), came=set(now) - set(before.domains))
    return tuple(
        Regrouped.of(before, after, was, came, estimated=not all(told.flows[pair].exact for pair in pairs))
        for was, came, pairs in _groups(told)
    )


def _known(lock: Lock, domains: Mapping[str, str], inventories: Mapping[str, Inventory]) -> dict[str, Inventory]:
    found = {domain: inventories[fp] for domain, fp in domains.items() if fp in inventories}
    return {domain: item for domain, item in found.items() if item.content == lock.domains[domain].content}


def _groups(told: Recognised) -> Iterator[tuple[set[str], set[str], list[tuple[str, str]]]]:
    """Partitions and merges with a domain in common are one: old ids, new ids, and the pairs that relate them."""
    pairs = {(old, new) for old, parts in told.partitions.items() for new in parts}
    pairs |= {(old, new) for new, sources in told.merges.items() for old in sources}
    pairs |= {(old, new) for new, old in told.moves.items()}
    left = sorted(pairs)
    while left:
        olds, news, size = {left[0][0]}, set[str](), -1
        while size < len(olds) + len(news):
            size = len(olds) + len(news)
            mine = [pair for pair in left if pair[0] in olds or pair[1] in news]
            olds |= {old for old, _ in mine}
            news |= {new for _, new in mine}
        yield olds, news, mine
        left = [pair for pair in left if pair not in set(mine)]
