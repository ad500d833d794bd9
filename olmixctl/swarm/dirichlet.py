"""A swarm from a two-level Dirichlet centred on the reference: sources, then the topics inside each.

Source: Chen et al. 2026 (arXiv 2602.12237), OlmixBase. Each level draws Dirichlet(prior · strength); the strength of a
mixture lies log-spaced over a range, low for topics (many exact zeros) and higher for sources. Weights under
`SMALLEST` become exact zeros; what breaks the proxy's data limit or nearly repeats an earlier mixture is redrawn.

What is added here, and why:

* Mixture i depends on (seed, i) and the mixtures before it, so the first K of K + n are the same K: a larger swarm
  keeps every run already paid for. Strengths follow a Weyl sequence, which spreads evenly at every length.
* Mixture i lifts coordinate i (mod their number) to at least `LIFTED`, so any d consecutive mixtures sample each of d
  coordinates. A rare domain drawn around its prior alone would leave its coefficient without evidence.
* After `REFUSALS` redraws a mixture is brought inside the limits by water-filling: tight limits refuse nearly all.

Array dimensions: C coordinates with a positive prior and room under their limit.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from olmixctl.mixture import GRID, GridMixture
from olmixctl.swarm.limits import ceilings_of, filled, on_grid
from olmixctl.swarm.model import SwarmProblem

__all__ = ["LIFTED", "NEAR", "SMALLEST", "SOURCE_STRENGTHS", "TOPIC_STRENGTHS", "draw_swarm"]

SOURCE_STRENGTHS = (1.0, 20.0)
TOPIC_STRENGTHS = (0.1, 5.0)
SMALLEST = 0.002
"""Weights drawn smaller become exact zeros."""
LIFTED = 0.02
"""The lifted coordinate of a mixture has at least this weight, or its limit where that is less."""
NEAR = 0.01
"""Mixtures closer than this in total variation are near-duplicates."""
REDRAWS, REFUSALS = 32, 8
"""Draws a mixture may take, and after how many of them it is brought inside the limits instead of refused."""

# Irrational steps of two Weyl sequences: golden ratio and √2.
_STEPS = ((math.sqrt(5) - 1) / 2, math.sqrt(2) - 1)

Array = NDArray[np.float64]


def draw_swarm(problem: SwarmProblem) -> tuple[GridMixture, ...]:
    """The swarm, in coordinate space on the grid of millionths, in the order in which it grows.

    It has `problem.count` mixtures, all different; fewer only when the limits leave no more distinct ones (one
    coordinate alone has exactly one mixture).

    Raises:
        InfeasibleError: the proxy's data limits sum to less than one.
    """
    ceilings = ceilings_of(problem)
    names = tuple(ceilings)
    caps_C = np.array([ceilings[name] / GRID for name in names])
    sampler = _Sampler(problem, names)
    found: list[GridMixture] = []
    drawn: list[Array] = []
    for index in range(problem.count):
        point = _draw_one(sampler, index, caps_C, drawn)
        mixture = on_grid(point, ceilings, problem.coordinates.names)
        if mixture not in found:
            found.append(mixture)
            drawn.append(point)
    return tuple(found)


class _Sampler:
    """The two-level draw of one problem; holds the priors of both levels."""

    def __init__(self, problem: SwarmProblem, names: tuple[str, ...]) -> None:
        position = {name: i for i, name in enumerate(names)}
        groups = [[position[c] for c in members if c in position] for members in problem.sources().values()]
        self.seed = problem.seed
        self.prior_C = np.array([problem.prior[name] for name in names])
        self.prior_C = self.prior_C / math.fsum(self.prior_C)
        self.groups = [np.array(group) for group in groups if group]
        self.prior_S = np.array([math.fsum(self.prior_C[group]) for group in self.groups])

    def draw(self, index: int, attempt: int) -> Array:
        """Attempt `attempt` at mixture `index`: weights before zeroing, summing to one."""
        rng = np.random.Generator(np.random.Philox(np.random.SeedSequence((self.seed, index, attempt))))
        source_strength, topic_strength = self._strengths(index)
        mass_S = _dirichlet(rng, self.prior_S * source_strength)
        weights_C = np.zeros_like(self.prior_C)
        for mass, group in zip(mass_S, self.groups, strict=True):
            share = self.prior_C[group] / math.fsum(self.prior_C[group])
            inside = _dirichlet(rng, share * topic_strength)
            weights_C[group] = mass * inside
        return weights_C

    def _strengths(self, index: int) -> tuple[float, float]:
        places = [(0.5 + index * step) % 1.0 for step in _STEPS]
        ranges = (SOURCE_STRENGTHS, TOPIC_STRENGTHS)
        source, topic = (low * (high / low) ** place for (low, high), place in zip(ranges, places, strict=True))
        return source, topic

    def lifted(self, index: int) -> int:
        """Which coordinate mixture `index` must sample: each in turn, in an order that the seed shuffles."""
        rng = np.random.Generator(np.random.Philox(np.random.SeedSequence((self.seed,))))
        order = rng.permutation(len(self.prior_C))
        return int(order[index % len(order)])


def _dirichlet(rng: np.random.Generator, alpha: Array) -> Array:
    """A Dirichlet draw; one coordinate alone takes the whole mass."""
    if len(alpha) == 1:
        return np.ones(1)
    draw = rng.dirichlet(alpha)
    total = math.fsum(draw)
    # A strength so small that every gamma underflows would be a vertex: the likeliest one stands for it.
    return np.asarray(draw / total if total > 0 else np.eye(len(alpha))[int(np.argmax(alpha))], dtype=np.float64)


def _draw_one(sampler: _Sampler, index: int, caps_C: Array, earlier: list[Array]) -> Array:
    """The first attempt inside the limits and not near an earlier mixture, else the last one brought inside."""
    lifted = sampler.lifted(index)
    floor = min(float(caps_C[lifted]), LIFTED)
    best, distance = None, -1.0
    for attempt in range(REDRAWS):
        point = _sparse(sampler.draw(index, attempt), lifted, floor)
        inside = bool((point <= caps_C).all())
        if not inside and attempt < REFUSALS:
            continue
        point = point if inside else filled(point, caps_C, sampler.prior_C)
        nearest = min((float(np.abs(point - other).sum()) / 2 for other in earlier), default=1.0)
        if nearest >= NEAR:
            return point
        if nearest > distance:
            best, distance = point, nearest
    assert best is not None
    return best


def _sparse(weights_C: Array, lifted: int, floor: float) -> Array:
    """Small weights at exact zero, the lifted coordinate at `floor` or more, summing to one."""
    kept = np.where(weights_C < SMALLEST, 0.0, weights_C)
    kept[lifted] = 0.0
    rest = math.fsum(kept)
    own = max(float(weights_C[lifted]), floor)
    if rest == 0.0:
        own = 1.0
    kept *= (1.0 - own) / rest if rest else 0.0
    kept[lifted] = own
    return kept
