"""What the interior-point method is asked, in the variables v = (x, t):

    min objective(v)   with   values(v) ≤ 0,  B x = target,  x ≥ 0,  t free

With one family there is no t. The worst of several families is lifted into t, exactly: min t + divergence with
losses_f(x) ≤ t. The narrowest point of the rows is min t with rows_k(x) ≤ t.

Array dimensions: C free coordinates, N = C or C + 1 variables, K rows of the program, F families, I = K or K + F.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from olmixctl.solve.exponents import Array
from olmixctl.solve.program import Program

__all__ = ["Task", "inside"]


def inside(program: Program) -> Array:
    """A start inside the simplex, between the reference and the uniform mix: C."""
    reference_C = program.reference_C
    weights_C = reference_C / max(float(reference_C.sum()), 1e-300) + 1.0 / len(reference_C)
    return np.asarray(weights_C / weights_C.sum() * max(float(program.rows.target_E[0]), 1e-6))


@dataclass(frozen=True, slots=True)
class Task:
    """A program in units of its steepest slope.

    Attributes:
        program: objective and rows.
        unit: what losses and divergence are divided by.
        narrowest: the objective is how far the rows are from being kept, and nothing else.
    """

    program: Program
    unit: float = 1.0
    narrowest: bool = False

    @classmethod
    def optimum(cls, program: Program, x_C: Array) -> Task:
        """The program itself, scaled by its slopes at x."""
        steepest = max(np.abs(program.loss_slopes(x_C) + program.pull(x_C)).max(initial=0.0), 1.0)
        return cls(program, float(steepest))

    @classmethod
    def widest(cls, program: Program) -> Task:
        """The point that keeps the inequality rows by most, or breaks them least."""
        none = np.zeros((1, 0))
        bare = replace(
            program, families=("",), weight_FM=none, baseline_F=np.zeros(1), offset_M=none[0],
            exponents=program.exponents.kept(np.zeros(len(program.offset_M), dtype=bool)), kl=0.0, constant=0.0,
        )  # fmt: skip
        return cls(bare, narrowest=True)

    @property
    def several(self) -> bool:
        """Whether the worst of several families counts."""
        return len(self.program.families) > 1

    @property
    def lifted(self) -> bool:
        """Whether there is a t."""
        return self.narrowest or self.several

    def start(self, x_C: Array) -> Array:
        """The mix x with a t that lies above what it is to exceed: N."""
        if not self.lifted:
            return x_C
        above = self.program.rows.excess(x_C) if self.narrowest else self.program.losses(x_C) / self.unit
        return np.append(x_C, float(above.max()) + 0.1)

    def slope(self, v_N: Array) -> Array:
        """∂ objective / ∂ v: N."""
        x_C = v_N[: len(self.program.names)]
        slope_C = self.program.pull(x_C) / self.unit
        if not self.several:
            slope_C = slope_C + self.program.loss_slopes(x_C)[0] / self.unit
        return np.append(slope_C, 1.0) if self.lifted else slope_C

    def values(self, v_N: Array) -> Array:
        """Rows with their room, and losses of families, less what they may be: I."""
        x_C = v_N[: len(self.program.names)]
        rows_K = self.program.rows.excess(x_C) - self.program.room
        if self.narrowest:
            return np.asarray(rows_K - v_N[-1])
        return np.append(rows_K, self.program.losses(x_C) / self.unit - v_N[-1]) if self.several else rows_K

    def jacobian(self, v_N: Array) -> Array:
        """∂ values / ∂ v: I × N."""
        x_C = v_N[: len(self.program.names)]
        slopes_KC = self.program.rows.left.slopes(x_C)
        if not self.lifted:
            return slopes_KC
        t_K1 = np.full((len(slopes_KC), 1), -1.0 if self.narrowest else 0.0)
        rows_KN = np.hstack([slopes_KC, t_K1])
        if not self.several:
            return rows_KN
        families_FC = self.program.loss_slopes(x_C) / self.unit
        return np.vstack([rows_KN, np.hstack([families_FC, np.full((len(families_FC), 1), -1.0)])])

    def curvature(self, v_N: Array, z_I: Array) -> Array:
        """∂² (objective + z · values) / ∂ v²: N × N."""
        count, rows = len(self.program.names), self.program.rows
        x_C, inequalities = v_N[:count], len(rows.limit_K)
        hessian_CC = self.program.hessian(x_C, z_I[inequalities:] if self.several else None) / self.unit
        if len(rows.left.curved_V):
            hessian_CC[np.diag_indices(count)] += rows.left.bend(x_C, z_I[:inequalities])
        return np.pad(hessian_CC, (0, 1)) if self.lifted else hessian_CC
