"""Problems that several tests draw: random but feasible, with blocks, caps, groups and guardrails."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pytest

from olmixctl.mixture import Block, Coordinates, Mixture
from olmixctl.solve import ConvexMetric, LinearBound, MixProblem, WorstCase
from olmixctl.solve.feasible import with_room
from olmixctl.solve.interior import minimise
from olmixctl.solve.program import build


@dataclass(frozen=True)
class Case:
    problem: MixProblem
    metrics: tuple[ConvexMetric, ...]
    inside: Mixture
    """A mix over coordinates that meets every bound."""


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
    return Case(problem, metrics, point)


def draw_bent(
    seed: int, *, kl: float | None = None, domains: int = 6, worst: bool = False, held: bool = False, rails: int = 2
) -> Case:
    """A feasible problem with bounds as `draw_case` has them, a ratio of two groups, and laws of every kind: straight,
    diminishing (scales from 1e-4 to 1), and both at once. Some guardrails end near what a mix inside the bounds has.
    """
    rng = np.random.default_rng((seed, 4))
    drawn = draw_case(seed, kl=kl, domains=domains)
    problem, names = drawn.problem, drawn.problem.coordinates.names
    inside = drawn.inside
    metrics = tuple(_law(f"m{i}", names, rng, straight=i % 3 != 1, bent=i % 3 != 0) for i in range(4))
    a, b = problem.coordinates.leaves[0], problem.coordinates.leaves[-1]
    expanded = problem.coordinates.expand(inside)
    ratio = round(expanded[a] / expanded[b] * float(rng.uniform(1.05, 2)), 4) + 1e-4
    row = LinearBound(name="constraint:ratio", coefficients={a: 1.0, b: -ratio}, upper=0.0)
    rng_order = rng.permutation(4)[:rails]
    families = (("all", ("m0", "m1")), ("other", ("m2",)), ("rest", ("m1", "m3")))
    return Case(
        replace(
            problem,
            rows=(*problem.rows, row),
            guardrails=tuple(
                (f"m{i}", metrics[i].value(inside) + float(rng.choice([1e-9, 1e-5, 0.01]))) for i in rng_order
            ),
            hold={names[1]: inside[names[1]]} if held else {},
            worst_case=tuple(
                WorstCase(
                    name=name,
                    weights={m: float(rng.uniform(0.5, 2)) for m in members},
                    baseline=float(np.mean([metrics[int(m[1])].value(inside) for m in members])),
                )
                for name, members in families
            )
            if worst
            else (),
        ),
        metrics,
        inside,
    )


def _law(name: str, names: Sequence[str], rng: np.random.Generator, *, straight: bool, bent: bool) -> ConvexMetric:
    return ConvexMetric(
        name=name,
        offset=float(rng.uniform(0.2, 0.9)),
        coefficients={c: float(rng.normal(0, 0.8)) for c in names} if straight else dict.fromkeys(names, 0.0),
        level=float(rng.normal(0, 0.3)),
        returns={c: (float(rng.gamma(0.5, 0.4)), float(10 ** rng.uniform(-4, 0))) for c in names} if bent else {},
    )


def assert_optimal(problem: MixProblem, metrics: Sequence[ConvexMetric]) -> None:
    """The conditions of Karush, Kuhn and Tucker at the optimum: on a convex program they are enough."""
    program = with_room(build(problem, metrics))
    found, rows = minimise(program), program.rows
    x_C, losses_F = found.x_C, program.losses(found.x_C)
    slack_K = rows.limit_K + program.room - rows.left.values(x_C)
    assert slack_K.min(initial=0.0) > -1e-11
    assert np.abs(rows.B_EC @ x_C - rows.target_E).max() < 1e-11
    assert x_C.min(initial=0.0) >= 0
    assert found.duals_K.min(initial=0.0) >= 0
    assert found.duals_F.min() >= 0
    assert found.duals_F.sum() == pytest.approx(1.0, abs=1e-9)
    assert np.abs(slack_K * found.duals_K * rows.scale_K).max(initial=0.0) < 1e-10
    assert np.abs(found.duals_F * (losses_F.max() - losses_F)).max() < 1e-10
    slope_C = found.duals_F @ program.loss_slopes(x_C) + program.pull(x_C)
    slope_C += (rows.scale_K[:, None] * rows.left.slopes(x_C)).T @ found.duals_K + rows.B_EC.T @ found.duals_E
    # What is left belongs to x ≥ 0: not negative, and complementary to x.
    assert slope_C.min(initial=0.0) > -1e-8
    assert np.abs(slope_C * x_C).max(initial=0.0) < 1e-10


@pytest.fixture(scope="session")
def kkt() -> Callable[..., None]:
    return assert_optimal


@pytest.fixture(scope="session")
def bent() -> Callable[..., Case]:
    return draw_bent


@pytest.fixture(scope="session")
def case() -> Callable[..., Case]:
    return draw_case
