"""Paths, globs and fsspec URLs → the files they name, in an order that no file system decides.

`*`, `?` and `[…]` match inside one name, `**` any number of folders. A path that exists as written is taken as written.
A folder, or a pattern whose last part has no suffix of its own, takes the suffixes of `formats.FOLDER_SUFFIXES`; a file
or a pattern that spells a suffix (`*.py`) takes it as plain text if it is no other format. Names that start with a dot
are skipped unless the pattern spells the dot. Links are followed; a folder inside itself is entered once.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from olmixctl.corpus.formats import FileFormat, format_of, is_supported
from olmixctl.errors import CorpusError, Place

__all__ = ["Found", "discover", "is_remote", "stamp_of"]

_MAGIC = re.compile(r"[*?\[]")
_REMOTE = re.compile(r"^[A-Za-z][A-Za-z0-9+.-]*(::|://)")
# What object stores say about a version of an object, by the names their fsspec implementations use.
_VERSION_FIELDS = (
    "ETag", "etag", "md5Hash", "crc32c", "generation", "version_id", "VersionId", "content_md5", "checksum",
    "LastModified", "last_modified", "mtime", "updated", "modified", "created", "sha256", "oid",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Found:
    """A file that a domain or an eval names.

    Attributes:
        path: relative to the fixed part of the pattern, with `/`.
        url: where it is read; an absolute path when local.
        size: bytes as stored.
        stamp: changes when the file does, as far as the file system can tell; empty when it cannot tell.
        identity: equal for two names of one stored file.
        shown: the name for messages: relative to the workspace when inside it.
        format: how its documents are read.
    """

    path: str
    url: str
    size: int
    stamp: str
    identity: str
    shown: str
    format: FileFormat


@dataclass(frozen=True, slots=True)
class _Entry:
    path: str
    url: str
    size: int
    stamp: str
    identity: str


def is_remote(path: str) -> bool:
    """Whether a path is an fsspec URL of another file system than this machine's."""
    return bool(_REMOTE.match(path)) and not path.startswith(("file://", "local://"))


def discover(paths: Iterable[str], root: Path, *, dtype: str | None = None) -> tuple[Found, ...]:
    """The files of `paths`, each once, sorted by relative path.

    Args:
        paths: local paths or globs (relative ones start at `root`), folders, fsspec URLs with or without globs.
        root: the workspace.
        dtype: element type of `.bin` files.

    Raises:
        CorpusError: a path or glob matches nothing, cannot be listed, or names a format that is not read.
    """
    found: dict[str, Found] = {}
    # Two patterns may name one file; the first pattern in sorted order gives its relative path, whatever their order.
    for pattern in sorted(set(paths)):
        entries, explicit = _expand(pattern, root)
        taken = [e for e in entries if explicit or is_supported(e.path)]
        if not taken:
            raise _nothing(pattern, seen=len(entries))
        for entry in sorted(taken, key=lambda e: e.path):
            if entry.identity not in found:
                found[entry.identity] = _as_found(entry, root, dtype)
    return tuple(sorted(found.values(), key=lambda f: (f.path, f.url)))


def _expand(pattern: str, root: Path) -> tuple[list[_Entry], bool]:
    """The files a pattern matches, and whether it spells their suffix."""
    if is_remote(pattern):
        return _expand_remote(pattern)
    local = re.sub(r"^(file|local)://", "", pattern)
    full = os.path.normpath(root / Path(local).expanduser())
    path = Path(full)
    if path.is_dir():
        return list(_walk(full, None, _any_file)), False
    if path.exists():
        return [_local_entry(path.name, full, path.stat(), link=path.is_symlink())], True
    base, rest = _split(full)
    if not rest:
        raise _nothing(pattern, seen=0)
    matcher, depth = _matcher(rest)
    if not Path(base).is_dir():
        return [], True
    return list(_walk(base, depth, matcher.fullmatch, hidden=_spells_dot(rest))), _spells_suffix(rest)


def _any_file(_path: str) -> bool:
    return True


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


