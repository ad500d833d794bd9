"""Learning rates and the schedule, tuned once per preset; without torch.

Found by the search that docs/proxy.md records. Matrices take Muon's step, the tied embedding Adam's.
"""

from __future__ import annotations

import math
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
        floor: share of the peak rates that is left at the last step.
    """

    matrix_rate: float
    embedding_rate: float
    momentum: float = 0.95
    betas: tuple[float, float] = (0.9, 0.95)
    warmup: float = 0.02
    floor: float = 0.0


_TUNED: dict[str, Tuning] = {
    "250k": Tuning(matrix_rate=0.02, embedding_rate=0.01),
    "1m": Tuning(matrix_rate=0.02, embedding_rate=0.01),
    "4m": Tuning(matrix_rate=0.02, embedding_rate=0.005),
    "15m": Tuning(matrix_rate=0.02, embedding_rate=0.003),
    "30m": Tuning(matrix_rate=0.02, embedding_rate=0.003),
    "60m": Tuning(matrix_rate=0.02, embedding_rate=0.003),
    "190m": Tuning(matrix_rate=0.02, embedding_rate=0.002),
}


def tuning_for(model: str) -> Tuning:
    """The settings of a preset."""
    return _TUNED[model]


def learning_rate_factor(step: int, steps: int, tuning: Tuning) -> float:
    """Factor on the peak rates at `step` of `steps`: linear warm-up, then a cosine to the floor."""
    warm = max(1, round(tuning.warmup * steps))
    if step < warm:
        return (step + 1) / warm
    done = (step - warm) / max(1, steps - warm)
    return tuning.floor + (1 - tuning.floor) * 0.5 * (1 + math.cos(math.pi * done))
