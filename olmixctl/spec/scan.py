"""Domains from a folder of corpora, for the mix file that `init` writes.

Each folder that holds documents becomes a domain, and nested folders nest. A folder with documents of its own beside
sub-folders keeps them as a domain `root`, so that every domain has either files or parts. A folder with no document
of a usual kind anywhere below it (source code, say) becomes one domain of its most common kinds of text.
"""

from __future__ import annotations

import codecs
import glob
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from olmixctl.errors import OlmixctlError, UsageError
from olmixctl.spec.checks import RESERVED_IDS

__all__ = ["Corpora", "Scan", "free_name", "scan_folder"]

Corpora = Mapping[str, "Sequence[str] | Corpora"]
"""Name → globs of a domain, or the domains below it."""

EXTENSIONS = (".txt", ".txt.gz", ".txt.zst", ".jsonl", ".jsonl.gz", ".jsonl.zst", ".parquet", ".npy")
"""Document files that need no further declaration."""

ROOT_NAME = "root"
"""Domain for the files that lie directly in a folder with sub-folders."""

_NOT_TEXT = frozenset({".bin", ".zip", ".tar", ".tgz", ".gz", ".zst", ".xz", ".bz2", ".7z", ".arrow", ".pdf"})
_SAMPLED = 32
"""Files of a kind whose beginning is read to see that it is text."""

_HEAD_BYTES = 1 << 14
_COMMON = 0.2
"""A kind of text is taken when it has this share of the files that the most common kind has."""

_LETTERS = str.maketrans({
    "ß": "ss", "ẞ": "SS", "æ": "ae", "Æ": "AE", "œ": "oe", "Œ": "OE", "ø": "o", "Ø": "O", "ł": "l", "Ł": "L",
    "đ": "d", "Đ": "D", "ð": "d", "Ð": "D", "þ": "th", "Þ": "Th", "ı": "i",
})  # fmt: skip
"""Latin letters that Unicode does not decompose."""


@dataclass(frozen=True, slots=True)
class Scan:
    """What a folder suggests: its domains, and in words what was left out and why."""

    corpora: Corpora
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Folder:
    """A folder as read once: names of its files, and its folders in order of their names."""

    path: Path
    files: tuple[str, ...]
    folders: tuple[_Folder, ...]

    @property
    def has_documents(self) -> bool:
        """Whether it, or a folder below it, holds a document of a usual kind."""
        return any(map(_is_document, self.files)) or any(folder.has_documents for folder in self.folders)

    def below(self) -> Iterator[Path]:
        """All its files, at any depth."""
        yield from (self.path / name for name in self.files)
        for folder in self.folders:
            yield from folder.below()


@dataclass(slots=True)
class _Scanner:
    """One scan: where relative globs start, and what is to be told."""

    root: Path
    notes: list[str] = field(default_factory=list)

    def domains(self, folder: _Folder) -> dict[str, Sequence[str] | Corpora]:
        """The domains of `folder`: those of its folders, then its own files."""
        found: dict[str, Sequence[str] | Corpora] = {}
        for sub in folder.folders:
            below = self._domain(sub)
            if below:
                found[free_name(sub.path.name, found)] = below
        globs = self._own(folder)
        if globs:
            found[free_name(ROOT_NAME, found)] = globs
        return found

    def whole(self, folder: _Folder) -> list[str]:
        """Globs for all text below a folder without documents of the usual kinds."""
        files = list(folder.below())
        kinds = {kind: _of_kind(files, kind) for kind in _kinds(files)}
        text = {kind: of for kind, of in kinds.items() if kind not in _NOT_TEXT and _is_text(of)}
        most = max(map(len, text.values()), default=0)
        taken = [kind for kind, of in text.items() if len(of) >= most * _COMMON]
        globs = [pattern for kind in taken for pattern in self._kind(folder, kind, text[kind])]
        left = Counter({kind or "no extension": len(of) for kind, of in kinds.items() if kind not in taken})
        if left and globs:
            self.notes.append(f"{self._shown(folder)}: takes {', '.join(taken)}; left out: {_counted(left)}")
        elif files and not taken:
            self.notes.append(f"{self._shown(folder)}: skipped, nothing there is known to be text ({_counted(left)})")
        return globs

    def _domain(self, folder: _Folder) -> Sequence[str] | Corpora:
        if not folder.has_documents:
            return self.whole(folder)
        below = self.domains(folder)
        only_files = list(below) == [ROOT_NAME] and not isinstance(below[ROOT_NAME], Mapping)
        return below[ROOT_NAME] if only_files else below

    def _own(self, folder: _Folder) -> list[str]:
        """One glob for each kind of document in the folder itself."""
        taken = [kind for kind in EXTENSIONS if any(name.endswith(kind) for name in folder.files)]
        other = Counter(Path(name).suffix or "no extension" for name in folder.files if not _is_document(name))
        if taken and other.total() * 2 > len(folder.files):
            self.notes.append(f"{self._shown(folder)}: takes {', '.join(taken)}; left out: {_counted(other)}")
        return [self._pattern(folder, f"*{kind}") for kind in taken]

    def _kind(self, folder: _Folder, kind: str, files: list[Path]) -> list[str]:
        """The glob of a kind of text; empty files are an error to a plan, so it must not take one."""
        empty = [path for path in files if not path.stat().st_size]
        if not empty:
            return [self._pattern(folder, f"**/*{kind}")]
        # Files such as __init__.py are the usual empty ones, and a pattern can leave them out.
        private = all(path.name.startswith("_") for path in empty)
        if private and any(not path.name.startswith("_") for path in files):
            self.notes.append(
                f"{self._shown(folder)}: {kind} files whose names begin with _ are left out, some are empty"
            )
            return [self._pattern(folder, f"**/[!_]*{kind}")]
        self.notes.append(f"{self._shown(folder)}: {kind} is left out, {len(empty)} of its files are empty: {empty[0]}")
        return []

    def _pattern(self, folder: _Folder, tail: str) -> str:
        return f"{glob.escape(self._shown(folder))}/{tail}".removeprefix("./")

    def _shown(self, folder: _Folder) -> str:
        absolute = folder.path.absolute()
        return (absolute.relative_to(self.root) if absolute.is_relative_to(self.root) else absolute).as_posix()


