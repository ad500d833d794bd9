"""Writing a file so that a reader, or a crash, sees the old text or the new, never a part of either."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

from olmixctl.errors import OlmixctlError, Place

__all__ = ["TEMPORARY", "create_exclusively", "remove_leftovers", "write_atomically"]

TEMPORARY = ".tmp"
"""End of a temporary file's name; it starts with a dot and the name of the file that it is to become."""

_NO_LINKS = frozenset({errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK})
"""What file systems without hard links answer to one."""


def write_atomically(path: Path, data: str | bytes, *, durable: bool = True) -> None:
    """Write `data` to `path`: temporary file in the same folder, fsync, rename, fsync of the folder.

    Text is UTF-8 with the line ends it has. What is not `durable` is written without fsync.

    Raises:
        OlmixctlError: the folder cannot be written (permissions, disk full …); the old file is untouched.
    """
    raw = data.encode() if isinstance(data, str) else data
    with _explained(path), _temporary(path, raw, durable=durable) as temporary:
        temporary.replace(path)
        if durable:
            _sync_folder(path.parent)


def create_exclusively(path: Path, data: bytes, *, durable: bool = True) -> bool:
    """Create `path` with `data`, whole or not at all; False when the name is taken, whoever took it.

    The file is written under a temporary name and linked onto its own: a link is atomic and fails when the name exists,
    on NFS too. Where there are no hard links (FAT, some FUSE mounts) the name is first reserved by an exclusive, empty
    creation and then replaced; a crash between the two leaves an empty file, which readers report as damaged.

    Raises:
        OlmixctlError: the folder cannot be written; nothing was created.
    """
    with _explained(path), _temporary(path, data, durable=durable) as temporary:
        try:
            os.link(temporary, path)
        except FileExistsError:
            return False
        except FileNotFoundError:
            # Somebody who saw that `path` exists swept our temporary file away: the name is taken.
            if path.exists():
                return False
            raise
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            if not _reserve(path):
                return False
            temporary.replace(path)
        if durable:
            _sync_folder(path.parent)
        return True


def remove_leftovers(folder: Path, name: str = "*") -> None:
    """Remove temporary files that a killed process left for files that exist by now; others may still be written.

    Args:
        folder: where.
        name: of the files that they were to become.
    """
    for leftover in folder.glob(f".{name}.*{TEMPORARY}"):
        final = leftover.name[1:].removesuffix(TEMPORARY).rpartition(".")[0]
        # An empty file is a name that was reserved: its writer still needs the temporary one.
        with contextlib.suppress(OSError):
            if final and (folder / final).stat().st_size:
                leftover.unlink()


@contextlib.contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OlmixctlError(
            f"cannot write: {error.strerror or error}",
            place=Place(str(path)),
            remedy="make the folder writable, or free space on it; nothing was changed",
        ) from error


@contextlib.contextmanager
def _temporary(path: Path, raw: bytes, *, durable: bool) -> Iterator[Path]:
    """A synced file with `raw` beside `path`; gone afterwards unless it was moved."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # Opened by hand: the module tempfile makes private files, and these are to be read by others.
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}{TEMPORARY}")
    descriptor = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666)
    try:
        with os.fdopen(descriptor, "wb") as handle:
            handle.write(raw)
            handle.flush()
            if durable:
                os.fsync(handle.fileno())
        yield temporary
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def _reserve(path: Path) -> bool:
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
    except FileExistsError:
        return False
    return True


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
