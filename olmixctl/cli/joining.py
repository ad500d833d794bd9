"""The parts of resolve: what needs no decision, the plan, and the join."""

from __future__ import annotations

from olmixctl.cli.applying import approve
from olmixctl.cli.console import Console
from olmixctl.cli.progress import ApplyProgress, Line, data_progress
from olmixctl.errors import IntegrityError, StaleError, UsageError
from olmixctl.lock.codec import lock_as_json
from olmixctl.lock.diff import diff_locks
from olmixctl.lock.model import Lock
from olmixctl.plan.build import PlanOptions
from olmixctl.plan.codec import plan_as_json
from olmixctl.plan.model import Plan
from olmixctl.recall import LedgerOrigins
from olmixctl.report.numbers import plural
from olmixctl.report.text_diff import diff_text
from olmixctl.report.text_resolve import join_text, standing_in_words
from olmixctl.resolving import Merging, next_commands, plan_merging, resolve, take_side
from olmixctl.workspace import Workspace

__all__ = ["join", "plan_join", "without_decision"]

_BLOCKED, _DECLINED = 3, 1


def without_decision(workspace: Workspace, merging: Merging | None, console: Console, *, write: bool) -> bool:
    """Answer where nothing has to be decided: no conflict, joined already, or one side goes on from the other."""
    if merging is None:
        console.answer(
            f"{workspace.lock_path.name} is in no conflict: nothing to join",
            {"state": "none", "written": False},
        )
        return True
    joined = _working_lock(workspace)
    if joined is not None and joined.parents == merging.merge.parents and len(joined.parents) > 1:
        text = f"joined already, as lock serial {joined.serial}; `olmixctl plan` shows what changed since"
        console.answer(text, {"state": "joined", "written": False, "lock": lock_as_json(joined)})
    elif merging.merge.standing == "parted":
        return False
    else:
        lock = take_side(workspace, merging) if write else merging.merge.ours
        value = {"state": "taken", "side": merging.merge.standing, "written": write}
        console.answer(standing_in_words(merging.merge), value | ({"lock": lock_as_json(lock)} if write else {}))
    if write:
        _hint(workspace, console)
    return True


def plan_join(workspace: Workspace, merging: Merging, options: PlanOptions, console: Console) -> Plan:
    """Plan the join and show it to a person."""
    with Line() as line:
        plan = plan_merging(workspace, merging, options, on_progress=data_progress(line))
    console.text(join_text(plan_as_json(plan, options), merging.merge, merging.notes, console.look))
    return plan


def join(
    workspace: Workspace,
    merging: Merging,
    plan: Plan,
    console: Console,
    *,
    parallelism: int | None,
    approved: bool | None,
) -> int:
    """Ask, join, and say what is left to do in Git.

    Args:
        workspace: of the merged mix file.
        merging: the sides.
        plan: of the join.
        console: where to answer.
        parallelism: runs at once.
        approved: nobody has to be asked; None: the plan alone was wanted.
    """
    document = {"plan": plan_as_json(plan), "notes": list(merging.notes), "written": False}
    if plan.blocked:
        console.answer_json({"state": "blocked", **document})
        return _BLOCKED
    if approved is None:
        console.answer_json({"state": "planned", **document})
        return 0
    if not (approved or approve(console, "resolve")):
        console.hint("nothing was done")
        return _DECLINED
    with Line() as line:
        result = resolve(workspace, merging, plan, parallelism=parallelism, on_event=ApplyProgress(line))
    value = {"state": "joined", "written": True, "trained": result.trained, "lock": lock_as_json(result.lock)}
    origins = LedgerOrigins(lambda: workspace.ledger.home)
    console.answer(f"\n{diff_text(diff_locks(merging.merge.ours, result.lock, origins), console.look)}", value)
    console.text(f"\n{plural(result.trained, 'run')} trained, lock serial {result.lock.serial} written.")
    _hint(workspace, console)
    return 0


def _working_lock(workspace: Workspace) -> Lock | None:
    """The lock in the working tree, where it is whole: one with conflict markers is what is to be joined."""
    try:
        return workspace.lock()
    except (IntegrityError, StaleError):
        return None


def _hint(workspace: Workspace, console: Console) -> None:
    try:
        commands = next_commands(workspace)
    except UsageError:
        return
    console.hint("next:\n" + "\n".join(f"  {command}" for command in commands))
