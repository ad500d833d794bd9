"""Who trains what, as text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from olmixctl.ledger.leases import LOCK, Held
from olmixctl.report.look import Cell, Column, Look, Row, heading, page, table
from olmixctl.report.numbers import plural, seconds

__all__ = ["Freed", "leases_text"]

_KEY = 11


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
        """The run's key, or that it is the lock."""
        name = self.held.lease.name
        return "the lock" if name == LOCK else name.replace("-", ":", 1)

    def as_json(self) -> dict[str, Any]:
        """The lease for programs."""
        owner = self.held.owner
        return {
            "subject": LOCK if self.held.lease.name == LOCK else self.subject,
            "holder": None if owner is None else {"host": owner.host, "pid": owner.pid},
            "age_seconds": self.age_seconds,
            "ended": self.held.dead,
            "removed": self.removed,
        }


def leases_text(name: str, leases: Sequence[Freed], look: Look) -> str:
    """All leases of a mix, a line each."""
    if not leases:
        return f"{name} has no leases: nobody trains or solves it.\n"
    rows: list[Row] = []
    for lease in leases:
        state = Cell("removed", "good") if lease.removed else Cell("held", "care")
        ended = "ended" if lease.held.dead else ""
        rows.append([lease.subject[:_KEY], lease.held.who, ended, seconds(lease.age_seconds), state])
    columns = [Column("lease on"), Column("holder"), Column(""), Column("age", right=True), Column("")]
    removed = sum(lease.removed for lease in leases)
    remark = f"{plural(len(leases), 'lease')}, {removed} removed"
    return page([[heading(name, look, remark)], table(columns, rows, look, indent=0)])
