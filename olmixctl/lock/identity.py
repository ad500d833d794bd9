"""Which domains are the same in two locks, or in a lock and the present: pure, from content digests alone.

The same documents are the same domain, under whatever name, also where that name was another domain's before: two
domains may change names, and one may take the name that another gives up.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from olmixctl.lock.model import Lock

__all__ = ["contents_of", "former_names", "same_documents", "under_present_names"]

_V = TypeVar("_V")


def contents_of(lock: Lock) -> dict[str, str]:
    """Id → content digest of a lock's domains."""
    return {domain: record.content for domain, record in lock.domains.items()}


def same_documents(
    now: Mapping[str, str], then: Mapping[str, str], declared: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Id now → id then, of domains with the same documents, sorted.

    Where documents had several names, a domain's own name counts first, then a declared move, then the alphabet.

    Args:
        now: id → content digest.
        then: id → content digest.
        declared: id now → id then, of moves that somebody declared.
    """
    moves = declared or {}
    kept = {domain: domain for domain, content in now.items() if then.get(domain) == content}
    free: dict[str, list[str]] = {}
    for old in sorted(set(then) - set(kept)):
        free.setdefault(then[old], []).append(old)
    for new in sorted(set(now) - set(kept), key=lambda domain: (domain not in moves, domain)):
        if fitting := free.get(now[new]):
            kept[new] = moves[new] if moves.get(new) in fitting else fitting[0]
            fitting.remove(kept[new])
    return dict(sorted(kept.items()))


def former_names(now: Mapping[str, str], then: Mapping[str, str]) -> dict[str, str]:
    """Id now → id then, of domains that stayed: with the same documents, or revised under the same name.

    A name whose old documents go on under another one tells nothing of the documents that have it now.

    Args:
        now: id → content digest.
        then: id → content digest.
    """
    kept = same_documents(now, then)
    stay = set(kept.values())
    return kept | {domain: domain for domain in now if domain in then and domain not in kept and domain not in stay}


def under_present_names(values: Mapping[str, _V], kept: Mapping[str, str]) -> dict[str, _V]:
    """`values` by id then, under the ids of now.

    What is gone keeps its name; where another domain has that name now, it stands in parentheses, as no domain can.

    Args:
        values: id then → anything.
        kept: id now → id then, of domains with the same documents; those that kept their name may be left out.
    """
    new_name = {old: new for new, old in kept.items()}
    return {new_name.get(old, f"({old})" if old in kept else old): value for old, value in values.items()}
