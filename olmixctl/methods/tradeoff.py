"""What a mix trades: prediction against distance from the reference, and one family of evals against another.

Told by the laws of the runs behind a lock; how the mixes are found: `front`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from olmixctl.ledger.model import RunRecord
from olmixctl.ledger.store import evidence_root
from olmixctl.lock.model import Lock
from olmixctl.methods.front import FamilyPoint, OnProgress, PullPoint, Search
from olmixctl.methods.olmix import convex_answer, fit_evidence, fitted_problem, gather
from olmixctl.methods.steady import masses
from olmixctl.plan.model import Observed

__all__ = ["TradeOff", "silent", "trade_off"]


@dataclass(frozen=True, kw_only=True, slots=True)
class TradeOff:
    """The front, or the reason why there is none.

    Attributes:
        reason: empty where there is one.
        runs: that the laws are fitted on.
        serial: of the lock whose runs they are.
        pull: by strength; one fewer where a solve failed.
        families: empty with fewer than two.
        left_out: families that were not looked at on their own.
    """

    reason: str = ""
    runs: int = 0
    serial: int = 0
    pull: tuple[PullPoint, ...] = ()
    families: tuple[FamilyPoint, ...] = ()
    left_out: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """For programs and for the renderer."""
        value = asdict(self)
        return value | {name: list(value[name]) for name in ("pull", "families", "left_out")}


def silent(_done: int, _total: int) -> None:
    """Nobody listens."""


def trade_off(
    lock: Lock, observed: Observed, records: Mapping[str, RunRecord], on_progress: OnProgress = silent
) -> TradeOff:
    """The front of the present mix file, by the runs behind a lock.

    Args:
        lock: whose runs tell.
        observed: the mix file, with the data as the lock states it.
        records: the ledger.
        on_progress: hears of mixes found, of so many.

    Raises:
        IntegrityError: a run is damaged, or the family of the lock cannot describe these losses.
    """
    reason = _reason(lock, observed, records)
    if reason:
        return TradeOff(reason=reason)
    evidence = gather(observed, lock.coordinates, lock.evidence, records)
    chosen = None if lock.surrogate is None else lock.surrogate.family
    fitted = fit_evidence(observed, lock.coordinates, evidence, family=chosen)
    if not fitted.fit.status.converged:
        return TradeOff(reason="the laws could not be fitted")
    problem = fitted_problem(observed, lock.coordinates, fitted)
    starts = [masses(lock.coordinates, lock.weights).as_mixture()]
    starts += [point for point in [convex_answer(observed, lock.coordinates, fitted)] if point is not None]
    search = Search(observed=observed, fitted=fitted, problem=problem, starts=tuple(starts))
    here = search.best(problem)
    if here is None:
        return TradeOff(reason="the bounds of the mix file exclude each other under the laws of the lock's runs")
    pull, families = search.front(here, on_progress)
    return TradeOff(
        runs=len(evidence.runs),
        serial=lock.serial,
        pull=pull,
        families=families,
        left_out=search.left_out(here),
    )


def _reason(lock: Lock, observed: Observed, records: Mapping[str, RunRecord]) -> str:
    """Why there is no front; empty where there is one."""
    if not lock.evidence:
        return f"no runs stand behind lock serial {lock.serial}"
    if set(lock.domains) != set(observed.spec.domain_ids):
        return f"the mix file has other domains than lock serial {lock.serial}"
    measured = {item.name for item in observed.spec.evals}
    if measured != set(lock.evals):
        return f"the mix file measures others than lock serial {lock.serial}"
    known = {key: records[key] for key in lock.evidence if key in records}
    if len(known) < len(lock.evidence) or evidence_root(known, lock.evidence) != lock.evidence_root:
        return "the runs behind the lock are not all what they were (`olmixctl verify` says which)"
    return ""
