"""Locks in Git: at a revision, where a pull request branched off, over commits."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from olmixctl.errors import IntegrityError, OlmixctlError, StaleError, UsageError
from olmixctl.fingerprint import sha256_hex
from olmixctl.lock.codec import digest_of, parse
from olmixctl.lock.line import SHOWN, Committed
from olmixctl.lock.model import Lock
from olmixctl.plan.model import Check

if TYPE_CHECKING:
    from olmixctl.repository import Version

__all__ = ["Baseline", "Trail", "branch_point", "earlier_locks", "lock_at", "lock_trail", "unmerged", "unmerged_checks"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Baseline:
    """The lock a plan compares with, instead of the committed one.

    Attributes:
        lock: it; None where there was none, and the plan is one of a first lock.
        check: says so in the plan.
    """

    lock: Lock | None
    check: Check


def lock_at(lock_path: Path, revision: str) -> Lock:
    """A lock by file, by `REV:path`, or the one at `lock_path` at `REV` or `merge-base:REV`.

    Raises:
        UsageError: no such file or revision, no Git repository, or no lock there.
        IntegrityError: what is there is not a whole lock.
    """
    from olmixctl.repository import file_at

    path = Path(revision)
    text = path.read_bytes().decode(errors="replace") if path.is_file() else file_at(lock_path, revision)
    return parse(text, revision)


def unmerged(lock_path: Path) -> str:
    """What left the lock in conflict, in words; empty where nothing did, or where it was joined since.

    A lock that Git may not merge holds one side without a marker: only Git knows that there is another.
    """
    from olmixctl.repository import conflict_of, operation_under_way

    operation = operation_under_way(lock_path.parent)
    if not operation:
        return ""
    found = conflict_of(lock_path).get(lock_path.parent.resolve() / lock_path.name)
    if found is None:
        return ""
    present = lock_path.read_bytes() if lock_path.is_file() else None
    return f"{operation} is unfinished" if present in (found.base, found.ours, found.theirs, None) else ""


def unmerged_checks(lock_path: Path) -> tuple[Check, ...]:
    """For a plan: a lock in conflict blocks it, else one side alone would be decided on."""
    found = unmerged(lock_path)
    message, remedy = f"the lock is in conflict: {found}", "olmixctl resolve"
    return (Check(level="block", name="unmerged", message=message, remedy=remedy),) if found else ()


def branch_point(lock_path: Path, committed: Lock | None, environment: Mapping[str, str]) -> Baseline | None:
    """In CI on a pull request: the lock where its branch left the target; the plan then shows what it brings.

    Where that cannot be known the baseline stays the committed lock, and the check says what mends it.

    Args:
        lock_path: where the lock lies in the working tree.
        committed: the lock there.
        environment: of the process.

    Returns:
        None where this is no check of a pull request.
    """
    from olmixctl.repository import common_ancestor, pull_request, text_at

    request = pull_request(environment)
    if request is None:
        return None
    try:
        commit = common_ancestor(lock_path.parent, request.revision)
        text = text_at(lock_path, commit)
        lock = None if text is None else parse(text, f"{commit[:SHOWN]}:{lock_path.name}")
    except OlmixctlError as error:
        return Baseline(lock=committed, check=_unknown(request.source, error))
    where = f"{commit[:SHOWN]}, where this pull request left {request.revision} ({request.source})"
    return Baseline(lock=lock, check=_known(lock, committed, where))


def earlier_locks(lock_path: Path, wanted: Callable[[str, str], bool]) -> dict[str, Lock] | None:
    """Digest → committed lock, of the versions `wanted` by digest and text; what is no whole lock is passed by.

    Returns:
        None where there is no Git history to look into.
    """
    from olmixctl.repository import versions_of

    try:
        versions = versions_of(lock_path).versions
    except UsageError:
        return None
    found: dict[str, Lock] = {}
    for version in versions:
        # Both sides of a merge are versions; one of them stands in no other commit of this file's log.
        for text in (version.text, version.before):
            digest = "" if text is None else f"sha256:{sha256_hex(text)}"
            if text is not None and digest not in found and wanted(digest, text):
                with suppress(IntegrityError, StaleError):
                    found[digest] = parse(text, version.commit or str(lock_path))
    return found


@dataclass(frozen=True, kw_only=True, slots=True)
class Trail:
    """The versions of a lock, newest first; `shallow` where the clone lacks older ones."""

    locks: tuple[Committed, ...]
    shallow: bool


def lock_trail(lock_path: Path) -> Trail:
    """The lock over the commits of HEAD, with one that is not committed on top. What is no whole lock says why.

    Raises:
        UsageError: no Git repository, or no commit of a lock and none in the working tree.
    """
    from olmixctl.repository import versions_of

    past = versions_of(lock_path)
    if not past.versions:
        raise UsageError(
            f"no commit has {lock_path.name}" + (", and the clone is shallow" if past.shallow else ""),
            remedy="git fetch --unshallow" if past.shallow else "`olmixctl apply` writes one; commit it with its runs",
        )
    return Trail(locks=tuple(_committed(version, lock_path) for version in past.versions), shallow=past.shallow)


def _committed(version: Version, lock_path: Path) -> Committed:
    lock, problem = None, "the lock was removed"
    if version.text is not None:
        try:
            lock = parse(version.text, lock_path.name)
        except (IntegrityError, StaleError) as error:
            problem = f"cannot be read: {error.message}"
    return Committed(
        commit=version.commit,
        date=version.date,
        subject=version.subject,
        lock=lock,
        digest="" if lock is None or version.text is None else f"sha256:{sha256_hex(version.text)}",
        problem="" if lock is not None else problem,
        side=None if version.before is None else f"sha256:{sha256_hex(version.before)}",
    )


def _unknown(source: str, error: OlmixctlError) -> Check:
    return Check(
        level="warn",
        name="baseline",
        message="compared with the committed lock: the lock that this pull request started from is not known here "
        f"({source}: {error.message})",
        remedy=error.remedy,
    )


def _known(lock: Lock | None, committed: Lock | None, where: str) -> Check:
    if lock is None:
        message = f"there was no lock at {where}: planned as a first one"
    else:
        message = f"compared with lock serial {lock.serial} at {where}"
    moved = committed is not None and (lock is None or digest_of(committed) != digest_of(lock))
    return Check(
        level="note",
        name="baseline",
        message=message,
        remedy=f"--baseline HEAD compares with the committed lock, serial {committed.serial}"
        if moved and committed is not None
        else "",
    )
