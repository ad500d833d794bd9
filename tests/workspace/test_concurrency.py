"""Several applies at once on one mix: each run is trained once, one lock is written, everybody ends well."""

from __future__ import annotations

import collections
import shutil

import pytest
from crashing import apply_in, forks
from workspaces import make_workspace

from olmixctl.workspace import Workspace

pytestmark = pytest.mark.slow

RUNS = 12
DELAY = 0.05


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """A workspace that one apply worked through."""
    root = tmp_path_factory.mktemp("alone")
    make_workspace(root)
    workspace = Workspace.open(cwd=root)
    workspace.apply(workspace.plan())
    return root


@pytest.fixture
def root(alone, tmp_path):
    shutil.copytree(alone, tmp_path / "shared", ignore=shutil.ignore_patterns("*.runs", "*.lock.yaml"))
    return tmp_path / "shared"


def start(root, number, **options):
    log = str(root / f"log-{number}")
    process = forks().Process(target=apply_in, args=(str(root), log), kwargs={"delay": DELAY, **options})
    process.start()
    return process


def trained(root):
    """Key → how often it was trained, and the process ids of the trainers."""
    lines = [line.split() for log in sorted(root.glob("log-*")) for line in log.read_text().splitlines()]
    return collections.Counter(key for key, _ in lines), {pid for _, pid in lines}


def same_state(root, alone):
    assert (root / "mixes/base.lock.yaml").read_bytes() == (alone / "mixes/base.lock.yaml").read_bytes()
    runs = [sorted(path.name for path in (where / "mixes/base.runs").iterdir()) for where in (root, alone)]
    assert runs[0] == runs[1]
    assert Workspace.open(cwd=root).verify().ok
    return True


@pytest.mark.parametrize("applies", [2, 4])
def test_each_run_is_trained_once_and_all_end_well(root, alone, applies):
    processes = [start(root, number, gate=applies) for number in range(applies)]
    for process in processes:
        process.join(120)
    assert [process.exitcode for process in processes] == [0] * applies
    counts, pids = trained(root)
    assert len(counts) == RUNS
    assert set(counts.values()) == {1}
    assert len(pids) == applies
    assert same_state(root, alone)


def test_the_runs_of_one_that_is_killed_are_taken_over(root, alone):
    victim = start(root, 0, gate=3, dies=True)
    others = [start(root, number, gate=3) for number in (1, 2)]
    for process in (victim, *others):
        process.join(120)
    assert victim.exitcode == -9
    assert [process.exitcode for process in others] == [0, 0]
    counts, _ = trained(root)
    assert len(counts) == RUNS
    assert sorted(counts.values()) == [1] * (RUNS - 1) + [2]
    assert same_state(root, alone)


def test_one_that_may_not_wait_trains_what_is_free_and_says_who_has_the_rest(root, alone):
    slow = start(root, 0, delay=2.0)
    while not (root / "log-0").exists():
        slow.join(0.05)
    hasty = start(root, 1, wait=False)
    hasty.join(120)
    assert hasty.exitcode == 5
    slow.join(120)
    assert slow.exitcode == 0
    counts, _ = trained(root)
    assert set(counts.values()) == {1}
    assert same_state(root, alone)