def _walk(top: str, depth: int | None, wanted: Callable[[str], object], *, hidden: bool = False) -> Iterator[_Entry]:
    """The wanted files below `top`, at most `depth` levels deep; a folder reached through itself is not entered."""
    stack = [("", top, 1, frozenset[tuple[int, int]]())]
    while stack:
        prefix, folder, level, above = stack.pop()
        try:
            here = Path(folder).stat()
            if (key := (here.st_dev, here.st_ino)) in above:
                continue
            with os.scandir(folder) as entries:
                for entry in entries:
                    if entry.name.startswith(".") and not hidden:
                        continue
                    if entry.is_dir():
                        if depth is None or level < depth:
                            stack.append((f"{prefix}{entry.name}/", entry.path, level + 1, above | {key}))
                    elif not wanted(prefix + entry.name):
                        continue
                    elif entry.is_file():
                        yield _local_entry(prefix + entry.name, entry.path, entry.stat(), link=entry.is_symlink())
                    elif entry.is_symlink():
                        raise CorpusError("the link points nowhere", place=Place(entry.path), remedy="remove it")
        except OSError as error:
            raise CorpusError(
                f"cannot list the folder: {error.strerror or error}",
                place=Place(folder),
                remedy="check its permissions",
            ) from error


def _local_entry(path: str, url: str, stat: os.stat_result, *, link: bool) -> _Entry:
    # A hard link is a second copy by intent (package installers make them); a symbolic link is the same file.
    identity = f"{stat.st_dev}:{stat.st_ino}" if stat.st_nlink == 1 else (os.path.realpath(url) if link else url)
    return _Entry(path, url, stat.st_size, _stamp(stat), identity)


def stamp_of(url: str) -> str:
    """The stamp of a local file as it is now; empty when it is gone."""
    try:
        return _stamp(Path(url).stat())
    except OSError:
        return ""


def _stamp(stat: os.stat_result) -> str:
    # The inode's own time moves when a tool sets the modification time back after changing a file.
    return f"{stat.st_size}:{stat.st_mtime_ns}:{stat.st_ctime_ns}:{stat.st_ino}"


def _expand_remote(pattern: str) -> tuple[list[_Entry], bool]:
    import fsspec

    try:
        fs, path = fsspec.core.url_to_fs(pattern)
        base, rest = _split(path)
        if not rest:
            return _remote_fixed(fs, path)
        matcher, depth = _matcher(rest)
        infos = fs.find(base, maxdepth=depth, detail=True) if fs.isdir(base) else {}
    except (OSError, ImportError, ValueError, RuntimeError) as error:
        raise CorpusError(
            f"cannot list {pattern}: {error}",
            remedy="check the address and credentials, and that the extra for this protocol is installed "
            "(pip install 'olmixctl[s3]' or 'olmixctl[gcs]')",
        ) from error
    entries = (_remote_entry(fs, name[len(base) :].lstrip("/"), name, info) for name, info in infos.items())
    return [e for e in entries if matcher.fullmatch(e.path)], _spells_suffix(rest)


def _remote_fixed(fs: object, path: str) -> tuple[list[_Entry], bool]:
    if not fs.exists(path):  # type: ignore[attr-defined]
        return [], True
    if not fs.isdir(path):  # type: ignore[attr-defined]
        info = fs.info(path)  # type: ignore[attr-defined]
        return [_remote_entry(fs, path.rsplit("/", 1)[-1], path, info)], True
    infos = fs.find(path, detail=True)  # type: ignore[attr-defined]
    entries = (_remote_entry(fs, name[len(path) :].lstrip("/"), name, info) for name, info in infos.items())
    return [e for e in entries if not any(part.startswith(".") for part in e.path.split("/"))], False


def _remote_entry(fs: object, path: str, name: str, info: dict[str, object]) -> _Entry:
    url = str(fs.unstrip_protocol(name))  # type: ignore[attr-defined]
    versions = [f"{field}={info[field]}" for field in _VERSION_FIELDS if info.get(field) is not None]
    size = int(str(info.get("size") or 0))
    stamp = ";".join([str(size), *versions]) if versions else ""
    return _Entry(path, url, size, stamp, url)


def _as_found(entry: _Entry, root: Path, dtype: str | None) -> Found:
    shown = _shown(entry.url, root)
    fmt = format_of(entry.path.rsplit("/", 1)[-1], dtype, shown=shown)
    return Found(entry.path, entry.url, entry.size, entry.stamp, entry.identity, shown, fmt)


def _shown(url: str, root: Path) -> str:
    start = f"{root}/"
    return url.removeprefix(start)


def _nothing(pattern: str, *, seen: int) -> CorpusError:
    if seen:
        return CorpusError(
            f"{pattern!r} matches {seen} files, none of a known format",
            remedy="spell the suffix (`**/*.md` reads each file as one document of plain text)",
        )
    return CorpusError(f"{pattern!r} matches nothing", remedy="check the path; relative ones start at the workspace")
