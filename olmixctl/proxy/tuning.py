"""Learning rates and the schedule, tuned once per preset; without torch.

Found by the search that docs/proxy.md records. Matrices take Muon's step, the tied embedding Adam's.
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
    momentum: float = 0.8
    betas: tuple[float, float] = (0.9, 0.95)
    warmup: float = 0.02
    decay: float = 0.6


_TUNED: dict[str, Tuning] = {
    "250k": Tuning(matrix_rate=0.04, embedding_rate=0.01),
    "1m": Tuning(matrix_rate=0.04, embedding_rate=0.01),
    "4m": Tuning(matrix_rate=0.04, embedding_rate=0.005),
    "15m": Tuning(matrix_rate=0.04, embedding_rate=0.003),
    "30m": Tuning(matrix_rate=0.04, embedding_rate=0.003),
    "60m": Tuning(matrix_rate=0.04, embedding_rate=0.003),
    "190m": Tuning(matrix_rate=0.04, embedding_rate=0.002),
}


def tuning_for(model: str) -> Tuning:
    """The settings of a preset."""
    return _TUNED[model]


def learning_rate_factor(step: int, steps: int, tuning: Tuning) -> float:
    """Factor on the peak rates at `step` of `steps`: linear warm-up, hold, linear decay to zero.

    Better than warm-up and cosine at these lengths (docs/proxy.md).
    """
    rising = (step + 1) / max(1, round(tuning.warmup * steps))
    falling = (steps - step) / max(1, round(tuning.decay * steps))
    return min(1.0, rising, falling)
