"""The lockfile on disk: read whole, written last and atomically."""

from __future__ import annotations

from pathlib import Path

from olmixctl.atomic import write_atomically
from olmixctl.errors import IntegrityError, Place
from olmixctl.lock.codec import dump, parse
from olmixctl.lock.model import Lock

__all__ = ["read_lock", "write_lock"]


def read_lock(path: Path) -> Lock | None:
    """The lock at `path`, checked; None when there is no file.

    Raises:
        IntegrityError: it is not whole.
    """
    if not path.exists():
        return None
    try:
        text = path.read_bytes().decode()
    except UnicodeDecodeError as error:
        raise IntegrityError(
            f"the lock is not UTF-8 (byte {error.start})", place=Place(str(path)), remedy="restore it from Git"
        ) from error
    return parse(text, str(path))


def write_lock(path: Path, lock: Lock) -> bool:
    """Write `lock`; False when the file already holds these very bytes (nothing is touched)."""
    text = dump(lock)
    if path.exists() and path.read_bytes() == text.encode():
        return False
    write_atomically(path, text)
    return True
