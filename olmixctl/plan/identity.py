"""Which domains still are what the lock knows: pure, from content digests alone.

The same documents are the same domain, under whatever name and in whatever files.
"""

from __future__ import annotations

from olmixctl.lock.identity import contents_of, same_documents
from olmixctl.lock.model import Lock
from olmixctl.plan.model import Observed

__all__ = ["kept_domains", "to_compare"]


def kept_domains(observed: Observed, lock: Lock) -> dict[str, str]:
    """Id now → id in the lock, of domains with the same documents, sorted.

    Where a domain's documents stood under several names in the lock, its own name counts first, then a declared move.
    """
    declared = {c.targets[0]: c.sources[0] for c in observed.spec.changes if c.kind == "move"}
    now = {domain: state.content for domain, state in observed.states.items()}
    return same_documents(now, contents_of(lock), declared)


def to_compare(observed: Observed, lock: Lock) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Ids of the lock and ids now that only their inventories can relate; both empty when one side is.

    Declared domains have no inventory and are left out.
    """
    kept = kept_domains(observed, lock)
    inputs = lock.inputs.get("domains", {})
    stay = set(kept.values())
    old = tuple(d for d in lock.domains if d not in stay and not inputs.get(d, {}).get("declared"))
    new = tuple(d for d, s in observed.states.items() if d not in kept and s.files)
    return (old, new) if old and new else ((), ())
