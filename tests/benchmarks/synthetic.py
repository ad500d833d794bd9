"""How much worse the solved mix is than the best one, against the number of runs, where the truth is known.

    OMP_NUM_THREADS=1 python tests/benchmarks/synthetic.py [--quick] [--out FILE] [--sizes 6,12,24,48] [--seeds 5]

Truths are those of tests/truths.py: log-linear, saturating with two scales a domain, interacting (pairs of domains that
help or spoil each other, not convex) and noisy, each with 6, 12, 24 and 48 domains and several seeds. Swarms are
Dirichlet, chosen beforehand (`informative`), or chosen in rounds (`rounds`: the first `FIRST` (m + 1) runs are
informative, and each round of a quarter of m + 1 is what `next_batch` asks for). Regret is the true objective at the
solved mix less the least there is under the same caps, in thousandths of a bit per byte.

Each truth is fitted with the family that suits it (`MATCHED`), or with --family. Three tables: regret
against runs; how often it was below the bound that it was said to keep with probability 0.9; and full recomputation
beside a kept block after a domain was added. Every cell is written to --out as it comes.
"""

from __future__ import annotations

import argparse
import csv
import math
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from olmixctl.methods.laws import Fitted, best_from, best_near
from olmixctl.methods.problem import convex_metrics, is_convex
from olmixctl.methods.sequential import Standing, confidence_of, next_batch
from olmixctl.mixture import SHARE_UNITS, Block, Coordinates, GridMixture
from olmixctl.solve.exact import optimum
from olmixctl.surrogate import FAMILIES, Evidence
from olmixctl.surrogate.choice import choose
from olmixctl.swarm import draw_informative, draw_swarm

sys.path.insert(0, str(Path(__file__).parents[1]))
from truths import KINDS, Truth, truth_of

MATCHED = {
    "log_linear": "log_linear",
    "saturating": "saturating",
    "interacting": "gaussian",
    "noisy": "saturating",
}
RATIOS = (1.0, 1.5, 2.0, 3.0, 5.0)
FIRST, ROUND = 1.0, 0.25
ROUNDS_END = 3.0
EPSILON = 0.002
"""The regret whose probability is asked."""
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

    def standing(self, evidence: Evidence, hold: Mapping[str, float] | None = None) -> Standing:
        """Laws of the evidence and the mix they lead to."""
        fitted = fit_family(evidence, self.family)
        swarm = self.truth.swarm(1, self.seed, self.coordinates)
        hold = hold or {name: swarm.prior[name] for name in fitted.fit.status.never_sampled}
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


def cells_of(solver: Solver) -> Iterator[Cell]:
    """All swarms of one truth."""
    for name in DESIGNS:
        yield from solver.designed(name, RATIOS)
    yield from solver.rounds(tuple(r for r in RATIOS if r <= ROUNDS_END))


@dataclass(frozen=True)
class Added:
    """A domain was added to a mix: regret and runs of full recomputation, and with the old ratios kept."""

    full: float
    full_runs: int
    kept: float
    kept_runs: int


def added(truth: Truth, family: str) -> Added:
    """The last domain is new: the mix before was solved without it, on a swarm of its own."""
    new, every = truth.domains[-1], Coordinates(truth.domains)
    solver = Solver(truth, family, truth.seed, every)
    swarm = truth.swarm(3 * len(truth.domains), truth.seed)
    before = draw_informative(replace(swarm, prior={**swarm.prior, new: 0.0}))
    old = solver.standing(solver.runs(list(before)), hold={new: 0.0}).point
    full = draw_informative(truth.swarm(3 * (len(truth.domains) + 1), truth.seed))
    kept = Coordinates((new,), (Block("kept", {n: round(old[n] * SHARE_UNITS) for n in truth.domains[:-1]}),))
    part = Solver(truth, family, truth.seed + 1, kept)
    runs = draw_informative(truth.swarm(9, truth.seed, kept))
    return Added(
        full=solver.regret(solver.standing(solver.runs(list(full)))),
        full_runs=len(full),
        kept=part.regret(part.standing(part.runs(list(runs)))),
        kept_runs=len(runs),
    )


