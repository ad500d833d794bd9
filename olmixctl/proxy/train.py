"""One proxy run from mixture to metrics. Reads from top to bottom; torch loads when `train` is called."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from olmixctl.corpus.model import EvalTokens, TokenShard
from olmixctl.errors import SpecError
from olmixctl.fingerprint import digest
from olmixctl.proxy.config import Progress, RunConfig, TrainerOptions, TrainResult, require_torch
from olmixctl.proxy.data import Batches
from olmixctl.proxy.tuning import learning_rate_factor, tuning_for

if TYPE_CHECKING:
    from olmixctl.proxy.checkpoint import Checkpoint
    from olmixctl.proxy.device import Machine
    from olmixctl.proxy.evaluate import Scored
    from olmixctl.proxy.model import ProxyModel
    from olmixctl.proxy.optim import MuonAdam

__all__ = ["train"]

REPORT_SECONDS = 0.5
LOOK_EVERY = 10
"""Steps between looks at the loss: each look waits for a GPU. In steps, so that outcomes never hang on a clock."""
EXPLODED = 2.0
"""Times the loss of a model that knows nothing. A run above it for a whole look is lost."""

Status = Literal["completed", "diverged", "interrupted"]


def train(
    config: RunConfig,
    shards: Mapping[str, TokenShard],
    evals: Sequence[EvalTokens],
    options: TrainerOptions,
    *,
    on_progress: Callable[[Progress], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> TrainResult:
    """Trains one proxy on the mixture of `config` and scores it on `evals`.

    Args:
        config: the run.
        shards: domain → its training tokens; further domains are ignored.
        evals: the metrics.
        options: device, precision, threads, checkpoints.
        on_progress: called at most twice a second.
        should_stop: asked before each step; when it says yes, a checkpoint is written and the result is `interrupted`.

    Raises:
        MissingExtraError: torch is not installed.
        SpecError: the mixture names a domain without a shard, or two metrics share a name.
        CorpusError: tokens cannot be read or lie outside the vocabulary.
        OlmixctlError: the device is not there, or the checkpoint is damaged.
    """
    began = time.perf_counter()
    require_torch()
    from olmixctl.proxy import device, evaluate

    names = [held_out.name for held_out in evals]
    if len(set(names)) != len(names):
        raise SpecError(f"two metrics share a name: {', '.join(names)}")
    machine = device.resolve(options)
    batches = Batches(config, shards)
    scored = [
        evaluate.load_scored(held_out, length=config.sequence_length, end_of_text=config.end_of_text)
        for held_out in evals
    ]
    with machine.settings():
        run = _Run.start(config, shards, options, machine)
        status = _steps(run, batches, on_progress, should_stop)
        if run.checkpoint and status != "interrupted":
            run.checkpoint.discard()
        metrics = _metrics(run, scored) if status == "completed" else {}
    return _result(run, batches, status, metrics, time.perf_counter() - began)


@dataclass(slots=True)
class _Run:
    """The moving parts of a run, and what it has measured so far."""

    config: RunConfig
    options: TrainerOptions
    machine: Machine
    model: ProxyModel
    optimiser: MuonAdam
    checkpoint: Checkpoint | None
    step: int = 0
    losses: list[float] = field(default_factory=list)
    train_seconds: float = 0.0
    eval_seconds: float = 0.0

    @classmethod
    def start(
        cls, config: RunConfig, shards: Mapping[str, TokenShard], options: TrainerOptions, machine: Machine
    ) -> _Run:
        """A fresh run, or where its checkpoint left it."""
        from olmixctl.proxy.checkpoint import Checkpoint
        from olmixctl.proxy.model import ProxyModel
        from olmixctl.proxy.optim import MuonAdam

        model = ProxyModel(
            config.preset, config.vocabulary, config.sequence_length, seed=config.seed, dtype=machine.dtype
        ).to(machine.device)
        optimiser = MuonAdam(model.matrices(), [model.embedding_VD], tuning_for(config.model), machine.dtype)
        run = cls(config, options, machine, model, optimiser, None)
        if options.checkpoint_dir is None:
            return run
        keys = {domain: shards[domain].key for domain, weight in config.weights.items() if weight > 0}
        # Precision is part of a checkpoint's identity: a run must not change it half way.
        identity = digest({"run": config.digest(), "shards": keys, "precision": machine.precision}, prefix="ckpt1")
        run.checkpoint = Checkpoint(options.checkpoint_dir, identity)
        saved = run.checkpoint.load(model, optimiser)
        if saved is not None:
            run.step, run.losses, run.train_seconds = saved["step"], saved["losses"], saved["train_seconds"]
        return run

    def save(self) -> None:
        """Writes the checkpoint, where the run keeps one."""
        if self.checkpoint is not None:
            progress = {"step": self.step, "losses": self.losses, "train_seconds": self.train_seconds}
            self.checkpoint.save(self.model, self.optimiser, progress)


def _steps(
    run: _Run,
    batches: Batches,
    on_progress: Callable[[Progress], None] | None,
    should_stop: Callable[[], bool] | None,
) -> Status:
    """The training loop: all steps that are left, or up to the stop or the explosion."""
    import torch

    config, machine = run.config, run.machine
    tuning, ceiling = tuning_for(config.model), EXPLODED * math.log(config.vocabulary)
    forward = torch.compile(run.model) if machine.device.type == "cuda" else run.model
    first_step, clock = run.step, _Clock(run)
    pending: list[torch.Tensor] = []  # losses of the last steps, still on the device
    while run.step < config.steps:
        if should_stop is not None and should_stop():
            run.losses += [loss.item() for loss in pending]
            clock.lap()
            run.save()
            return "interrupted"
        loss = torch.zeros((), device=machine.device)
        for inputs_BT, targets_BT in batches.parts(run.step, machine.rows(config)):
            part = forward(
                torch.from_numpy(inputs_BT).to(machine.device), torch.from_numpy(targets_BT).to(machine.device)
            )
            part = part * (len(inputs_BT) / config.batch_size)
            part.backward()
            loss += part.detach()
        run.optimiser.step(learning_rate_factor(run.step, config.steps, tuning))
        pending.append(loss)
        run.step += 1
        if run.step % LOOK_EVERY and run.step < config.steps:
            continue
        run.losses += [value.item() for value in pending]
        pending.clear()
        clock.lap()
        latest = run.losses[-LOOK_EVERY:]
        if not math.isfinite(sum(latest)) or sum(latest) / len(latest) > ceiling:
            return "diverged"
        if on_progress is not None and clock.due(clock.reported, REPORT_SECONDS):
            clock.reported = clock.now
            on_progress(_progress(run, run.step - first_step, clock.spent))
        if run.checkpoint and run.step < config.steps and clock.due(clock.saved, run.options.checkpoint_seconds):
            clock.saved = clock.now
            run.save()
    return "completed"


class _Clock:
    """Training time: of the run over all calls, and of this call."""

    def __init__(self, run: _Run) -> None:
        self.run = run
        self.began = self.now = self.reported = self.saved = time.perf_counter()

    @property
    def spent(self) -> float:
        """Seconds in this call."""
        return self.now - self.began

    def lap(self) -> None:
        """Adds the time since the last lap to the run's."""
        now = time.perf_counter()
        self.run.train_seconds += now - self.now
        self.now = now

    def due(self, last: float, seconds: float) -> bool:
        """Whether `seconds` have passed since `last`."""
        return self.now - last >= seconds


