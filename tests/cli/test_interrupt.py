"""Ctrl-C in the middle of real training: exit 6, nothing lost, and the next apply finishes with the same lock."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest
from workspaces import make_workspace


@pytest.mark.slow
def test_an_interrupted_apply_continues_where_it_stopped(tmp_path):
    make_workspace(tmp_path, kind="local")
    command = [sys.executable, "-m", "olmixctl", "apply", "--auto-approve"]
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    runs = tmp_path / "mixes/base.runs"
    for line in process.stderr:
        if line.startswith("  "):  # a run is recorded
            process.send_signal(signal.SIGINT)
            break
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 6
    assert "continues where this one stopped" in errors
    assert "Traceback" not in errors
    assert not (tmp_path / "mixes/base.lock.yaml").exists()
    recorded = {path.name: path.read_bytes() for path in runs.glob("r1-*.json")}
    assert 0 < len(recorded) < 12
    again = subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, text=True)
    assert f"{12 - len(recorded)} runs trained" in again.stdout
    assert {name: (runs / name).read_bytes() for name in recorded} == recorded
    assert len(list(runs.glob("r1-*.json"))) == 12
