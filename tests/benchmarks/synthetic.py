"""How much worse the solved mix is than the best one, against the number of runs, where the truth is known.

    OMP_NUM_THREADS=1 python tests/benchmarks/synthetic.py [--quick] [--out FILE] [--only table|reuse|sure]

Truths are those of tests/truths.py: log-linear, saturating with two scales a domain, interacting (pairs of domains that
help or spoil each other, not convex) and noisy, each with 6, 12, 24 and 48 domains and several seeds. Swarms are
Dirichlet, chosen beforehand (`informative`), or chosen in rounds (`rounds`: the first `FIRST` (m + 1) runs are
informative, each round of a quarter of m + 1 is what `next_batch` asks for). Regret is the true objective at the solved mix
less the least there is under the same caps, in thousandths of a bit per byte; as a share, over what the best mix gains.

`table` is regret against runs; `reuse` compares full recomputation with a kept block after a domain was added; `sure` says
how often a regret that was said to be below its bound with probability 0.9 was. Every cell is written to --out as it comes.
"""

from __future__ import annotations

import argparse
import csv
import math
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from olmixctl.methods.laws import Fitted, best_from, best_near
from olmixctl.methods.problem import convex_metrics, is_convex
from olmixctl.methods.sequential import Standing, confidence_of, next_batch
from olmixctl.mixture import SHARE_UNITS, Block, Coordinates, GridMixture, Mixture
from olmixctl.solve.exact import optimum
from olmixctl.surrogate import FAMILIES, Evidence
from olmixctl.surrogate.choice import choose
from olmixctl.swarm import draw_informative, draw_swarm

sys.path.insert(0, str(Path(__file__).parents[1]))
from truths import KINDS, Truth, truth_of

RATIOS = (1.0, 1.5, 2.0, 3.0, 5.0)
FIRST, ROUND = 0.75, 0.25
ROUNDS_END = 3.0
DESIGNS: dict[str, Callable[..., tuple[GridMixture, ...]]] = {"dirichlet": draw_swarm, "informative": draw_informative}


@dataclass(frozen=True)
class Cell:
    """One solved mix."""

    kind: str
    domains: int
    seed: int
    surrogate: str
    swarm: str
    ratio: float
    regret: float
    share: float
    probability: float
    bound: float


def fit_family(evidence: Evidence, name: str) -> Fitted:
    """Fitted laws of a family; `auto` chooses as a mix file does."""
    family = choose(evidence).family.name if name == "auto" else name
    guide = FAMILIES["saturating"].fit(evidence) if family == "gaussian" else None
    return Fitted(family=family, reason="", evidence=evidence, fit=FAMILIES[family].fit(evidence), guide=guide)


@dataclass(frozen=True)
class Solver:
    """A truth in coordinates, and the family that is fitted."""

    truth: Truth
    family: str
    seed: int
    coordinates: Coordinates

    def runs(self, design: list[GridMixture]) -> Evidence:
        return self.truth.measured(
            [m.as_mixture() for m in design], 1000 * self.truth.seed + self.seed, self.coordinates
        )

    def standing(self, evidence: Evidence) -> Standing:
        """Laws of the evidence and the mix they lead to."""
        fitted = fit_family(evidence, self.family)
        swarm = self.truth.swarm(1, self.seed, self.coordinates)
        hold = {name: swarm.prior[name] for name in fitted.fit.status.never_sampled}
        problem = self.truth.problem(self.coordinates, hold)
        starts = []
        if fitted.guide is not None:
            starts = [optimum(problem, convex_metrics(fitted.guide)).point]
        solution = best_near(problem, fitted, starts) if is_convex(fitted.fit) else best_from(problem, fitted, starts)
        return Standing(
            swarm=swarm,
            evidence=evidence,
            fit=fitted.guide or fitted.fit,
            point=solution.point,
            metric_weights=problem.metric_weights,
            kl=problem.kl,
        )

    def regret(self, standing: Standing) -> float:
        return self.truth.regret(self.coordinates.expand(standing.point))

    def cell(self, swarm: str, ratio: float, standing: Standing) -> Cell:
        truth, regret = self.truth, self.regret(standing)
        sure = confidence_of(standing, EPSILON)
        return Cell(
            truth.kind, len(truth.domains), truth.seed, self.family, swarm, ratio, regret, regret / truth.gain,
            sure.probability, sure.regret_q90,
        )  # fmt: skip

    def designed(self, name: str, ratios: tuple[float, ...]) -> Iterator[Cell]:
        """Regret along one design; the smaller swarms are the beginning of the largest."""
        unit = len(self.coordinates.names) + 1
        design = DESIGNS[name](self.truth.swarm(math.ceil(max(ratios) * unit), self.seed, self.coordinates))
        for ratio in ratios:
            yield self.cell(name, ratio, self.standing(self.runs(list(design[: math.ceil(ratio * unit)]))))

    def rounds(self, ratios: tuple[float, ...]) -> Iterator[Cell]:
        """Regret along one swarm in rounds."""
        unit = len(self.coordinates.names) + 1
        design = list(draw_informative(self.truth.swarm(math.ceil(FIRST * unit), self.seed, self.coordinates)))
        ends = sorted({*ratios, *np.arange(FIRST, max(ratios) + 1e-9, ROUND).tolist()})
        for end in ends:
            wanted = math.ceil(end * unit) - len(design)
            if wanted > 0:
                design += next_batch(self.standing(self.runs(design)), wanted)
            if end in ratios:
                yield self.cell("rounds", end, self.standing(self.runs(design)))


