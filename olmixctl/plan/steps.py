"""The steps of a plan: one closed list that `plan` prints and `apply` executes."""

from __future__ import annotations

from dataclasses import dataclass

from olmixctl.mixture import Coordinates, Mixture
from olmixctl.plan.model import Plan, PlannedRun

__all__ = ["CarryShares", "FitAndSolve", "KeepRatios", "Step", "TrainRuns", "WriteLock", "evidence_of", "steps_of"]


@dataclass(frozen=True, slots=True)
class TrainRuns:
    """Train the missing runs, and at most `later` more in rounds; each is recorded the moment it ends."""

    runs: tuple[PlannedRun, ...]
    later: int = 0


@dataclass(frozen=True, slots=True)
class FitAndSolve:
    """Fit the laws on the evidence, and at most `later` more runs, and solve for the mix over `coordinates`."""

    coordinates: Coordinates
    evidence: tuple[str, ...]
    later: int = 0


@dataclass(frozen=True, slots=True)
class KeepRatios:
    """Renormalise the kept ratios; where a bound breaks, move to the nearest mix that keeps it."""

    coordinates: Coordinates


@dataclass(frozen=True, slots=True)
class CarryShares:
    """Put carried-over shares under the bounds; nothing is measured."""

    coordinates: Coordinates
    mix: Mixture


@dataclass(frozen=True, slots=True)
class WriteLock:
    """Write the lock, last and atomically."""

    serial: int


Step = TrainRuns | FitAndSolve | KeepRatios | CarryShares | WriteLock


def steps_of(plan: Plan) -> tuple[Step, ...]:
    """The steps of `plan`, in the order they are executed; none when nothing changed."""
    write = WriteLock(plan.base.serial + 1)
    match plan.kind:
        case "none":
            return ()
        case "rescale":
            return (KeepRatios(plan.coordinates), write)
        case "resolve":
            return (FitAndSolve(plan.coordinates, plan.extra_evidence), write)
        case "carry":
            assert plan.carried is not None, "a carry has the mix it carries"
            return (CarryShares(plan.coordinates, plan.carried), write)
        case "train":
            training = () if plan.complete else (TrainRuns(plan.missing, plan.rounds.missing),)
            return (*training, FitAndSolve(plan.coordinates, evidence_of(plan), plan.rounds.more), write)


def evidence_of(plan: Plan) -> tuple[str, ...]:
    """Keys of the runs that a plan with training decides on: the planned ones, one a key, and further evidence."""
    return (*dict.fromkeys(run.key for run in plan.runs), *plan.extra_evidence)
