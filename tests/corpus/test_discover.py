from __future__ import annotations

import os
import sys
from pathlib import Path

import fsspec
import pytest

from olmixctl.corpus.discover import discover, stamp_of
from olmixctl.errors import CorpusError


def names(found):
    return [f.path for f in found]


@pytest.fixture
def tree(workspace):
    for path in ("c/a.txt", "c/b.md", "c/deep/x/y.txt", "c/deep/z.jsonl", "c/.hidden.txt", "c/.git/q.txt", "d/a.txt"):
        workspace.write(path, '{"text": "t"}\n')
    return workspace.root


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("c", ["a.txt", "deep/x/y.txt", "deep/z.jsonl"]),
        ("c/**", ["a.txt", "deep/x/y.txt", "deep/z.jsonl"]),
        ("c/*", ["a.txt"]),
        ("c/*.txt", ["a.txt"]),
        ("c/**/*.txt", ["a.txt", "deep/x/y.txt"]),
        ("c/**/?.txt", ["a.txt", "deep/x/y.txt"]),
        ("c/deep/*/[xy].txt", ["x/y.txt"]),
        ("c/deep/*/[!x].txt", ["x/y.txt"]),
        ("*/a.txt", ["c/a.txt", "d/a.txt"]),
        ("c/*.md", ["b.md"]),
        ("c/b.md", ["b.md"]),
        ("c/.hidden.txt", [".hidden.txt"]),
        ("c/.*.txt", [".hidden.txt"]),
        ("./c/../d/a.txt", ["a.txt"]),
    ],
)
def test_patterns(tree, pattern, expected):
    assert names(discover([pattern], tree)) == expected


def test_absolute_paths_and_file_urls_are_the_same_files(tree):
    relative = discover(["c/*.txt"], tree)
    assert discover([f"{tree}/c/*.txt"], tree) == relative
    assert discover([f"file://{tree}/c/*.txt"], tree) == relative


def test_a_file_named_twice_is_found_once_whatever_the_order(tree):
    one = discover(["c/**/*.txt", "c/deep/**/*.txt", "c/a.txt"], tree)
    assert one == discover(["c/a.txt", "c/deep/**/*.txt", "c/**/*.txt"], tree)
    assert len(one) == len({f.identity for f in one}) == 2


def test_a_path_with_glob_characters_that_exists_is_taken_as_written(workspace):
    workspace.write("c/a[1].txt", "t")
    workspace.write("c/a1.txt", "t")
    assert names(discover(["c/a[1].txt"], workspace.root)) == ["a[1].txt"]


def test_names_with_newlines_and_other_scripts(workspace):
    workspace.write("c/ü\nü.txt", "t")
    assert names(discover(["c/*.txt"], workspace.root)) == ["ü\nü.txt"]


def test_links_are_followed_and_loops_entered_once(tree):
    (tree / "c/loop").symlink_to(tree / "c")
    (tree / "c/again.txt").symlink_to(tree / "d/a.txt")
    found = discover(["c"], tree)
    assert names(found) == ["a.txt", "again.txt", "deep/x/y.txt", "deep/z.jsonl"]


def test_a_hard_link_is_a_copy_and_a_symbolic_link_is_not(tree):
    os.link(tree / "d/a.txt", tree / "d/hard.txt")
    (tree / "d/soft.txt").symlink_to(tree / "d/a.txt")
    assert names(discover(["d"], tree)) == ["a.txt", "hard.txt"]


def test_a_link_to_nowhere_is_an_error(tree):
    (tree / "c/gone.txt").symlink_to(tree / "nowhere")
    with pytest.raises(CorpusError, match=r"gone\.txt: the link points nowhere"):
        discover(["c"], tree)


@pytest.mark.parametrize("pattern", ["nothing/*.txt", "c/*.parquet", "c/absent.txt", "c/**/*.html"])
def test_an_empty_glob_is_an_error_that_names_it(tree, pattern):
    with pytest.raises(CorpusError) as caught:
        discover(["c/*.txt", pattern], tree)
    assert f"{pattern!r} matches nothing" in str(caught.value)


def test_a_folder_of_unknown_formats_says_how_to_read_them(workspace):
    workspace.write("c/a.md", "t")
    with pytest.raises(CorpusError, match=r"'c' holds 1 files, none of a known format\n.*spell the suffix"):
        discover(["c"], workspace.root)


def test_archives_are_refused(workspace):
    workspace.write("c/a.zip", "PK")
    with pytest.raises(CorpusError, match=r"c/a\.zip: \.zip files are not read"):
        discover(["c/*.zip"], workspace.root)


