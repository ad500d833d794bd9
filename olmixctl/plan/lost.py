"""What became of the runs behind a lock: missing, tainted, or with another result than the one the lock was made of."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from olmixctl.ledger.model import RunRecord
from olmixctl.ledger.standing import Standing
from olmixctl.ledger.store import evidence_root
from olmixctl.lock.model import Lock

__all__ = ["TAINTED", "lost_evidence"]

TAINTED = "tainted: "
"""How a lock begins the reason of a run that was left out because a person said so."""


def lost_evidence(lock: Lock | None, records: Mapping[str, RunRecord], standing: Standing) -> str:
    """What happened to the evidence of `lock`, in a sentence; empty when it is as it was.

    Reads no run unless its results changed.

    Args:
        lock: the committed lock, or None.
        records: the ledger.
        standing: how its results stand.
    """
    if lock is None:
        return ""
    missing = [key for key in lock.evidence if key not in records]
    if missing:
        return _missing(missing, lock, standing)
    contested = standing.contested.intersection(lock.evidence)
    if contested and evidence_root(records, lock.evidence) != lock.evidence_root:
        return f"{_runs(len(contested))} behind the lock {'has' if len(contested) == 1 else 'have'} another result now"
    freed = [item.run for item in lock.excluded if item.reason.startswith(TAINTED) and item.run in records]
    return f"{_runs(len(freed))} that the lock left out as tainted may be used now" if freed else ""


def _missing(missing: list[str], lock: Lock, standing: Standing) -> str:
    tainted = Counter(standing.tainted[key] for key in missing if key in standing.tainted)
    count = sum(tainted.values())
    parts = []
    if count:
        parts.append(f"{_runs(count)} behind the lock {'is' if count == 1 else 'are'} tainted: {'; '.join(tainted)}")
    gone = len(missing) - count
    if gone:
        be = "is" if gone == 1 else "are"
        parts.append(f"{gone} of {_runs(len(lock.evidence))} behind the lock {be} not in the ledger")
    return "; ".join(parts)


def _runs(count: int) -> str:
    return "1 run" if count == 1 else f"{count} runs"
