"""Bounds that no mix comes near: a solve with hundreds of them around a kept block is the solve without them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from olmixctl.mixture import Block, Coordinates, Mixture
from olmixctl.solve import ConvexMetric, LinearBound, MixProblem, solve


def test_caps_far_above_the_ratios_of_a_large_block_change_nothing() -> None:
    shares = {f"k{i:04}": 10**9 + 10**7 * (i % 100) for i in range(2000)}
    coordinates = Coordinates(("a", "b", "c"), (Block("old", shares),))
    rng = np.random.default_rng(3)
    metrics = [
        ConvexMetric(
            name=f"m{i}", offset=0.5, coefficients={name: float(rng.normal(0, 1.0)) for name in coordinates.names}
        )
        for i in range(2)
    ]
    far = tuple(
        LinearBound(name=f"max:{leaf}", coefficients={leaf: 1.0}, upper=(1.0, 0.5, 5000.0)[i % 3])
        for i, leaf in enumerate(shares)
    )
    near = LinearBound(name="max:a", coefficients={"a": 1.0}, upper=0.1)
    problem = MixProblem(
        coordinates=coordinates,
        reference=Mixture.normalised(dict.fromkeys(coordinates.leaves, 1.0)),
        kl=0.05,
        metric_weights={"m0": 1.0, "m1": 1.0},
        rows=(near,),
    )
    alone, crowded = solve(problem, metrics), solve(replace(problem, rows=(near, *far)), metrics)
    assert np.allclose(list(alone.point.values()), list(crowded.point.values()), atol=1e-7)
    assert set(alone.duals) == set(crowded.duals)
