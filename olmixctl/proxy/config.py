"""What a proxy run is asked to do, and what it answers: plain data, without torch.

`RunConfig` is identity: two runs with equal configs on equal shards measure the same thing. `TrainerOptions` is where
and how it runs. `TRAINER_VERSION` stands for everything else that decides the numbers: the block, the initialisation,
the optimiser, the schedule, the order of the data, the way of scoring. Any change to those bumps it, and every run
recorded under the old one is then another run.
"""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

from olmixctl.errors import MissingExtraError, SpecError
from olmixctl.fingerprint import digest
from olmixctl.spec.presets import PRESETS, ModelPreset

__all__ = ["TRAINER_VERSION", "Progress", "RunConfig", "TrainResult", "TrainerOptions", "require_torch"]

TRAINER_VERSION = "t1"
"""Enters the run key; bumped whenever the same config would measure something else."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RunConfig:
    """One proxy run.

    Attributes:
        model: preset name (`olmixctl/spec/presets.py`).
        tokens: training tokens asked for; a run takes whole steps, so it trains on up to one batch more.
        sequence_length: tokens per sequence.
        batch_size: sequences per step.
        seed: of initialisation and of where each domain starts.
        vocabulary: number of token ids.
        end_of_text: the id that ends every document.
        weights: the mixture, domain id → share; on the grid of millionths.

    Raises:
        SpecError: a number is out of range or the preset is unknown.
    """

    model: str
    tokens: int
    sequence_length: int
    batch_size: int
    seed: int
    vocabulary: int
    end_of_text: int
    weights: Mapping[str, float]

    def __post_init__(self) -> None:
        object.__setattr__(self, "weights", MappingProxyType({k: self.weights[k] for k in sorted(self.weights)}))
        if self.model not in PRESETS:
            raise SpecError(f"there is no proxy model {self.model!r}", remedy=f"use one of {', '.join(PRESETS)}")
        for name in ("tokens", "sequence_length", "batch_size", "vocabulary"):
            if getattr(self, name) < 1:
                raise SpecError(f"proxy {name} is {getattr(self, name)}; it must be at least 1")
        if not 0 <= self.end_of_text < self.vocabulary:
            raise SpecError(f"end of text {self.end_of_text} is not in the vocabulary of {self.vocabulary} ids")
        if self.seed < 0:
            raise SpecError(f"proxy seed is {self.seed}; it must not be negative")

    @property
    def preset(self) -> ModelPreset:
        """The shape of the model."""
        return PRESETS[self.model]

    @property
    def tokens_per_step(self) -> int:
        """Tokens in one batch."""
        return self.batch_size * self.sequence_length

    @property
    def steps(self) -> int:
        """Whole steps that cover the tokens asked for."""
        return math.ceil(self.tokens / self.tokens_per_step)

    def digest(self) -> str:
        """What the run is, for the name of its checkpoint; the run key of the ledger holds more."""
        fields = {name: getattr(self, name) for name in self.__slots__ if name != "weights"}
        return digest(fields | {"weights": dict(self.weights), "trainer": TRAINER_VERSION}, prefix="cfg1")


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainerOptions:
    """Where and how a run is executed; never identity.

    Attributes:
        device: `auto` is CUDA where torch finds a GPU, otherwise the CPU.
        precision: of matrix products and what enters them; weights, residual stream and optimiser are always float32.
            `auto` is bf16 on a GPU or CPU that multiplies it (on x86: AVX-512 BF16 or AMX), float32 elsewhere.
        threads: CPU threads; None leaves torch's own choice.
        checkpoint_dir: where an interrupted run leaves its state; None keeps none.
        checkpoint_seconds: time between checkpoints.
    """

    device: Literal["auto", "cpu", "cuda"] = "auto"
    precision: Literal["auto", "float32", "bf16"] = "auto"
    threads: int | None = None
    checkpoint_dir: Path | None = None
    checkpoint_seconds: float = 60.0


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is: `loss` in nats per token over the last steps, `eta_seconds` for the training that is left."""

    step: int
    steps: int
    loss: float
    tokens_per_second: float
    eta_seconds: float


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainResult:
    """What a run measured. Read `status` first.

    Attributes:
        status: `completed`; `diverged` (the loss exploded: an outcome, recorded, with no metrics); `interrupted` (asked
            to stop: a checkpoint is written where there is a folder for it, and the same call continues from there).
        metrics: metric → bits per byte; empty unless completed.
        realised_tokens: domain → tokens trained on; sums to `tokens`.
        epochs: domain → passes over its shard; above 1 is repetition.
        steps: steps taken.
        tokens: tokens trained on.
        final_loss: mean training loss over the last tenth of the steps, nats per token.
        wall_seconds: whole call, of the call that ended the run.
        train_seconds: in training steps, over all calls.
        eval_seconds: in evaluation.
        device_seconds: training and evaluation times devices: GPUs on CUDA, threads on a CPU.
        tokens_per_second: trained tokens per training second.
        device: `cpu`, or the GPU's name.
        machine: what must be equal, with `threads`, for metrics to be bitwise equal.
        precision: as resolved.
        threads: as resolved.
        torch: its version.
        trainer: `TRAINER_VERSION`.
    """

    status: Literal["completed", "diverged", "interrupted"]
    metrics: Mapping[str, float] = field(default_factory=dict)
    realised_tokens: Mapping[str, int] = field(default_factory=dict)
    epochs: Mapping[str, float] = field(default_factory=dict)
    steps: int
    tokens: int
    final_loss: float | None
    wall_seconds: float
    train_seconds: float
    eval_seconds: float
    device_seconds: float
    tokens_per_second: float
    device: str
    machine: str
    precision: str
    threads: int
    torch: str
    trainer: str = TRAINER_VERSION

    def as_record(self) -> dict[str, Any]:
        """The result as JSON values."""
        return asdict(self)


def require_torch() -> None:
    """Raises MissingExtraError when torch is not installed, without importing it."""
    if importlib.util.find_spec("torch") is None:
        raise MissingExtraError(
            "training proxies needs torch, which is not installed", remedy='pip install "olmixctl[train]"'
        )
