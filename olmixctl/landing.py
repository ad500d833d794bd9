"""The lock at both ends of an apply: the one it starts from, the one it writes, and what is tidied up after it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from olmixctl.atomic import remove_leftovers
from olmixctl.errors import IncompleteError, Place, StaleError
from olmixctl.execute.work import Sharing, lease_name
from olmixctl.ledger.store import Ledger
from olmixctl.lock.codec import digest_of
from olmixctl.lock.model import Lock
from olmixctl.lock.store import write_lock
from olmixctl.plan.model import Cost, Plan, PlannedRun
from olmixctl.plan.rounds import CHAIN

__all__ = ["ApplyResult", "Bases", "land", "resumable", "tidy"]


@dataclass(frozen=True, kw_only=True, slots=True)
class ApplyResult:
    """What an apply did.

    Attributes:
        lock: the lock in force now.
        previous: the lock before, or None.
        written: a new lock was written.
        by_another: another apply wrote this very lock meanwhile.
        trained: runs trained by this apply.
        recorded: designed runs that were in the ledger already.
        device_seconds: what the missing runs took; None where none was trained, or they do not say.
        cost: what the plan said of the missing runs, as far as they were needed.
        wall_seconds: from start to the written lock.
    """

    lock: Lock
    previous: Lock | None
    written: bool
    by_another: bool
    trained: int
    recorded: int
    device_seconds: float | None
    cost: Cost
    wall_seconds: float


class Bases:
    """The locks that plans were made from. A plan outlives its base when another apply of the same plan is faster."""

    def __init__(self) -> None:
        self._known: dict[str | None, Lock | None] = {}

    def remember(self, lock: Lock | None) -> None:
        """A plan starts from `lock`."""
        self._known[_digest(lock)] = lock

    def base_of(self, plan: Plan, current: Lock | None, path: Path, ledger: Ledger) -> Lock | None:
        """The lock that `plan` starts from.

        Args:
            plan: made from a lock that was remembered.
            current: the lock that lies there now.
            path: where.
            ledger: the runs; where all that `plan` missed is recorded, `current` may be what it leads to.

        Raises:
            StaleError: the lock moved, and not because of another apply of the same plan.
        """
        if _digest(current) == plan.base.digest:
            return current
        recorded = {run.key for run in plan.missing} <= ledger.usable_keys() or _ended_in(plan, current)
        if plan.base.digest not in self._known or not recorded:
            raise _moved(plan, current, path)
        return self._known[plan.base.digest]


def land(plan: Plan, lock: Lock, current: Lock | None, path: Path) -> bool:
    """Write `lock`; False when this very lock is there already.

    Args:
        plan: what led to it.
        lock: to be written.
        current: the lock that lies there now.
        path: where.

    Raises:
        StaleError: another lock is there than the one `plan` starts from.
    """
    if _digest(current) == digest_of(lock):
        return False
    if _digest(current) != plan.base.digest:
        raise _moved(plan, current, path)
    return write_lock(path, lock)


def tidy(runs: Iterable[PlannedRun], path: Path, sharing: Sharing) -> None:
    """Remove what killed applies left behind, and leases on runs that nobody claims any more."""
    remove_leftovers(path.parent, path.name)
    sharing.ledger.home.sweep()
    sharing.leases.sweep(lease_name(run.key) for run in runs)


@contextlib.contextmanager
def resumable(plan: Plan, ledger: Ledger, path: Path) -> Iterator[None]:
    """Executing `plan`: Ctrl-C anywhere in it, also while laws are fitted, leaves an apply that can be continued.

    Where none of its runs is recorded, or the lock at `path` is written already, Ctrl-C is only that.

    Raises:
        IncompleteError: interrupted; what finished is recorded.
    """
    before = _bytes(path)
    try:
        yield
    except KeyboardInterrupt:
        recorded = _recorded(plan, ledger)
        if not recorded or _bytes(path) != before:
            raise
        whole = len({run.key for run in plan.runs}) + plan.rounds.more
        raise IncompleteError(
            f"interrupted: {recorded} of {whole} runs are recorded, no lock was written",
            remedy="run it again: it continues where this one stopped",
        ) from None


def _recorded(plan: Plan, ledger: Ledger) -> int:
    """Recorded runs of the swarm of `plan`."""
    keys = {run.key for run in plan.runs} & ledger.usable_keys()
    if not plan.rounds.later:
        return len(keys)
    later = {key for key, record in ledger.records().items() if record.provenance.get(CHAIN) == plan.rounds.chain}
    return len(keys | later)


def _bytes(path: Path) -> bytes | None:
    return path.read_bytes() if path.exists() else None


def _digest(lock: Lock | None) -> str | None:
    return digest_of(lock) if lock else None


def _ended_in(plan: Plan, current: Lock | None) -> bool:
    """Whether `current` may be the end of `plan`, of which it is known only at its end how many runs it takes."""
    if not plan.rounds.open or current is None or current.spec_semantic != plan.observed.semantic:
        return False
    same_data = {domain: record.content for domain, record in current.domains.items()} == plan.observed.contents
    return same_data and current.parents == (() if plan.base.digest is None else (plan.base.digest,))


def _moved(plan: Plan, current: Lock | None, path: Path) -> StaleError:
    return StaleError(
        f"the lock is not the one the plan starts from (serial {plan.base.serial}, "
        f"found {current.serial if current else 'none'})",
        place=Place(str(path)),
        remedy="plan again",
    )
