"""Does a lock follow from the one before? What only history knows: serials, lineage, kept shares, when a share changed.

The locks before come from Git; a lock does not carry them. Domains are matched by their documents, as plans do.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from olmixctl.lock.identity import contents_of, same_documents, under_present_names
from olmixctl.lock.model import Lock
from olmixctl.methods.checks import VerifyCheck
from olmixctl.methods.record import first_lineage
from olmixctl.mixture import GRID, SHARE_UNITS
from olmixctl.plan.model import Observed
from olmixctl.plan.reuse import kept_shares

__all__ = ["History", "ancestry_checks", "kept_domains", "mix_before"]

History = Mapping[str, Lock]
"""Digest → lock, of committed locks."""


def ancestry_checks(lock: Lock, observed: Observed, history: History | None) -> Iterator[VerifyCheck]:
    """Serial, lineage, kept shares and origins, as far as `history` (None: there is no Git) reaches."""
    if not lock.parents:
        yield _first(lock, observed)
        return
    parents = [history[digest] for digest in lock.parents if digest in history] if history else []
    if len(parents) < len(lock.parents):
        why = "not in a Git repository" if history is None else "the lock before is not in this Git history"
        yield VerifyCheck(
            name="history", ok=None, detail=f"{why}: serial, lineage and origin of kept shares stand as stated"
        )
        return
    wrong = [*_place(lock, parents), *_domains(lock, parents), *_standing(lock, history or {})]
    detail = f"{'; '.join(wrong)}" if wrong else f"follows from serial {max(p.serial for p in parents)}"
    yield VerifyCheck(name="history", ok=not wrong, detail=detail)


def mix_before(lock: Lock, history: History | None) -> dict[str, float] | None:
    """The mix of the one lock before, over domains under their present names; None where it is not at hand."""
    if history is None or len(lock.parents) != 1 or lock.parents[0] not in history:
        return None
    parent = history[lock.parents[0]]
    return under_present_names(parent.weights.as_mixture(), kept_domains(lock, parent))


def _first(lock: Lock, observed: Observed) -> VerifyCheck:
    """The first lock names no other, and its lineage is made of what it was made of."""
    wrong = [] if lock.serial == 1 else [f"serial {lock.serial} names no lock before it"]
    if lock.lineage != first_lineage(observed, lock.evidence_root):
        wrong.append("the lineage is not that of a first lock of this mix, data and evidence")
    late = [d for d, record in lock.domains.items() if record.changed_in != lock.serial]
    wrong += (
        [f"{late[0]} changed in serial {lock.domains[late[0]].changed_in}, before there was a lock"] if late else []
    )
    wrong += ["weights stand from an earlier lock, and there is none"] if lock.solution.weights_from else []
    detail = "; ".join(wrong) if wrong else "the first lock of its lineage"
    return VerifyCheck(name="history", ok=not wrong, detail=detail)


def _place(lock: Lock, parents: list[Lock]) -> Iterator[str]:
    expected = max(parent.serial for parent in parents) + 1
    if lock.serial != expected:
        yield f"serial {lock.serial} follows {expected - 1}"
    if any(parent.lineage != lock.lineage for parent in parents):
        yield "the lock before is of another lineage"


def _domains(lock: Lock, parents: list[Lock]) -> Iterator[str]:
    """Kept shares are those of the lock before, and `changed_in` moves only with what changes."""
    if len(parents) != 1:
        return
    parent = parents[0]
    kept = kept_domains(lock, parent)
    inside = {d: old for d, old in kept.items() if lock.domains[d].block is not None}
    carried = kept_shares(parent, inside) if inside else {}
    for domain, old in inside.items():
        # A bound that moved carried shares moved the ratios too; the block goes on with those.
        moved = lock.weights[domain] * (SHARE_UNITS // GRID) if lock.solution.status == "carried" else None
        if lock.domains[domain].share not in (carried[domain], parent.domains[old].share, moved):
            yield f"the kept share of {domain} is not that of serial {parent.serial}"
    origins = {parent.serial, *(block.from_serial for block in parent.blocks.values())}
    for name, block in lock.blocks.items():
        if block.from_serial not in origins:
            yield f"block {name} keeps ratios of serial {block.from_serial}, unknown to serial {parent.serial}"
    for domain, record in lock.domains.items():
        same = domain in kept and parent.weights[kept[domain]] == lock.weights[domain]
        expected = parent.domains[kept[domain]].changed_in if same else lock.serial
        if record.changed_in != expected:
            yield f"{domain} changed in serial {expected}, not {record.changed_in}"


def _standing(lock: Lock, history: History) -> Iterator[str]:
    """Weights that stand are those of the lock that decided them, where that one is in the history."""
    if lock.solution.weights_from is None:
        return
    decided = [
        old for old in history.values() if (old.serial, old.lineage) == (lock.solution.weights_from, lock.lineage)
    ]
    if decided and not any(_same_weights(lock, old) for old in decided):
        yield f"the weights are not those of serial {lock.solution.weights_from}"


def _same_weights(lock: Lock, old: Lock) -> bool:
    kept = kept_domains(lock, old)
    return len(kept) == len(lock.weights) and all(lock.weights[new] == old.weights[was] for new, was in kept.items())


def kept_domains(lock: Lock, parent: Lock) -> dict[str, str]:
    """Id now → id before, of domains with the same documents; the same id first."""
    return same_documents(contents_of(lock), contents_of(parent))
