"""Joining two branches of a mix: find the sides, settle their runs, plan from where they parted, decide one lock."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from olmixctl.committed import Baseline, lock_at
from olmixctl.errors import IntegrityError, Place, SpecError, UsageError
from olmixctl.execute.events import OnEvent, silent
from olmixctl.ledger.store import Ledger
from olmixctl.lock.codec import parse
from olmixctl.lock.merge import LockMerge
from olmixctl.lock.model import Lock
from olmixctl.lock.store import write_lock
from olmixctl.plan.build import PlanOptions
from olmixctl.plan.join import join_options, plan_join
from olmixctl.plan.model import Check, Plan
from olmixctl.repository import Conflict, common_ancestor, conflict_of, files_at, finish_of, sides_of, text_at
from olmixctl.settling import SettledHome, settle
from olmixctl.workspace import ApplyResult, Workspace

__all__ = ["Merging", "find_merging", "next_commands", "plan_merging", "refuse_markers", "resolve", "take_side"]

_NAMES = {"ours": "HEAD", "theirs": "MERGE_HEAD"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Merging:
    """A merge of a mix, with all that is needed to join it.

    Attributes:
        merge: the locks.
        home: the ledger with the runs of both sides.
        notes: what was done to files of both sides, in words.
    """

    merge: LockMerge
    home: SettledHome
    notes: tuple[str, ...]


def refuse_markers(path: Path) -> None:
    """A mix file with conflict markers is a decision that only a person can make.

    Raises:
        SpecError: it holds some; the place is the first.
    """
    text = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith(("<<<<<<< ", ">>>>>>> ")):
            raise SpecError(
                "the mix file still holds merge conflict markers",
                place=Place(str(path), number),
                remedy="merge the mix file by hand first: it says what the joined mix is to be",
            )


def find_merging(workspace: Workspace, ours: str | None = None, theirs: str | None = None) -> Merging | None:
    """The merge that left this mix's lock in conflict, or the one of two revisions.

    Args:
        workspace: of the merged mix file.
        ours: revision of one side, instead of what Git says.
        theirs: of the other; goes with `ours`.

    Returns:
        None where the lock is in no conflict.

    Raises:
        UsageError: one side named without the other, no repository, no such revision, or no lock there.
        StaleError: the locks are of different mixes or lineages.
        IntegrityError: a lock or a run of either side is not whole.
    """
    if (ours is None) != (theirs is None):
        raise UsageError("--ours and --theirs go together", remedy="name both revisions, or neither")
    folder = workspace.ledger.folder
    if ours is not None and theirs is not None:
        base = _lock_of(text_at(workspace.lock_path, common_ancestor(workspace.root, ours, theirs)), workspace, "base")
        merge = LockMerge(
            base=base, ours=lock_at(workspace.lock_path, ours), theirs=lock_at(workspace.lock_path, theirs)
        )
        sides = () if folder is None else (files_at(folder, ours), files_at(folder, theirs))
        home, notes = settle(workspace.ledger.home, {}, sides)
        return Merging(merge=merge, home=home, notes=notes)
    found = _conflict(workspace)
    if found is None:
        return None
    conflicts = {} if folder is None else {path.name: conflict for path, conflict in conflict_of(folder).items()}
    home, notes = settle(workspace.ledger.home, conflicts)
    return Merging(merge=found, home=home, notes=notes)


def _conflict(workspace: Workspace) -> LockMerge | None:
    """The sides from Git's index, or from markers in the lock that Git does not know of any more."""
    path = workspace.lock_path
    found = conflict_of(path).get(_resolved(path)) or _marked(workspace)
    if found is None:
        return None
    if found.ours is None or found.theirs is None:
        gone = "ours" if found.ours is None else "theirs"
        raise UsageError(
            f"{gone} has no lock: it was removed on one branch and changed on the other",
            place=Place(str(path)),
            remedy="`git rm` or `git add` the lock, whichever is meant; there is nothing to join",
        )
    base, ours, theirs = (_lock_of(_decoded(side), workspace, name) for name, side in _sides(found))
    assert ours is not None
    assert theirs is not None
    return LockMerge(base=base, ours=ours, theirs=theirs)


def _sides(found: Conflict) -> tuple[tuple[str, bytes | None], ...]:
    return ("base", found.base), ("ours", found.ours), ("theirs", found.theirs)


def _decoded(side: bytes | None) -> str | None:
    return None if side is None else side.decode(errors="replace")


def _marked(workspace: Workspace) -> Conflict | None:
    path = workspace.lock_path
    text = path.read_bytes().decode(errors="replace") if path.is_file() else ""
    sides = sides_of(text)
    if sides is None:
        return None
    base, ours, theirs = (None if side is None else side.encode() for side in sides)
    return Conflict(base=base, ours=ours, theirs=theirs)


