"""What `olmixctl import runs` was told, and what it says."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator
from typing import Any

from olmixctl.cli.files import in_git
from olmixctl.errors import UsageError
from olmixctl.importing import Imported, Swarm
from olmixctl.workspace import Workspace

__all__ = ["columns_given", "imported_as_json", "next_steps"]


def columns_given(option: str, words: Iterable[str]) -> dict[str, str]:
    """Column → name, of `COLUMN=NAME`; a column may hold `=`, a name never does.

    Raises:
        UsageError: a word is not of this form, or a column is named twice.
    """
    found: dict[str, str] = {}
    for word in words:
        column, sign, name = word.rpartition("=")
        if not (sign and column and name):
            raise UsageError(f"{option} {word}: there is no name for the column", remedy=f"write {option} COLUMN=NAME")
        if column in found:
            raise UsageError(f"{option} {word}: {column} is {found[column]} already", remedy="name each column once")
        found[column] = name
    return found


def imported_as_json(found: Imported, swarm: Swarm, *, dry_run: bool) -> dict[str, Any]:
    """What was adopted, for programs and for the renderer."""
    adoption = found.adoption
    return {
        "mix": found.mix,
        "trainer": adoption.trainer,
        "ratios": str(swarm.ratios),
        "metrics": str(swarm.metrics),
        "runs": len(adoption.fresh) + adoption.recorded,
        "recorded_before": adoption.recorded,
        "new": len(adoption.fresh),
        "written": found.written,
        "dry_run": dry_run,
        "domains": dict(found.domains),
        "evals": dict(found.evals),
        "absent": list(swarm.absent),
        "ignored": list(found.ignored),
        "moved_millionths": round(adoption.moved, 6),
        "notes": list(found.notes),
    }


def next_steps(workspace: Workspace, found: Imported) -> Iterator[str]:
    """What to do with the runs."""
    if not found.written:
        return
    yield f"next: olmixctl apply {found.mix} --solve-only"
    root, folder = workspace.root, workspace.ledger.folder
    if folder is not None and folder.is_relative_to(root):
        yield f"then: {'' if in_git(root) else 'git init, then '}git add {shlex.quote(str(folder.relative_to(root)))}"
