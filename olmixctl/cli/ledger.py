"""Finding a run by the start of its key."""

from __future__ import annotations

from olmixctl.errors import Place, UsageError
from olmixctl.ledger.model import RunRecord
from olmixctl.ledger.store import Ledger

__all__ = ["find_run"]


def find_run(ledger: Ledger, start: str) -> RunRecord:
    """The one run whose key starts with `start`; `r1:` may be left out.

    Raises:
        UsageError: none or several do.
    """
    wanted = start if start.startswith("r") else f"r1:{start}"
    fitting = [record for record in ledger if record.key.startswith(wanted)]
    if len(fitting) == 1:
        return fitting[0]
    place, remedy = Place(ledger.home.where), "`olmixctl runs list` shows the keys"
    if not fitting:
        raise UsageError(f"no recorded run has a key that starts with {start!r}", place=place, remedy=remedy)
    raise UsageError(f"{len(fitting)} runs have keys that start with {start!r}", place=place, remedy="give more of it")
