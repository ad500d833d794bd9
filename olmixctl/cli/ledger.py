"""What the commands on runs share: finding one by the start of its key, listing results, tainting."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from olmixctl.errors import Place, UsageError
from olmixctl.ledger.model import is_adopted
from olmixctl.ledger.store import Ledger

if TYPE_CHECKING:
    from olmixctl.report.text_runs import Entry

__all__ = ["entries", "find_key", "taint", "untaint"]


def find_key(ledger: Ledger, start: str) -> str:
    """The one key that starts with `start`, of runs whose results are all tainted too; `r1:` may be left out.

    Raises:
        UsageError: none or several do.
    """
    wanted = start if start.startswith("r") else f"r1:{start}"
    fitting = [key for key in ledger.keys() if key.startswith(wanted)]  # noqa: SIM118  (a ledger is no mapping)
    if len(fitting) == 1:
        return fitting[0]
    place, remedy = Place(ledger.home.where), "`olmixctl runs list` shows the keys"
    if not fitting:
        raise UsageError(f"no recorded run has a key that starts with {start!r}", place=place, remedy=remedy)
    raise UsageError(f"{len(fitting)} runs have keys that start with {start!r}", place=place, remedy="give more of it")


def entries(ledger: Ledger, used: Collection[str], key: str | None = None) -> list[Entry]:
    """All results, or those of one run, in the order of keys and attempts.

    Args:
        ledger: the runs.
        used: keys of the runs that the lock rests on.
        key: of one run.
    """
    from olmixctl.report.text_runs import Entry

    taints = {taint.attempt: taint.reason for found in ledger.taints().values() for taint in found}
    standing: set[str] = set()
    listed = []
    for attempt, record in ledger.results(key).items():
        stands = attempt not in taints and attempt.key not in standing
        standing |= {attempt.key} if stands else set()
        reason = taints.get(attempt)
        entry = Entry(record=record, number=attempt.number, stands=stands, used=attempt.key in used, tainted=reason)
        listed.append(entry)
    return listed


def taint(ledger: Ledger, key: str, reason: str | None) -> str:
    """Taint the result of `key` that is in use; what was done, in words.

    Raises:
        UsageError: no reason, or no result that is in use.
    """
    why = " ".join((reason or "").split())
    if not why:
        raise UsageError("a taint needs a reason", remedy='runs taint RUN --reason "what is wrong with it"')
    if ledger.taint(key, why) is None:
        raise UsageError(
            f"run {key} is tainted already: {ledger.tainted().get(key, 'by somebody else, just now')}",
            place=Place(ledger.home.where),
            remedy="`runs taint RUN --undo` takes it back",
        )
    if key in ledger:
        return f"The result of {key} is tainted: {why}\nAnother result of this run stands in its place."
    adopted = any(is_adopted(record.inputs.trainer) for record in ledger.results(key).values())
    then = "decides without it" if adopted else "trains it again where it is needed"
    return f"{key} is tainted: {why}\nThe next apply {then}."


def untaint(ledger: Ledger, key: str, reason: str | None) -> str:
    """Take back all taints of `key`; what was done, in words.

    Raises:
        UsageError: it has none, or a reason was given.
    """
    if reason is not None:
        raise UsageError("--undo takes no reason")
    if not ledger.untaint(key):
        raise UsageError(f"run {key} is not tainted", place=Place(ledger.home.where))
    return f"{key} is no longer tainted: its first result stands again."
