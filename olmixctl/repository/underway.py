"""Whether Git is in the middle of something, seen from its files alone: asked by every plan, so GitPython stays out."""

from __future__ import annotations

import re
from pathlib import Path

__all__ = ["operation_under_way"]

_SHOWN = 7
_NAMED = re.compile(r"^Merge (?:remote-tracking )?(?:branch|tag|commit) '([^']+)'")
_COMMIT = re.compile(r"[0-9a-f]{40}")

# As in `conflict`, in the order of Git: a rebase may hold a cherry-pick.
_REBASES = ("rebase-merge", "rebase-apply")
_HEADS = (("CHERRY_PICK_HEAD", "a cherry-pick"), ("REVERT_HEAD", "a revert"), ("MERGE_HEAD", "a merge"))


def operation_under_way(folder: Path) -> str:
    """The merge, rebase, cherry-pick or revert under way around `folder`: "a merge of books"; empty when there is none.

    Returns:
        Empty, too, outside a repository.
    """
    private = _git_folder(folder)
    if private is None:
        return ""
    for name in _REBASES:
        if (private / name).is_dir():
            branch = _text(private / name / "head-name").removeprefix("refs/heads/")
            return f"a rebase of {branch}" if branch else "a rebase"
    for name, kind in _HEADS:
        if (private / name).is_file():
            return f"{kind} of {_merged(private) or _text(private / name)[:_SHOWN]}"
    return ""


def _merged(private: Path) -> str:
    """The branch that is merged, from the message that Git prepared; empty for another operation."""
    found = _NAMED.match(_text(private / "MERGE_MSG")) if (private / "MERGE_HEAD").is_file() else None
    name = found[1] if found else ""
    return name[:_SHOWN] if _COMMIT.fullmatch(name) else name


def _git_folder(folder: Path) -> Path | None:
    """The working tree's own Git folder: `.git`, or where the file `.git` of a linked tree or a submodule points."""
    for place in (folder.resolve(), *folder.resolve().parents):
        inside = place / ".git"
        if inside.is_dir():
            return inside
        if inside.is_file():
            return place / _text(inside).removeprefix("gitdir:").strip()
    return None


def _text(path: Path) -> str:
    return path.read_bytes().decode(errors="replace").strip() if path.is_file() else ""
