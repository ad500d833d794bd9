"""The inside of a worker process of the local executor: one process, many runs, torch loaded once."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Event

from olmixctl.execute.events import RunProgress
from olmixctl.execute.protocol import Outcome, TrainingData
from olmixctl.plan.model import PlannedRun
from olmixctl.proxy.config import Progress, RunConfig, TrainerOptions, TrainResult

__all__ = ["WorkerSetting", "run_config", "start_worker", "train_run", "warm_up"]


@dataclass(frozen=True, kw_only=True, slots=True)
class WorkerSetting:
    """What a worker is told once."""

    options: TrainerOptions
    parent: int


@dataclass(slots=True)
class _Worker:
    setting: WorkerSetting
    stop: Event
    progress: Queue[RunProgress]


_worker: _Worker | None = None


def start_worker(setting: WorkerSetting, stop: Event, progress: Queue[RunProgress]) -> None:
    """Initialise this process. The parent alone handles Ctrl-C and tells workers through `stop`."""
    global _worker  # noqa: PLW0603  (a pool worker has no other place for what its initialiser sets up)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Progress that nobody reads any more must not keep the process from ending.
    progress.cancel_join_thread()
    _worker = _Worker(setting, stop, progress)


def warm_up() -> None:
    """Load torch while the parent still prepares the data."""
    import torch  # noqa: F401


def train_run(run: PlannedRun, data: TrainingData) -> Outcome:
    """Train one run in this process, up to the end or until the parent stops it or is gone."""
    from olmixctl.proxy.train import train

    assert _worker is not None, "start_worker runs first"
    setting, stop, progress = _worker.setting, _worker.stop, _worker.progress

    def report(p: Progress) -> None:
        progress.put(RunProgress(run.key, p.step, p.steps, p.loss, p.tokens_per_second, p.eta_seconds))

    result = train(
        run_config(run, data),
        data.shards,
        data.evals,
        setting.options,
        on_progress=report,
        should_stop=lambda: stop.is_set() or os.getppid() != setting.parent,
    )
    return _outcome(run, result)


def run_config(run: PlannedRun, data: TrainingData) -> RunConfig:
    """The trainer's config of a planned run: only the domains it trains on."""
    return RunConfig(
        model=run.inputs.model,
        tokens=run.inputs.tokens,
        sequence_length=run.inputs.sequence_length,
        batch_size=run.inputs.batch_size,
        seed=run.inputs.seed,
        vocabulary=data.vocabulary,
        end_of_text=data.end_of_text,
        weights={domain: weight for domain, weight in run.weights.items() if weight > 0},
    )


def _outcome(run: PlannedRun, result: TrainResult) -> Outcome:
    provenance = {name: value for name, value in result.as_record().items() if name not in ("status", "metrics")}
    match result.status:
        case "completed":
            return Outcome(run=run, status="done", metrics=dict(result.metrics), provenance=provenance)
        case "diverged":
            return Outcome(run=run, status="diverged", provenance=provenance)
        case "interrupted":
            return Outcome(run=run, status="interrupted")
