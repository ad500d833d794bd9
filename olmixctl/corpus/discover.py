"""Paths, globs and fsspec URLs → the files they name, in an order that no file system decides.

`*`, `?` and `[…]` match inside one name, `**` any number of folders. A path that exists as written is taken as written.
A folder, or a pattern whose last part has no suffix of its own, takes the suffixes of `formats.FOLDER_SUFFIXES`; a file
or a pattern that spells a suffix (`*.py`) takes it as plain text if it is no other format. Names that start with a dot
are skipped unless the pattern spells the dot. Links are followed; a folder inside itself is entered once.
"""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from operator import itemgetter
from pathlib import Path
from typing import Any, NamedTuple

from olmixctl.corpus.formats import FileFormat, format_of, is_supported
from olmixctl.corpus.inputs import DeclarationError
from olmixctl.corpus.protocols import remote_remedy
from olmixctl.errors import CorpusError, Place
from olmixctl.stores import store_errors, told

__all__ = ["Found", "declared_path", "discover", "is_remote", "stamp_of"]

_MAGIC = re.compile(r"[*?\[]")
_REMOTE = re.compile(r"^[A-Za-z][A-Za-z0-9+.-]*(::|://)")
_NOT_THERE = {errno.ENOENT, errno.ENOTDIR, errno.EBADF, errno.ELOOP}
_BY_PATH = itemgetter(0)
# What object stores say about a version of an object, by the names their fsspec implementations use.
_VERSION_FIELDS = (
    "ETag", "etag", "md5Hash", "crc32c", "generation", "version_id", "VersionId", "content_md5", "checksum",
    "LastModified", "last_modified", "mtime", "updated", "modified", "created", "sha256", "oid",
)  # fmt: skip


class Found(NamedTuple):
    """A file that a domain or an eval names. There may be a hundred thousand, so it holds what differs between them.

    Attributes:
        path: relative to the fixed part of the pattern, with `/`.
        url: where it is read; an absolute path when local.
        size: bytes as stored.
        stamp: changes when the file does, as far as the file system can tell; empty when it cannot tell.
        identity: equal for two names of one stored file.
        scope: what all files of one listing share.
    """

    path: str
    url: str
    size: int
    stamp: str
    identity: str | int
    scope: _Scope

    @property
    def shown(self) -> str:
        """The name for messages: relative to the workspace when inside it."""
        return self.url.removeprefix(self.scope.start)

    @property
    def format(self) -> FileFormat:
        """How its documents are read.

        Raises:
            CorpusError: nobody can (`discover` has asked).
        """
        return format_of(self.path, self.scope.dtype, shown=self.shown)


@dataclass(frozen=True, slots=True)
class _Scope:
    """The workspace's folder with its slash, the dtype of `.bin` files."""

    start: str
    dtype: str | None


def is_remote(path: str) -> bool:
    """Whether a path is an fsspec URL of another file system than this machine's."""
    return bool(_REMOTE.match(path)) and not path.startswith(("file://", "local://"))


def discover(paths: Sequence[str], root: Path, *, dtype: str | None = None, address: str = "") -> tuple[Found, ...]:
    """The files of `paths`, each once, sorted by relative path.

    Args:
        paths: local paths or globs (relative ones start at `root`), folders, fsspec URLs with or without globs.
        root: the workspace.
        dtype: element type of `.bin` files.
        address: of what declares `paths`, for messages.

    Raises:
        DeclarationError: a path or glob matches nothing, cannot be listed, or names a format that is not read.
    """
    scope = _Scope(f"{root}/", dtype)
    found: dict[str | int, Found] = {}
    # Two patterns may name one file; the first pattern in sorted order gives its relative path, whatever their order.
    for pattern in sorted(set(paths)):
        try:
            files = _expand(pattern, root, scope)
            if not files:
                raise _nothing(pattern, root)
            _check_formats(files)
        except CorpusError as error:
            item = _item_address(address, paths, pattern)
            raise DeclarationError(error.message, address=item, place=error.place, remedy=error.remedy) from error
        files.sort(key=_BY_PATH)  # no two files of one pattern have one path
        for file in files:
            found.setdefault(file.identity, file)
    return tuple(found.values()) if len(paths) == 1 else tuple(sorted(found.values()))


