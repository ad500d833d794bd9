"""What an executor is: something that trains planned runs and hands each result over the moment it ends."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from olmixctl.corpus.model import EvalTokens, TokenShard
from olmixctl.execute.events import OnEvent
from olmixctl.plan.model import PlannedRun

__all__ = ["Executor", "Outcome", "Record", "TrainingData"]


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainingData:
    """What every run of a plan reads.

    Attributes:
        shards: domain → training tokens.
        evals: the metrics' texts.
        vocabulary: number of token ids.
        end_of_text: id between documents.
    """

    shards: Mapping[str, TokenShard]
    evals: tuple[EvalTokens, ...]
    vocabulary: int
    end_of_text: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """How one run ended.

    Attributes:
        run: what was asked for.
        status: `done`, `diverged` (both recorded) or `interrupted` (its checkpoint waits; not recorded).
        metrics: metric → bits per byte; empty unless done.
        provenance: hardware, versions, seconds, realised tokens and epochs.
    """

    run: PlannedRun
    status: Literal["done", "diverged", "interrupted"]
    metrics: Mapping[str, float] = field(default_factory=dict)
    provenance: Mapping[str, Any] = field(default_factory=dict)


Record = Callable[[Outcome], None]
"""Called with every finished run, before anything else is done with it."""


class Executor(Protocol):
    """Trains runs somewhere."""

    @property
    def trainer(self) -> str:
        """Semantic version of the trainer: part of the run key."""

    def execute(
        self, runs: Sequence[PlannedRun], data: Callable[[], TrainingData], record: Record, on_event: OnEvent
    ) -> None:
        """Train `runs` and record each as it ends.

        Args:
            runs: distinct keys.
            data: prepares what the runs read; called at most once, and not by an executor that reads none.
            record: takes every finished run.
            on_event: takes progress.

        Raises:
            IncompleteError: stopped or failed before all runs were done; what finished was recorded.
        """
