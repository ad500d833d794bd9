"""Files at revisions in real repositories, and what is said where a revision is not there."""

from __future__ import annotations

import subprocess

import pytest

from olmixctl.errors import UsageError
from olmixctl.repository import common_ancestor, file_at, files_at, provenance, split_range, text_at, versions_of

IDENTITY = ("-c", "user.name=t", "-c", "user.email=t@t", "-c", "init.defaultBranch=main", "-c", "commit.gpgsign=false")


def git(root, *words):
    done = subprocess.run(["git", *IDENTITY, *words], cwd=root, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def commit(root, text, subject, name="a.txt"):
    (root / name).write_text(text)
    git(root, "add", "-A")
    git(root, "commit", "-qm", subject)
    return git(root, "rev-parse", "HEAD")


@pytest.fixture
def repository(tmp_path):
    """main: one → two; branch side from one: three."""
    root = tmp_path / "origin"
    root.mkdir()
    git(root, "init", "-q", "-b", "main")
    commit(root, "1", "one")
    git(root, "branch", "side")
    commit(root, "2", "two")
    git(root, "checkout", "-q", "side")
    commit(root, "3", "three")
    git(root, "checkout", "-q", "main")
    return root


def clone(repository, *words, name="clone"):
    target = repository.parent / name
    git(repository.parent, "clone", "-q", *words, f"file://{repository}", str(target))
    return target


@pytest.mark.parametrize(
    ("words", "ends"),
    [
        ("A..B", ("A", "B")),
        ("A...B", ("merge-base:A,B", "B")),
        ("origin/main...", ("merge-base:origin/main,HEAD", "HEAD")),
        ("..B", ("HEAD", "B")),
        ("v1.0..v1.1", ("v1.0", "v1.1")),
        ("../other/base.lock.yaml", None),
        ("mixes/../base.lock.yaml", None),
        ("..", None),
        ("A..B..C", None),
        ("HEAD~2", None),
    ],
)
def test_a_range_has_two_ends_and_a_path_is_none(words, ends):
    assert split_range(words) == ends


def test_a_file_at_a_branch_a_path_and_the_merge_base(repository):
    path = repository / "a.txt"
    assert file_at(path, "side") == "3"
    assert file_at(path, "HEAD~1:a.txt") == "1"
    assert file_at(path, "merge-base:side") == "1"
    assert file_at(path, "merge-base:side,main") == "1"
    assert common_ancestor(repository, "side") == git(repository, "rev-parse", "main~1")


def test_a_file_that_was_not_there_is_told_from_a_revision_that_is_not(repository):
    assert text_at(repository / "b.txt", "main") is None
    with pytest.raises(UsageError, match=r"there is no b.txt at main"):
        file_at(repository / "b.txt", "main")
    with pytest.raises(UsageError, match=r"there is no b.txt at merge-base:side"):
        file_at(repository / "b.txt", "merge-base:side")


@pytest.mark.parametrize("name", ["nowhere", "HEAD~9", "-x", "", "0" * 40, "main@{9}", "a b", "HEAD^9"])
def test_a_revision_that_is_not_there_is_a_wrong_command_line(repository, name):
    with pytest.raises(UsageError, match="no revision") as error:
        text_at(repository / "a.txt", name)
    assert error.value.exit_code == 64
    assert error.value.remedy


def test_a_shallow_clone_says_how_to_get_the_rest(repository):
    shallow = clone(repository, "--depth", "1")
    with pytest.raises(UsageError, match="shallow") as error:
        text_at(shallow / "a.txt", "HEAD~1")
    assert "git fetch --unshallow" in error.value.remedy
    with pytest.raises(UsageError, match="'origin/side': that branch was not fetched") as error:
        text_at(shallow / "a.txt", "merge-base:origin/side")
    git(shallow, *error.value.remedy.split()[1:])
    assert file_at(shallow / "a.txt", "merge-base:origin/side") == "1"


def test_a_merge_base_beyond_the_edge_of_a_shallow_clone(repository):
    shallow = clone(repository, "--depth", "1", "--no-single-branch")
    with pytest.raises(UsageError, match="no common commit here: this clone is shallow") as error:
        common_ancestor(shallow, "origin/side")
    assert "fetch-depth 0" in error.value.remedy


def test_unrelated_histories_are_said(repository):
    git(repository, "checkout", "-q", "--orphan", "apart")
    commit(repository, "4", "apart")
    with pytest.raises(UsageError, match="unrelated"):
        common_ancestor(repository, "main")


def test_a_branch_that_only_the_remote_has_is_named(repository):
    with pytest.raises(UsageError, match="no local branch") as error:
        text_at(clone(repository) / "a.txt", "side")
    assert error.value.remedy == "use origin/side"


def test_a_detached_head_is_said(repository):
    git(repository, "checkout", "-q", "--detach")
    with pytest.raises(UsageError, match="the head is detached"):
        text_at(repository / "a.txt", "feature")
    assert text_at(repository / "a.txt", "HEAD") == "2"


def test_a_repository_without_a_commit_and_none_at_all(tmp_path):
    with pytest.raises(UsageError, match="not in a Git repository") as error:
        text_at(tmp_path / "a.txt", "HEAD")
    assert "git init" in error.value.remedy
    git(tmp_path, "init", "-q")
    with pytest.raises(UsageError, match="no commit yet"):
        text_at(tmp_path / "a.txt", "HEAD")
    assert versions_of(tmp_path / "a.txt").versions == ()


def test_a_bare_repository_has_no_working_tree(repository):
    bare = clone(repository, "--bare", name="bare.git")
    with pytest.raises(UsageError, match="bare"):
        text_at(bare / "a.txt", "HEAD")


def test_files_of_a_folder_at_a_revision(repository):
    (repository / "runs").mkdir()
    commit(repository, "x", "runs", name="runs/r1.json")
    assert files_at(repository / "runs", "HEAD") == {"r1.json": b"x"}
    assert files_at(repository / "runs", "side") == {}


def test_versions_are_newest_first_with_what_is_not_committed_on_top(repository):
    git(repository, "merge", "-q", "-X", "ours", "side", "-m", "join")
    (repository / "a.txt").write_text("5")
    commit(repository, "6", "six")
    (repository / "a.txt").write_text("7")
    past = versions_of(repository / "a.txt")
    assert [(version.subject, version.text) for version in past.versions] == [
        ("", "7"),
        ("six", "6"),
        ("two", "2"),
        ("one", "1"),
    ]
    assert past.versions[0].commit is None
    assert not past.shallow


def test_a_merge_knows_the_side_it_was_merged_into(repository):
    subprocess.run(["git", *IDENTITY, "merge", "-q", "side"], cwd=repository, check=False, capture_output=True)
    commit(repository, "8", "join")
    join = versions_of(repository / "a.txt").versions[0]
    assert (join.subject, join.text, join.before) == ("join", "8", "2")


def test_versions_in_a_shallow_clone_end_at_its_edge_and_say_so(repository):
    past = versions_of(clone(repository, "--depth", "1") / "a.txt")
    assert [version.text for version in past.versions] == ["2"]
    assert past.shallow


def test_a_removed_file_is_a_version_without_text(repository):
    git(repository, "rm", "-q", "a.txt")
    git(repository, "commit", "-qm", "gone")
    assert [version.text for version in versions_of(repository / "a.txt").versions] == [None, "2", "1"]


def test_a_file_outside_the_repository_is_refused(repository, tmp_path):
    (repository / "link").symlink_to(tmp_path)
    with pytest.raises(UsageError, match="outside"):
        text_at(repository / "link" / "a.txt", "HEAD")


def test_provenance_knows_commit_and_dirt(repository, tmp_path):
    head = git(repository, "rev-parse", "HEAD")
    assert provenance(repository) == {"commit": head, "dirty": False}
    (repository / "new.txt").write_text("untracked files change nothing that was committed")
    assert provenance(repository)["dirty"] is False
    (repository / "a.txt").write_text("9")
    assert provenance(repository) == {"commit": head, "dirty": True}
    assert provenance(tmp_path) == {"commit": None, "dirty": None}
