"""What is solved: the declared problem, by name.

    min over r   Σ_m w_m f_m(r) / Σ w  +  λ KL(E r ‖ p0)
    or           max over families (Σ_m w_m f_m(r) / Σ w − baseline)  +  λ KL(E r ‖ p0)
    with         r in the simplex, lower ≤ row · (E r) ≤ upper, f_m(r) ≤ guardrail, r_j held where declared

Source: Chen et al. 2026 (arXiv 2602.12237), OlmixBase, and mixture reuse for E (blocks move as one).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from olmixctl.errors import OlmixctlError
from olmixctl.mixture import Block, Coordinates, Mixture

__all__ = ["ConvexMetric", "LinearBound", "MixProblem", "SolveError", "WorstCase", "block_cap", "cap_rows", "caps"]


class SolveError(OlmixctlError):
    """The solver gave no answer that can be trusted."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ConvexMetric:
    """A fitted law as the solver sees it, convex in the coordinates r:

        offset + exp(level + Σ_j coefficient_j · r_j − Σ_j a_j log(1 + r_j / s_j))

    Without returns it is the log-linear law, with returns alone the saturating one.

    Attributes:
        name: of the metric.
        offset: what no mixture brings it below.
        coefficients: coordinate → straight slope of the exponent.
        level: exponent where all coordinates are zero.
        returns: coordinate → (slope a ≥ 0, scale s > 0) of its diminishing returns.

    Raises:
        ValueError: a value is not finite, a slope is negative or a scale is not positive.
    """

    name: str
    offset: float
    coefficients: Mapping[str, float]
    level: float = 0.0
    returns: Mapping[str, tuple[float, float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        pairs = [value for pair in self.returns.values() for value in pair]
        if not all(math.isfinite(v) for v in [self.offset, self.level, *self.coefficients.values(), *pairs]):
            raise ValueError(f"metric {self.name!r} has a coefficient that is not finite")
        if any(slope < 0 or scale <= 0 for slope, scale in self.returns.values()):
            raise ValueError(f"metric {self.name!r} has returns with a slope below 0 or a scale that is not above 0")
        object.__setattr__(self, "coefficients", MappingProxyType(dict(sorted(self.coefficients.items()))))
        object.__setattr__(self, "returns", MappingProxyType(dict(sorted(self.returns.items()))))

    def exponent(self, point: Mapping[str, float]) -> float:
        """The exponent: level + Σ coefficient · weight − Σ a log(1 + weight / s) over the coordinates of `point`."""
        straight = [self.coefficients.get(name, 0.0) * weight for name, weight in point.items() if weight]
        bent = [-a * math.log1p(point[name] / s) for name, (a, s) in self.returns.items() if name in point]
        return math.fsum([self.level, *straight, *bent])

    def value(self, point: Mapping[str, float]) -> float:
        """The law at a point over coordinates."""
        return self.offset + math.exp(self.exponent(point))


@dataclass(frozen=True, kw_only=True, slots=True)
class WorstCase:
    """A family of metrics that is looked after on its own when the worst family counts.

    Attributes:
        name: of the family.
        weights: metric → weight inside the family, not all zero.
        baseline: the family's weighted mean at the reference mix, which its losses are counted from.
    """

    name: str
    weights: Mapping[str, float]
    baseline: float = 0.0

    def __post_init__(self) -> None:
        values = [self.baseline, *self.weights.values()]
        if not all(math.isfinite(v) for v in values) or any(w < 0 for w in self.weights.values()):
            raise ValueError(f"family {self.name!r} has a weight below 0, or a value that is not finite")
        if not any(self.weights.values()):
            raise ValueError(f"family {self.name!r} has no metric with weight")
        object.__setattr__(self, "weights", MappingProxyType(dict(sorted(self.weights.items()))))


@dataclass(frozen=True, kw_only=True, slots=True)
class LinearBound:
    """lower ≤ Σ coefficient · share ≤ upper over leaves.

    Attributes:
        name: what people read: `max_repetition:pdfs`, `max:web/health`, `min:code`, `constraint:code-share`,
            `max_ratio:code-to-web`.
        coefficients: leaf → coefficient.
        lower: None where unbounded.
        upper: None where unbounded.
        ratio: ρ, where the row is Σ_of − ρ Σ_to against zero: what people read as its bound; else None.
    """

    name: str
    coefficients: Mapping[str, float]
    lower: float | None = None
    upper: float | None = None
    ratio: float | None = None

    def __post_init__(self) -> None:
        values = [*self.coefficients.values(), *(b for b in (self.lower, self.upper) if b is not None)]
        if not all(math.isfinite(v) for v in values):
            raise ValueError(f"bound {self.name!r} has a value that is not finite")
        object.__setattr__(self, "coefficients", MappingProxyType(dict(sorted(self.coefficients.items()))))


@dataclass(frozen=True, kw_only=True, slots=True)
class MixProblem:
    """The convex program of a mix. Nothing in it depends on the order in which things were declared.

    Attributes:
        coordinates: the directions the mix may move in.
        reference: p0 over leaves. With kl > 0, a domain whose reference is zero is held at zero (its KL is infinite).
        kl: λ ≥ 0. With 0 the optimum may not be unique; the centre of the optimal face is returned.
        metric_weights: metric → weight in the objective; metrics that are absent do not count.
        rows: bounds over leaves.
        guardrails: (metric, greatest predicted value).
        hold: coordinate → weight it is held at (coordinates without evidence).
        worst_case: families of which the worst counts, in place of the weighted mean; empty: `metric_weights` count.
    """

    coordinates: Coordinates
    reference: Mixture
    kl: float
    metric_weights: Mapping[str, float]
    rows: tuple[LinearBound, ...] = ()
    guardrails: tuple[tuple[str, float], ...] = ()
    hold: Mapping[str, float] = field(default_factory=dict)
    worst_case: tuple[WorstCase, ...] = ()

    def __post_init__(self) -> None:
        leaves = set(self.coordinates.leaves)
        missing = sorted(leaves - set(self.reference))
        named = {leaf for row in self.rows for leaf in row.coefficients}
        if missing or named - leaves or set(self.hold) - set(self.coordinates.names):
            wrong = [*missing, *sorted(named - leaves), *sorted(set(self.hold) - set(self.coordinates.names))]
            raise ValueError(f"reference, rows and hold must be over the coordinates; see {wrong[0]!r}")
        if not (math.isfinite(self.kl) and self.kl >= 0) or any(w < 0 for w in self.metric_weights.values()):
            raise ValueError("kl and metric weights must be finite and not negative")
        names = [row.name for row in self.rows]
        if len(set(names)) != len(names):
            raise ValueError("two bounds have the same name")
        if len({family.name for family in self.worst_case}) != len(self.worst_case):
            raise ValueError("two families have the same name")
        object.__setattr__(self, "rows", tuple(sorted(self.rows, key=lambda row: row.name)))
        object.__setattr__(self, "guardrails", tuple(sorted(self.guardrails)))
        object.__setattr__(self, "worst_case", tuple(sorted(self.worst_case, key=lambda family: family.name)))
        object.__setattr__(self, "hold", MappingProxyType(dict(sorted(self.hold.items()))))
        object.__setattr__(self, "metric_weights", MappingProxyType(dict(sorted(self.metric_weights.items()))))


def caps(tokens: Mapping[str, int], target_tokens: int, max_repetition: float) -> dict[str, float]:
    """Leaf → greatest share k N_j / R that repeats its tokens at most `max_repetition` times; may exceed 1."""
    return {leaf: max_repetition * count / target_tokens for leaf, count in sorted(tokens.items())}


def cap_rows(tokens: Mapping[str, int], target_tokens: int, max_repetition: float) -> tuple[LinearBound, ...]:
    """The caps below 1 as rows `max_repetition:LEAF`; others cannot bind."""
    return tuple(
        LinearBound(name=f"max_repetition:{leaf}", coefficients={leaf: 1.0}, upper=cap)
        for leaf, cap in caps(tokens, target_tokens, max_repetition).items()
        if cap < 1.0
    )


def block_cap(block: Block, leaf_caps: Mapping[str, float]) -> float:
    """The exact cap of a virtual domain: min over its members of cap_j / share_j.

    The sum of its members' tokens is no cap: the smallest member relative to its frozen share runs out first.
    Source: arXiv 2602.12237, mixture reuse; `MixProblem` rows over leaves imply it.
    """
    ratios: Iterable[tuple[str, float]] = ((leaf, float(ratio)) for leaf, ratio in block.ratios().items())
    return min((leaf_caps[leaf] / ratio for leaf, ratio in ratios if ratio > 0 and leaf in leaf_caps), default=1.0)
