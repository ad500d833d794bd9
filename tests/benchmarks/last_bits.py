"""What last bits do to fits of losses without noise, where they can do most.

Swarms of laws that are straight, bent or level, the losses exact; then the same losses changed by 1e-13 of themselves.
A line each: the most that a prediction moved, in standard deviations of the metric; how many swarms moved by more than
a millionth of one; how many fits say that they did not settle; seconds of processor time a fit.

    OMP_NUM_THREADS=1 python tests/benchmarks/last_bits.py [--swarms 20] [--families saturating,gaussian]
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace

import numpy as np

from olmixctl.surrogate import FAMILIES, Evidence

KINDS = ("straight", "bent", "level")
SIZES = ((5, 20), (8, 12), (20, 8), (100, 4), (190, 12))
CHANGE, SEEN, METRICS, UNSEEN = 1e-13, 1e-6, 3, 40
FEWER = 5
"""Times fewer swarms of a hundred runs and more."""


def swarm(kind: str, runs: int, domains: int, seed: int) -> Evidence:
    """Exact losses of three metrics: log-linear laws, diminishing returns, or linear laws that hardly move."""
    rng = np.random.default_rng(seed)
    weights_RC = rng.dirichlet(np.full(domains, 0.7), runs)
    losses = []
    for _ in range(METRICS):
        slope_C = rng.normal(0.0, 0.6, domains)
        straight_R = weights_RC @ slope_C
        bent_R = np.log1p(weights_RC / 0.02) @ (0.2 * np.abs(slope_C))
        losses.append(
            {"straight": 1 + np.exp(straight_R), "bent": 1 + np.exp(-bent_R), "level": 2.5 + 2.5e-3 * straight_R}[kind]
        )
    return Evidence(
        runs=tuple(f"{i:04}" for i in range(runs)),
        coordinates=tuple(f"d{i:02}" for i in range(domains)),
        metrics=tuple(f"m{i}" for i in range(METRICS)),
        weights_RC=weights_RC,
        losses_RM=np.array(losses).T,
    )


def moved(family: str, evidence: Evidence, seed: int) -> tuple[float, int]:
    """How far a prediction moves, and how many of both fits did not settle."""
    change_RM = CHANGE * np.random.default_rng(seed).uniform(-1.0, 1.0, evidence.losses_RM.shape)
    changed = replace(evidence, losses_RM=evidence.losses_RM * (1.0 + change_RM))
    fits = [FAMILIES[family].fit(each) for each in (evidence, changed)]
    unseen_NC = np.random.default_rng(seed).dirichlet(np.ones(len(evidence.coordinates)), UNSEEN)
    away_NM = np.abs(fits[1].predict(unseen_NC) - fits[0].predict(unseen_NC)) / evidence.losses_RM.std(axis=0)
    return float(away_NM.max()), sum("last digits" in note for fit in fits for note in fit.status.notes)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--swarms", type=int, default=20)
    parser.add_argument("--families", default="saturating,gaussian")
    given = parser.parse_args()
    print(f"{'family':<11} {'losses':<9} {'runs × domains':<15} {'moved':>8} {'of them':>9} {'unsettled':>10} {'s':>6}")
    for family in given.families.split(","):
        for runs, domains in SIZES:
            count = given.swarms if runs < 100 else max(1, given.swarms // FEWER)
            for kind in KINDS:
                began = time.process_time()
                found = [moved(family, swarm(kind, runs, domains, seed), seed) for seed in range(count)]
                spent = (time.process_time() - began) / (2 * count)
                more, still = sum(away > SEEN for away, _ in found), sum(notes for _, notes in found)
                size, of = f"{runs} × {domains}", f"{more}/{count}"
                print(
                    f"{family:<11} {kind:<9} {size:<15} {max(away for away, _ in found):>8.0e} {of:>9} "
                    f"{f'{still}/{2 * count}':>10} {spent:>6.2f}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
