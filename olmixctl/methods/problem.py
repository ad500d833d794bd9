"""From what is declared and observed to the program that is solved: bounds by name, reference, weights, guardrails."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal

from olmixctl.mixture import GRID, Coordinates, Mixture
from olmixctl.plan.model import Observed
from olmixctl.solve.problem import ConvexMetric, LinearBound, MixProblem, WorstCase, cap_rows
from olmixctl.spec.families import declared_families
from olmixctl.spec.model import MixSpec, RatioSpec
from olmixctl.surrogate.log_linear import LogLinearFit
from olmixctl.surrogate.model import Fit
from olmixctl.surrogate.saturating import SaturatingFit

__all__ = [
    "bounds",
    "breaks",
    "broken_rows",
    "collapsed_reference",
    "convex_metrics",
    "declared_bounds",
    "is_convex",
    "mix_problem",
    "worst_case",
]

_LAST_BITS = 1e-12


def bounds(observed: Observed) -> tuple[LinearBound, ...]:
    """Every bound of the mix over domains: caps from repetition, shares of domains and groups, ratios."""
    spec = observed.spec
    tokens = {domain_id: state.tokens for domain_id, state in observed.states.items()}
    return (
        *cap_rows(tokens, spec.target.tokens, spec.target.max_repetition),
        *declared_bounds(spec),
    )


def declared_bounds(spec: MixSpec) -> tuple[LinearBound, ...]:
    """The bounds that a mix file declares, whatever data there is: shares of domains and groups, ratios."""
    return (*_share_rows(spec), *_group_rows(spec), *_ratio_rows(spec))


def breaks(row: LinearBound, mix: Mapping[str, float]) -> bool:
    """Whether a mix over domains breaks a bound by more than what renormalising its shares can."""
    value = math.fsum(c * mix[leaf] for leaf, c in row.coefficients.items())
    above = row.upper is not None and value > row.upper + _LAST_BITS
    return above or (row.lower is not None and value < row.lower - _LAST_BITS)


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


def _ratio_rows(spec: MixSpec) -> Iterator[LinearBound]:
    """Σ_of − ρ Σ_to on the right side of zero: linear, and defined where `to` has no share."""
    for ratio in spec.ratios:
        if ratio.min == ratio.max:
            # No whole millionths may keep it exactly; a step of one moves the row by at most twice this.
            near = round((1 + ratio.min) / 2 / GRID, 12)
            yield _ratio_row("ratio", ratio, ratio.min, lower=-near, upper=near)
            continue
        if ratio.max is not None:
            yield _ratio_row("max_ratio", ratio, ratio.max, upper=0.0)
        if ratio.min > 0:
            yield _ratio_row("min_ratio", ratio, ratio.min, lower=0.0)


def _ratio_row(
    kind: str, ratio: RatioSpec, bound: float, *, lower: float | None = None, upper: float | None = None
) -> LinearBound:
    coefficients = dict.fromkeys(ratio.of, 1.0) | dict.fromkeys(ratio.to, -bound)
    name = f"{kind}:{ratio.name}"
    return LinearBound(name=name, coefficients=coefficients, lower=lower, upper=upper, ratio=bound)


def is_convex(fit: Fit) -> bool:
    """Whether the laws are convex, so that the solve is exact; others are solved locally (`methods.laws`)."""
    return isinstance(fit, LogLinearFit | SaturatingFit)


def convex_metrics(fit: Fit) -> tuple[ConvexMetric, ...]:
    """The fitted laws as the solver sees them.

    Raises:
        ValueError: they are not convex.
    """
    match fit:
        case LogLinearFit():
            return tuple(_log_linear(fit, m) for m in range(len(fit.metrics)))
        case SaturatingFit():
            return tuple(_saturating(fit, m) for m in range(len(fit.metrics)))
        case _:
            raise ValueError(f"laws of the family {fit.family} are not convex")


def _log_linear(fit: LogLinearFit, m: int) -> ConvexMetric:
    return ConvexMetric(
        name=fit.metrics[m],
        offset=float(fit.offsets_M[m]),
        coefficients=dict(zip(fit.coordinates, fit.coefficients_MC[m].tolist(), strict=True)),
    )


def _saturating(fit: SaturatingFit, m: int) -> ConvexMetric:
    pairs = zip(fit.slopes_MC[m].tolist(), fit.scales_MC[m].tolist(), strict=True)
    return ConvexMetric(
        name=fit.metrics[m],
        offset=float(fit.offsets_M[m]),
        coefficients={},
        level=float(fit.levels_M[m]),
        returns=dict(zip(fit.coordinates, pairs, strict=True)),
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
        at_reference: metric → predicted value at the reference mix, for guardrails and for what families change from;
            without it there are neither, and the weighted mean counts.
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
        worst_case=worst_case(observed.spec, predicted) if predicted else (),
    )


def worst_case(spec: MixSpec, at_reference: Mapping[str, float]) -> tuple[WorstCase, ...]:
    """The families whose worst change from the reference mix counts; none where the mean of all metrics does."""
    if not spec.objective.worst_case:
        return ()
    return tuple(
        WorstCase(
            name=name,
            weights=weights,
            baseline=math.fsum(w * at_reference[m] for m, w in weights.items()) / math.fsum(weights.values()),
        )
        for name, weights in declared_families(spec.evals).items()
    )


def collapsed_reference(coordinates: Coordinates, reference: Mixture) -> dict[str, float]:
    """Coordinate → share of the reference mix: a block's is the sum of its members' (arXiv 2602.12237, §4)."""
    return {name: sum(reference[leaf] for leaf in members) for name, members in coordinates.members().items()}
