"""What a lock says of its laws."""

from __future__ import annotations

import math
from decimal import Decimal

import pytest

from olmixctl.methods.record import _scored
from olmixctl.surrogate.validation import CrossValidation


@pytest.mark.parametrize("error", [3e34, math.inf])
def test_the_error_of_a_law_that_explodes_is_written_as_a_large_one(error):
    """Seen of log-linear laws on eleven runs: one fold predicts a run at 1e34, which no fixed point holds."""
    found = CrossValidation(
        spearman=0.5, rmse=error, mean_rmse=error, metric_spearman={}, metric_rmse={}, folds=5, runs=11
    )
    locked = _scored(found)
    assert locked is not None
    assert (locked.rmse, locked.mean_rmse) == (Decimal("1000000.000000"), Decimal("1000000.000000"))
