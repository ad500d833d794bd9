"""Being rid of leases by hand: those whose holder has ended, and by force those of a holder that hangs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from olmixctl.ledger.leases import LOCK, Held, Leases

__all__ = ["Freed", "free_leases"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Freed:
    """A lease that was found, and whether it was removed.

    Attributes:
        held: what its file says.
        age_seconds: since it was claimed; by the clocks of two machines, so it may be off.
        removed: it is free now.
    """

    held: Held
    age_seconds: int
    removed: bool

    @property
    def subject(self) -> str:
        """The run's key, or `lock`."""
        return self.held.lease.name.replace("-", ":", 1)

    def as_json(self) -> dict[str, Any]:
        """The lease for programs."""
        owner = self.held.owner
        return {
            "subject": self.subject,
            "holder": None if owner is None else {"host": owner.host, "pid": owner.pid},
            "age_seconds": self.age_seconds,
            "ended": self.held.dead,
            "removed": self.removed,
        }

    @property
    def on_lock(self) -> bool:
        """It is the lease on deciding and writing the lock."""
        return self.held.lease.name == LOCK


def free_leases(leases: Leases, now: int, *, force: bool) -> tuple[Freed, ...]:
    """All leases that are held; those whose holder has ended are removed, with `force` all.

    Args:
        leases: of a mix.
        now: seconds since the epoch.
        force: also those of living holders, and of holders that cannot be seen from here.

    Raises:
        OlmixctlError: the leases cannot be read or written.
    """
    return tuple(
        Freed(
            held=held,
            age_seconds=max(now - held.since, 0) if held.owner else 0,
            removed=(held.dead or force) and leases.evict(held.lease),
        )
        for held in leases.holders()
    )
