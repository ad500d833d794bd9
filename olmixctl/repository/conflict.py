"""What a merge left in the index, and how it is finished."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from olmixctl.repository.opening import opened, path_inside

if TYPE_CHECKING:
    from git import Repo

__all__ = ["Conflict", "Finish", "conflict_of", "finish_of"]

_BASE, _OURS, _THEIRS = 1, 2, 3

# File or folder in the repository's own folder → how the operation behind it goes on. The order is that of Git: a
# rebase may hold a cherry-pick.
_OPERATIONS = (
    ("rebase-merge", "git rebase --continue"),
    ("rebase-apply", "git rebase --continue"),
    ("CHERRY_PICK_HEAD", "git cherry-pick --continue"),
    ("REVERT_HEAD", "git revert --continue"),
    ("MERGE_HEAD", "git commit"),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Conflict:
    """A file that Git could not merge: at the common ancestor and on both sides; None where it was absent."""

    base: bytes | None
    ours: bytes | None
    theirs: bytes | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Finish:
    """How the operation under way is finished.

    Attributes:
        command: that goes on with it; `git commit` where nothing is under way.
        unmerged: paths still in conflict, from the top of the working tree.
        top: of the working tree.
    """

    command: str
    unmerged: tuple[str, ...]
    top: Path


def conflict_of(path: Path) -> dict[Path, Conflict]:
    """The unmerged files at `path` or, for a folder, in it, by their absolute paths.

    Raises:
        UsageError: no repository.
    """
    with opened(path.parent, "a conflict") as repository:
        top = Path(str(repository.working_tree_dir))
        inside = path_inside(repository, path)
        found: dict[Path, Conflict] = {}
        for name, blobs in repository.index.unmerged_blobs().items():
            if str(name) == inside or str(name).startswith(f"{inside}/"):
                stages = {stage: bytes(blob.data_stream.read()) for stage, blob in blobs}
                found[top / name] = Conflict(base=stages.get(_BASE), ours=stages.get(_OURS), theirs=stages.get(_THEIRS))
        return found


def finish_of(folder: Path) -> Finish:
    """What is under way in the working tree around `folder`.

    Raises:
        UsageError: no repository.
    """
    with opened(folder, "a merge") as repository:
        return Finish(
            command=_command(repository),
            unmerged=tuple(sorted(str(name) for name in repository.index.unmerged_blobs())),
            top=Path(str(repository.working_tree_dir)),
        )


def _command(repository: Repo) -> str:
    folder = Path(repository.git_dir)
    return next((command for name, command in _OPERATIONS if (folder / name).exists()), "git commit")