def declared_path(file: Found, paths: Sequence[str], root: Path, *, dtype: str | None, address: str) -> str:
    """The address of the path that names a file which `discover` found; lists again, so for messages only."""
    scope = _Scope(f"{root}/", dtype)
    for pattern in paths:
        if any(found.identity == file.identity for found in _expand(pattern, root, scope)):
            return _item_address(address, paths, pattern)
    return f"{address}.paths"


def _item_address(address: str, paths: Sequence[str], pattern: str) -> str:
    return f"{address}.paths[{paths.index(pattern)}]".lstrip(".")


def _expand(pattern: str, root: Path, scope: _Scope) -> list[Found]:
    if is_remote(pattern):
        return _expand_remote(pattern, scope)
    full = _local(pattern, root)
    found = _stat(full)
    if found is not None and stat.S_ISDIR(found.st_mode):
        return _walk(full, None, is_supported, scope)
    if found is not None:
        return [_local_file(full.rpartition("/")[2], full, found, scope, link=Path(full).is_symlink())]
    base, rest = _split(full)
    folder = _stat(base) if rest else None
    if folder is None or not stat.S_ISDIR(folder.st_mode):
        return []
    wanted, depth = _wanted(rest)
    return _walk(base, depth, wanted, scope, hidden=_spells_dot(rest))


def _local(pattern: str, root: Path) -> str:
    path = re.sub(r"^(file|local)://", "", pattern) if "://" in pattern else pattern
    return os.path.normpath(os.path.join(root, Path(path).expanduser() if path.startswith("~") else path))  # noqa: PTH118  (called for every domain)


def _stat(path: str) -> os.stat_result | None:
    """What stands at a path; None when nothing does, or nothing can."""
    try:
        return os.stat(path)  # noqa: PTH116  (called for every domain)
    except OSError as error:
        if error.errno not in _NOT_THERE:
            raise
        return None
    except ValueError:  # a NUL in the name
        return None


def _check_formats(files: Sequence[Found]) -> None:
    """Asks for the format of one file of each suffix, of all where some are compressed: it follows from the name."""
    by_suffix = {file.path[file.path.rfind(".") :]: file for file in files}
    packed = not by_suffix.keys().isdisjoint((".gz", ".zst"))
    for file in files if packed else by_suffix.values():
        format_of(file.path, file.scope.dtype, shown=file.shown)


def _split(pattern: str) -> tuple[str, str]:
    """The fixed folder of a glob and the rest; the rest is empty when nothing is special."""
    parts = pattern.split("/")
    first = next((i for i, part in enumerate(parts) if _MAGIC.search(part)), len(parts))
    return "/".join(parts[:first]) or "/", "/".join(parts[first:])


def _spells_suffix(pattern: str) -> bool:
    last = pattern.rsplit("/", 1)[-1]
    return re.search(r"\.[A-Za-z0-9_+-]+$", last) is not None or not _MAGIC.search(last)


def _spells_dot(pattern: str) -> bool:
    return any(part.startswith(".") for part in pattern.split("/"))


def _wanted(pattern: str) -> tuple[Callable[[str], object], int | None]:
    """Whether a relative path is meant by a pattern, and how deep such paths can be."""
    matcher, depth = _matcher(pattern)
    if _spells_suffix(pattern):
        return matcher.fullmatch, depth
    return lambda path: is_supported(path) and matcher.fullmatch(path), depth


@lru_cache(maxsize=256)
def _matcher(pattern: str) -> tuple[re.Pattern[str], int | None]:
    """A regular expression over relative paths, and how many levels deep it can match (None: any)."""
    parts = pattern.split("/")
    pieces: list[str] = []
    for i, part in enumerate(parts):
        last = i == len(parts) - 1
        if part == "**":
            pieces.append(r"(?:(?!\.)[^/]+/)*" + (r"(?!\.)[^/]+" if last else ""))
        else:
            pieces.append(_segment(part) + ("" if last else "/"))
    return re.compile("".join(pieces), re.DOTALL), None if "**" in parts else len(parts)


def _segment(part: str) -> str:
    hidden = "" if part.startswith(".") else r"(?!\.)"
    out: list[str] = []
    position = 0
    for match in re.finditer(r"\*+|\?|\[(!?)(\]?[^\]]*)\]", part):
        out.append(re.escape(part[position : match.start()]))
        position = match.end()
        if match[0] == "?":
            out.append("[^/]")
        elif match[0].startswith("*"):
            out.append("[^/]*")
        else:
            inside = match[2].replace("\\", r"\\").replace("[", r"\[").replace("]", r"\]")
            out.append(f"(?!/)[{'^' if match[1] else ''}{inside}]")
    return hidden + "".join(out) + re.escape(part[position:])


