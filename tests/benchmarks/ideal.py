"""What half the runs could reach at best, were the truth known to whoever chooses and fits them: docs/numerics.md.

    OMP_NUM_THREADS=1 python tests/benchmarks/ideal.py [--sizes 6,12,24] [--seeds 5]

A truth of tests/truths.py, linear in its own parameters around their true values, each as far from these as its prior
is wide (logarithms of slopes ±1.5 and of scales ±1.2, as they were drawn; level and offset half of what they move).
Runs then leave a normal posterior, and around the true optimum the regret is quadratic in the slopes of the objective,
so its expectation is a trace. No fit can be better informed: it knows the law, the prior and the noise. `greedy` takes
the runs that lower this very expectation most from a pool around the optimum, which nobody who has to find it knows.

Array dimensions: N mixtures, M metrics, C domains, F parameters.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from olmixctl.surrogate.model import Array
from olmixctl.swarm import draw_informative, draw_swarm
from olmixctl.swarm.candidates import inside, pool_of

sys.path.insert(0, str(Path(__file__).parents[1]))
from truths import METRICS, SPREAD, Truth, truth_of

KINDS = ("log_linear", "saturating", "noisy")
_SLOPE, _SCALE, _LEVEL = 1.5, 1.2, 0.5
_STEP = 1e-6
_POOL = 1200


@dataclass(frozen=True)
class Ideal:
    """A truth, its optimum, and what errors of its parameters cost there: A_MFF, regret = ½ Σ error' A error."""

    truth: Truth
    point_C: Array
    cost_MFF: Array

    @classmethod
    def of(cls, truth: Truth) -> Ideal:
        point_C = truth.optimum
        free_C = (point_C > 1e-6) & (point_C < truth.caps_C - 1e-7)

        def slope(weights_C: Array) -> Array:
            return truth.law.slopes(weights_C).mean(axis=0) + truth.kl * np.log(weights_C / truth.reference_C)

        steps_C = _STEP * np.maximum(point_C, 1e-3) * free_C
        moves_CC = np.diag(steps_C)[free_C]
        bend_CC = np.stack([(slope(point_C + m) - slope(point_C - m))[free_C] / (2 * m.sum()) for m in moves_CC])
        inverse_CC = np.linalg.inv(0.5 * (bend_CC + bend_CC.T))
        held_C = inverse_CC.sum(axis=1)
        inverse_CC = inverse_CC - np.outer(held_C, held_C) / held_C.sum()
        ends_NC = np.concatenate([point_C + _STEP * np.eye(len(point_C)), point_C - _STEP * np.eye(len(point_C))])
        ahead_MCF, behind_MCF = np.split(features(truth, ends_NC), 2, axis=1)
        turn_MCF = (ahead_MCF - behind_MCF)[:, free_C] / (2 * _STEP * METRICS)
        return cls(truth, point_C, turn_MCF.transpose(0, 2, 1) @ inverse_CC @ turn_MCF)

    def regret(self, weights_NC: Array) -> float:
        """Expected after these runs, thousandths."""
        found = 0.0
        for runs_NF, cost_FF in zip(features(self.truth, weights_NC), self.cost_MFF, strict=True):
            noise_NN = (self.truth.noise * SPREAD) ** 2 * np.eye(len(runs_NF))
            known_FF = runs_NF.T @ np.linalg.solve(runs_NF @ runs_NF.T + noise_NN, runs_NF)
            found += 0.5 * float(np.trace(cost_FF) - (cost_FF * known_FF).sum())
        return 1000 * found

    def greedy(self, count: int) -> Array:
        """The runs that lower the expected regret most, one after the other."""
        pool_NC = self.pool()
        every_MNF, noise = features(self.truth, pool_NC), (self.truth.noise * SPREAD) ** 2
        left_MFF = np.repeat(np.eye(every_MNF.shape[2])[None], METRICS, axis=0)
        chosen = []
        for _ in range(count):
            seen_MNF = every_MNF @ left_MFF
            gain_MN = ((seen_MNF @ self.cost_MFF) * seen_MNF).sum(axis=2) / ((seen_MNF * every_MNF).sum(axis=2) + noise)
            chosen.append(int(np.argmax(gain_MN.sum(axis=0))))
            row_MF = seen_MNF[:, chosen[-1]]
            own_M = (row_MF * every_MNF[:, chosen[-1]]).sum(axis=1) + noise
            left_MFF = left_MFF - row_MF[:, :, None] * row_MF[:, None] / own_M[:, None, None]
        return pool_NC[chosen]

    def pool(self) -> Array:
        """Wide mixtures, some between them and the optimum, and the optimum with more or nothing of one domain."""
        at_C, every_CC, prior_C = self.point_C, np.eye(len(self.point_C)), self.truth.reference_C
        wide_NC = inside(pool_of(prior_C, 1, 0, _POOL), np.ones_like(at_C), prior_C)
        near = [at_C + part * (wide_NC - at_C) for part in (0.1, 0.25, 0.5)]
        lifted = [at_C + part * (every_CC - at_C) for part in (0.02, 0.05, 0.1, 0.3, 0.6, 0.95)]
        without_CC = at_C * (1.0 - every_CC)
        return np.concatenate([wide_NC, *near, *lifted, without_CC / without_CC.sum(axis=1, keepdims=True)])


def features(truth: Truth, weights_NC: Array) -> Array:
    """∂ metric / ∂ parameter in widths of its prior: M × N × F."""
    law, above_NM = truth.law, truth.law.size_M * np.exp(truth.law.inner(weights_NC))
    found = []
    for m in range(METRICS):
        above_N1 = above_NM[:, [m]]
        parts = [above_N1 * weights_NC * _SLOPE] if truth.kind == "log_linear" else []
        for slope_C, scale_C in zip(law.slope_MSC[m], law.scale_MSC[m], strict=True):
            if slope_C.any():
                parts.append(-above_N1 * slope_C * np.log1p(weights_NC / scale_C) * _SLOPE)
                parts.append(above_N1 * slope_C * weights_NC / (scale_C + weights_NC) * _SCALE)
        found.append(np.concatenate([*parts, _LEVEL * above_N1, np.full_like(above_N1, _LEVEL)], axis=1))
    return np.stack(found)


def row(truth: Truth) -> list[float]:
    """Expected regret of 3 (m + 1) Dirichlet runs, and of half as many: Dirichlet, informative, greedy."""
    ideal, unit = Ideal.of(truth), len(truth.domains) + 1

    def of(draw: Callable[..., tuple], ratio: float) -> float:
        drawn = draw(truth.swarm(math.ceil(ratio * unit), truth.seed))
        return ideal.regret(np.array([list(mixture.as_mixture().values()) for mixture in drawn]))

    greedy = ideal.regret(ideal.greedy(math.ceil(1.5 * unit)))
    return [of(draw_swarm, 3.0), of(draw_swarm, 1.5), of(draw_informative, 1.5), greedy]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--sizes", default="6,12,24")
    parser.add_argument("--seeds", type=int, default=5)
    given = parser.parse_args()
    print("| truth | domains | Dirichlet 3 | Dirichlet 1.5 | informative 1.5 | greedy 1.5 |\n" + "|---" * 6 + "|")
    for size in [int(n) for n in given.sizes.split(",")]:
        for kind in KINDS:
            found = np.median([row(truth_of(kind, size, seed)) for seed in range(given.seeds)], axis=0)
            print(f"| {kind} | {size} | {' | '.join(f'{value:.3f}' for value in found)} |", flush=True)


if __name__ == "__main__":
    main()
