"""Real text without a download: what any Python environment with olmixctl and torch in it already holds.

    python docs/demo/collect.py demo

writes `demo/corpora/KIND/*.jsonl` (one {"text"} a line) and `demo/evals/docs.jsonl` ({"context", "continuation"} items
made of docstrings that are in no corpus). The same environment gives the same bytes. A document stands in one domain
only: what an earlier kind took (compared without white space and case) no later kind takes again. The text belongs to
its authors; it stays in the ignored folder.
"""

from __future__ import annotations

import argparse
import ast
import functools
import hashlib
import itertools
import json
import os
import sysconfig
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from email.parser import HeaderParser
from pathlib import Path

__all__ = ["FIRST", "KINDS", "LATER", "Collected", "collect", "table"]

LEAST_BYTES = 200
MOST_BYTES = 4_000  # longer files are cut at line ends: a held-out set of 15,000 tokens is then several documents
SHARD_BYTES = 1_000_000
EVAL_ITEMS = 240
EVAL_PER_MODULE = 6
EVAL_CHARACTERS = 600  # of the context, and of the continuation, at most
HELD_OUT = 12  # one module in so many gives its docstrings to the eval and nothing to the corpus

MEGABYTE = 1_000_000

FIRST = ("headers", "python", "tests", "stubs", "licences", "prose")
"""The domains that the demo starts with."""

LATER = "docstrings"
"""The domain that the demo adds; `evals/docs.jsonl` is of its kind."""


