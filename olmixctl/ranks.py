"""When a rank correlation says anything."""

from __future__ import annotations

import math

__all__ = ["rank_by_chance"]

_FEWEST = 10
"""Of fewer runs hardly any rank could be told from chance; that they say little, intervals and probabilities show."""
_ONE_IN_TWENTY = 1.645


def rank_by_chance(runs: int) -> float:
    """The rank correlation (Spearman's) that chance alone reaches in one of twenty swarms of so many runs.

    By its normal approximation, variance 1 / (runs − 1) (Kendall and Gibbons 1990, Rank correlation methods, section
    4.8); zero below ten runs.
    """
    return _ONE_IN_TWENTY / math.sqrt(runs - 1) if runs >= _FEWEST else 0.0