def scan_folder(folder: Path, *, root: Path) -> Scan:
    """The domains that the folders below `folder` suggest, names in order, globs relative to `root` where they can be.

    Hidden folders and links to a folder above are left out; folders without text are, with a note.

    Raises:
        UsageError: `folder` is no folder, or holds no documents.
        OlmixctlError: a folder or file cannot be read.
    """
    if not folder.is_dir():
        raise UsageError(f"{folder} is not a folder", remedy="name a folder with one sub-folder a domain")
    scanner = _Scanner(root.absolute())
    tree = _read(folder, (folder.resolve(),))
    try:
        found: Corpora = scanner.domains(tree)
        if not found and (globs := scanner.whole(tree)):
            found = {ROOT_NAME: globs}
    except OSError as error:
        raise OlmixctlError(f"{error.filename} cannot be read: {error.strerror}", remedy="check it") from error
    if not found:
        raise UsageError(f"{folder} holds no documents", remedy=_nothing_found(scanner.notes))
    return Scan(found, tuple(scanner.notes))


def free_name(folder: str, taken: Mapping[str, object]) -> str:
    """The folder's name as a domain name: accents go, other characters become `-`, a second of a name gets a number."""
    plain = unicodedata.normalize("NFKD", folder.translate(_LETTERS))
    letters = "".join(c for c in plain if not unicodedata.combining(c))
    name = re.sub(r"[^A-Za-z0-9_.-]+", "-", letters).lstrip("-.")[:90] or "domain"
    free, number = name, 2
    while free in taken or free in RESERVED_IDS:
        free, number = f"{name}-{number}", number + 1
    return free


def _nothing_found(notes: list[str]) -> str:
    remedy = f"put files of these kinds below it: {', '.join(EXTENSIONS)}"
    return "; ".join([remedy, *notes])


def _read(folder: Path, above: tuple[Path, ...]) -> _Folder:
    try:
        entries = sorted((e for e in folder.iterdir() if not e.name.startswith(".")), key=lambda e: e.name)
    except OSError as error:
        raise OlmixctlError(f"{folder} cannot be read: {error.strerror}", remedy="check its permissions") from error
    folders = [e for e in entries if e.is_dir() and e.resolve() not in above]
    return _Folder(
        path=folder,
        files=tuple(e.name for e in entries if e.is_file()),
        folders=tuple(_read(e, (*above, e.resolve())) for e in folders),
    )


def _is_document(name: str) -> bool:
    return name.endswith(EXTENSIONS)


def _kinds(files: list[Path]) -> list[str]:
    """Extensions, the most common first."""
    counts = Counter(path.suffix for path in files)
    return sorted(counts, key=lambda kind: (-counts[kind], kind))


def _of_kind(files: list[Path], kind: str) -> list[Path]:
    return [path for path in files if path.suffix == kind]


def _is_text(files: list[Path]) -> bool:
    """Whether the kind has a plain extension, and the beginnings of some of its files are UTF-8 without NUL."""
    plain = re.fullmatch(r"\.[A-Za-z0-9_+-]+", files[0].suffix) is not None
    return plain and all(_begins_as_text(path) for path in files[:_SAMPLED])


def _begins_as_text(path: Path) -> bool:
    with path.open("rb") as handle:
        head = handle.read(_HEAD_BYTES)
    try:
        # The head may end inside a character.
        codecs.getincrementaldecoder("utf-8")().decode(head, final=len(head) < _HEAD_BYTES)
    except UnicodeDecodeError:
        return False
    return b"\0" not in head


def _counted(kinds: Counter[str]) -> str:
    return ", ".join(f"{number} {kind}" for kind, number in sorted(kinds.items()))