def _resolved(path: Path) -> Path:
    return path.parent.resolve() / path.name


def _lock_of(text: str | None, workspace: Workspace, side: str) -> Lock | None:
    """A side's lock.

    Raises:
        IntegrityError: it is not whole.
    """
    if text is None:
        return None
    try:
        return parse(text, f"{workspace.lock_path} ({side})")
    except IntegrityError as error:
        raise IntegrityError(
            error.message,
            place=error.place,
            remedy="resolve it from two commits whose locks are whole: `olmixctl resolve --ours REV --theirs REV`",
        ) from error


def take_side(workspace: Workspace, merging: Merging) -> Lock:
    """Write the lock of the side that goes on from the other; both sides' runs stay."""
    lock = merging.merge.theirs if merging.merge.standing == "theirs" else merging.merge.ours
    merging.home.write()
    write_lock(workspace.lock_path, lock)
    return lock


def plan_merging(
    workspace: Workspace,
    merging: Merging,
    options: PlanOptions,
    *,
    on_progress: Callable[[int, int], None] | None = None,
) -> Plan:
    """The plan from where both sides parted to the merged mix file and the data that is here.

    Raises:
        CorpusError: the data is wrong or cannot be read.
        InfeasibleError: the merged bounds exclude each other.
    """
    merge, ledger = merging.merge, workspace.ledger
    workspace.ledger = Ledger(merging.home)
    try:
        records = workspace.ledger.records()
        baseline = Baseline(lock=merge.start, check=_start_of(merge))
        draft = partial(workspace.draft, baseline=baseline, on_progress=on_progress)
        plan = draft(replace(options, reuse="full"))
        kept = frozenset(leaf for block in plan.coordinates.blocks for leaf in block.shares)
        wanted = join_options(options, merge, kept, workspace.spec.reuse)
        if wanted != replace(options, reuse="full"):
            plan = draft(wanted)
        plan = workspace.checked(plan if options.reuse is not None else _loosened(plan, wanted, draft))
    finally:
        workspace.ledger = ledger
    return plan_join(plan, merge, records, options.max_runs)


def _loosened(plan: Plan, wanted: PlanOptions, draft: Callable[[PlanOptions], Plan]) -> Plan:
    """`plan`, made for `wanted`; where the merged bounds leave its kept ratios no share, one that frees who must move.

    Either side may have been right by itself: ratios measured before one side tightened a bound, and kept by the other.
    """
    from olmixctl.methods.forced import domains_to_free

    if plan.kind not in ("train", "resolve"):
        return plan
    free = domains_to_free(plan.observed, plan.coordinates)
    if not free:
        return plan
    named = tuple(sorted({*wanted.recompute, *free}))
    made = draft(replace(wanted, reuse="partial", recompute=named))
    held_by = ", ".join(dict.fromkeys(name for names in free.values() for name in names))
    told = Check(
        level="warn",
        name="freed",
        message=f"{held_by} would leave the domains that keep their ratios no share: "
        f"{', '.join(free)} {'is' if len(free) == 1 else 'are'} estimated anew, too",
    )
    return replace(made, checks=(*made.checks, told))


def _start_of(merge: LockMerge) -> Check:
    known = merge.start is merge.base
    return Check(
        level="note" if known else "warn",
        name="merge",
        message=f"planned from lock serial {merge.start.serial}, where both sides parted"
        if known
        else f"where both sides parted is not known: planned from ours, serial {merge.ours.serial}",
    )


def resolve(
    workspace: Workspace,
    merging: Merging,
    plan: Plan,
    *,
    parallelism: int | None = None,
    on_event: OnEvent = silent,
) -> ApplyResult:
    """Write the settled runs, train what is missing, decide, and write the joined lock last.

    Raises:
        BlockedError: a check of the plan stands in the way.
        IncompleteError: stopped before the lock; resolving again goes on.
    """
    if not plan.blocked:
        merging.home.write()
    return workspace.apply(plan, parallelism=parallelism, merge=merging.merge, on_event=on_event)


def next_commands(workspace: Workspace) -> tuple[str, ...]:
    """What is left to do in Git, as commands for the folder that `mixes` lies in.

    Raises:
        UsageError: no repository.
    """
    finish = finish_of(workspace.root)
    paths = [workspace.lock_path, workspace.ledger.folder, workspace.path]
    mine = [path for path in paths if path is not None and path.exists()]
    inside = {path.resolve().relative_to(finish.top.resolve()).as_posix() for path in mine}
    others = [n for n in finish.unmerged if n not in inside and not any(n.startswith(f"{i}/") for i in inside)]
    words = shlex.join(str(path.relative_to(workspace.root)) for path in mine)
    blocked = (f"# still in conflict: {', '.join(others)}",) if others else ()
    return (f"git add {words}", *blocked, finish.command)
