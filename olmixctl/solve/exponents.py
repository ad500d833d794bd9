"""The exponents of fitted laws, and every row that bounds: a straight part less diminishing returns.

    e(x) = shift + A·x − Σ_j a_j log(1 + x_j / s_j),   a_j ≥ 0, s_j > 0

Convex, because −log is; exp of it is convex too. A log-linear law, and a linear bound, has no a: nothing is computed
for it. Its Hessian is diagonal.

Array dimensions: N functions, V of them with returns, C free coordinates.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from olmixctl.solve.problem import ConvexMetric

__all__ = ["Array", "Exponents"]

Array = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, slots=True)
class Exponents:
    """N convex functions of the free coordinates.

    Attributes:
        shift_N: their value at x = 0.
        A_NC: straight slopes.
        curved_V: which of them have returns.
        returns_VC: a ≥ 0 of those.
        scale_VC: s > 0 of those; one where a is zero.
    """

    shift_N: Array
    A_NC: Array
    curved_V: NDArray[np.intp]
    returns_VC: Array
    scale_VC: Array

    @classmethod
    def straight(cls, A_NC: Array) -> Exponents:
        """Functions A·x."""
        none = np.zeros((0, A_NC.shape[1]))
        return cls(
            shift_N=np.zeros(len(A_NC)), A_NC=A_NC, curved_V=np.zeros(0, np.intp), returns_VC=none, scale_VC=none
        )

    @classmethod
    def of(cls, metrics: Sequence[ConvexMetric], names: Sequence[str], held: Mapping[str, float]) -> Exponents:
        """Those of fitted laws over the free coordinates `names`; held coordinates go into the shift.

        Raises:
            ValueError: a law says nothing of a coordinate.
        """
        for metric in metrics:
            lost = sorted({*names, *held} - {*metric.coefficients, *metric.returns})
            if lost:
                raise ValueError(f"the fit of metric {metric.name!r} lacks coordinate {lost[0]!r}")
        curved = [n for n, metric in enumerate(metrics) if metric.returns]
        pairs = [[metrics[n].returns.get(c, (0.0, 1.0)) for c in names] for n in curved]
        pairs_VC2 = np.array(pairs, dtype=np.float64).reshape(len(curved), len(names), 2)
        return cls(
            shift_N=np.array([metric.exponent(held) for metric in metrics]),
            A_NC=np.array([[m.coefficients.get(c, 0.0) for c in names] for m in metrics]).reshape(
                len(metrics), len(names)
            ),
            curved_V=np.array(curved, dtype=np.intp),
            returns_VC=pairs_VC2[:, :, 0],
            scale_VC=pairs_VC2[:, :, 1],
        )

    def values(self, x_C: Array) -> Array:
        """e(x): N."""
        values_N = self.shift_N + self.A_NC @ x_C
        if len(self.curved_V):
            values_N[self.curved_V] -= (self.returns_VC * np.log1p(x_C / self.scale_VC)).sum(axis=1)
        return np.asarray(values_N)

    def slopes(self, x_C: Array) -> Array:
        """∂ e / ∂ x: N × C."""
        if not len(self.curved_V):
            return self.A_NC
        slopes_NC = self.A_NC.copy()
        slopes_NC[self.curved_V] -= self.returns_VC / (self.scale_VC + x_C)
        return slopes_NC

    def bend(self, x_C: Array, weight_N: Array) -> Array:
        """The diagonal of Σ_n weight_n ∂² e_n / ∂ x²: C."""
        if not len(self.curved_V):
            return np.zeros(len(x_C))
        return np.asarray(weight_N[self.curved_V] @ (self.returns_VC / (self.scale_VC + x_C) ** 2))

    def divided(self, by_N: Array) -> Exponents:
        """Each function divided by a positive number."""
        return Exponents(
            shift_N=self.shift_N / by_N,
            A_NC=self.A_NC / by_N[:, None],
            curved_V=self.curved_V,
            returns_VC=self.returns_VC / by_N[self.curved_V, None],
            scale_VC=self.scale_VC,
        )

    def kept(self, keep_N: NDArray[np.bool_]) -> Exponents:
        """Some of the functions, in their order."""
        stays_V = keep_N[self.curved_V]
        return Exponents(
            shift_N=self.shift_N[keep_N],
            A_NC=self.A_NC[keep_N],
            curved_V=(np.cumsum(keep_N) - 1)[self.curved_V[stays_V]],
            returns_VC=self.returns_VC[stays_V],
            scale_VC=self.scale_VC[stays_V],
        )

    @classmethod
    def joined(cls, first: Exponents, then: Exponents) -> Exponents:
        """The functions of both, those of `first` first."""
        return cls(
            shift_N=np.concatenate([first.shift_N, then.shift_N]),
            A_NC=np.concatenate([first.A_NC, then.A_NC]),
            curved_V=np.concatenate([first.curved_V, then.curved_V + len(first.shift_N)]),
            returns_VC=np.concatenate([first.returns_VC, then.returns_VC]),
            scale_VC=np.concatenate([first.scale_VC, then.scale_VC]),
        )
