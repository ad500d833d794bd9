"""Boosted trees (LightGBM), for comparison: RegMix's law (Liu et al. 2024, arXiv 2407.01492).

Trees are steps: they have no slope to solve along and know nothing of mixtures far from the runs. `auto` never takes
them. Settings are fixed ones, since choosing them on the training runs is a known trap; a leaf holds at least a
twentieth of the runs, and three. Needs the extra `lightgbm`. Array dimensions: R runs, C coordinates, M metrics.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from olmixctl.errors import MissingExtraError
from olmixctl.surrogate.draws import Draws, drawn_evidence
from olmixctl.surrogate.model import Array, Evidence, Fit, FitStatus
from olmixctl.surrogate.targets import status_of

__all__ = ["Trees", "TreesFit"]

_ROUNDS = 500
_SETTINGS = {
    "objective": "regression",
    "learning_rate": 0.03,
    "num_leaves": 15,
    "lambda_l2": 0.1,
    "deterministic": True,
    "force_row_wise": True,
    "num_threads": 1,
    "seed": 0,
    "verbosity": -1,
}


@dataclass(frozen=True, kw_only=True, slots=True)
class TreesFit:
    """Boosted trees, one model a metric.

    Attributes:
        coordinates: C names.
        metrics: M names.
        models: M boosters.
        fitted_RM: what they predict at the runs.
        status: read first.
    """

    coordinates: tuple[str, ...]
    metrics: tuple[str, ...]
    models: tuple[Any, ...]
    fitted_RM: Array
    status: FitStatus

    @property
    def family(self) -> str:
        """`lightgbm`."""
        return "lightgbm"

    def predict(self, weights_NC: Array) -> Array:
        """The sum of the trees at each mixture: N × M."""
        return _predicted(self.models, weights_NC)

    def spread(self, weights_NC: Array) -> Array:
        """As uncertain everywhere: N × M ones."""
        return np.ones((len(weights_NC), len(self.metrics)))

    def gradient(self, weights_C: Array) -> Array:
        """Zero, M × C: steps are level wherever they have a slope."""
        return np.zeros((len(self.metrics), len(weights_C)))

    def parameters(self) -> dict[str, Array]:
        """What stands for the trees: their predictions at the runs."""
        return {"fitted": self.fitted_RM}


@dataclass(frozen=True, slots=True)
class Trees:
    """The family."""

    @property
    def name(self) -> str:
        """Registry name."""
        return "lightgbm"

    def fit(self, evidence: Evidence) -> TreesFit:
        """Fit every metric.

        Raises:
            MissingExtraError: LightGBM is not installed.
        """
        try:
            import lightgbm
        except ImportError as error:
            message = "the surrogate lightgbm needs LightGBM"
            raise MissingExtraError(message, remedy="pip install 'olmixctl[lightgbm]'") from error
        settings = _SETTINGS | {"min_data_in_leaf": max(3, len(evidence.runs) // 20)}
        models = []
        for losses_R in evidence.losses_RM.T:
            data = lightgbm.Dataset(evidence.weights_RC, losses_R, params={"verbosity": -1, "min_data_in_bin": 1})
            models.append(lightgbm.train(settings, data, num_boost_round=_ROUNDS))
        return TreesFit(
            coordinates=evidence.coordinates,
            metrics=evidence.metrics,
            models=tuple(models),
            fitted_RM=_predicted(tuple(models), evidence.weights_RC),
            status=status_of(evidence, 0, (), _ROUNDS),
        )

    def refit(self, start: Fit, evidence: Evidence) -> TreesFit:
        """Trees grown anew, by the same settings; see `Family`."""
        del start
        return self.fit(evidence)

    def refits(self, start: Fit, evidence: Evidence, draws: Draws) -> Iterator[TreesFit]:
        """One by one; see `Family`."""
        return (self.refit(start, drawn_evidence(evidence, draws, n)) for n in range(len(draws)))


def _predicted(models: tuple[Any, ...], weights_NC: Array) -> Array:
    return np.stack([np.asarray(model.predict(weights_NC), dtype=np.float64) for model in models], axis=1)
