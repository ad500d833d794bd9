"""Infeasible bounds: found, and the irreducible conflicting set named with its numbers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from olmixctl.errors import InfeasibleError
from olmixctl.mixture import Block, Coordinates, Mixture
from olmixctl.solve import ConvexMetric, LinearBound, MixProblem, check_feasible

LEAVES = ("code", "pdfs", "web/health", "web/science")


def bound(name: str, leaves: str, lower: float | None = None, upper: float | None = None) -> LinearBound:
    return LinearBound(name=name, coefficients=dict.fromkeys(leaves.split(), 1.0), lower=lower, upper=upper)


def problem(*rows: LinearBound, **changes: object) -> MixProblem:
    fields: dict[str, object] = {
        "coordinates": Coordinates(LEAVES),
        "reference": Mixture(dict.fromkeys(LEAVES, 0.25)),
        "kl": 0.05,
        "metric_weights": {},
        "rows": rows,
    }
    return MixProblem(**(fields | changes))


def conflict(found: MixProblem, *metrics: ConvexMetric) -> InfeasibleError:
    with pytest.raises(InfeasibleError) as caught:
        check_feasible(found, metrics)
    assert caught.value.exit_code == 7
    return caught.value


def test_caps_that_do_not_reach_one() -> None:
    rows = [bound(f"max_repetition:{leaf}", leaf, upper=0.2) for leaf in LEAVES]
    error = conflict(problem(*rows))
    assert error.message == (
        "the bounds exclude each other: max_repetition:code 0.2 + max_repetition:pdfs 0.2 + "
        "max_repetition:web/health 0.2 + max_repetition:web/science 0.2 = 0.8 < 1"
    )
    assert len(error.conflict) == 4


def test_minima_over_one() -> None:
    error = conflict(
        problem(bound("min:code", "code", 0.6), bound("min:pdfs", "pdfs", 0.5), bound("max:pdfs", "pdfs", upper=0.9))
    )
    assert "min:code 0.6 + min:pdfs 0.5 = 1.1 > 1" in error.message
    assert error.conflict == ("min:code", "min:pdfs")


def test_only_what_conflicts_is_named() -> None:
    error = conflict(
        problem(
            bound("constraint:web", "web/health web/science", 0.5),
            bound("max:web/health", "web/health", upper=0.2),
            bound("max:web/science", "web/science", upper=0.1),
            bound("max:code", "code", upper=0.9),
            bound("min:pdfs", "pdfs", 0.01),
        )
    )
    assert error.conflict == ("constraint:web", "max:web/health", "max:web/science")
    assert "constraint:web ≥ 0.5, max:web/health ≤ 0.2, max:web/science ≤ 0.1" in error.message


def test_a_pair_on_one_domain() -> None:
    error = conflict(problem(bound("max_repetition:code", "code", upper=0.03), bound("min:code", "code", 0.05)))
    assert error.conflict == ("max_repetition:code", "min:code")


def test_the_cap_inside_a_block_conflicts_with_a_minimum_of_another_member() -> None:
    coordinates = Coordinates(LEAVES[2:], (Block("old", {"code": 1, "pdfs": 3}),))
    error = conflict(
        problem(
            bound("max_repetition:code", "code", upper=0.1),
            bound("min:pdfs", "pdfs", 0.4),
            coordinates=coordinates,
        )
    )
    assert error.conflict == ("max_repetition:code", "min:pdfs")


def test_guardrails_take_part() -> None:
    metric = ConvexMetric(
        name="python", offset=0.5, coefficients={"code": -1.0, "pdfs": 0.0, "web/health": 0.0, "web/science": 0.0}
    )
    # python ≤ 0.5 + exp(−0.5) asks for half the mix to be code.
    error = conflict(problem(bound("max:code", "code", upper=0.3), guardrails=(("python", 0.5 + 0.60653),)), metric)
    assert error.conflict == ("guardrail:python", "max:code")


def test_holds_are_named() -> None:
    rows = [bound(f"max:{leaf}", leaf, upper=0.2) for leaf in ("code", "web/science")]
    error = conflict(problem(*rows, hold={"pdfs": 0.2, "web/health": 0.2}))
    assert set(error.conflict) == {"max:code", "max:web/science", "hold:pdfs", "hold:web/health"}


def test_a_zero_reference_is_named() -> None:
    reference = Mixture({"code": 0.0, "pdfs": 0.5, "web/health": 0.25, "web/science": 0.25})
    error = conflict(problem(bound("min:code", "code", 0.1), reference=reference))
    assert error.conflict == ("min:code", "zero_reference:code")
    check_feasible(problem(bound("min:code", "code", 0.1), reference=reference, kl=0.0))


def test_exactly_one_is_feasible() -> None:
    check_feasible(problem(*[bound(f"max:{leaf}", leaf, upper=0.25) for leaf in LEAVES]))


@given(seed=st.integers(0, 10**6))
@settings(max_examples=20, deadline=None)
def test_drawn_problems_are_feasible(case: Callable, seed: int) -> None:
    drawn = case(seed)
    check_feasible(drawn.problem, drawn.metrics)


@given(
    uppers=st.lists(st.floats(0.0, 0.6), min_size=4, max_size=4),
    lowers=st.lists(st.floats(0.0, 0.6), min_size=4, max_size=4),
)
@settings(max_examples=60, deadline=None)
def test_the_named_set_is_irreducible(uppers: list[float], lowers: list[float]) -> None:
    rows = [bound(f"max:{leaf}", leaf, upper=u) for leaf, u in zip(LEAVES, uppers, strict=True)]
    rows += [bound(f"min:{leaf}", leaf, low) for leaf, low in zip(LEAVES, lowers, strict=True)]
    whole = problem(*rows)
    named = _named(whole)
    if named:
        conflict(replace(whole, rows=named))
    for dropped in named:
        check_feasible(replace(whole, rows=tuple(r for r in named if r is not dropped)))


def _named(whole: MixProblem) -> tuple[LinearBound, ...]:
    """The rows of the conflict; empty when there is none."""
    try:
        check_feasible(whole)
    except InfeasibleError as error:
        return tuple(r for r in whole.rows if r.name in error.conflict)
    return ()
