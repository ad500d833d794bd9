"""From what is declared and observed to the program that is solved: bounds by name, reference, weights, guardrails."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal

from olmixctl.mixture import GRID, Coordinates, Mixture
from olmixctl.plan.model import Observed
from olmixctl.solve.problem import ConvexMetric, LinearBound, MixProblem, cap_rows
from olmixctl.spec.model import MixSpec
from olmixctl.surrogate.log_linear import LogLinearFit

__all__ = ["bounds", "broken_rows", "collapsed_reference", "convex_metrics", "mix_problem"]


def bounds(observed: Observed) -> tuple[LinearBound, ...]:
    """Every bound of the mix over domains: caps from repetition, shares of domains, shares of groups."""
    spec = observed.spec
    tokens = {domain_id: state.tokens for domain_id, state in observed.states.items()}
    return (
        *cap_rows(tokens, spec.target.tokens, spec.target.max_repetition),
        *_share_rows(spec),
        *_group_rows(spec),
    )


def broken_rows(rows: Iterable[LinearBound], weights: Mapping[str, int]) -> dict[str, Decimal]:
    """Bound → value, for the bounds that `weights` (millionths) break; in exact decimals, as they were written."""
    broken = {}
    for row in rows:
        value = sum((Decimal(repr(c)) * weights[leaf] for leaf, c in row.coefficients.items()), Decimal(0)) / GRID
        above = row.upper is not None and value > Decimal(repr(row.upper))
        below = row.lower is not None and value < Decimal(repr(row.lower))
        if above or below:
            broken[row.name] = value
    return broken


def _share_rows(spec: MixSpec) -> Iterator[LinearBound]:
    for domain in spec.domains:
        if domain.max < 1:
            yield LinearBound(name=f"max:{domain.id}", coefficients={domain.id: 1.0}, upper=domain.max)
        if domain.min > 0:
            yield LinearBound(name=f"min:{domain.id}", coefficients={domain.id: 1.0}, lower=domain.min)


def _group_rows(spec: MixSpec) -> Iterator[LinearBound]:
    for group in spec.constraints:
        yield LinearBound(
            name=f"constraint:{group.name}",
            coefficients=dict.fromkeys(group.domains, 1.0),
            lower=group.min if group.min > 0 else None,
            upper=group.max if group.max < 1 else None,
        )


def convex_metrics(fit: LogLinearFit) -> tuple[ConvexMetric, ...]:
    """The fitted laws as the solver sees them."""
    return tuple(
        ConvexMetric(
            name=metric,
            offset=float(fit.offsets_M[m]),
            coefficients={name: float(a) for name, a in zip(fit.coordinates, fit.coefficients_MC[m], strict=True)},
        )
        for m, metric in enumerate(fit.metrics)
    )


def mix_problem(
    observed: Observed,
    coordinates: Coordinates,
    *,
    never_sampled: Sequence[str] = (),
    at_reference: Mapping[str, float] | None = None,
) -> MixProblem:
    """The convex program of this mix over `coordinates`.

    Args:
        observed: spec and data.
        coordinates: the directions of the search.
        never_sampled: coordinates without evidence; they are held at their reference share.
        at_reference: metric → predicted value at the reference mix, for guardrails.
    """
    reference = observed.reference
    collapsed = collapsed_reference(coordinates, reference)
    predicted = at_reference or {}
    return MixProblem(
        coordinates=coordinates,
        reference=reference,
        kl=observed.spec.objective.kl,
        metric_weights={e.name: e.weight for e in observed.spec.evals},
        rows=bounds(observed),
        guardrails=tuple(
            (rail.metric, predicted[rail.metric] + rail.max_regression)
            for rail in observed.spec.objective.guardrails
            if rail.metric in predicted
        ),
        hold={name: collapsed[name] for name in never_sampled},
    )


def collapsed_reference(coordinates: Coordinates, reference: Mixture) -> dict[str, float]:
    """Coordinate → share of the reference mix: a block's is the sum of its members' (arXiv 2602.12237, §4)."""
    return {name: sum(reference[leaf] for leaf in members) for name, members in coordinates.members().items()}
