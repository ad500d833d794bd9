"""Opening the repository around a folder, and what can be said of it at once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from olmixctl.errors import UsageError

if TYPE_CHECKING:
    from git import Repo

__all__ = ["is_shallow", "opened", "path_inside", "provenance"]


@contextmanager
def opened(folder: Path, wanted: str) -> Iterator[Repo]:
    """The repository that `folder` is in, closed again afterwards.

    Args:
        folder: in the working tree.
        wanted: what it is needed for, for the message: "the history of a lock".

    Raises:
        UsageError: there is no `git` command, no repository, or one without a working tree.
    """
    repository = _repository(folder)
    if repository is None or repository.working_tree_dir is None:
        kind = "is not in a Git repository" if repository is None else "is in a bare Git repository"
        raise UsageError(
            f"{wanted} is read from Git, and {folder} {kind}",
            remedy="run it inside a working tree; `git init` and a commit of mix, lock and runs start one",
        )
    with repository:
        yield repository


def path_inside(repository: Repo, path: Path) -> str:
    """`path` from the top of the working tree, as Git writes it.

    Raises:
        UsageError: it lies outside.
    """
    top = Path(str(repository.working_tree_dir)).resolve()
    # The folder alone is resolved: a file that is itself a link is tracked under its own name.
    place = path.parent.resolve() / path.name
    if not place.is_relative_to(top):
        raise UsageError(f"{path} lies outside the Git repository {top}", remedy="name a file of this repository")
    return place.relative_to(top).as_posix()


def is_shallow(repository: Repo) -> bool:
    """Whether commits before some point were not fetched."""
    return (Path(repository.common_dir) / "shallow").exists()


def provenance(root: Path) -> dict[str, str | bool | None]:
    """Commit and whether tracked files differ from it; None outside a repository."""
    repository = _repository(root)
    if repository is None or not repository.head.is_valid():
        return {"commit": None, "dirty": None}
    with repository:
        return {"commit": repository.head.commit.hexsha, "dirty": repository.is_dirty(untracked_files=False)}


def _repository(folder: Path) -> Repo | None:
    try:
        import git
    except ImportError as error:  # GitPython raises it when there is no `git` command
        raise UsageError("the `git` command was not found", remedy="install Git") from error
    try:
        return git.Repo(folder, search_parent_directories=True)
    except (git.InvalidGitRepositoryError, git.NoSuchPathError):
        return None
