"""Learning rates and the schedule, tuned once per preset; without torch.

How they were found, and what was not measured: docs/proxy.md. Matrices take Muon's step, the tied embedding Adam's.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Tuning", "learning_rate_factor", "tuning_for"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Tuning:
    """How a preset is trained.

    Attributes:
        matrix_rate: Muon's learning rate, in units of spectral norm a step.
        embedding_rate: Adam's learning rate for the tied embedding.
        momentum: Muon's momentum (Nesterov).
        betas: Adam's decay rates.
        warmup: share of the steps over which the rates rise from zero.
        decay: share of the steps, at the end, over which the rates fall linearly to zero.
    """

    matrix_rate: float
    embedding_rate: float
    momentum: float
    betas: tuple[float, float] = (0.9, 0.95)
    warmup: float = 0.02
    decay: float = 0.6


_TUNED: dict[str, Tuning] = {
    "250k": Tuning(matrix_rate=0.04, embedding_rate=0.01, momentum=0.8),
    "1m": Tuning(matrix_rate=0.04, embedding_rate=0.008, momentum=0.8),
    "4m": Tuning(matrix_rate=0.03, embedding_rate=0.007, momentum=0.9),
    "15m": Tuning(matrix_rate=0.02, embedding_rate=0.006, momentum=0.95),
    "30m": Tuning(matrix_rate=0.02, embedding_rate=0.005, momentum=0.95),
    "60m": Tuning(matrix_rate=0.02, embedding_rate=0.0045, momentum=0.95),
    "190m": Tuning(matrix_rate=0.02, embedding_rate=0.0035, momentum=0.95),
}


def tuning_for(model: str) -> Tuning:
    """The settings of a preset: 250k and 1m measured, from 15m on Muon's published ones, 4m between.

    The embedding's rate falls as the square root of the width from the one measured at 250k.
    """
    return _TUNED[model]


def learning_rate_factor(step: int, steps: int, tuning: Tuning) -> float:
    """Factor on the peak rates at `step` of `steps`: linear warm-up, hold, linear decay to zero.

    Better than warm-up and cosine at these lengths (docs/proxy.md).
    """
    rising = (step + 1) / max(1, round(tuning.warmup * steps))
    falling = (steps - step) / max(1, round(tuning.decay * steps))
    return min(1.0, rising, falling)
