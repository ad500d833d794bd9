"""What apply says while it works: a closed union, rendered by the command line, ignored by libraries."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

__all__ = [
    "ApplyEvent",
    "BatchStarted",
    "DataPreparing",
    "Looked",
    "OnEvent",
    "RunFinished",
    "RunProgress",
    "Solving",
    "TrainingStarted",
    "WaitingForOthers",
    "silent",
]


@dataclass(frozen=True, slots=True)
class DataPreparing:
    """Reading data: `done` of `total` steps of `what`."""

    what: str
    done: int
    total: int


@dataclass(frozen=True, slots=True)
class BatchStarted:
    """A batch of a swarm is to be trained, in round `number` of `rounds`: after it `runs` of `planned` are there.

    Where apply may stop early, or choose fewer runs, `open` is set: `planned` and `rounds` are the most there will be.
    """

    runs: int
    planned: int
    number: int
    rounds: int
    open: bool


@dataclass(frozen=True, slots=True)
class TrainingStarted:
    """Training begins: `missing` runs to train."""

    missing: int
    parallelism: int
    device: str


@dataclass(frozen=True, slots=True)
class RunProgress:
    """A run in flight; loss in nats per token."""

    key: str
    step: int
    steps: int
    loss: float
    tokens_per_second: float
    eta_seconds: float


@dataclass(frozen=True, slots=True)
class RunFinished:
    """A run ended and is recorded; `done` of `total` that this batch lacked."""

    key: str
    status: str
    metrics: Mapping[str, float]
    wall_seconds: float
    done: int
    total: int


@dataclass(frozen=True, slots=True)
class WaitingForOthers:
    """Another apply holds what is left: `runs` runs, or (0) the writing of the lock."""

    runs: int


@dataclass(frozen=True, slots=True)
class Looked:
    """Of `planned` runs `runs` are trained: how probably the mix is within `regret` of the best, and if that does."""

    runs: int
    planned: int
    regret: float
    probability: float
    enough: bool


@dataclass(frozen=True, slots=True)
class Solving:
    """Fitting and solving on `runs` runs."""

    runs: int


ApplyEvent = (
    DataPreparing | BatchStarted | TrainingStarted | RunProgress | RunFinished | WaitingForOthers | Looked | Solving
)
OnEvent = Callable[[ApplyEvent], None]


def silent(event: ApplyEvent) -> None:
    """Says nothing."""