def regret_table(cells: list[Cell]) -> str:
    """Median and mean over truths by kind and swarm, a column a ratio."""
    lines = [f"| truth | swarm | {' | '.join(f'{r:g}' for r in RATIOS)} |", "|---" * (2 + len(RATIOS)) + "|"]
    rows: dict[tuple[str, str], dict[float, list[float]]] = {}
    for cell in cells:
        rows.setdefault((cell.kind, cell.swarm), {}).setdefault(cell.ratio, []).append(1000 * cell.regret)
    for (kind, swarm), found in sorted(rows.items(), key=lambda item: (KINDS.index(item[0][0]), item[0][1])):
        shown = [f"{np.median(found[r]):.2f} / {np.mean(found[r]):.2f}" if r in found else "" for r in RATIOS]
        lines.append(f"| {kind} | {swarm} | {' | '.join(shown)} |")
    return "\n".join(lines)


def sure_table(cells: list[Cell]) -> str:
    """Of all cells, and of those that were surest: how often the regret was below what was said."""
    lines = ["| truth | mixes | inside the bound of 0.9 | P ≥ 0.9: mixes | of them right |", "|---|---|---|---|---|"]
    for kind in dict.fromkeys(cell.kind for cell in cells):
        own = [cell for cell in cells if cell.kind == kind]
        sure = [cell for cell in own if cell.probability >= 0.9]
        inside = np.mean([cell.regret <= cell.bound for cell in own])
        right = np.mean([cell.regret < EPSILON for cell in sure]) if sure else float("nan")
        lines.append(f"| {kind} | {len(own)} | {inside:.2f} | {len(sure)} | {right:.2f} |")
    return "\n".join(lines)


def reuse_table(truths: Iterable[Truth], family: str | None) -> Iterator[str]:
    """A row a kind and size: medians."""
    found: dict[tuple[str, int], list[Added]] = {}
    for truth in truths:
        found.setdefault((truth.kind, len(truth.domains)), []).append(added(truth, family or MATCHED[truth.kind]))
    yield "| truth | domains | runs, all anew | regret | runs, ratios kept | regret |\n|---|---|---|---|---|---|"
    for (kind, size), rows in found.items():
        full, kept = (1000 * np.median([getattr(row, name) for row in rows]) for name in ("full", "kept"))
        yield f"| {kind} | {size} | {rows[0].full_runs} | {full:.2f} | {rows[0].kept_runs} | {kept:.2f} |"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true", help="one seed, two sizes: a minute")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--sizes", default="6,12,24,48")
    parser.add_argument("--kinds", default=",".join(KINDS))
    parser.add_argument("--family", help="for every truth, in place of the one that suits it")
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    sizes, seeds = ([6, 12], 1) if given.quick else ([int(n) for n in given.sizes.split(",")], given.seeds)
    begun, every = time.process_time(), []
    truths = [truth_of(kind, size, seed) for size in sizes for seed in range(seeds) for kind in given.kinds.split(",")]
    for truth in truths:
        solver = Solver(truth, given.family or MATCHED[truth.kind], truth.seed, Coordinates(truth.domains))
        for cell in cells_of(solver):
            every.append(cell)
            if given.out:
                with given.out.open("a", newline="", encoding="utf-8") as file:
                    csv.writer(file).writerow(vars(cell).values())
    for size in sizes:
        print(f"\n{size} domains: regret in thousandths, median / mean, against runs over {size + 1}")
        print(regret_table([cell for cell in every if cell.domains == size]))
    print(f"\n{sure_table(every)}\n")
    for line in reuse_table((t for t in truths if len(t.domains) in (12, 24)), given.family):
        print(line, flush=True)
    print(f"\n{time.process_time() - begun:.0f} s of processor time")


if __name__ == "__main__":
    main()