def _walk(
    top: str, depth: int | None, wanted: Callable[[str], object], scope: _Scope, *, hidden: bool = False
) -> list[Found]:
    """The wanted files below `top`, at most `depth` levels deep; a folder reached through itself is not entered."""
    files: list[Found] = []
    stack = [("", top, 1, frozenset[tuple[int, int]]())]
    while stack:
        prefix, folder, level, above = stack.pop()
        try:
            here = os.stat(folder)  # noqa: PTH116  (a Path costs as much again)
            if (key := (here.st_dev, here.st_ino)) in above:
                continue
            with os.scandir(folder) as entries:
                for entry in entries:
                    name = entry.name
                    if name[0] == "." and not hidden:
                        continue
                    if entry.is_dir():
                        if depth is None or level < depth:
                            stack.append((f"{prefix}{name}/", entry.path, level + 1, above | {key}))
                    elif not wanted(prefix + name):
                        continue
                    elif entry.is_file():
                        link = entry.is_symlink()
                        files.append(_local_file(prefix + name, entry.path, entry.stat(), scope, link=link))
                    elif entry.is_symlink():
                        raise CorpusError("the link points nowhere", place=Place(entry.path), remedy="remove it")
        except OSError as error:
            raise CorpusError(
                f"cannot list the folder: {error.strerror or error}",
                place=Place(folder),
                remedy="check its permissions",
            ) from error
    return files


def _local_file(path: str, url: str, found: os.stat_result, scope: _Scope, *, link: bool) -> Found:
    # A hard link is a second copy by intent (package installers make them); a symbolic link is the same file.
    shared = found.st_nlink > 1
    identity = (os.path.realpath(url) if link else url) if shared else (found.st_dev << 64) + found.st_ino
    return Found(path, url, found.st_size, _stamp(found), identity, scope)


def stamp_of(url: str) -> str:
    """The stamp of a local file as it is now; empty when it is gone."""
    try:
        return _stamp(Path(url).stat())
    except OSError:
        return ""


def _stamp(found: os.stat_result) -> str:
    # The inode's own time moves when a tool sets the modification time back after changing a file.
    return f"{found.st_size}:{found.st_mtime_ns}:{found.st_ctime_ns}:{found.st_ino}"


def _expand_remote(pattern: str, scope: _Scope) -> list[Found]:
    import fsspec

    try:
        fs, path = fsspec.core.url_to_fs(pattern)
        base, rest = _split(path)
        if not rest and not fs.isdir(path):
            infos = {path: fs.info(path)} if fs.exists(path) else {}
            return [_remote_file(fs, path.rsplit("/", 1)[-1], name, info, scope) for name, info in infos.items()]
        wanted, depth = _wanted(rest or "**")
        infos = fs.find(base, maxdepth=depth, detail=True) if fs.isdir(base) else {}
    except store_errors(ImportError, ValueError, RuntimeError) as error:
        raise CorpusError(f"cannot list {pattern}: {told(error)}", remedy=remote_remedy(pattern, error)) from error
    named = ((name[len(base) :].lstrip("/"), name, info) for name, info in infos.items())
    return [_remote_file(fs, path, name, info, scope) for path, name, info in named if wanted(path)]


def _remote_file(fs: Any, path: str, name: str, info: dict[str, object], scope: _Scope) -> Found:  # noqa: ANN401
    url = str(fs.unstrip_protocol(name))
    versions = [f"{field}={info[field]}" for field in _VERSION_FIELDS if info.get(field) is not None]
    size = int(str(info.get("size") or 0))
    stamp = ";".join([str(size), *versions]) if versions else ""
    return Found(path, url, size, stamp, url, scope)


def _nothing(pattern: str, root: Path) -> CorpusError:
    folder = "" if is_remote(pattern) else _local(pattern, root)
    if folder and Path(folder).is_dir() and (seen := sum(1 for p in Path(folder).rglob("*") if p.is_file())):
        return CorpusError(
            f"{pattern!r} holds {seen} files, none of a known format",
            remedy=f"spell the suffix ({pattern}/**/*.md reads each file as one document of plain text)",
        )
    return CorpusError(f"{pattern!r} matches nothing", remedy="check the path; relative ones start at the workspace")
