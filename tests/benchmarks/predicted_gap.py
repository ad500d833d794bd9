"""How well the gap that a plan predicts for full reuse agrees with the true one, where the truth is known.

Random mixes of 6–16 domains get a lock from the fake executor, then 1–4 domains more. A plan predicts what full reuse
gives away with the new domains' coefficients guessed; the response surface says what it does give away.

    python tests/benchmarks/predicted_gap.py [--trials 24] [--seed 1]
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
from pathlib import Path

import numpy as np

from olmixctl.execute.fake import OFFSET, coefficient
from olmixctl.fingerprint import sha256_hex
from olmixctl.methods.problem import mix_problem
from olmixctl.mixture import Coordinates
from olmixctl.plan import Observed
from olmixctl.solve.interior import minimise
from olmixctl.solve.problem import ConvexMetric
from olmixctl.solve.program import build
from olmixctl.surrogate.validation import rank_correlation
from olmixctl.workspace import Workspace

TARGET = 10**12


def write(root: Path, tokens: dict[str, int]) -> Workspace:
    """A mix of declared domains `source-topic`, and one file eval."""
    domains: dict[str, dict[str, dict[str, object]]] = {}
    for name, count in tokens.items():
        source, topic = name.split("/")
        declared = {"tokens": count, "revision": sha256_hex(f"{name} {count}")[:12]}
        domains.setdefault(source, {"domains": {}})["domains"][topic] = {"paths": [f"x/{name}/*"], "declared": declared}
    mix = {
        "version": 1, "name": "base", "target": {"tokens": TARGET, "max_repetition": 4}, "domains": domains,
        "evals": [{"name": "questions", "paths": ["evals/*.jsonl"]}], "executor": {"kind": "fake"}, "reuse": "full",
        "proxy": {"model": "250k", "tokens": "400K", "sequence_length": 64, "batch_size": 8},
    }  # fmt: skip
    for folder in ("mixes", "evals"):
        (root / folder).mkdir(exist_ok=True)
    (root / "mixes/base.yaml").write_text(json.dumps(mix), encoding="utf-8")
    (root / "evals/e.jsonl").write_text('{"context": "2 + 2 = ", "continuation": "4"}\n', encoding="utf-8")
    return Workspace.open(cwd=root)


def truly_lowest(observed: Observed, coordinates: Coordinates) -> float | None:
    """The best objective in `coordinates` on the surface itself; None where the bounds leave no mix."""
    metrics = [
        ConvexMetric(
            name=metric,
            offset=OFFSET,
            coefficients={
                name: sum(float(r) * coefficient(observed.contents[leaf], digest) for leaf, r in leaves.items())
                for name, leaves in coordinates.members().items()
            },
        )
        for metric, digest in observed.evals.items()
    ]
    program = build(mix_problem(observed, coordinates), metrics)
    found = minimise(program)
    return program.value(found.x_C) if found.converged else None


def trial(source: random.Random) -> tuple[float, float] | None:
    """Predicted and true gap of one random update."""
    old, new = source.randint(6, 16), source.randint(1, 4)
    tokens = {f"s{i % 4}/d{i}": int(10 ** source.uniform(9.5, 12)) for i in range(old)}
    while sum(tokens.values()) * 4 < 3 * TARGET:
        tokens = {name: count * 3 for name, count in tokens.items()}
    with tempfile.TemporaryDirectory() as folder:
        workspace = write(Path(folder), tokens)
        workspace.apply(workspace.plan())
        more = {f"s{source.randint(0, 3)}/n{i}": int(10 ** source.uniform(9.5, 12)) for i in range(new)}
        plan = write(Path(folder), tokens | more).plan()
    gap = next(row.gap for row in plan.strategies if row.name == "full")
    reached = truly_lowest(plan.observed, plan.coordinates)
    best = truly_lowest(plan.observed, Coordinates(tuple(plan.observed.states)))
    return None if gap is None or reached is None or best is None else (gap.loss, reached - best)


def main() -> None:
    """Print the agreement."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=24)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    source = random.Random(options.seed)
    pairs = [pair for _ in range(options.trials) if (pair := trial(source)) is not None]
    predicted, true = np.array(pairs).T
    sys.stdout.write(
        f"{len(pairs)} updates: Spearman {rank_correlation(predicted, true):.2f}, "
        f"mean absolute error {np.abs(predicted - true).mean():.5f}, true gaps {true.min():.5f} – {true.max():.5f}, "
        f"predicted up to {predicted.max():.5f}\n"
    )


if __name__ == "__main__":
    main()
