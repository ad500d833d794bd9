"""Commands that read locks from Git: baselines, ranges, and what they say where history is missing."""

from __future__ import annotations

import subprocess

import pytest
from workspaces import write_mix

BASE = {"code": "", "docs": "", "web": ""}
IDENTITY = ("-c", "user.name=t", "-c", "user.email=t@t", "-c", "commit.gpgsign=false")


def git(root, *words):
    done = subprocess.run(["git", *IDENTITY, *words], cwd=root, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def commit(root, subject):
    git(root, "add", "-A", "mixes")
    git(root, "commit", "-q", "--allow-empty", "-m", subject)
    return git(root, "rev-parse", "HEAD")


@pytest.fixture
def branched(applied, olmixctl):
    """main: the first lock, then a bound; a branch from the first lock with another bound."""
    git(applied, "init", "-q", "-b", "main")
    first = commit(applied, "first")
    write_mix(applied, BASE, extra="objective: {kl: 0.2}")
    olmixctl("apply", "--auto-approve")
    commit(applied, "objective")
    git(applied, "checkout", "-q", "-b", "side", first)
    write_mix(applied, {"code": "", "docs": "max: 0.3", "web": ""})
    olmixctl("apply", "--auto-approve")
    commit(applied, "bound")
    return applied


def in_ci(monkeypatch, **values):
    monkeypatch.setenv("CI", "true")
    for name, value in values.items():
        monkeypatch.setenv(name, value)


def baseline(plan):
    [check] = [check for check in plan["checks"] if check["name"] == "baseline"]
    return check


# diff


def test_diff_takes_ranges(branched, olmixctl):
    def inputs(*words):
        return {change["field"] for change in olmixctl.json("diff", *words)["inputs"]}

    assert inputs("main..side") == {"objective.kl", "domains.docs.max"}
    assert inputs("main...side") == inputs("main...") == {"domains.docs.max"}
    assert inputs("side...main") == {"objective.kl"}
    assert inputs("HEAD~1..") == inputs("HEAD~1") == {"domains.docs.max"}
    assert inputs("merge-base:main", "side") == {"domains.docs.max"}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("main..side", "side"), "names both ends already"),
        (("main", "main..side"), "is a range"),
        (("nowhere..side",), "no revision 'nowhere'"),
        (("main..nowhere",), "no revision 'nowhere'"),
        (("main...nowhere",), "no revision 'nowhere'"),
        (("../nowhere.lock.yaml",), "no revision '../nowhere.lock.yaml'"),
        (("HEAD~7",), "no revision 'HEAD~7'"),
        (("HEAD:nowhere.lock.yaml",), "there is no nowhere.lock.yaml at HEAD"),
    ],
)
def test_a_wrong_revision_is_a_wrong_command_line(branched, olmixctl, words, said):
    errors = olmixctl("diff", *words, code=64).stderr
    assert said in errors
    assert "→" in errors


def test_diff_names_a_revision_without_a_lock(branched, olmixctl):
    git(branched, "rm", "-q", "--cached", "mixes/base.lock.yaml")
    git(branched, "commit", "-qm", "without")
    assert "there is no base.lock.yaml at HEAD" in olmixctl("diff", "HEAD", code=64).stderr


@pytest.mark.parametrize(
    "words",
    [
        ("HEAD", "mixes/base.lock.yaml"),
        ("mixes/base.lock.yaml", "HEAD"),
        ("HEAD:mixes/base.lock.yaml", "HEAD"),
        ("main:mixes/base.lock.yaml", "side:mixes/base.lock.yaml"),
        ("mixes/base.lock.yaml",),
        ("HEAD", "--mix", "base"),
    ],
)
def test_of_several_mixes_a_lock_that_is_named_says_which(branched, olmixctl, words):
    mix = branched / "mixes/base.yaml"
    (branched / "mixes/other.yaml").write_text(mix.read_text().replace("name: base", "name: other"))
    assert olmixctl.json("diff", *words)["name"] == "base"


def test_of_several_mixes_a_bare_revision_needs_the_option(branched, olmixctl):
    mix = branched / "mixes/base.yaml"
    (branched / "mixes/other.yaml").write_text(mix.read_text().replace("name: base", "name: other"))
    (branched / "loose.lock.yaml").write_text((branched / "mixes/base.lock.yaml").read_text())
    for words in (("HEAD",), ("HEAD", "loose.lock.yaml")):
        errors = " ".join(olmixctl("diff", *words, code=64).stderr.split())
        assert "there are several mixes: base, other" in errors
        assert "--mix NAME" in errors


# plan


def test_plan_takes_the_merge_base_by_hand(branched, olmixctl):
    assert olmixctl.json("plan")["kind"] == "none"
    plan = olmixctl.json("plan", "--baseline", "merge-base:main")
    assert {change["subject"] for change in plan["changes"]} == {"domains.docs.max"}
    assert "no revision 'origin/main'" in olmixctl("plan", "--baseline", "merge-base:origin/main", code=64).stderr


