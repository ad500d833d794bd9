"""How well and how fast the log-linear law fits, on a published swarm and on a large made one.

    python tests/benchmarks/surrogate_published.py FOLDER

FOLDER holds the four tables of RegMix's proxy runs (sail-sg/regmix, MIT licence): train and test, mixtures and losses
of 1M models. They are not part of this repository. Rows are joined on `index` and renormalised, since the weights were
published to three decimals. Draws are `numpy.random.default_rng(draw).choice(512, runs, replace=False)`, draw 0 … 4.
"""

from __future__ import annotations

import csv
import sys
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from olmixctl.surrogate import Evidence
from olmixctl.surrogate.log_linear import LogLinear
from olmixctl.surrogate.validation import rank_correlation

Array = NDArray[np.float64]
_DRAWS = 5


def evidence_of(weights_RC: Array, losses_RM: Array) -> Evidence:
    return Evidence(
        runs=tuple(f"r{i:04}" for i in range(len(weights_RC))),
        coordinates=tuple(f"d{j:02}" for j in range(weights_RC.shape[1])),
        metrics=tuple(f"m{j:02}" for j in range(losses_RM.shape[1])),
        weights_RC=weights_RC,
        losses_RM=losses_RM,
    )


def table(path: Path) -> dict[str, list[float]]:
    with path.open(newline="") as file:
        rows = list(csv.reader(file))[1:]
    return {row[0]: [float(value) for value in row[1:]] for row in rows}


def published(folder: Path, part: str) -> tuple[Array, Array]:
    mixtures, losses = (table(folder / f"{part}_{what}_1m.csv") for what in ("mixture", "pile_loss"))
    index = sorted(mixtures, key=float)
    weights_RC = np.array([mixtures[i] for i in index])
    return weights_RC / weights_RC.sum(axis=1, keepdims=True), np.array([losses[i] for i in index])


def measure(folder: Path, runs: int, family: LogLinear) -> tuple[float, float, float]:
    """Spearman on unseen runs, mean over metrics and of the average loss; seconds of processor time a fit."""
    (weights_RC, losses_RM), (unseen_NC, actual_NM) = published(folder, "train"), published(folder, "test")
    rows = []
    for draw in range(_DRAWS if runs < len(weights_RC) else 1):
        pick = np.random.default_rng(draw).choice(len(weights_RC), runs, replace=False)
        start = time.process_time()
        fit = family.fit(evidence_of(weights_RC[pick], losses_RM[pick]))
        seconds = time.process_time() - start
        predicted_NM = fit.predict(unseen_NC)
        each = [rank_correlation(p, a) or 0.0 for p, a in zip(predicted_NM.T, actual_NM.T, strict=True)]
        whole = rank_correlation(predicted_NM.mean(axis=1), actual_NM.mean(axis=1)) or 0.0
        rows.append((float(np.mean(each)), whole, seconds))
    return tuple(float(column) for column in np.mean(rows, axis=0))


def large() -> float:
    """Seconds of processor time for 832 runs, 64 coordinates and 52 metrics."""
    rng = np.random.default_rng(0)
    weights_RC = rng.dirichlet(np.full(64, 0.3), 832)
    losses_RM = rng.uniform(0.2, 1, 52) + np.exp(weights_RC @ rng.normal(0, 0.6, (52, 64)).T)
    start = time.process_time()
    LogLinear().fit(evidence_of(weights_RC, losses_RM + rng.normal(0, 0.02, losses_RM.shape)))
    return time.process_time() - start


if __name__ == "__main__":
    for delta in (1.345, None, 0.5):
        for count in (18, 34, 51, 128, 512):
            each, whole, seconds = measure(Path(sys.argv[1]), count, LogLinear(delta))
            print(f"delta {delta}: {count} runs  metrics {each:.3f}  average {whole:.3f}  {seconds:.2f} s")
    print(f"832 × 64 × 52: {large():.1f} s")
