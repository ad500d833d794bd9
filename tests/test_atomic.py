"""Files are there whole or not at all, and what a killed writer left is found."""

from __future__ import annotations

import errno
import os
import stat

import pytest

from olmixctl.atomic import create_exclusively, remove_leftovers, write_atomically
from olmixctl.errors import OlmixctlError


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_file_is_created_once_and_nothing_else_is_left(tmp_path):
    path = tmp_path / "new" / "a.json"
    assert create_exclusively(path, b"one")
    assert not create_exclusively(path, b"two")
    assert path.read_bytes() == b"one"
    assert names(path.parent) == ["a.json"]


def test_a_file_is_replaced_whole(tmp_path):
    path = tmp_path / "a.yaml"
    write_atomically(path, "one\n")
    write_atomically(path, b"two\r\n")
    assert path.read_bytes() == b"two\r\n"
    assert names(tmp_path) == ["a.yaml"]


@pytest.mark.parametrize("write", [write_atomically, create_exclusively])
def test_files_are_readable_as_the_umask_says(tmp_path, write):
    before = os.umask(0o027)
    try:
        write(tmp_path / "a", b"")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o640


def test_without_hard_links_a_name_is_reserved_first(tmp_path, monkeypatch):
    def no_links(source, target):
        raise OSError(errno.EOPNOTSUPP, "Operation not supported")

    monkeypatch.setattr(os, "link", no_links)
    assert create_exclusively(tmp_path / "a", b"one")
    assert not create_exclusively(tmp_path / "a", b"two")
    assert (tmp_path / "a").read_bytes() == b"one"
    assert names(tmp_path) == ["a"]


def test_another_failure_of_a_link_is_said(tmp_path, monkeypatch):
    def fails(source, target):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "link", fails)
    with pytest.raises(OlmixctlError, match="cannot write: Input/output error"):
        create_exclusively(tmp_path / "a", b"")
    assert names(tmp_path) == []


def test_a_temporary_file_that_was_swept_away_means_that_the_name_is_taken(tmp_path, monkeypatch):
    link = os.link

    def swept(source, target):
        link(source, target)
        source.unlink()
        target.unlink()
        (tmp_path / "a").write_bytes(b"theirs")
        raise FileNotFoundError(errno.ENOENT, "No such file or directory")

    monkeypatch.setattr(os, "link", swept)
    assert not create_exclusively(tmp_path / "a", b"mine")


@pytest.mark.parametrize("write", [write_atomically, create_exclusively])
def test_a_disk_that_is_full_changes_nothing(tmp_path, monkeypatch, write):
    (tmp_path / "old").write_bytes(b"old")

    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OlmixctlError, match="No space left") as caught:
        write(tmp_path / "new", b"data")
    assert caught.value.remedy
    assert names(tmp_path) == ["old"]


def test_leftovers_go_once_their_file_is_there(tmp_path):
    for name in ("a.json", ".a.json.12ab34cd.tmp", ".b.json.12ab34cd.tmp", ".hidden", "notes.tmp"):
        (tmp_path / name).write_bytes(b"data")
    remove_leftovers(tmp_path)
    assert names(tmp_path) == [".b.json.12ab34cd.tmp", ".hidden", "a.json", "notes.tmp"]


def test_leftovers_of_one_file_alone(tmp_path):
    for name in ("a", "b", ".a.12ab34cd.tmp", ".b.12ab34cd.tmp"):
        (tmp_path / name).write_bytes(b"data")
    remove_leftovers(tmp_path, "a")
    assert names(tmp_path) == [".b.12ab34cd.tmp", "a", "b"]


def test_a_name_that_is_only_reserved_keeps_its_temporary_file(tmp_path):
    for name, data in (("a", b""), (".a.12ab34cd.tmp", b"data")):
        (tmp_path / name).write_bytes(data)
    remove_leftovers(tmp_path)
    assert names(tmp_path) == [".a.12ab34cd.tmp", "a"]


def test_no_folder_has_no_leftovers(tmp_path):
    remove_leftovers(tmp_path / "none")
    assert names(tmp_path) == [], "looking makes no folder"
