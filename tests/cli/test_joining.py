"""`resolve` and `history` as a person types them, in a real repository."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys

import pytest
from workspaces import make_workspace, write_domain, write_mix

from olmixctl.plan import PlanOptions
from olmixctl.workspace import Workspace

BASE = {"code": "", "docs": "", "web": ""}
JOINED = BASE | {"docs": "max: 0.3", "papers": "", "books": ""}
EVALS = ("code", "docs")
IDENTITY = ("-c", "user.name=t", "-c", "user.email=t@t", "-c", "commit.gpgsign=false")


def git(root, *words, check=True):
    done = subprocess.run(["git", *IDENTITY, *words], cwd=root, check=False, capture_output=True, text=True)
    assert not check or done.returncode == 0, done.stderr
    return done.stdout.strip()


def edit(root, domains, subject):
    write_mix(root, domains, evals=EVALS)
    workspace = Workspace.open(cwd=root)
    workspace.apply(workspace.plan(PlanOptions(reuse="full")))
    git(root, "add", "-A", "mixes", ".gitattributes")
    git(root, "commit", "-qm", subject)


@pytest.fixture(scope="session")
def parted(tmp_path_factory):
    """The first lock on main; branches papers and books, each with a domain more."""
    root = tmp_path_factory.mktemp("parted")
    make_workspace(root)
    for domain, documents in (("papers", 50), ("books", 30)):
        write_domain(root, domain, documents)
    (root / ".gitattributes").write_text("*.lock.yaml -merge\n*.runs/** linguist-generated\n")
    git(root, "init", "-q", "-b", "main")
    edit(root, BASE, "First lock")
    git(root, "checkout", "-q", "-b", "books")
    edit(root, BASE | {"docs": "max: 0.3", "books": ""}, "Add books, bound docs")
    git(root, "checkout", "-q", "-b", "papers", "main")
    edit(root, BASE | {"papers": ""}, "Add papers")
    return root


@pytest.fixture
def branches(parted, tmp_path, monkeypatch, olmixctl):
    target = tmp_path / "repository"
    shutil.copytree(parted, target)
    monkeypatch.chdir(target)
    return target


@pytest.fixture
def merged(branches):
    """Books merged into papers: the lock in conflict, the mix file settled."""
    git(branches, "merge", "books", check=False)
    write_mix(branches, JOINED, evals=EVALS)
    return branches


# resolve


def test_resolve_shows_the_plan_joins_and_says_what_is_left(merged, olmixctl):
    done = olmixctl("resolve", "--auto-approve")
    text = " ".join(done.stdout.split())
    assert "Joining base serial 2 (ours) and serial 2 (theirs), which parted at serial 1" in text
    assert "fit 18 runs and solve for 3 coordinates" in text
    assert "0 runs trained, lock serial 3 written." in text
    assert done.stderr.splitlines()[-3:] == [
        "next:",
        "  git add mixes/base.lock.yaml mixes/base.runs mixes/base.yaml",
        "  git commit",
    ]
    assert "mixes/base.lock.yaml" in git(merged, "ls-files", "-u")
    assert olmixctl.json("plan")["kind"] == "none"
    olmixctl("verify")


def test_the_whole_way_from_merge_to_history(merged, olmixctl):
    olmixctl("resolve", "--auto-approve")
    git(merged, "add", "mixes")
    git(merged, "commit", "-qm", "Join books and papers")
    assert olmixctl.json("verify")["ok"]
    history = olmixctl.json("history")
    # Both sides of a merge are as old; which of them Git lists first is its own affair.
    assert [lock["serial"] for lock in history["locks"]] == [3, 2, 2, 1]
    assert {lock["subject"] for lock in history["locks"][1:3]} == {"Add papers", "Add books, bound docs"}
    assert len(history["locks"][0]["parents"]) == 2
    diff = olmixctl.json("diff", "main...HEAD")
    assert {change["domain"] for change in diff["data"]} == {"papers", "books"}


def test_a_lock_in_conflict_is_planned_from_by_resolve_alone(merged, olmixctl):
    before = (merged / "mixes/base.lock.yaml").read_bytes()
    for command in (("plan",), ("apply", "--auto-approve")):
        done = olmixctl(*command, code=3)
        text = " ".join((done.stdout + done.stderr).split())
        assert "the lock is in conflict: a merge of books is unfinished" in text
        assert "olmixctl resolve" in text
    assert (merged / "mixes/base.lock.yaml").read_bytes() == before
    for target in ("base", "mixes/base.lock.yaml"):
        assert "a merge of books is unfinished; this is one side alone" in olmixctl("show", target).stderr
    git(merged, "checkout", "papers", "--", "mixes/base.yaml")
    checks = olmixctl.json("verify")["checks"]
    assert [check["ok"] for check in checks if check["name"] == "unmerged"] == [None]
    assert "a merge of books is unfinished" in " ".join(olmixctl("verify").stdout.split())
    assert olmixctl("show").stderr.startswith("warning: the lock is in conflict")


def test_a_join_is_trained_in_rounds_where_the_mix_file_says_so(merged, olmixctl):
    write_mix(merged, JOINED, evals=EVALS, extra="swarm: {runs_per_coordinate: 6, rounds: 3, stop: {regret: 50}}")
    plan = olmixctl.json("resolve", "--plan")["plan"]
    assert plan["rounds"] == {"later": [3, 3], "looks": [0], "stop": {"regret": 50, "confidence": 0.9}}
    assert (plan["runs"], plan["cost"]["runs"]) == ([], 6)
    done = olmixctl("resolve", "--auto-approve")
    assert "after 0 of 6 runs: within 50 of the best with probability 1.00, enough" in done.stderr
    assert "0 runs trained, lock serial 3 written" in done.stdout
    assert "stopped early, after 0 of 6 runs" in " ".join(olmixctl("show").stdout.lower().split())
    olmixctl("verify")


def test_plan_alone_writes_nothing(merged, olmixctl):
    before = {path: path.read_bytes() for path in sorted((merged / "mixes").rglob("*")) if path.is_file()}
    found = olmixctl.json("resolve", "--plan")
    assert found["state"] == "planned"
    assert found["plan"]["steps"][-1] == {"do": "write-lock", "serial": 3}
    assert {path: path.read_bytes() for path in sorted((merged / "mixes").rglob("*")) if path.is_file()} == before


def test_resolve_again_says_it_is_done(merged, olmixctl):
    first = olmixctl.json("resolve", "--auto-approve")
    again = olmixctl.json("resolve", "--auto-approve")
    assert (first["state"], first["written"], again["state"], again["written"]) == ("joined", True, "joined", False)
    assert again["lock"] == first["lock"]


def test_without_a_terminal_nobody_is_asked(merged, olmixctl):
    errors = olmixctl("resolve", code=64).stderr
    assert "resolve asks before it trains" in errors
    assert "--auto-approve" in errors


def test_a_budget_blocks_a_join(merged, olmixctl):
    mix = merged / "mixes/base.yaml"
    mix.write_text(mix.read_text() + "swarm: {runs_per_coordinate: 6}\n")
    found = olmixctl.json("resolve", "--auto-approve", "--max-runs", "5", code=3)
    assert (found["state"], found["plan"]["cost"]["runs"]) == ("blocked", 6)
    assert olmixctl.json("resolve", "--auto-approve", "--max-runs", "6")["trained"] == 6


def test_a_mix_file_with_markers_comes_first(branches, olmixctl):
    git(branches, "merge", "books", check=False)
    errors = olmixctl("resolve", "--auto-approve", code=1).stderr
    assert re.search(r"base\.yaml:\d+: the mix file still holds merge conflict markers", errors)


def test_no_conflict_is_no_error(branches, olmixctl):
    assert olmixctl.json("resolve") == {"state": "none", "written": False}


def test_a_fast_forward_by_revisions_takes_the_newer_side(branches, olmixctl):
    done = olmixctl("resolve", "--ours", "main", "--theirs", "papers")
    assert "theirs, serial 2, goes on from ours, serial 1" in done.stdout
    assert olmixctl.json("plan")["kind"] == "none"


@pytest.mark.parametrize(
    ("words", "said"),
    [(("--ours", "HEAD"), "go together"), (("--ours", "HEAD", "--theirs", "nowhere"), "no revision 'nowhere'")],
)
def test_wrong_sides_are_a_wrong_command_line(branches, olmixctl, words, said):
    assert said in olmixctl("resolve", *words, code=64).stderr


def test_resolve_outside_a_repository_says_what_it_needs(applied, olmixctl):
    assert "not in a Git repository" in olmixctl("resolve", code=64).stderr


# history


def test_history_says_what_and_why(branches, olmixctl):
    text = " ".join(olmixctl("history").stdout.split())
    assert "base 2 locks, newest first" in text
    assert "+ papers added" in text
    assert "ratios kept in the block: multiplied by" in text
    assert "estimated from 9 runs" in text
    assert "the first lock: 3 domains, estimated from 12 runs" in text


def test_history_of_a_domain_and_of_a_working_tree(branches, olmixctl):
    write_mix(branches, BASE | {"papers": "max: 0.05"}, evals=EVALS)
    olmixctl("apply", "--auto-approve")
    text = olmixctl("history", "papers").stdout
    assert "working tree" in text
    assert "re-solved from the same 9 runs; domains.papers.max changed" in " ".join(text.split())
    locks = olmixctl.json("history", "code")["locks"]
    assert [lock["commit"] is None for lock in locks] == [True, False, False]
    assert "kept in the block: multiplied by" in locks[1]["reason"]
    assert len(olmixctl.json("history", "--limit", "1")["locks"]) == 1


def test_history_names_a_damaged_lock_and_goes_on(branches, olmixctl):
    lock = branches / "mixes/base.lock.yaml"
    whole = lock.read_text()
    lock.write_text(whole.replace("serial: 2", "serial: 7"))
    git(branches, "commit", "-qam", "by hand")
    lock.write_text(whole)
    git(branches, "commit", "-qam", "back")
    found = olmixctl.json("history")["locks"]
    assert "edited by hand" in found[1]["problem"]
    assert "put back as it was" in found[0]["changes"][-1]["reason"]
    assert "cannot be read" in olmixctl("history").stdout


def test_history_of_a_shallow_clone_says_where_it_ends(branches, olmixctl, monkeypatch):
    git(branches, "clone", "-q", "--depth", "1", f"file://{branches}", "shallow")
    monkeypatch.chdir(branches / "shallow")
    text = olmixctl("history").stdout
    assert "The clone is shallow" in text
    assert "the first lock" not in text
    assert olmixctl.json("history")["shallow"] is True


def test_history_of_a_detached_head(branches, olmixctl):
    git(branches, "checkout", "-q", "--detach", "main")
    assert [lock["serial"] for lock in olmixctl.json("history")["locks"]] == [1]


def test_history_needs_a_repository_a_lock_and_a_domain(branches, olmixctl, applied, monkeypatch):
    assert "has a domain 'nope'" in olmixctl("history", "nope", code=64).stderr
    monkeypatch.chdir(applied)
    errors = olmixctl("history", code=64).stderr
    assert "not in a Git repository" in errors
    assert "git init" in errors
    git(applied, "init", "-q")
    (applied / "mixes/base.lock.yaml").unlink()
    assert "olmixctl apply" in olmixctl("history", code=64).stderr


def test_without_the_git_command_it_says_to_install_git(branches, tmp_path):
    code = "import sys; from olmixctl.cli import main; sys.argv = ['olmixctl', 'history']; main()"
    empty = tmp_path / "empty"
    empty.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PATH": str(empty)},
        cwd=branches,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 64, done.stderr
    assert "install Git" in done.stderr
