"""Where `--out` and its like may write: never over what a mix rests on, nor where nobody made a folder."""

from __future__ import annotations

from pathlib import Path

from olmixctl.errors import Place, UsageError
from olmixctl.spec.find import LOCK_SUFFIX, find_mix

__all__ = ["output_path"]

_MIX_SUFFIXES = (".yaml", ".yml")
_REMEDY = "name another file"


def output_path(option: str, path: Path | None, mix: str | None) -> Path | None:
    """The file that `option` writes, links followed (a link stays a link); None where the option was not given.

    Args:
        option: as typed, for the message.
        path: what it was given.
        mix: the mix of this command, as typed.

    Raises:
        UsageError: the target is a mix file, a lock, a recorded run or no regular file, or its folder does not exist.
    """
    if path is None:
        return None
    place = Place(str(path))
    try:
        real = path.resolve()
    except (OSError, RuntimeError) as error:
        raise UsageError(f"{option}: the link leads nowhere", place=place, remedy=_REMEDY) from error
    kind = _protected(path, real, mix)
    if kind:
        raise UsageError(f"{option} would write over {kind}", place=place, remedy=_REMEDY)
    if not real.parent.is_dir():
        raise UsageError(
            f"{option}: there is no folder {path.parent}", place=place, remedy="make the folder, or name another one"
        )
    if real.exists() and not real.is_file():
        raise UsageError(f"{option}: this is no regular file", place=place, remedy=_REMEDY)
    return real


def _protected(path: Path, real: Path, mix: str | None) -> str:
    """What a write would destroy, in words; empty where it is nothing of a mix."""
    for name in (path.name, real.name):
        if name.endswith(LOCK_SUFFIX):
            return "a lock"
    if any(parent.name.endswith(".runs") for parent in real.parents) or real.name.endswith(".runs"):
        return "recorded runs"
    if real.suffix in _MIX_SUFFIXES and (
        real.parent.name == "mixes" or real.with_name(real.stem + LOCK_SUFFIX).exists()
    ):
        return "a mix file"
    return "the mix file" if real.exists() and real == find_mix(mix, Path.cwd()).resolve() else ""