EPSILON = 0.002


def table(kinds: list[str], sizes: list[int], seeds: int, families: list[str]) -> Iterator[Cell]:
    for size in sizes:
        for seed in range(seeds):
            for kind in kinds:
                truth = truth_of(kind, size, seed)
                for family in families:
                    solver = Solver(truth, family, seed, Coordinates(truth.domains))
                    for name in DESIGNS:
                        yield from solver.designed(name, RATIOS)
                    yield from solver.rounds(tuple(r for r in RATIOS if r <= ROUNDS_END))


def added(truth: Truth, family: str) -> tuple[float, float, int, int]:
    """Regret of full recomputation and of a kept block, and their runs, after the last domain of a mix was added."""
    new = truth.domains[-1]
    before = Coordinates(truth.domains[:-1])
    old = Mixture.normalised({name: truth.reference[name] for name in before.names})
    # The lock before: the best mix of the others under the same laws.
    held = Solver(truth, family, truth.seed, Coordinates(truth.domains))
    swarm = [m for m in draw_informative(truth.swarm(3 * len(truth.domains) + 3, truth.seed))]
    whole = held.standing(held.runs(swarm))
    shares = {name: round(whole.point[name] * SHARE_UNITS) for name in before.names}
    del old
    kept = Coordinates((new,), (Block("kept", shares),))
    part = Solver(truth, family, truth.seed + 1, kept)
    block = part.standing(part.runs(list(draw_swarm(truth.swarm(9, truth.seed, kept)))))
    return held.regret(whole), part.regret(block), len(swarm), 9


def summary(cells: list[Cell], value: Callable[[Cell], float]) -> str:
    """Median and mean over truths by kind, surrogate and swarm, a column a ratio."""
    lines = ["| truth | surrogate | swarm | " + " | ".join(f"{r:g}" for r in RATIOS) + " |", "|---" * 8 + "|"]
    rows: dict[tuple[str, str, str], dict[float, list[float]]] = {}
    for cell in cells:
        rows.setdefault((cell.kind, cell.surrogate, cell.swarm), {}).setdefault(cell.ratio, []).append(value(cell))
    for key, found in sorted(rows.items(), key=lambda item: (KINDS.index(item[0][0]), item[0][1:])):
        shown = [f"{np.median(found[r]):.2f} / {np.mean(found[r]):.2f}" if r in found else "" for r in RATIOS]
        lines.append(f"| {' | '.join((*key, *shown))} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true", help="one seed, two sizes: a minute")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--sizes", default="6,12,24,48")
    parser.add_argument("--kinds", default=",".join(KINDS))
    parser.add_argument("--families", default="log_linear,saturating")
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    sizes, seeds = ([6, 12], 1) if given.quick else ([int(n) for n in given.sizes.split(",")], given.seeds)
    cells: list[Cell] = []
    begun = time.process_time()
    for cell in table(given.kinds.split(","), sizes, seeds, given.families.split(",")):
        cells.append(cell)
        if given.out:
            with given.out.open("a", newline="", encoding="utf-8") as file:
                csv.writer(file).writerow(vars(cell).values())
    for size in sizes:
        print(f"\n{size} domains, regret in thousandths, median / mean")
        print(summary([c for c in cells if c.domains == size], lambda c: 1000 * c.regret))
    print(f"\n{time.process_time() - begun:.0f} s of processor time")


if __name__ == "__main__":
    main()
