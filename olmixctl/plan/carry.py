"""A mix without a run: what each domain's share would be if nothing were measured. Pure.

Unaffected domains keep their ratios, a revised domain keeps its share, the parts of a domain share it by tokens, a
merged domain has the sum of its parts, and an added one gets its reference share.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

from olmixctl.lock.model import Lock
from olmixctl.mixture import GRID, Mixture
from olmixctl.plan.changes import ChangeSet
from olmixctl.plan.model import Observed

__all__ = ["carried_mix"]


def carried_mix(observed: Observed, lock: Lock, changes: ChangeSet) -> Mixture:
    """The mix over the domains of the present, before any bound is looked at.

    Args:
        observed: the present.
        lock: whose shares are carried over.
        changes: between the two, with the origins of what is new.
    """
    amounts = {new: Fraction(lock.weights[old], GRID) for new, old in changes.kept.items()}
    handed: dict[str, Fraction] = {}
    for old, receivers in _heirs(observed, lock, changes).items():
        total = sum(receivers.values())
        for new, tokens in receivers.items():
            handed[new] = handed.get(new, Fraction(0)) + Fraction(lock.weights[old], GRID) * tokens / total
    reference = observed.reference
    settled = amounts | handed
    # Exact to the end: the mix must not depend on the order in which domains are declared.
    fresh = {d: Fraction(reference[d]) for d in observed.states if d not in settled}
    total_settled = sum(settled.values())
    if not total_settled:
        return reference
    room = 1 - sum(fresh.values())
    shares = fresh | {d: amount * room / total_settled for d, amount in settled.items()}
    return Mixture.normalised({d: float(share) for d, share in shares.items()})


def _heirs(observed: Observed, lock: Lock, changes: ChangeSet) -> dict[str, dict[str, Fraction]]:
    """Domain of the lock that is no more what it was → the domains that its tokens went to, with how many."""
    gone = set(lock.domains) - set(changes.kept.values())
    table: dict[str, dict[str, Fraction]] = {}
    for new in changes.affected:
        for old, fraction in _origins(new, lock, changes).items():
            if old in gone and fraction > 0:
                tokens = Fraction(fraction).limit_denominator(10**9) * observed.states[new].tokens
                table.setdefault(old, {})[new] = tokens
    return table


def _origins(new: str, lock: Lock, changes: ChangeSet) -> Mapping[str, float]:
    """Where a domain comes from: by content, else by name, for a revision keeps its share."""
    found = changes.origins.get(new, {})
    return found or ({new: 1.0} if new in lock.domains else {})
