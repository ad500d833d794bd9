"""Where a mix file is: by path, by name, or the only one of the repository."""

from __future__ import annotations

from pathlib import Path

from olmixctl.errors import UsageError

__all__ = ["LOCK_SUFFIX", "find_mix"]

LOCK_SUFFIX = ".lock.yaml"


def find_mix(target: str | None, cwd: Path) -> Path:
    """The mix file that `target` names.

    Raises:
        UsageError: none or several fit.
    """
    if target is not None and (target.endswith((".yaml", ".yml")) or "/" in target):
        path = cwd / target
        if path.name.endswith(LOCK_SUFFIX):
            path = path.with_name(path.name.removesuffix(LOCK_SUFFIX) + ".yaml")
        return path
    for folder in (cwd, *cwd.parents):
        mixes = folder if folder.name == "mixes" else folder / "mixes"
        if mixes.is_dir():
            return _choose(target, mixes)
        if (folder / ".git").exists():
            break
    raise UsageError(
        f"there is no folder `mixes` in {cwd} or above it", remedy="olmixctl init NAME makes one, or name a mix file"
    )


def _choose(target: str | None, mixes: Path) -> Path:
    found = sorted(p for p in mixes.iterdir() if p.suffix in (".yaml", ".yml") and not p.name.endswith(LOCK_SUFFIX))
    names = ", ".join(path.stem for path in found)
    if target is None:
        if len(found) == 1:
            return found[0]
        if not found:
            raise UsageError(f"there is no mix in {mixes}", remedy="olmixctl init NAME")
        raise UsageError(
            f"there are several mixes: {names}",
            remedy="say which one: its name, or --mix NAME where a command asks for something else first",
        )
    fitting = [path for path in found if path.stem == target]
    if not fitting:
        raise UsageError(f"there is no mix {target!r} in {mixes}", remedy=f"use one of: {names}" if names else "")
    return fitting[0]
