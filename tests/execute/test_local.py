"""Real proxies in real processes: recorded, interrupted, resumed, reproduced."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from workspaces import make_workspace

from olmixctl.execute.events import RunFinished, RunProgress, TrainingStarted
from olmixctl.ledger.files import read_run
from olmixctl.workspace import Workspace

pytestmark = pytest.mark.slow

SMALL = "swarm: {runs_per_coordinate: 1}"


def runs(root):
    return sorted((root / "mixes/base.runs").glob("r1-*.json"))


def test_apply_trains_and_measures_what_was_asked_for(tmp_path):
    make_workspace(tmp_path, kind="local, threads: 1", extra=SMALL)
    workspace = Workspace.open(cwd=tmp_path)
    plan, events = workspace.plan(), []
    result = workspace.apply(plan, on_event=events.append)
    assert result.trained == len(plan.runs) == 4
    assert len([e for e in events if isinstance(e, RunFinished)]) == 4
    assert any(isinstance(e, TrainingStarted) for e in events)
    assert not any(isinstance(e, RunProgress) and e.step > e.steps for e in events)
    for run in plan.runs:
        record = workspace.ledger.get(run.key)
        assert record.status == "done"
        assert set(record.metrics) == {"code-bpb", "docs-bpb"}
        # A model that knows nothing needs eight bits a byte; these have learnt the letters at least.
        assert all(0 < value < 8.1 for value in record.metrics.values())
        realised = record.provenance["realised_tokens"]
        batch = workspace.spec.proxy.batch_size * workspace.spec.proxy.sequence_length
        for domain, weight in run.weights.items():
            assert abs(realised.get(domain, 0) - weight * sum(realised.values())) <= batch
        assert record.provenance["threads"] == 1
    assert workspace.verify(deep=True).ok


def test_the_same_run_measures_the_same_bits_whatever_runs_beside_it(tmp_path):
    for name, parallelism in (("one", 1), ("two", 2)):
        (tmp_path / name).mkdir()
        make_workspace(tmp_path / name, kind="local, threads: 1", extra=SMALL)
        workspace = Workspace.open(cwd=tmp_path / name)
        workspace.apply(workspace.plan(), parallelism=parallelism)
    one, two = ({p.name: read_run(p).metrics for p in runs(tmp_path / name)} for name in ("one", "two"))
    assert one == two
    assert (tmp_path / "one/mixes/base.lock.yaml").read_bytes() == (tmp_path / "two/mixes/base.lock.yaml").read_bytes()


SCRIPT = """
import sys
from olmixctl.errors import IncompleteError
from olmixctl.execute.events import RunFinished, RunProgress
from olmixctl.workspace import Workspace
if __name__ == "__main__":
    workspace = Workspace.open()
    def tell(event):
        if isinstance(event, (RunFinished, RunProgress)):
            print(type(event).__name__, flush=True)
    try:
        workspace.apply(workspace.plan(), parallelism=1, on_event=tell)
    except IncompleteError as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_code)
"""


def test_ctrl_c_loses_nothing_and_the_next_apply_writes_the_same_bytes(tmp_path):
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    for root in (whole, broken):
        root.mkdir()
        make_workspace(root, kind="local, threads: 1", extra=SMALL)
        text = (root / "mixes/base.yaml").read_text().replace("tokens: 4096", "tokens: 60000")
        (root / "mixes/base.yaml").write_text(text)
    workspace = Workspace.open(cwd=whole)
    workspace.apply(workspace.plan(), parallelism=1)
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT],
        cwd=broken,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    seen = []
    for line in process.stdout:
        seen.append(line.strip())
        # In the middle of the second run.
        if "RunFinished" in seen and seen[-1] == "RunProgress":
            os.killpg(process.pid, signal.SIGINT)
            break
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 6, errors
    assert "run apply again" in errors
    assert "Traceback" not in errors
    assert not (broken / "mixes/base.lock.yaml").exists()
    recorded = {path.name: path.read_bytes() for path in runs(broken)}
    assert 1 <= len(recorded) < 4
    assert f"{len(recorded)} of 4 runs are recorded" in errors
    workspace = Workspace.open(cwd=broken)
    plan = workspace.plan()
    assert len(plan.missing) == 4 - len(recorded)
    workspace.apply(plan, parallelism=1)
    assert {name: (broken / "mixes/base.runs" / name).read_bytes() for name in recorded} == recorded
    assert (broken / "mixes/base.lock.yaml").exists()
    metrics = [{p.name: json.loads(p.read_text())["metrics"] for p in runs(root)} for root in (whole, broken)]
    assert metrics[0] == metrics[1]
    assert (broken / "mixes/base.lock.yaml").read_bytes() == (whole / "mixes/base.lock.yaml").read_bytes()


def test_a_killed_worker_is_an_incomplete_apply_with_everything_recorded(tmp_path):
    make_workspace(tmp_path, kind="local, threads: 1", extra=SMALL)
    text = (tmp_path / "mixes/base.yaml").read_text().replace("tokens: 4096", "tokens: 60000")
    (tmp_path / "mixes/base.yaml").write_text(text)
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    for line in process.stdout:
        if line.strip() == "RunFinished":
            break
    for child in _children(process.pid):
        if "spawn_main" in child[1]:
            os.kill(child[0], signal.SIGKILL)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 6, errors
    assert "died" in errors
    assert len(runs(tmp_path)) >= 1


def _children(pid):
    """(process id, command line) of the direct children, from /proc."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((folder / "stat").read_text().rsplit(")", 1)[1].split()[1])
            line = (folder / "cmdline").read_text().replace("\0", " ")
        except OSError:  # it ended meanwhile
            continue
        if parent == pid:
            found.append((int(folder.name), line))
    return found