@pytest.mark.parametrize(
    "variable", ["GITHUB_BASE_REF", "CI_MERGE_REQUEST_TARGET_BRANCH_NAME", "BUILDKITE_PULL_REQUEST_BASE_BRANCH"]
)
def test_plan_of_a_pull_request_compares_with_where_it_left_its_target(branched, olmixctl, monkeypatch, variable):
    git(branched, "update-ref", "refs/remotes/origin/main", "main")
    in_ci(monkeypatch, **{variable: "main"})
    plan = olmixctl.json("plan")
    assert {change["subject"] for change in plan["changes"]} == {"domains.docs.max"}
    start = git(branched, "rev-parse", "main~1")[:9]
    message = f"compared with lock serial 1 at {start}, where this pull request left origin/main ({variable})"
    assert baseline(plan)["message"] == message
    assert baseline(plan)["level"] == "note"
    assert "committed lock, serial 2" in baseline(plan)["remedy"]
    assert olmixctl.json("plan", "--baseline", "HEAD")["kind"] == "none"


def test_plan_of_a_merge_request_takes_the_commit_it_is_told(branched, olmixctl, monkeypatch):
    in_ci(monkeypatch, CI_MERGE_REQUEST_DIFF_BASE_SHA=git(branched, "rev-parse", "main~1"))
    assert {change["subject"] for change in olmixctl.json("plan")["changes"]} == {"domains.docs.max"}


def test_a_plan_to_be_applied_is_made_on_the_committed_lock(branched, olmixctl, monkeypatch):
    git(branched, "update-ref", "refs/remotes/origin/main", "main")
    in_ci(monkeypatch, GITHUB_BASE_REF="main")
    assert olmixctl.json("plan", "--out", "plan.json")["base"]["serial"] == 2
    olmixctl("apply", "plan.json")


@pytest.mark.parametrize("values", [{}, {"GITHUB_BASE_REF": ""}, {"CI": "false", "GITHUB_BASE_REF": "main"}])
def test_elsewhere_the_committed_lock_counts(branched, olmixctl, monkeypatch, values):
    git(branched, "update-ref", "refs/remotes/origin/main", "main")
    in_ci(monkeypatch, **values)
    plan = olmixctl.json("plan")
    assert plan["kind"] == "none"
    assert not [check for check in plan["checks"] if check["name"] == "baseline"]


def test_a_branch_that_was_not_fetched_is_said_with_what_mends_it(branched, olmixctl, monkeypatch):
    git(branched, "remote", "add", "origin", str(branched))
    in_ci(monkeypatch, GITHUB_BASE_REF="main")
    plan = olmixctl.json("plan")
    assert plan["kind"] == "none"
    assert baseline(plan)["level"] == "warn"
    assert "compared with the committed lock" in baseline(plan)["message"]
    assert baseline(plan)["remedy"] == "git fetch origin main:refs/remotes/origin/main"
    git(branched, *baseline(plan)["remedy"].split()[1:])
    assert baseline(olmixctl.json("plan"))["level"] == "note"


def test_a_shallow_clone_in_ci_says_how_to_check_out(branched, olmixctl, monkeypatch):
    clone = branched / "clone"
    git(branched, "clone", "-q", "--depth", "1", "--no-single-branch", f"file://{branched}", str(clone))
    (clone / "corpora").symlink_to(branched / "corpora")
    git(clone, "checkout", "-q", "--detach")
    monkeypatch.chdir(clone)
    in_ci(monkeypatch, GITHUB_BASE_REF="main")
    found = olmixctl("plan")
    assert "this clone is shallow" in " ".join(found.stdout.split())
    assert "git fetch --unshallow" in found.stdout
    git(clone, "fetch", "-q", "--unshallow")
    assert "compared with lock serial 1" in " ".join(olmixctl("plan").stdout.split())


def test_a_pull_request_that_brings_the_first_lock_is_planned_as_a_first_one(applied, olmixctl, monkeypatch):
    git(applied, "init", "-q", "-b", "main")
    git(applied, "commit", "-q", "--allow-empty", "-m", "nothing yet")
    git(applied, "update-ref", "refs/remotes/origin/main", "main")
    commit(applied, "first lock")
    in_ci(monkeypatch, GITHUB_BASE_REF="main")
    plan = olmixctl.json("plan")
    assert plan["base"] == {"digest": None, "lineage": None, "serial": 0}
    assert {change["category"] for change in plan["changes"]} == {"added"}
    assert all(run["recorded"] for run in plan["runs"])
    assert "there was no lock at" in baseline(plan)["message"]


def test_a_damaged_lock_at_the_merge_base_is_said_and_not_compared_with(branched, olmixctl, monkeypatch):
    git(branched, "checkout", "-q", "main")
    lock = branched / "mixes/base.lock.yaml"
    whole = lock.read_text()
    lock.write_text(whole.replace("serial: 2", "serial: 3"))
    damaged = commit(branched, "by hand")
    lock.write_text(whole)
    commit(branched, "mended")
    in_ci(monkeypatch, CI_MERGE_REQUEST_DIFF_BASE_SHA=damaged)
    plan = olmixctl.json("plan")
    assert plan["kind"] == "none"
    assert "edited by hand" in baseline(plan)["message"]


def test_outside_a_repository_ci_compares_with_the_lock_there_is(applied, olmixctl, monkeypatch):
    in_ci(monkeypatch, GITHUB_BASE_REF="main")
    plan = olmixctl.json("plan")
    assert plan["kind"] == "none"
    assert "Git" in baseline(plan)["message"]
