"""The runs of an apply as work to be claimed: another apply on the same ledger may claim from the same list."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from olmixctl.errors import LeaseError
from olmixctl.execute.events import OnEvent, RunFinished, WaitingForOthers
from olmixctl.execute.protocol import Outcome
from olmixctl.ledger.leases import LOCK, Lease, Leases
from olmixctl.ledger.store import Ledger
from olmixctl.plan.model import PlannedRun

__all__ = ["LOOK_SECONDS", "SharedWork", "Sharing", "alone", "lease_name"]

LOOK_SECONDS = 1.0
"""Seconds between looks at what others hold, once nothing is free."""

Keep = Callable[[Outcome, Lease], bool]
"""Records an outcome under its lease. False: the lease was lost, and whoever holds the run now records it."""


def lease_name(key: str) -> str:
    """The lease on training a run."""
    return key.replace(":", "-")


@dataclass(frozen=True, kw_only=True, slots=True)
class Sharing:
    """How an apply shares its runs.

    Attributes:
        ledger: where results stand, whoever trained them.
        leases: who trains what.
        wait: wait for runs that others train; otherwise stop once nothing else is left.
        look_seconds: between looks at what others hold.
    """

    ledger: Ledger
    leases: Leases
    wait: bool = True
    look_seconds: float = LOOK_SECONDS


@contextlib.contextmanager
def alone(sharing: Sharing, on_event: OnEvent) -> Iterator[Callable[[], None]]:
    """Hold the lease on deciding and writing the lock, once no other apply does.

    Yields:
        A check to be made right before the lock is written: raises LeaseError when the lease was lost meanwhile.

    Raises:
        LeaseError: another apply holds it, and this one was told not to wait.
    """
    leases = sharing.leases
    with leases.beating():
        lease = _lock_lease(sharing, on_event)

        def check() -> None:
            if not leases.holds(lease):
                raise LeaseError(
                    "this apply was held up for so long that another took over the writing of the lock",
                    remedy="run apply again: runs are recorded, and the lock may be there already",
                )

        yield check


def _lock_lease(sharing: Sharing, on_event: OnEvent) -> Lease:
    """See `alone`."""
    while (lease := sharing.leases.claim([LOCK])) is None:
        if not sharing.wait:
            raise LeaseError(
                "another apply is deciding the mix; all runs are recorded",
                remedy="run apply again when it is done, or without --no-wait",
            )
        on_event(WaitingForOthers(0))
        time.sleep(sharing.look_seconds)
    return lease


class SharedWork:
    """See `Work`. Runs are claimed in the order given; those that others hold come last.

    Args:
        runs: distinct keys, none recorded when they were planned.
        sharing: with whom, and how.
        keep: records an outcome.
        on_event: takes progress.
    """

    def __init__(self, runs: Sequence[PlannedRun], sharing: Sharing, keep: Keep, on_event: OnEvent) -> None:
        self._sharing = sharing
        self._keep = keep
        self._on_event = on_event
        self._open = {lease_name(run.key): run for run in runs}
        self._taken: dict[str, Lease] = {}
        self._next_look = 0.0
        self.done = 0

    @property
    def total(self) -> int:
        """Runs of this apply: recorded by it, being trained by it, or not yet recorded by anyone."""
        return self.done + len(self._taken) + len(self._open)

    def claim(self) -> PlannedRun | None:
        """See `Work`."""
        if not self._open or time.monotonic() < self._next_look:
            return None
        self._drop_recorded()
        lease = self._sharing.leases.claim(list(self._open))
        if lease is None:
            self._next_look = time.monotonic() + self._sharing.look_seconds
            return None
        self._pass_over(lease.name)
        run = self._open.pop(lease.name)
        if run.key in self._sharing.ledger:
            # Recorded and released between the two looks.
            self._sharing.leases.release(lease)
            return self.claim()
        self._taken[run.key] = lease
        return run

    def wait(self) -> bool:
        """See `Work`.

        Raises:
            LeaseError: others hold what is left, and this apply was told not to wait.
        """
        if self._open:
            self._drop_recorded()
        if not self._open:
            return False
        if not self._sharing.wait:
            raise LeaseError(
                f"another apply trains what is left, {len(self._open)} of the runs ({self._holders()}); "
                f"this one recorded {self.done}",
                remedy="run apply again when it is done, or without --no-wait; `olmixctl unlock` lists the leases",
            )
        left = self._next_look - time.monotonic()
        if left > 0:
            self._on_event(WaitingForOthers(len(self._open)))
            time.sleep(left)
        return True

    def record(self, outcome: Outcome) -> None:
        """See `Work`."""
        lease = self._taken.pop(outcome.run.key)
        kept = self._keep(outcome, lease)
        self._sharing.leases.release(lease)
        if not kept:
            # Taken over while it was trained: whoever holds the run now records it.
            self._open[lease.name] = outcome.run
            return
        self.done += 1
        seconds = float(outcome.provenance.get("wall_seconds", 0.0))
        event = RunFinished(outcome.run.key, outcome.status, outcome.metrics, seconds, self.done, self.total)
        self._on_event(event)

    def __iter__(self) -> Iterator[PlannedRun]:
        """All runs that this apply comes to claim, one after the other; waits where others hold what is left."""
        while True:
            run = self.claim()
            if run is not None:
                yield run
            elif not self.wait():
                return

    def _holders(self) -> str:
        held = (held for held in self._sharing.leases.holders() if held.lease.name in self._open)
        return ", ".join(sorted({held.who for held in held})) or "it is just ending"

    def _drop_recorded(self) -> None:
        """Runs that others recorded are done, whoever is counted for them."""
        recorded = self._sharing.ledger.usable_keys()
        for name in [name for name, run in self._open.items() if run.key in recorded]:
            del self._open[name]

    def _pass_over(self, claimed: str) -> None:
        """Runs before the claimed one are held by others: to the back."""
        for name in list(self._open):
            if name == claimed:
                return
            self._open[name] = self._open.pop(name)
