"""The part of apply after the plan: approval, progress, and what was done."""

from __future__ import annotations

import shlex
import sys

import typer

from olmixctl.cli.console import Console
from olmixctl.cli.ended import remembered
from olmixctl.cli.files import in_git
from olmixctl.cli.planning import Made
from olmixctl.cli.progress import ApplyProgress, Line
from olmixctl.errors import UsageError
from olmixctl.lock.codec import lock_as_json
from olmixctl.lock.diff import diff_locks
from olmixctl.recall import LedgerOrigins
from olmixctl.report.numbers import plural, seconds
from olmixctl.report.text_confidence import spikes_in_words, weak_in_words
from olmixctl.report.text_cost import spent_as_json, spent_in_words
from olmixctl.report.text_diff import diff_text
from olmixctl.report.text_lock import lock_text
from olmixctl.report.text_rounds import stopped_in_words
from olmixctl.workspace import ApplyResult

__all__ = ["apply_made", "approve"]


def approve(console: Console, command: str = "apply") -> bool:
    """Ask a person before `command` trains; a script has to say so beforehand.

    Raises:
        UsageError: there is no terminal to ask on.
    """
    if console.as_json or not (sys.stdin.isatty() and sys.stderr.isatty()):
        saved = ", or apply a plan saved by `olmixctl plan --out plan.json`" if command == "apply" else ""
        raise UsageError(
            f"{command} asks before it trains, and there is no terminal to ask on",
            remedy=f"pass --auto-approve{saved}",
        )
    typer.echo(err=True)
    return typer.confirm("Apply this plan?", default=False, err=True)


def apply_made(made: Made, console: Console, *, parallelism: int | None, wait: bool = True) -> int:
    """Execute the plan, show the new lock and what to commit."""
    from olmixctl.methods.feasible import located

    workspace = made.workspace
    ending = remembered(workspace, made.plan)
    with Line() as line, ending, located(workspace.spec, workspace.loaded.place):
        result = workspace.apply(made.plan, parallelism=parallelism, wait=wait, on_event=ApplyProgress(line))
    console.answer(f"\n{_outcome(result, made, console)}", _as_json(result))
    root = workspace.root
    console.text(f"\n{_closing(result, made)}")
    if result.written:
        lock, runs = workspace.lock_path, workspace.ledger.folder
        paths = shlex.join(
            str(p.relative_to(root)) for p in (lock, runs) if p and p.exists() and p.is_relative_to(root)
        )
        console.hint(f"next: {'' if in_git(root) else 'git init, then '}git add {paths}")
    return 0


def _outcome(result: ApplyResult, made: Made, console: Console) -> str:
    if result.previous is None or result.previous.lineage != result.lock.lineage:
        return lock_text(result.lock, console.look)
    origins = LedgerOrigins(lambda: made.workspace.ledger.home)
    return diff_text(diff_locks(result.previous, result.lock, origins), console.look)


def _closing(result: ApplyResult, made: Made) -> str:
    trained = f"{plural(result.trained, 'run')} trained in {seconds(result.wall_seconds)}"
    wrote = f"lock serial {result.lock.serial} written" if result.written else "the lock stands"
    if result.by_another:
        wrote = f"another apply wrote lock serial {result.lock.serial}, the one this would have written"
    stopped = result.lock.stopped if result.written else None
    early = "" if stopped is None else f"\n{stopped_in_words(stopped).capitalize()}."
    weak = weak_in_words(result.lock)
    early += f"\nWarning: {weak}." if weak else ""
    spikes = spikes_in_words(result.lock) if result.written else ""
    early += f"\n{spikes[0].upper()}{spikes[1:]}." if spikes else ""
    spent = spent_in_words(result.device_seconds, result.cost, made.workspace.spec.budget.gpu_hour_price)
    return f"{trained}, {wrote}.{early}" + (f"\n{spent}." if spent else "")


def _as_json(result: ApplyResult) -> dict[str, object]:
    return {
        "written": result.written,
        "by_another": result.by_another,
        "trained": result.trained,
        "recorded": result.recorded,
        "wall_seconds": round(result.wall_seconds, 3),
        "device_seconds": spent_as_json(result.device_seconds, result.cost),
        "lock": lock_as_json(result.lock),
    }
