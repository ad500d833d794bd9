"""What is kept and what is estimated anew: from a set of changes to the coordinates of the next search.

Reuse (arXiv 2602.12237, §4): unaffected domains become one virtual domain whose inner ratios are frozen; the search
runs over it and the other domains. Full reuse freezes all that is unaffected, partial reuse leaves some of them free.
A removal alone needs no runs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from olmixctl.lock.model import Lock
from olmixctl.mixture import GRID, SHARE_UNITS, Block, Coordinates
from olmixctl.plan.changes import ChangeSet
from olmixctl.plan.model import Observed, RouteKind
from olmixctl.plan.rounds import is_enough

__all__ = ["BLOCK_NAME", "Route", "choose_route", "is_incomparable", "kept_shares", "unmeasured", "zero_route"]

BLOCK_NAME = "reused"

_INCOMPARABLE = "recorded runs do not answer for the new proxy or metrics"


@dataclass(frozen=True, kw_only=True, slots=True)
class Route:
    """How the next mix is found.

    Attributes:
        kind: see `Plan.kind`.
        coordinates: the directions of the search.
        reason: why, in one sentence.
        kept_from: serial whose ratios the block keeps, or None.
        evidence: keys of the recorded runs a `resolve` rests on.
    """

    kind: RouteKind
    coordinates: Coordinates
    reason: str
    kept_from: int | None = None
    evidence: tuple[str, ...] = ()


def choose_route(
    observed: Observed,
    lock: Lock | None,
    changes: ChangeSet | None,
    reuse: str,
    *,
    recompute: tuple[str, ...] = (),
    lost: str = "",
    adopted: tuple[str, ...] = (),
) -> Route:
    """The cheapest route that answers every change under a strategy.

    Args:
        observed: the present.
        lock: the committed lock, or None.
        changes: between the two; None without a lock. `affected` holds every domain that no lock has measured.
        reuse: the strategy.
        recompute: unaffected domains that are estimated anew, too.
        lost: what happened to the runs behind the lock; empty when they are as they were.
        adopted: keys of the adopted runs that answer for the present whole, of a lock that rests on adopted runs.
    """
    everything = Coordinates(tuple(observed.states))
    if lock is None or changes is None:
        return Route(kind="train", coordinates=everything, reason="there is no lock yet")
    if adopted and not recompute and (reuse in ("auto", "none") or not changes.affected):
        return _adopted(observed, lock, changes, adopted, lost)
    if reuse == "none":
        return _recompute(observed, lock, changes, everything, lost)
    if changes.affected or recompute:
        return _collapse(lock, changes, everything, recompute)
    if changes.removed and not is_incomparable(changes):
        return _keep_all(lock, changes, "only removals: the other ratios stand and are renormalised")
    if changes.removed:
        return Route(kind="train", coordinates=everything, reason=_INCOMPARABLE)
    return _same_domains(observed, lock, changes, reuse, lost)


def unmeasured(observed: Observed, lock: Lock, changes: ChangeSet, *, asked: bool) -> tuple[str, ...]:
    """Kept domains that no run has measured: the free ones of a lock whose shares were carried over.

    They are estimated with the next lock that is written, or when somebody asks; a carried lock by itself stands.
    """
    if lock.solution.status != "carried":
        return ()
    quiet = not (changes.affected or changes.removed) and _settled(observed, lock, changes)
    free = set(lock.coordinates.free)
    return () if quiet and not asked else tuple(new for new, old in changes.kept.items() if old in free)


def zero_route(lock: Lock, changes: ChangeSet, route: Route, evidence: tuple[str, ...]) -> Route:
    """The route that trains nothing: `route` solved on recorded runs where they suffice, else shares carried over.

    Args:
        lock: the committed lock.
        changes: between the lock and the present.
        route: what would be done with training.
        evidence: recorded runs that suffice for its coordinates; empty when they do not.
    """
    if route.kind != "train":
        return route
    if evidence:
        return Route(
            kind="resolve",
            coordinates=route.coordinates,
            reason="nothing is trained: solved on the recorded runs",
            kept_from=route.kept_from,
            evidence=evidence,
        )
    shares = kept_shares(lock, {n: o for n, o in changes.kept.items() if n not in changes.affected})
    blocks = (Block(BLOCK_NAME, shares),) if any(shares.values()) else ()
    free = tuple({*changes.affected, *([] if blocks else shares)})
    return Route(
        kind="carry",
        coordinates=Coordinates(free, blocks),
        reason="nothing is trained: shares are carried over, none is measured",
        kept_from=lock.serial if blocks else None,
    )


def _recompute(observed: Observed, lock: Lock, changes: ChangeSet, everything: Coordinates, lost: str) -> Route:
    settled = not changes.affected and not changes.removed and not lock.blocks and lock.evidence
    if settled:
        return _same_domains(observed, lock, changes, "none", lost)
    return Route(kind="train", coordinates=everything, reason="reuse is none: every share is estimated anew")


def _collapse(lock: Lock, changes: ChangeSet, everything: Coordinates, recompute: tuple[str, ...]) -> Route:
    free = tuple(sorted({*changes.affected, *recompute}))
    shares = kept_shares(lock, {new: old for new, old in changes.kept.items() if new not in free})
    if len(shares) < 2 or not any(shares.values()):
        return Route(kind="train", coordinates=everything, reason="no two unaffected domains: nothing to keep")
    count = f"{len(shares)} unaffected domains keep their ratios as one virtual domain"
    anew = f", {len(set(recompute) - set(changes.affected))} of them unaffected" if recompute else ""
    return Route(
        kind="train",
        coordinates=Coordinates(free, (Block(BLOCK_NAME, shares),)),
        reason=f"{count}; {len(free)} estimated{anew}",
        kept_from=lock.serial,
    )


def _keep_all(lock: Lock, changes: ChangeSet, reason: str) -> Route:
    shares = kept_shares(lock, changes.kept)
    if not any(shares.values()):
        everything = Coordinates(tuple(changes.kept))
        return Route(kind="train", coordinates=everything, reason="what is left had no weight: nothing to keep")
    coordinates = Coordinates((), (Block(BLOCK_NAME, shares),))
    return Route(kind="rescale", coordinates=coordinates, reason=reason, kept_from=lock.serial)


def _same_domains(observed: Observed, lock: Lock, changes: ChangeSet, reuse: str, lost: str) -> Route:
    """No domain came or went. What was measured decides whether recorded evidence answers the change."""
    everything = Coordinates(tuple(observed.states))
    renamed = _renamed(lock.coordinates, changes.kept)
    from_serial = next((block.from_serial for block in lock.blocks.values()), None)
    if is_incomparable(changes):
        coordinates = renamed if reuse == "full" and lock.evidence else everything
        return Route(
            kind="train",
            coordinates=coordinates,
            reason=_INCOMPARABLE,
            kept_from=from_serial if coordinates.blocks else None,
        )
    if lost:
        return Route(kind="train", coordinates=renamed, reason=lost, kept_from=from_serial)
    if _settled(observed, lock, changes):
        return Route(kind="none", coordinates=renamed, reason="the lock is of this spec and this data")
    if not lock.evidence:
        if {"objective", "surrogate", "method", "swarm"} & set(changes.sections):
            return Route(kind="train", coordinates=everything, reason="no evidence stands behind the kept ratios")
        return _keep_all(lock, changes, "the kept ratios are put under the new bounds")
    if "swarm" in changes.sections and not is_enough(lock.inputs["swarm"], observed.inputs["swarm"]):
        return Route(kind="train", coordinates=renamed, reason="the swarm has other mixtures", kept_from=from_serial)
    return Route(
        kind="resolve",
        coordinates=renamed,
        reason="recorded evidence answers every change",
        kept_from=from_serial,
        evidence=lock.evidence,
    )


def _adopted(observed: Observed, lock: Lock, changes: ChangeSet, runs: tuple[str, ...], lost: str) -> Route:
    """A lock on adopted runs: they cannot be trained again, so it is solved on those that there are."""
    everything = Coordinates(tuple(observed.states))
    more = len(set(runs) - {*lock.evidence, *lock.spiked})
    if not (lost or more or changes.affected) and _settled(observed, lock, changes):
        return Route(kind="none", coordinates=everything, reason="the lock is of this spec and this data")
    told = "recorded evidence answers every change"
    if more:
        told = f"{more} more adopted runs are recorded" + (", of what changed, too" if changes.affected else "")
    if lost:
        told = f"{lost}; solved on the {len(runs)} adopted runs there are"
    return Route(kind="resolve", coordinates=everything, reason=told, evidence=runs)


def is_incomparable(changes: ChangeSet) -> bool:
    """Whether no recorded run measured what is asked for now."""
    sections = {"tokenizer", "trainer"} if changes.adopted else {"proxy", "tokenizer", "trainer"}
    return bool(changes.evals_added or sections & set(changes.sections))


def _settled(observed: Observed, lock: Lock, changes: ChangeSet) -> bool:
    """The lock says all there is to say: same inputs, same names, same files, same protection."""
    moved = any(new != old for new, old in changes.kept.items())
    resharded = any(observed.states[n].fingerprint != lock.domains[o].fingerprint for n, o in changes.kept.items())
    same_evals = not changes.evals_changed and observed.inputs.get("evals") == lock.inputs.get("evals")
    return same_evals and not (changes.sections or moved or resharded or changes.protection_changed)


def _renamed(coordinates: Coordinates, kept: Mapping[str, str]) -> Coordinates:
    new_name = {old: new for new, old in kept.items()}
    return Coordinates(
        tuple(new_name[name] for name in coordinates.free),
        tuple(
            Block(block.name, {new_name[member]: share for member, share in block.shares.items()})
            for block in coordinates.blocks
        ),
    )


def kept_shares(lock: Lock, kept: Mapping[str, str]) -> dict[str, int]:
    """Shares of the kept domains in units of 1e-12: id now → share.

    Members of the lock's block carry theirs verbatim, so kept ratios are identical to the last digit from lock to lock;
    a domain that was free joins with its weight in the units of that block.

    Args:
        lock: the lock whose ratios are kept.
        kept: id now → id in the lock.
    """
    old_block = next((block for block in lock.coordinates.blocks if lock.blocks[block.name].mass), None)
    members = dict(old_block.shares) if old_block else {}
    if not old_block or not any(members.get(old, 0) for old in kept.values()):
        return {new: lock.weights[old] * (SHARE_UNITS // GRID) for new, old in kept.items()}
    unit = Fraction(sum(members.values()), lock.blocks[old_block.name].mass)
    return {new: members[old] if old in members else round(lock.weights[old] * unit) for new, old in kept.items()}
