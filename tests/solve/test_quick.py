"""The optimum without linear programs: the same point, and the same words where there is none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from olmixctl.errors import InfeasibleError
from olmixctl.mixture import Coordinates, Mixture
from olmixctl.solve import LinearBound, MixProblem, optimum, quick_optimum


@given(seed=st.integers(0, 10**6), worst=st.booleans())
@settings(max_examples=12, deadline=None)
def test_the_quick_optimum_is_the_optimum(bent: Callable, seed: int, worst: bool) -> None:
    drawn = bent(seed, worst=worst, kl=0.05)
    assert dict(quick_optimum(drawn.problem, drawn.metrics)) == pytest.approx(
        dict(optimum(drawn.problem, drawn.metrics).point), abs=1e-6
    )


def test_the_quick_optimum_names_conflicts(bent: Callable) -> None:
    drawn = bent(7)
    rows = (*drawn.problem.rows, LinearBound(name="min:x", coefficients={"d0": 1.0}, lower=1.5))
    with pytest.raises(InfeasibleError, match="min:x"):
        quick_optimum(replace(drawn.problem, rows=rows), drawn.metrics)
    held = MixProblem(
        coordinates=Coordinates(("a", "b")),
        reference=Mixture({"a": 0.5, "b": 0.5}),
        kl=0.0,
        metric_weights={},
        hold={"a": 0.4, "b": 0.7},
    )
    with pytest.raises(InfeasibleError, match="hold:b"):
        quick_optimum(held, [])
