"""Who trains what, as text."""

from __future__ import annotations

from collections.abc import Sequence

from olmixctl.ledger.freeing import Freed
from olmixctl.report.look import Cell, Column, Look, Row, heading, page, table
from olmixctl.report.numbers import NONE, plural, run_name, seconds

__all__ = ["leases_text"]


def leases_text(name: str, leases: Sequence[Freed], look: Look) -> str:
    """All leases of a mix, a line each."""
    if not leases:
        return f"{name} has no leases: nobody trains or solves it.\n"
    rows: list[Row] = []
    for lease in leases:
        state = Cell("removed", "good") if lease.removed else Cell("held", "care")
        ended = "ended" if lease.held.dead else ""
        subject = "the lock" if lease.on_lock else run_name(lease.subject)
        age = seconds(lease.age_seconds) if lease.held.owner else NONE
        rows.append([subject, lease.held.who, ended, age, state])
    columns = [Column("lease on"), Column("holder"), Column(""), Column("age", right=True), Column("")]
    removed = sum(lease.removed for lease in leases)
    remark = f"{plural(len(leases), 'lease')}, {removed} removed"
    return page([[heading(name, look, remark)], table(columns, rows, look, indent=0)])
