"""Which domains still are what the lock knows: pure, from content digests alone.

The same documents are the same domain, under whatever name and in whatever files.
"""

from __future__ import annotations

from olmixctl.lock.model import Lock
from olmixctl.plan.model import Observed

__all__ = ["kept_domains", "to_compare"]


def kept_domains(observed: Observed, lock: Lock) -> dict[str, str]:
    """Id now → id in the lock, of domains with the same documents, sorted.

    Where a domain's documents stood under several names in the lock, its own name counts first, then a declared move.
    """
    kept = {d: d for d, s in observed.states.items() if d in lock.domains and s.content == lock.domains[d].content}
    declared = {c.targets[0]: c.sources[0] for c in observed.spec.changes if c.kind == "move"}
    free: dict[str, list[str]] = {}
    for old in sorted(set(lock.domains) - set(kept)):
        free.setdefault(lock.domains[old].content, []).append(old)
    unknown = sorted(set(observed.states) - set(kept), key=lambda d: (d not in declared, d))
    for new in unknown:
        if fitting := free.get(observed.states[new].content):
            kept[new] = declared[new] if declared.get(new) in fitting else fitting[0]
            fitting.remove(kept[new])
    return dict(sorted(kept.items()))


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
