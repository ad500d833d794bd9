"""Where a run computes: device, precision and threads, resolved by stated rules."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch

from olmixctl.errors import OlmixctlError
from olmixctl.proxy.config import RunConfig, TrainerOptions

__all__ = ["Machine", "resolve"]


@dataclass(frozen=True, slots=True)
class Machine:
    """What a run computes on.

    Attributes:
        device: torch's device.
        dtype: of activations.
        threads: CPU threads.
        name: `cpu`, or the GPU's name.
        kind: equal on machines that give bitwise equal metrics, with the same threads and torch.
    """

    device: torch.device
    dtype: torch.dtype
    threads: int
    name: str
    kind: str

    @property
    def precision(self) -> str:
        """`float32` or `bf16`."""
        return "bf16" if self.dtype == torch.bfloat16 else "float32"

    @property
    def devices(self) -> int:
        """What a second of wall time costs: one GPU, or the threads of a CPU."""
        return 1 if self.device.type == "cuda" else self.threads

    def rows(self, config: RunConfig) -> int:
        """Sequences computed at a time: a batch is taken in parts that a CPU's cache, or a GPU's memory, holds.

        Limits: tokens at a time, and logits at a time, which count for large vocabularies. On a CPU 512 tokens at a
        time train 250k up to 1.5 times as fast as 2048, and score it twice as fast (docs/proxy.md).
        """
        tokens, logits = (65_536, 2**32) if self.device.type == "cuda" else (512, 2**27)
        limit = min(tokens, logits // config.vocabulary)
        return min(config.batch_size, max(1, limit // config.sequence_length))

    @contextmanager
    def settings(self) -> Iterator[None]:
        """Process-wide settings of a run, put back at its end: threads, and denormals flushed to zero.

        Zero-initialised outputs make gradients of denormal size in the first steps, which a CPU computes ten times
        slower.
        """
        before = torch.get_num_threads()
        torch.set_num_threads(self.threads)
        torch.set_flush_denormal(True)
        try:
            yield
        finally:
            torch.set_flush_denormal(False)
            torch.set_num_threads(before)


def resolve(options: TrainerOptions) -> Machine:
    """The machine that the options name.

    Raises:
        OlmixctlError: CUDA is asked for and absent, or bf16 on a GPU without it.
    """
    cuda = torch.cuda.is_available()
    if options.device == "cuda" and not cuda:
        raise OlmixctlError("device cuda is asked for, and torch finds no GPU", remedy="use device: auto or cpu")
    threads = options.threads or torch.get_num_threads()
    if options.device == "cpu" or not cuda:
        fast = options.precision == "auto" and _cpu_multiplies_bf16()
        dtype = torch.bfloat16 if fast or options.precision == "bf16" else torch.float32
        return Machine(torch.device("cpu"), dtype, threads, "cpu", _cpu_kind())
    supported = torch.cuda.is_bf16_supported(including_emulation=False)
    if options.precision == "bf16" and not supported:
        raise OlmixctlError(f"{torch.cuda.get_device_name()} computes no bf16", remedy="use precision: float32")
    dtype = torch.bfloat16 if supported and options.precision != "float32" else torch.float32
    major, minor = torch.cuda.get_device_capability()
    name = torch.cuda.get_device_name()
    return Machine(torch.device("cuda"), dtype, threads, name, f"{name} sm_{major}{minor}")


def _cpu_multiplies_bf16() -> bool:
    """Whether the processor has bf16 products (AVX-512 BF16 or AMX); without them torch emulates, slowly."""
    has = torch.cpu.get_capabilities()
    return bool(has.get("avx512_bf16") or has.get("amx_bf16"))


def _cpu_kind() -> str:
    """Architecture, processor model and the instruction set torch uses: together they choose the kernels."""
    model = platform.processor() or "cpu"
    info = Path("/proc/cpuinfo")
    if info.exists():
        lines = (line.split(":", 1) for line in info.read_text().splitlines() if ":" in line)
        fields = {key.strip(): value.strip() for key, value in lines}
        model = fields.get("model name", model)
    return f"{platform.machine()} {model} {torch.backends.cpu.get_cpu_capability()}"
