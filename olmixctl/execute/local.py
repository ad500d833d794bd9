"""Training on this machine: a pool of worker processes, each trains run after run.

Workers are spawned, not forked: CUDA and OpenMP do not survive a fork. On a CPU every worker has its share of the
cores; small proxies are faster side by side on one thread each than one after the other on all.
"""

from __future__ import annotations

import multiprocessing
import os
import queue
import sys
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

from olmixctl.errors import IncompleteError
from olmixctl.execute.events import OnEvent, RunProgress, TrainingStarted
from olmixctl.execute.protocol import Outcome, TrainingData, Work
from olmixctl.execute.worker import WorkerSetting, start_worker, train_run, warm_up
from olmixctl.proxy.config import TRAINER_VERSION, TrainerOptions, require_torch
from olmixctl.spec.model import ExecutorSpec

__all__ = ["LocalExecutor", "cores"]

_LOOK_SECONDS = 0.2


def cores() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class LocalExecutor:
    """Trains on this machine's cores or its GPU.

    Args:
        spec: device, precision, threads and parallelism as declared.
        checkpoints: folder for the state of interrupted runs.
        parallelism: runs at once, instead of the declared number.
    """

    trainer = TRAINER_VERSION

    def __init__(self, spec: ExecutorSpec, checkpoints: Path, parallelism: int | None = None) -> None:
        self.spec = spec
        self.checkpoints = checkpoints
        self._parallelism = parallelism or spec.parallelism

    def execute(self, work: Work, data: Callable[[], TrainingData], on_event: OnEvent) -> None:
        """See `Executor`."""
        require_torch()
        slots = self._parallelism or self._default_parallelism()
        parallelism = min(slots, work.total)
        context = multiprocessing.get_context("spawn")
        stop, progress = context.Event(), context.Queue()
        setting = WorkerSetting(options=self._options(slots), parent=os.getpid())
        pool = ProcessPoolExecutor(
            parallelism, mp_context=context, initializer=start_worker, initargs=(setting, stop, progress)
        )
        flight = _Flight(work, pool, parallelism)
        try:
            for _ in range(parallelism):
                pool.submit(warm_up)
            prepared = data()
            on_event(TrainingStarted(work.total, parallelism, self.spec.device))
            while flight.fill(prepared) or work.wait():
                flight.look()
                _drain(progress, on_event)
        except KeyboardInterrupt:
            stop.set()
            # Runs in flight write their checkpoints; those that end meanwhile are recorded like any other.
            flight.land()
            raise IncompleteError(
                f"interrupted: {work.done} of {work.total} runs are recorded, no lock was written",
                remedy="run apply again: it continues where this one stopped",
            ) from None
        except BrokenProcessPool as error:
            raise IncompleteError(
                f"a training process died (out of memory?): {work.done} of {work.total} runs are recorded",
                remedy="run apply again, with a smaller --parallelism if memory was short",
            ) from error
        finally:
            stop.set()
            pool.shutdown(wait=True, cancel_futures=True)
            progress.close()

    def _default_parallelism(self) -> int:
        return 1 if self._on_gpu() else cores()

    def _on_gpu(self) -> bool:
        # Asking torch costs two seconds of import in this process; without a device file the answer is known.
        if self.spec.device == "cpu" or (self.spec.device == "auto" and not _has_accelerator_files()):
            return False
        import torch

        return torch.cuda.is_available()

    def _options(self, slots: int) -> TrainerOptions:
        # Threads follow the slots, never the number of runs left: an apply that is resumed for its last run must
        # train it on as many threads as the others, or its metrics differ in the last bits.
        return TrainerOptions(
            device=self.spec.device,
            precision=self.spec.precision,
            threads=self.spec.threads or max(1, cores() // slots),
            checkpoint_dir=self.checkpoints,
        )


def _has_accelerator_files() -> bool:
    """Whether torch may find a GPU: elsewhere than on Linux only torch knows."""
    return sys.platform != "linux" or any(Path("/dev").glob("nvidia[0-9]*")) or Path("/dev/kfd").exists()


class _Flight:
    """Runs in flight: one a worker, claimed when the worker is free, each recorded once."""

    def __init__(self, work: Work, pool: ProcessPoolExecutor, parallelism: int) -> None:
        self._work = work
        self._pool = pool
        self._parallelism = parallelism
        self._flying: set[Future[Outcome]] = set()

    def fill(self, data: TrainingData) -> bool:
        """Claim a run for every free worker; False when none is in flight after that."""
        while len(self._flying) < self._parallelism and (run := self._work.claim()):
            self._flying.add(self._pool.submit(train_run, run, data))
        return bool(self._flying)

    def look(self) -> None:
        """Wait a little for runs to end, and record them."""
        finished, _ = wait(self._flying, timeout=_LOOK_SECONDS, return_when=FIRST_COMPLETED)
        self._take(finished)

    def land(self) -> None:
        """Wait for all runs to end, and record those that were not interrupted."""
        self._take(wait(self._flying).done)

    def _take(self, futures: Iterable[Future[Outcome]]) -> None:
        """Record what finished; only then raise the first error of those that failed."""
        failures = []
        for future in list(futures):
            self._flying.discard(future)
            failure = future.exception()
            if failure is not None:
                failures.append(failure)
            elif future.result().status != "interrupted":
                self._work.record(future.result())
        if failures:
            raise failures[0]


def _drain(progress: multiprocessing.queues.Queue[RunProgress], on_event: OnEvent) -> None:
    while True:
        try:
            on_event(progress.get_nowait())
        except queue.Empty:
            return
