"""What a lock says of its laws."""

from __future__ import annotations

import math
from decimal import Decimal

import pytest

from olmixctl.methods.record import _scored
from olmixctl.surrogate.choice import best_of
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


def test_where_all_laws_explode_the_lock_says_the_family_that_was_taken():
    """How far they do is not written, so it does not decide either: a verify reads what a lock says."""

    def exploding(rmse):
        return CrossValidation(
            spearman=0.5, rmse=rmse, mean_rmse=2e6, metric_spearman={}, metric_rmse={}, folds=5, runs=11
        )

    found = {"log_linear": exploding(9e6), "saturating": exploding(3e6)}
    locked = {name: _scored(each) for name, each in found.items()}
    assert best_of(found, 11) == best_of(locked, 11)
