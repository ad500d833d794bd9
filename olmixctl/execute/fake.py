"""A known response surface in place of training: for tests, rehearsals and dry runs of whole workflows.

Metrics follow the log-linear law with coefficients derived from the contents of the domains and the evals, so they
are the same on every machine, and the best mix is known (`surface`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from olmixctl.execute.events import OnEvent, TrainingStarted
from olmixctl.execute.protocol import Outcome, TrainingData, Work
from olmixctl.fingerprint import sha256_hex
from olmixctl.plan.model import PlannedRun

__all__ = ["FakeExecutor", "coefficient", "surface"]

OFFSET = 0.6
"""Bits per byte that no mixture removes."""


def coefficient(content: str, evaluation: str) -> float:
    """A in [-2, 0.5): how much a share of the documents `content` lowers (or raises) log of the metric's excess."""
    unit = int(sha256_hex(f"{content}|{evaluation}")[:12], 16) / 16**12
    return 2.5 * unit - 2.0


def surface(weights: dict[str, float], evaluation: str) -> float:
    """Bits per byte at content weights: c + exp(A·p)."""
    return OFFSET + math.exp(math.fsum(w * coefficient(content, evaluation) for content, w in weights.items()))


class FakeExecutor:
    """Answers at once from the surface.

    Args:
        evals: metric → eval digest.
    """

    trainer = "fake1"

    def __init__(self, evals: Mapping[str, str]) -> None:
        self.evals = evals

    def execute(self, work: Work, data: Callable[[], TrainingData], on_event: OnEvent) -> None:
        """See `Executor`."""
        del data
        on_event(TrainingStarted(work.total, 1, "response surface"))
        for run in work:
            work.record(self.measure(run))

    def measure(self, run: PlannedRun) -> Outcome:
        """The surface at the mixture of `run`."""
        weights = run.inputs.content_weights()
        metrics = {name: surface(weights, evaluation) for name, evaluation in self.evals.items()}
        return Outcome(run=run, status="done", metrics=metrics, provenance={"executor": "fake"})
