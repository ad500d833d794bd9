"""A committed lock under scrutiny: what lies around it in ledger and Git, and what `verify` and `explain` ask of it."""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

from olmixctl.committed import earlier_locks, unmerged
from olmixctl.errors import IntegrityError, Place, UsageError
from olmixctl.ledger.files import Attempt, run_name
from olmixctl.ledger.inventories import check_inventories
from olmixctl.ledger.model import is_adopted
from olmixctl.ledger.store import Ledger
from olmixctl.lock.model import Lock
from olmixctl.plan.model import Observed

if TYPE_CHECKING:
    from olmixctl.methods.certify import Surroundings
    from olmixctl.methods.explain import Explanation
    from olmixctl.methods.resample import Bootstrap

__all__ = ["explanation", "surroundings"]

_NEAR = 3


def surroundings(lock: Lock, lock_path: Path, ledger: Ledger) -> Surroundings:
    """The ledger, every file of it read, and the locks before in Git.

    Raises:
        IntegrityError: a run, taint or inventory is damaged.
    """
    from olmixctl.methods.certify import Surroundings

    ledger.check()
    decided = f"\nserial: {lock.solution.weights_from}\n"
    return Surroundings(
        records=ledger.records(),
        taints={key: found[-1].reason for key, found in ledger.taints().items()},
        replicates=ledger.replicates(),
        inventories=check_inventories(ledger.home),
        history=earlier_locks(lock_path, lambda digest, text: digest in lock.parents or decided in text),
        unmerged=unmerged(lock_path),
    )


def explanation(
    lock: Lock, observed: Observed, lock_path: Path, ledger: Ledger, question: tuple[str, Bootstrap]
) -> Explanation:
    """Why a domain weighs what it does; `question` is its id and the bootstrap for its interval.

    Raises:
        UsageError: there is no such domain; those that are near are named.
        StaleError: the mix file asks for something else than the lock was made for.
        IntegrityError: a run is damaged, or not what the lock was made of.
    """
    from olmixctl.methods.explain import explain_domain

    domain, bootstrap = question
    if domain not in lock.domains:
        inside = [name for name in lock.domains if domain in name.split("/")]
        near = get_close_matches(domain, lock.domains, n=_NEAR) or inside[:_NEAR]
        known = f"did you mean {', '.join(near)}?" if near else "`olmixctl show` lists the domains"
        raise UsageError(f"there is no domain {domain!r} in the lock", remedy=known)
    if lock.spec_semantic == observed.semantic:
        _refuse_lost(lock, ledger)
    history = earlier_locks(lock_path, lambda _digest, _text: True) or {}
    return explain_domain(
        lock,
        observed,
        ledger.records(),
        domain,
        bootstrap=bootstrap,
        history=history.values(),
        replicates=ledger.replicates(),
    )


def _refuse_lost(lock: Lock, ledger: Ledger) -> None:
    """What cannot be explained: weights whose evidence is out of use, or gone.

    Raises:
        IntegrityError: a run behind the lock is tainted, with the reason, or is not in the ledger.
    """
    usable = ledger.usable_keys()
    missing = [key for key in lock.evidence if key not in usable]
    if not missing:
        return
    taints = ledger.standing().tainted
    key = next((key for key in missing if key in taints), missing[0])
    more = f" (one of {len(missing)} that cannot be used)" if len(missing) > 1 else ""
    place = Place(ledger.home.place(run_name(Attempt(key, 1))))
    if key in taints:
        then = "decides without it" if is_adopted(str(lock.inputs.get("trainer", ""))) else "trains it again"
        raise IntegrityError(
            f"run {key} behind the lock is tainted: {taints[key]}{more}",
            place=place,
            remedy=f"`olmixctl apply` {then}; `olmixctl runs taint {key} --undo` takes the taint back",
        )
    whence = "a copy of the ledger" if ledger.folder is None else "Git; evidence is committed beside the lock"
    raise IntegrityError(
        f"run {key} behind the lock is not in the ledger{more}", place=place, remedy=f"restore the file from {whence}"
    )