def _progress(run: _Run, steps_here: int, seconds: float) -> Progress:
    pace = seconds / max(1, steps_here)
    return Progress(
        step=run.step,
        steps=run.config.steps,
        loss=sum(run.losses[-LOOK_EVERY:]) / len(run.losses[-LOOK_EVERY:]),
        tokens_per_second=run.config.tokens_per_step / pace,
        eta_seconds=pace * (run.config.steps - run.step),
    )


def _metrics(run: _Run, scored: Sequence[Scored]) -> dict[str, float]:
    from olmixctl.proxy.evaluate import bits_per_byte

    began = time.perf_counter()
    rows = run.machine.rows(run.config)
    metrics = {one.name: bits_per_byte(run.model, one, rows=rows, device=run.machine.device) for one in scored}
    run.eval_seconds = time.perf_counter() - began
    return dict(sorted(metrics.items()))


def _result(
    run: _Run, batches: Batches, status: Status, metrics: Mapping[str, float], wall_seconds: float
) -> TrainResult:
    import torch

    machine, tokens = run.machine, run.step * run.config.tokens_per_step
    tail = run.losses[-max(1, len(run.losses) // 10) :]
    final = sum(tail) / len(tail) if tail else None
    return TrainResult(
        status=status,
        metrics=metrics,
        realised_tokens=batches.realised_tokens(run.step),
        epochs=batches.epochs(run.step),
        steps=run.step,
        tokens=tokens,
        final_loss=final if final is not None and math.isfinite(final) else None,
        wall_seconds=wall_seconds,
        train_seconds=run.train_seconds,
        eval_seconds=run.eval_seconds,
        device_seconds=(run.train_seconds + run.eval_seconds) * machine.devices,
        tokens_per_second=tokens / run.train_seconds if run.train_seconds else 0.0,
        device=machine.name,
        machine=machine.kind,
        precision=machine.precision,
        threads=machine.threads,
        torch=torch.__version__,
    )
