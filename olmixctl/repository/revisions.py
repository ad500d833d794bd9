"""Files at a revision, the common ancestor of two, and why a revision may not be there."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from olmixctl.errors import UsageError
from olmixctl.repository.opening import is_shallow, opened, path_inside

if TYPE_CHECKING:
    from git import Repo
    from git.objects import Commit

__all__ = ["common_ancestor", "file_at", "files_at", "split_range", "text_at"]

_ANCESTOR = "merge-base:"

_DEEPEN = "fetch the rest of it: `git fetch --unshallow` (in CI: check out with fetch-depth 0)"


def split_range(words: str) -> tuple[str, str] | None:
    """The two ends of `A..B`; of `A...B` the common ancestor of both, and B. None for anything else.

    An end that is left out is HEAD, as for Git. A path with `..` in it is no range.
    """
    for dots in ("...", ".."):
        left, found, right = words.partition(dots)
        if not found:
            continue
        if not left + right or ".." in right or left.endswith(("/", ".")) or right.startswith(("/", ".")):
            return None
        first, last = left or "HEAD", right or "HEAD"
        return (f"{_ANCESTOR}{first},{last}", last) if dots == "..." else (first, last)
    return None


def file_at(path: Path, revision: str) -> str:
    """The text of `path` at `REV`, at `merge-base:REV`, or of the path named by `REV:path`.

    Raises:
        UsageError: no repository, no such revision, or no such file there.
    """
    text = text_at(path, revision)
    if text is None:
        name, _, inside = revision.partition(":")
        shown = revision if f"{name}:" == _ANCESTOR else name
        raise UsageError(
            f"there is no {inside if shown == name and inside else path.name} at {shown}",
            remedy=f"`git log --oneline -- {path.name}` beside it lists the commits that changed it",
        )
    return text


def text_at(path: Path, revision: str) -> str | None:
    """As `file_at`, with None where the revision is there and the file is not.

    Raises:
        UsageError: no repository, or no such revision.
    """
    with opened(path.parent, f"revision {revision!r}") as repository:
        if revision.startswith(_ANCESTOR):
            first, _, last = revision.removeprefix(_ANCESTOR).partition(",")
            return _text(_ancestor(repository, first, last or "HEAD"), path_inside(repository, path))
        name, _, inside = revision.partition(":")
        return _text(_commit(repository, name), inside or path_inside(repository, path))


def files_at(folder: Path, revision: str) -> dict[str, bytes]:
    """Name → content of the files directly in `folder` at a revision; empty where the folder was not there.

    Raises:
        UsageError: no repository, or no such revision.
    """
    with opened(folder.parent, f"revision {revision!r}") as repository:
        try:
            tree = _commit(repository, revision).tree / path_inside(repository, folder)
        except KeyError:
            return {}
        return {str(blob.name): bytes(blob.data_stream.read()) for blob in getattr(tree, "blobs", ())}


def common_ancestor(folder: Path, first: str, last: str = "HEAD") -> str:
    """The commit that two revisions last had in common, as its full name.

    Raises:
        UsageError: no repository, no such revision, or no common commit (in a shallow clone: how to get it).
    """
    with opened(folder, "a common ancestor") as repository:
        return str(_ancestor(repository, first, last).hexsha)


def _ancestor(repository: Repo, first: str, last: str) -> Commit:
    ends = [_commit(repository, first), _commit(repository, last)]
    found = repository.merge_base(*ends)
    if not found:
        shallow = is_shallow(repository)
        why = "this clone is shallow and does not reach back to it" if shallow else "their histories are unrelated"
        remedy = _DEEPEN if shallow else "name the revision to compare with"
        raise UsageError(f"{first} and {last} have no common commit here: {why}", remedy=remedy)
    return repository.commit(found[0].hexsha)


def _text(commit: Commit, inside: str) -> str | None:
    try:
        blob = commit.tree / inside
    except KeyError:
        return None
    # What is no UTF-8 is no lock either; the reader of the text says so.
    return bytes(blob.data_stream.read()).decode(errors="replace") if blob.type == "blob" else None


def _commit(repository: Repo, name: str) -> Commit:
    import git

    try:
        # An empty name would be HEAD, and one that starts with a dash an option.
        found = repository.commit(name if name and not name.startswith("-") else " ")
        # A shallow clone knows the names of commits it does not have; asking for the tree reads the commit.
        assert found.tree is not None
    except (git.BadName, git.BadObject, git.GitCommandError, ValueError, IndexError, KeyError) as error:
        message, remedy = _absence(repository, name)
        raise UsageError(message, remedy=remedy) from error
    return found


def _absence(repository: Repo, name: str) -> tuple[str, str]:
    """Why a revision is not there, and what mends it."""
    message = f"there is no file and no revision {name!r}"
    if not repository.head.is_valid():
        return f"{message}: the repository has no commit yet", "git commit mix, lock and runs first"
    references = {reference.name for reference in repository.references}
    tracked = [f"{remote.name}/{name}" for remote in repository.remotes if f"{remote.name}/{name}" in references]
    if tracked:
        return f"{message}: there is no local branch of that name", f"use {tracked[0]}"
    remote, _, branch = name.partition("/")
    if branch and remote in {found.name for found in repository.remotes} and not set("~^@") & set(name):
        deeper = " --unshallow" if is_shallow(repository) else ""
        refspec = f"{branch}:refs/remotes/{remote}/{branch}"
        return f"{message}: that branch was not fetched", f"git fetch{deeper} {remote} {refspec}"
    if is_shallow(repository):
        return f"{message}: this clone is shallow and holds the newest commits alone", _DEEPEN
    if repository.head.is_detached and not set("~^@:") & set(name):
        return f"{message}: the head is detached, no branch is checked out", "name a commit, or a branch of a remote"
    return message, "`git branch --all` and `git tag` list what there is"
