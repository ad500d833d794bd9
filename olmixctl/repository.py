"""What Git knows: files at a revision, and the commit that work was done on. GitPython loads when asked."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from olmixctl.errors import UsageError

if TYPE_CHECKING:
    from git import Repo

__all__ = ["file_at", "provenance"]


def file_at(path: Path, revision: str) -> str:
    """The text of `path` at `REV`, or of the path named by `REV:path`.

    Raises:
        UsageError: no repository, no such revision, or no such file there.
    """
    import git

    repository = _repository(path.parent)
    if repository is None:
        raise UsageError(
            f"{revision!r} is no file, and {path.parent} is not in a Git repository",
            remedy="name a lock file, or run this inside the repository",
        )
    name, _, inside = revision.partition(":")
    try:
        commit = repository.commit(name)
    except (git.BadName, git.BadObject, ValueError, git.GitCommandError) as error:
        raise UsageError(
            f"there is no file and no revision {name!r}",
            remedy="in a shallow clone, fetch more history first (git fetch --unshallow)",
        ) from error
    wanted = inside or path.resolve().relative_to(Path(str(repository.working_tree_dir)).resolve()).as_posix()
    try:
        blob = commit.tree / wanted
    except KeyError as error:
        raise UsageError(f"there is no {wanted} at {name}") from error
    return bytes(blob.data_stream.read()).decode()


def provenance(root: Path) -> dict[str, str | bool | None]:
    """Commit and whether tracked files differ from it; None outside a repository."""
    repository = _repository(root)
    if repository is None or not repository.head.is_valid():
        return {"commit": None, "dirty": None}
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