@dataclass(frozen=True, slots=True)
class Collected:
    """One domain as written."""

    domain: str
    documents: int
    size: int


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of text: where it is found, and how much of it is taken at most."""

    name: str
    most_bytes: int
    documents: Callable[[], Iterable[str]]


def main() -> None:
    """Collect into the folder given, and say what was found."""
    parser = argparse.ArgumentParser(description="Collect real text from this Python environment.")
    parser.add_argument("folder", type=Path, help="where corpora/ and evals/ are written")
    print(table(collect(parser.parse_args().folder)))


def collect(folder: Path) -> list[Collected]:
    """Write `corpora/` and `evals/docs.jsonl` under `folder`; one result a kind, in the order of `KINDS`.

    Raises:
        FileExistsError: the folder holds corpora already.
        RuntimeError: this environment holds no text of a kind.
    """
    (folder / "corpora").mkdir(parents=True)
    (folder / "evals").mkdir(exist_ok=True)
    seen: set[bytes] = set()
    # The eval goes first: what it asks is then in no corpus.
    _write_eval(folder / "evals" / f"{_EVAL}.jsonl", _unseen(_docstrings(held_out=True), seen))
    return [_write_kind(folder / "corpora" / kind.name, kind, seen) for kind in KINDS]


def table(domains: Iterable[Collected]) -> str:
    """What was collected, largest domain first."""
    rows = sorted(domains, key=lambda domain: -domain.size)
    lines = [f"{row.domain:<12} {row.documents:>9} {row.size / MEGABYTE:>7.2f}" for row in rows]
    total = f"{'':<12} {sum(row.documents for row in rows):>9} {sum(row.size for row in rows) / MEGABYTE:>7.2f}"
    return "\n".join([f"{'domain':<12} {'documents':>9} {'MB':>7}", *lines, total])


_EVAL = "docs"


def _write_kind(folder: Path, kind: Kind, seen: set[bytes]) -> Collected:
    shards: list[list[str]] = [[]]
    size = shard = count = 0
    for text in _unseen(kind.documents(), seen):
        length = len(text.encode())
        if size + length > kind.most_bytes:
            break
        if shard + length > SHARD_BYTES:
            shards.append([])
            shard = 0
        shards[-1].append(json.dumps({"text": text}, ensure_ascii=False))
        size, shard, count = size + length, shard + length, count + 1
    if not count:
        raise RuntimeError(f"this Python environment holds no text of the kind {kind.name!r}")
    folder.mkdir()
    for number, lines in enumerate(shards):
        (folder / f"{number:02d}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return Collected(kind.name, count, size)


def _write_eval(path: Path, documents: Iterable[str]) -> None:
    lines = []
    for text in documents:
        middle = min(len(text) // 2, EVAL_CHARACTERS)
        cut = max(text.rfind("\n", 0, middle), text.rfind(" ", 0, middle)) + 1 or middle
        item = {"context": text[:cut], "continuation": text[cut : cut + EVAL_CHARACTERS]}
        lines.append(json.dumps(item, ensure_ascii=False))
        if len(lines) == EVAL_ITEMS:
            break
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _unseen(documents: Iterable[str], seen: set[bytes]) -> Iterator[str]:
    """The documents whose text, without white space and case, was not seen before; they are seen from then on."""
    for text in documents:
        digest = _digest("".join(text.split()).casefold())
        if digest not in seen:
            seen.add(digest)
            yield text


def _files(roots: Iterable[Path], suffix: str, wanted: Callable[[str], bool] = lambda _: True) -> list[Path]:
    """Files under the roots whose relative path is wanted, in an order that mixes packages and never changes."""
    found = {
        (root.name, name): root / name
        for root in roots
        for name in _names(root)
        if name.endswith(suffix) and wanted(name)
    }
    return [found[key] for key in sorted(found, key=lambda key: (_digest("/".join(key)), key))]


@functools.cache
def _names(root: Path) -> tuple[str, ...]:
    """Relative paths of all files under a root; what is installed beside the standard library is no part of it."""
    names = []
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(set(folders) - {"__pycache__", "site-packages", "dist-packages"})
        names += [(Path(folder) / file).relative_to(root).as_posix() for file in files]
    return tuple(names)


def _digest(text: str) -> bytes:
    return hashlib.blake2b(text.encode(errors="surrogateescape"), digest_size=16).digest()


def _texts(paths: Iterable[Path]) -> Iterator[str]:
    """The files as documents; what is not UTF-8 is not text."""
    for path in paths:
        try:
            text = path.read_text(encoding="utf-8")
        except (UnicodeDecodeError, OSError):
            continue
        yield from _documents(text)


def _documents(text: str) -> Iterator[str]:
    """A text cut at line ends into documents of `LEAST_BYTES` to `MOST_BYTES`; a shorter rest is dropped."""
    lines: list[str] = []
    size = 0
    for line in text.splitlines(keepends=True):
        length = len(line.encode())
        if size + length > MOST_BYTES:
            yield from _long_enough(lines, size)
            lines, size = [], 0
        if length <= MOST_BYTES:
            lines.append(line)
            size += length
    yield from _long_enough(lines, size)


def _long_enough(lines: list[str], size: int) -> Iterator[str]:
    if size >= LEAST_BYTES:
        yield "".join(lines)


def _site() -> list[Path]:
    return [Path(folder) for folder in dict.fromkeys((sysconfig.get_path("purelib"), sysconfig.get_path("platlib")))]


def _all() -> list[Path]:
    return [*_site(), Path(sysconfig.get_path("stdlib"))]


def _is_test(name: str) -> bool:
    return "/test" in f"/{name}"


# Docstrings come from these, program text from the others: one is then no copy of the other.
_DOCUMENTED = ("numpy/", "scipy/", "networkx/", "cvxpy/")


def _headers() -> Iterator[str]:
    roots = [site / "torch" / "include" for site in _site()] + [site / "numpy" for site in _site()]
    return _texts(_files([*roots, Path(sysconfig.get_path("include"))], ".h"))


def _python() -> Iterator[str]:
    elsewhere = (*_DOCUMENTED, "pydoc_data/")
    return _texts(_files(_all(), ".py", lambda name: not _is_test(name) and not name.startswith(elsewhere)))


def _tests() -> Iterator[str]:
    return _texts(_files(_all(), ".py", _is_test))


def _stubs() -> Iterator[str]:
    return _texts(_files(_site(), ".pyi"))


def _licences() -> Iterator[str]:
    names = ("LICEN", "COPYING", "NOTICE", "AUTHORS")
    return _texts(_files(_site(), "", lambda name: "dist-info/" in name and Path(name).name.startswith(names)))


def _prose() -> Iterator[str]:
    """Package descriptions: what PyPI shows."""
    for path in _files(_site(), "METADATA", lambda name: "dist-info/" in name):
        message = HeaderParser().parsestr(path.read_text(encoding="utf-8", errors="strict"))
        yield from _documents(str(message.get_payload()))


def _manual() -> Iterator[str]:
    """The language reference that `help()` shows."""
    from pydoc_data.topics import topics

    for name in sorted(topics):
        yield from _documents(topics[name])


def _json() -> Iterator[str]:
    return _texts(_files(_all(), ".json"))


def _docstrings(*, held_out: bool = False) -> Iterator[str]:
    """Docstrings of the documented packages, one a document, from the modules held out or from all the others."""
    files = _files(_site(), ".py", lambda name: name.startswith(_DOCUMENTED) and not _is_test(name))
    for path in files:
        chosen = int.from_bytes(_digest("/".join(path.parts[-3:])), "big") % HELD_OUT == 0
        if chosen == held_out:
            texts = _docstrings_of(path)
            yield from itertools.islice(texts, EVAL_PER_MODULE) if held_out else texts


def _docstrings_of(path: Path) -> Iterator[str]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SyntaxWarning)  # escapes in other people's strings
        try:
            tree = ast.parse(path.read_text(encoding="utf-8"))
        except (SyntaxError, UnicodeDecodeError):
            return
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield from _documents(ast.get_docstring(node) or "")


# Small kinds first: where two kinds hold the same text, the one that has less of it keeps it.
KINDS = (
    Kind("licences", MEGABYTE, _licences),
    Kind("prose", MEGABYTE, _prose),
    Kind("manual", MEGABYTE, _manual),
    Kind("json", MEGABYTE, _json),
    Kind("stubs", 3 * MEGABYTE, _stubs),
    Kind("docstrings", 2 * MEGABYTE, _docstrings),
    Kind("tests", 4 * MEGABYTE, _tests),
    Kind("python", 7 * MEGABYTE, _python),
    Kind("headers", 9 * MEGABYTE, _headers),
)

if __name__ == "__main__":
    main()
