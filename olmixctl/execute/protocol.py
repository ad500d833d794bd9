"""What an executor is: something that trains planned runs and hands each result over the moment it ends."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from olmixctl.corpus.model import EvalTokens, TokenShard
from olmixctl.execute.events import OnEvent
from olmixctl.plan.model import PlannedRun

__all__ = ["Executor", "Outcome", "TrainingData", "Work"]


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


class Work(Protocol):
    """The runs of an apply, claimed one by one: another apply may work on the same list."""

    @property
    def total(self) -> int:
        """Runs of this apply; becomes smaller when others record some."""

    @property
    def done(self) -> int:
        """Runs that this apply recorded."""

    def claim(self) -> PlannedRun | None:
        """The next run to train, to be asked for when a worker is free; None when none is free at present."""

    def wait(self) -> bool:
        """Called when nothing is in flight and nothing can be claimed: waits a little for what others hold.

        Returns:
            False when nothing is left.

        Raises:
            LeaseError: others hold what is left, and this apply was told not to wait.
        """

    def record(self, outcome: Outcome) -> None:
        """Take a finished run; called before anything else is done with it.

        Raises:
            OlmixctlError: it could not be recorded.
        """

    def __iter__(self) -> Iterator[PlannedRun]:
        """`claim` and `wait` for executors that train one run at a time."""


class Executor(Protocol):
    """Trains runs somewhere."""

    @property
    def trainer(self) -> str:
        """Semantic version of the trainer: part of the run key."""

    def execute(self, work: Work, data: Callable[[], TrainingData], on_event: OnEvent) -> None:
        """Train runs of `work` until none is left, and record each as it ends.

        Args:
            work: at least one run.
            data: prepares what the runs read; called at most once, and not by an executor that reads none.
            on_event: takes progress.

        Raises:
            IncompleteError: stopped or failed before all runs were done; what finished was recorded.
            LeaseError: see `Work.wait`.
        """
