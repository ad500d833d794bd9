"""What runs that were chosen by their mixtures are worth, on a published swarm: a table of docs/numerics.md.

    OMP_NUM_THREADS=1 python tests/benchmarks/designs.py FOLDER [--runs 18,27,34,51] [--draws 5] [--only splits|test]

FOLDER as for `surrogates.py`. `splits` is what choices were made on: from 400 of the 512 training runs, drawn anew
eight times, runs are chosen or drawn at random, and what was fitted to them is judged on all training runs that were
not taken. `test` takes them from all 512 and judges on the 256 test runs. Nothing that is chosen has seen a loss.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from surrogates import published, rows_of

from olmixctl.surrogate import Evidence
from olmixctl.surrogate.choice import choose as choose_family
from olmixctl.surrogate.intervals import with_mean
from olmixctl.surrogate.validation import rank_correlation
from olmixctl.swarm import choose

Rows = NDArray[np.intp]
_SPLITS, _CANDIDATES = 8, 400


def judged(evidence: Evidence, test: Evidence, surrogate: str) -> tuple[float, float, str]:
    """Rank over metrics and of the average on `test`, and the family that was fitted."""
    family = choose_family(evidence, surrogate).family
    predicted_NT, actual_NT = with_mean(family.fit(evidence).predict(test.weights_RC)), with_mean(test.losses_RM)
    ranks = [rank_correlation(p, a) or 0.0 for p, a in zip(predicted_NT.T, actual_NT.T, strict=True)]
    return float(np.mean(ranks[:-1])), ranks[-1], family.name


def splits(train: Evidence, runs: int, *, designed: bool) -> Iterator[tuple[Evidence, Evidence]]:
    """Runs taken from a part of the training runs, and all that were not taken."""
    for split in range(_SPLITS):
        rng = np.random.default_rng(200 + split)
        part = rng.permutation(len(train.runs))[:_CANDIDATES]
        taken = part[list(choose(train.weights_RC[part], runs))] if designed else part[:runs]
        yield rows_of(train, taken), rows_of(train, np.setdiff1d(np.arange(len(train.runs)), taken))


def tests(train: Evidence, test: Evidence, runs: int, draws: int) -> Iterator[tuple[Evidence, Evidence]]:
    """Runs taken from all training runs (chosen, where `draws` is 0), and the test runs."""
    if not draws:
        yield rows_of(train, np.array(choose(train.weights_RC, runs))), test
    for draw in range(draws):
        yield rows_of(train, np.random.default_rng(draw).choice(len(train.runs), runs, replace=False)), test


def line(name: str, pairs: Iterator[tuple[Evidence, Evidence]], surrogate: str) -> None:
    found = [judged(evidence, test, surrogate) for evidence, test in pairs]
    (metrics, average), least = np.mean([row[:2] for row in found], axis=0), min(row[1] for row in found)
    families = ", ".join(f"{count} {family}" for family, count in Counter(row[2] for row in found).items())
    print(f"| {name} | {metrics:.4f} | {average:.4f} | {least:.4f} | {families} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--runs", default="18,27,34,51")
    parser.add_argument("--draws", type=int, default=5)
    parser.add_argument("--surrogate", default="auto")
    parser.add_argument("--only", choices=["splits", "test"])
    given = parser.parse_args()
    train, test = published(given.folder, "train"), published(given.folder, "test")
    print("| runs | rank, metrics | rank, average | least average | fitted |\n|---|---|---|---|---|")
    for runs in [int(n) for n in given.runs.split(",")]:
        if given.only in (None, "splits"):
            for designed, name in ((False, "random"), (True, "chosen")):
                line(f"{runs} {name}, splits", splits(train, runs, designed=designed), given.surrogate)
        if given.only in (None, "test"):
            for draws, name in ((given.draws, "random"), (0, "chosen")):
                line(f"{runs} {name}, test", tests(train, test, runs, draws), given.surrogate)


if __name__ == "__main__":
    main()
