"""A mix whose ledger is a bucket: the whole life of a lock, and what two clones see of each other."""

from __future__ import annotations

import json
import shutil
import threading
import uuid

import pytest
from servers import BUCKET, free_port, make_bucket, s3_server, set_environment
from workspaces import make_workspace

from olmixctl.cli.app import app
from olmixctl.execute.fake import FakeExecutor
from olmixctl.workspace import Workspace

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def server():
    with s3_server() as variables:
        yield variables


@pytest.fixture
def root(tmp_path, server, monkeypatch):
    """A workspace with its ledger in a bucket."""
    set_environment(monkeypatch, server)
    make_bucket()
    root = tmp_path / "clone"
    root.mkdir()
    url = f"s3://{BUCKET}/{uuid.uuid4().hex}"
    make_workspace(root, extra=f"swarm: {{runs_per_coordinate: 1}}\nledger: {url}")
    return root


def olmixctl(*words):
    from typer.testing import CliRunner

    result = CliRunner().invoke(app, [str(word) for word in words])
    return result.exit_code, result.stdout + result.stderr


def test_apply_verify_and_nothing_left_to_do(root, tmp_path, monkeypatch):
    monkeypatch.chdir(root)
    assert olmixctl("apply", "--auto-approve")[0] == 0
    assert not (root / "mixes/base.runs").exists()
    workspace = Workspace.open(cwd=root)
    assert len(workspace.ledger.records()) == 4
    assert workspace.verify().ok
    code, text = olmixctl("plan", "--detailed-exitcode")
    assert code == 0, text
    code, text = olmixctl("runs", "list", "--json")
    assert [run["evidence"] for run in json.loads(text)["runs"]] == [True] * 4
    local = tmp_path / "local"
    shutil.copytree(root, local, ignore=shutil.ignore_patterns("*.lock.yaml", ".olmixctl"))
    mix = local / "mixes/base.yaml"
    mix.write_text("\n".join(line for line in mix.read_text().splitlines() if "ledger" not in line))
    beside = Workspace.open(cwd=local)
    assert beside.apply(beside.plan()).lock.weights == workspace.lock().weights


def test_another_clone_trains_nothing_that_is_recorded(root, tmp_path):
    first = Workspace.open(cwd=root)
    first.apply(first.plan())
    other = tmp_path / "other"
    shutil.copytree(root, other, ignore=shutil.ignore_patterns("*.lock.yaml", ".olmixctl"))
    second = Workspace.open(cwd=other)
    result = second.apply(second.plan())
    assert result.trained == 0
    assert second.lock_path.read_bytes() == first.lock_path.read_bytes()


def test_two_clones_that_apply_at_once_train_each_run_once(root, tmp_path):
    clones = [root, tmp_path / "other"]
    shutil.copytree(*clones, ignore=shutil.ignore_patterns(".olmixctl"))
    trained, results, gate = [], [], threading.Barrier(2)

    class Counting(FakeExecutor):
        first = True

        def measure(self, run):
            trained.append(run.key)
            if self.first:  # both hold a run before either goes on
                self.first = False
                gate.wait(60)
            return super().measure(run)

    def apply(clone):
        workspace = Workspace.open(cwd=clone)
        workspace._executor = lambda evals, _=None: Counting(evals)
        results.append(workspace.apply(workspace.plan()))

    threads = [threading.Thread(target=apply, args=(clone,)) for clone in clones]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(trained) == len(set(trained)) == 4
    assert sum(result.trained for result in results) == 4
    assert all(result.written for result in results)
    locks = {(clone / "mixes/base.lock.yaml").read_bytes() for clone in clones}
    assert len(locks) == 1


def test_a_tainted_run_is_trained_again_and_its_first_result_stays(root):
    workspace = Workspace.open(cwd=root)
    lock = workspace.apply(workspace.plan()).lock
    workspace.ledger.taint(lock.evidence[0], "the machine swapped")
    assert not workspace.verify().ok
    plan = workspace.plan()
    assert plan.reason == "1 run behind the lock is tainted: the machine swapped"
    assert workspace.apply(plan).trained == 1
    assert workspace.verify().ok
    assert len(workspace.ledger.results(lock.evidence[0])) == 2


def test_a_ledger_that_cannot_be_reached_is_one_message(root, server, monkeypatch):
    set_environment(monkeypatch, server | {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{free_port()}"})
    monkeypatch.chdir(root)
    for words in (["runs", "list"],):
        code, text = olmixctl(*words)
        assert code == 1
        assert text.count("cannot be reached") == 1
        assert "secret-of-the-tests" not in text