def test_a_bin_file_needs_a_known_dtype(workspace):
    workspace.write("c/a.bin", b"\0\0")
    with pytest.raises(CorpusError, match="does not say its element type"):
        discover(["c"], workspace.root)
    with pytest.raises(CorpusError, match="'float32' is not one of"):
        discover(["c"], workspace.root, dtype="float32")
    assert [str(f.format) for f in discover(["c"], workspace.root, dtype="uint16")] == ["bin:uint16"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may list every folder")
def test_an_unreadable_folder_is_named(tree):
    (tree / "c/deep").chmod(0)
    try:
        with pytest.raises(CorpusError, match="c/deep: cannot list the folder"):
            discover(["c"], tree)
    finally:
        (tree / "c/deep").chmod(0o755)


def test_the_stamp_changes_with_the_file_even_when_its_time_is_set_back(tree):
    path = tree / "c/a.txt"
    before, times = stamp_of(str(path)), path.stat()
    path.write_text('{"text": "T"}\n')
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert path.stat().st_mtime_ns == times.st_mtime_ns
    assert stamp_of(str(path)) != before
    path.unlink()
    assert stamp_of(str(path)) == ""


@pytest.fixture
def memory():
    fs = fsspec.filesystem("memory")
    for path in ("/bkt/w/a.txt", "/bkt/w/deep/b.txt", "/bkt/w/.h.txt", "/bkt/w/n.md"):
        fs.pipe(path, b"text of " + path.encode())
    yield fs
    fs.rm("/bkt", recursive=True)


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("memory://bkt/w", ["a.txt", "deep/b.txt"]),
        ("memory://bkt/w/*.txt", ["a.txt"]),
        ("memory://bkt/**/*.txt", ["w/a.txt", "w/deep/b.txt"]),
        ("memory://bkt/w/a.txt", ["a.txt"]),
        ("memory://bkt/w/*.md", ["n.md"]),
    ],
)
def test_remote_patterns(memory, pattern, expected):
    found = discover([pattern], Path("/"))
    assert names(found) == expected
    assert all(f.stamp and f.url.startswith("memory://") for f in found)


def test_a_remote_glob_that_matches_nothing(memory):
    for pattern in ("memory://bkt/none/*.txt", "memory://bkt/w/*.jsonl", "memory://bkt/absent.txt"):
        with pytest.raises(CorpusError, match="matches nothing"):
            discover([pattern], Path("/"))


@pytest.mark.parametrize(
    ("url", "remedy"),
    [
        ("http://host/a.txt", "pip install aiohttp"),
        ("https://host/*.txt", "pip install aiohttp"),
        ("s3://bucket/*.txt", "pip install 'olmixctl[s3]'"),
        ("gs://bucket/*.txt", "pip install 'olmixctl[gcs]'"),
        ("simplecache::s3://bucket/a.txt", "pip install 'olmixctl[s3]'"),
        ("abfs://box/*.txt", "install what reads this protocol: Install adlfs to access Azure"),
        ("nosuch://x/*.txt", "`nosuch` is no protocol; known are s3, gs, http, https, "),
        ("zip::nosuch://x/*.txt", "`nosuch` is no protocol; known are "),
    ],
)
def test_a_protocol_that_cannot_be_read_says_what_it_needs(url, remedy, monkeypatch):
    for module in ("aiohttp", "s3fs", "gcsfs", "adlfs"):  # not installed, even where they are
        monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.delitem(sys.modules, "fsspec.implementations.http", raising=False)
    for protocol in ("http", "https", "s3", "s3a"):  # nor remembered from another test
        monkeypatch.delitem(sys.modules["fsspec.registry"]._registry, protocol, raising=False)
    with pytest.raises(CorpusError) as caught:
        discover([url], Path("/"))
    assert caught.value.message.startswith(f"cannot list {url}: ")
    assert remedy in caught.value.remedy
    assert ("olmixctl[" in caught.value.remedy) == ("olmixctl[" in remedy)


def test_a_store_that_refuses_is_asked_about_access(memory, monkeypatch):
    def refuse(*_args, **_options):
        raise PermissionError("403 Forbidden")

    monkeypatch.setattr(type(memory), "isdir", refuse)
    with pytest.raises(CorpusError, match=r"cannot list memory://bkt/\*: 403 Forbidden\n.*address and credentials"):
        discover(["memory://bkt/*"], Path("/"))
