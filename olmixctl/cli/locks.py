"""Finding the lock that an argument names. A lockfile can be read where its mix file is not."""

from __future__ import annotations

from pathlib import Path

from olmixctl.committed import Trail, lock_trail, unmerged
from olmixctl.errors import Place, UsageError
from olmixctl.lock.model import Lock
from olmixctl.lock.store import read_lock
from olmixctl.recall import LedgerOrigins
from olmixctl.spec.find import LOCK_SUFFIX, find_mix
from olmixctl.workspace import Workspace

__all__ = ["ends_of", "lock_at", "lock_of", "mix_of", "origins_of", "shown_lock", "trail_of", "untold"]


def lock_of(target: str | None) -> Lock:
    """The lock of a mix, or in a lockfile.

    Raises:
        UsageError: there is none.
    """
    return shown_lock(target)[0]


def shown_lock(target: str | None) -> tuple[Lock, tuple[str, ...]]:
    """The lock of a mix, or in a lockfile; and what a person must know who reads it.

    Raises:
        UsageError: there is none.
    """
    if target is not None and target.endswith(".lock.yaml"):
        found, path = read_lock(Path(target)), Path(target)
    else:
        workspace = Workspace.open(target)
        found, path = workspace.lock(), workspace.lock_path
    if found is None:
        raise UsageError("there is no lock yet", place=Place(str(path)), remedy="olmixctl apply writes one")
    conflict = unmerged(path)
    remark = f"the lock is in conflict: {conflict}; this is one side alone, `olmixctl resolve` joins both"
    return found, (remark,) if conflict else ()


def ends_of(before: str, after: str | None) -> tuple[str, str | None]:
    """The two ends of a comparison, from two words or a range: `A..B`, or `A...B` from where B left A.

    Raises:
        UsageError: a range, and a second word beside it.
    """
    from olmixctl.repository import split_range

    ends = None if Path(before).is_file() else split_range(before)
    if ends is not None and after is not None:
        raise UsageError(f"{before} names both ends already", remedy=f"leave out {after}, or name one end a word")
    if after is not None and not Path(after).is_file() and split_range(after) is not None:
        raise UsageError(f"{after} is a range, and {before} stands before it", remedy="name the range alone")
    return ends or (before, after)


def mix_of(*ends: str | None) -> str | None:
    """The mix whose lock the ends of a comparison name, `PATH` or `REV:PATH`; None where they name none, or several.

    A lock that lies beside no mix file names none.
    """
    paths = [Path(end.rpartition(":")[2]) for end in ends if end is not None and end.endswith(LOCK_SUFFIX)]
    mixes = [path.with_name(path.name.removesuffix(LOCK_SUFFIX) + ".yaml") for path in paths]
    found = {path for path in mixes if path.is_file()}
    return str(found.pop()) if len(found) == 1 else None


def origins_of(mix: str | None) -> LedgerOrigins:
    """What was split or merged between two locks of a mix, told from its ledger; the mix file says where that is."""
    return LedgerOrigins(lambda: Workspace.open(mix).ledger.home)


def untold(origins: LedgerOrigins) -> tuple[str, ...]:
    """A remark for the person where the ledger could not be asked what was split or merged."""
    remark = f"domains that were split or merged are told as removed and added: {origins.problem}"
    return (remark,) if origins.problem else ()


def trail_of(mix: str | None, domain: str | None) -> tuple[str, Trail]:
    """The name of a mix and its lock over commits, which must have `domain` somewhere. The mix file is not read.

    Raises:
        UsageError: no such mix, no Git repository, no lock in it, or no lock that has the domain.
    """
    path = find_mix(mix, Path.cwd())
    name = path.name.removesuffix(".yaml").removesuffix(".yml")
    trail = lock_trail(path.with_name(name + LOCK_SUFFIX))
    whole = [at.lock for at in trail.locks if at.lock is not None]
    if domain is not None and not any(domain in lock.domains for lock in whole):
        known = ", ".join(sorted(whole[0].domains)[:8]) if whole else ""
        raise UsageError(
            f"no lock in the history has a domain {domain!r}",
            remedy=f"the newest lock has {known}{' …' if whole and len(whole[0].domains) > 8 else ''}" if known else "",
        )
    return name, trail


def lock_at(revision: str | None, mix: str | None) -> Lock:
    """A lock for a comparison: a file, the mix's lock at a revision, or the present one (None).

    Raises:
        UsageError: there is no such file or revision, or no lock there.
    """
    if revision is None:
        return lock_of(mix)
    if Path(revision).is_file():
        return lock_of(revision) if revision.endswith(".lock.yaml") else Workspace.open(mix).lock_at(revision)
    return Workspace.open(mix).lock_at(revision)
