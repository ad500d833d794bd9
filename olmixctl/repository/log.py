"""A file over commits."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from olmixctl.repository.opening import is_shallow, opened, path_inside

if TYPE_CHECKING:
    from git import Repo

__all__ = ["Past", "Version", "versions_of"]

_FIELDS = "%H%x1f%P%x1f%aI%x1f%s"


@dataclass(frozen=True, kw_only=True, slots=True)
class Version:
    """A file as a commit left it.

    Attributes:
        commit: its full name, or None for what is not committed.
        date: of the author, ISO 8601 with its offset; empty for what is not committed.
        subject: first line of the message.
        text: of the file; None when the commit removed it.
        before: its text at the commit's first parent, where the commit is a merge: the side it was merged into.
    """

    commit: str | None
    date: str
    subject: str
    text: str | None
    before: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Past:
    """The versions of a file, newest first, and whether the clone lacks older ones."""

    versions: tuple[Version, ...]
    shallow: bool


def versions_of(path: Path) -> Past:
    """The versions of `path` in the history of HEAD, with an uncommitted one on top.

    Raises:
        UsageError: no repository.
    """
    with opened(path.parent, "a history") as repository:
        inside = path_inside(repository, path)
        committed = _committed(repository, inside) if repository.head.is_valid() else []
        now = path.read_bytes().decode(errors="replace") if path.is_file() else None
        newest = _text(repository, "HEAD", inside) if committed else None
        working = [] if now == newest else [Version(commit=None, date="", subject="", text=now)]
        return Past(versions=(*working, *committed), shallow=is_shallow(repository))


def _committed(repository: Repo, inside: str) -> list[Version]:
    lines = str(repository.git.log("--no-show-signature", "--topo-order", f"--format={_FIELDS}", "--", inside))
    return [_version(repository, inside, line) for line in lines.splitlines() if line]


def _version(repository: Repo, inside: str, line: str) -> Version:
    commit, parents, date, subject = line.split("\x1f", 3)
    # Git leaves out parents that a shallow clone does not have.
    first, *others = parents.split() or [""]
    return Version(
        commit=commit,
        date=date,
        subject=subject.encode(errors="replace").decode(),
        text=_text(repository, commit, inside),
        before=_text(repository, first, inside) if others else None,
    )


def _text(repository: Repo, commit: str, inside: str) -> str | None:
    try:
        blob = repository.commit(commit).tree / inside
    except KeyError:
        return None
    return bytes(blob.data_stream.read()).decode(errors="replace")
