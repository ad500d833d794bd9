"""Orchestration overhead of `apply`: what of the slots' time is not training or evaluation, at ten-second runs.

    python tests/benchmarks/overhead.py [FOLDER of a demo, with corpora/]

Twenty runs on all cores, one thread each. Overhead is everything else: starting workers, importing torch, building
token shards, recording, fitting, solving and writing the lock.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from olmixctl.execute.events import TrainingStarted
from olmixctl.workspace import Workspace

TOKENS = 280_000
MIX = """
version: 1
name: overhead
target: {{tokens: 5M, max_repetition: 4}}
domains:
  headers: {{paths: [corpora/headers/*.jsonl]}}
  python: {{paths: [corpora/python/*.jsonl]}}
  stubs: {{paths: [corpora/stubs/*.jsonl]}}
  tests: {{paths: [corpora/tests/*.jsonl]}}
evals:
  - {{name: python, heldout: python, fraction: 0.1, max_tokens: 15000}}
  - {{name: headers, heldout: headers, fraction: 0.1, max_tokens: 15000}}
proxy: {{model: 250k, tokens: {tokens}, sequence_length: 64, batch_size: 16}}
swarm: {{runs_per_coordinate: 4}}
"""


def main():
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        if len(sys.argv) > 1:
            shutil.copytree(Path(sys.argv[1]) / "corpora", root / "corpora")
        else:
            collect = Path(__file__).parents[2] / "docs" / "demo" / "collect.py"
            subprocess.run([sys.executable, collect, root], check=True, stdout=subprocess.DEVNULL)
        (root / "mixes").mkdir()
        (root / "mixes" / "overhead.yaml").write_text(MIX.format(tokens=TOKENS))
        workspace = Workspace.open(cwd=root)
        slots = 1

        def on_event(event):
            nonlocal slots
            if isinstance(event, TrainingStarted):
                slots = event.parallelism

        result = workspace.apply(workspace.plan(), on_event=on_event)
        runs = [record.provenance for record in workspace.ledger]
        busy = sum(run["train_seconds"] + run["eval_seconds"] for run in runs)
        share = 1 - busy / (slots * result.wall_seconds)
        print(f"cores {os.cpu_count()}, slots {slots}, runs {len(runs)}, {busy / len(runs):.1f} s a run")
        print(f"wall {result.wall_seconds:.1f} s, training and evaluation {busy / slots:.1f} s a slot")
        print(f"overhead {share:.1%}")


if __name__ == "__main__":
    main()
