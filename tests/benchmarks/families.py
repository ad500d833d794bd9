"""What the family of laws does to the solved mix, where the truth is known: its regret, family by family, and `auto`.

    OMP_NUM_THREADS=1 python tests/benchmarks/families.py [--sizes 6,12] [--ratios 1.5,3] [--seeds 3]

Truths, swarms and regret are those of `synthetic.py` (Dirichlet swarms, mixes solved under caps and KL). The log-linear
and the saturating mix are exact; the Gaussian one is a local solve from many starts, the saturating one among them.
`auto` takes in every swarm what cross-validation chose. Regret in thousandths of a bit per byte, the mean over seeds.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections import Counter
from pathlib import Path

import numpy as np

from olmixctl.mixture import Coordinates
from olmixctl.surrogate.choice import choose
from olmixctl.surrogate.registry import COMPARED
from olmixctl.swarm import draw_swarm

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parent))
from synthetic import Solver
from truths import KINDS, truth_of


def regrets(kind: str, domains: int, ratio: float, seed: int) -> tuple[dict[str, float], str]:
    """Family → regret of its mix on one swarm, and the family that `auto` takes."""
    truth = truth_of(kind, domains, seed)
    space = Coordinates(truth.domains)
    solvers = {name: Solver(truth, name, seed, space) for name in COMPARED}
    first = solvers[COMPARED[0]]
    runs = math.ceil(ratio * (domains + 1))
    evidence = first.runs(list(draw_swarm(truth.swarm(runs, seed, space))))
    found = {name: solver.regret(solver.standing(evidence)) for name, solver in solvers.items()}
    return found, choose(evidence).family.name


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--sizes", default="6,12")
    parser.add_argument("--ratios", default="1.5,3")
    parser.add_argument("--seeds", type=int, default=3)
    given = parser.parse_args()
    print("| truth | domains | runs a parameter | log_linear | saturating | gaussian | auto | chose |")
    print("|---|---|---|---|---|---|---|---|")
    for kind in KINDS:
        for domains in map(int, given.sizes.split(",")):
            for ratio in map(float, given.ratios.split(",")):
                rows = [regrets(kind, domains, ratio, seed) for seed in range(given.seeds)]
                means = [1000 * float(np.mean([found[name] for found, _ in rows])) for name in COMPARED]
                auto = 1000 * float(np.mean([found[chosen] for found, chosen in rows]))
                counted = ", ".join(f"{n} {name}" for name, n in Counter(chosen for _, chosen in rows).most_common())
                shown = " | ".join(f"{value:.2f}" for value in (*means, auto))
                print(f"| {kind} | {domains} | {ratio:g} | {shown} | {counted} |", flush=True)


if __name__ == "__main__":
    main()
