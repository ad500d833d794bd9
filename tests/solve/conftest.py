"""Problems that several tests draw: random but feasible, with blocks, caps, groups and guardrails."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest

from olmixctl.mixture import Block, Coordinates, Mixture
from olmixctl.solve import ConvexMetric, LinearBound, MixProblem


@dataclass(frozen=True)
class Case:
    problem: MixProblem
    metrics: tuple[ConvexMetric, ...]


def draw_case(seed: int, *, kl: float | None = None, blocks: bool = True, domains: int = 6) -> Case:
    """A feasible problem: its bounds are loosened around a random mix that meets them all."""
    rng = np.random.default_rng(seed)
    free = tuple(f"d{i}" for i in range(domains))
    shares = {f"b{i}": int(share) for i, share in enumerate(rng.integers(1, 10**12, 3))}
    coordinates = Coordinates(free, (Block("old", shares),) if blocks else ())
    reference = Mixture.normalised({leaf: float(rng.gamma(0.8) + 1e-3) for leaf in coordinates.leaves})
    inside = coordinates.expand(
        dict(zip(coordinates.names, rng.dirichlet(np.full(len(coordinates.names), 2.0)), strict=True))
    )
    metrics = tuple(
        ConvexMetric(
            name=f"m{i}",
            offset=float(rng.uniform(0.2, 0.9)),
            coefficients={name: float(rng.normal(0, 0.8)) for name in coordinates.names},
        )
        for i in range(4)
    )
    rows = [
        LinearBound(
            name=f"max:{leaf}", coefficients={leaf: 1.0}, upper=round(inside[leaf] * rng.uniform(1, 1.6), 4) + 1e-4
        )
        for leaf in coordinates.leaves[::2]
    ]
    group = coordinates.leaves[1::2]
    mass = sum(inside[leaf] for leaf in group)
    low, high = max(round(mass - 0.03, 3), 0.0), round(mass + 0.03, 3)
    rows.append(LinearBound(name="constraint:odd", coefficients=dict.fromkeys(group, 1.0), lower=low, upper=high))
    rows.append(LinearBound(name=f"min:{free[0]}", coefficients={free[0]: 1.0}, lower=round(inside[free[0]] / 2, 4)))
    point = coordinates.collapse(inside)
    assert point is not None
    first = metrics[0]
    limit = first.offset + float(np.exp(sum(first.coefficients[c] * point[c] for c in point))) + 0.02
    problem = MixProblem(
        coordinates=coordinates,
        reference=reference,
        kl=float(rng.choice([0.0, 0.001, 0.05, 1.0])) if kl is None else kl,
        metric_weights={m.name: float(rng.uniform(0.5, 2)) for m in metrics},
        rows=tuple(rows),
        guardrails=((first.name, limit),),
    )
    return Case(problem, metrics)


@pytest.fixture(scope="session")
def case() -> Callable[..., Case]:
    return draw_case
