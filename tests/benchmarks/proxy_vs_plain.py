"""How much more compute a plain GPT with AdamW needs to reach the proxy's loss, in tokens and in CPU seconds.

    python tests/benchmarks/proxy_vs_plain.py [FOLDER] [--model 250k] [--tokens 250000]

The plain one: LayerNorm with gains and biases, learned positions, GELU at four times the width, biases, tied
embeddings, PyTorch's fused attention and fused AdamW, warm-up and cosine. It has the proxy's width and size, reads
the same batches in the same order, and its learning rate, batch size and precision are chosen for it first, each at the
proxy's tokens.
Then its tokens double, each time runs of their own with their own schedule and a choice of rates, until its bits per
byte pass the proxy's. Only the run with the better rate is counted.
"""

from __future__ import annotations

import argparse
import dataclasses
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from proxy_corpora import END_OF_TEXT, VOCABULARY, collect, folder_from
from torch import Tensor, nn
from torch.nn import functional

from olmixctl.corpus.model import EvalTokens, TokenShard
from olmixctl.proxy.config import RunConfig, TrainerOptions
from olmixctl.proxy.data import Batches
from olmixctl.proxy.evaluate import bits_per_byte, load_scored
from olmixctl.proxy.train import train
from olmixctl.spec.presets import ModelPreset


class PlainBlock(nn.Module):
    """Pre-norm attention and feed-forward as in GPT-2."""

    def __init__(self, width: int, heads: int, residuals: int) -> None:
        super().__init__()
        self.heads = heads
        self.norms = nn.ModuleList([nn.LayerNorm(width), nn.LayerNorm(width)])
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        for layer in (self.qkv, self.out, self.up, self.down):
            deep = layer in (self.out, self.down)
            nn.init.normal_(layer.weight, std=0.02 / (residuals**0.5 if deep else 1.0))
            nn.init.zeros_(layer.bias)

    def forward(self, x_BTD: Tensor) -> Tensor:
        batch, length, width = x_BTD.shape
        qkv = self.qkv(self.norms[0](x_BTD)).view(batch, length, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        mixed = functional.scaled_dot_product_attention(qkv[0], qkv[1], qkv[2], is_causal=True)
        x_BTD = x_BTD + self.out(mixed.transpose(1, 2).reshape(batch, length, width))
        return x_BTD + self.down(functional.gelu(self.up(self.norms[1](x_BTD))))


class PlainGPT(nn.Module):
    """A plain decoder-only transformer."""

    def __init__(self, preset: ModelPreset, vocabulary: int, length: int) -> None:
        super().__init__()
        self.embedding, self.positions = nn.Embedding(vocabulary, preset.width), nn.Embedding(length, preset.width)
        for table in (self.embedding, self.positions):
            nn.init.normal_(table.weight, std=0.02)
        # Four matrices of attention and eight of a 4·D feed-forward a layer: depth so that the counts agree.
        layers = max(1, round(preset.non_embedding_parameters / (12 * preset.width**2)))
        blocks = [PlainBlock(preset.width, preset.heads, 2 * layers) for _ in range(layers)]
        self.blocks, self.norm = nn.Sequential(*blocks), nn.LayerNorm(preset.width)

    def forward(self, tokens_BT: Tensor, targets_BT: Tensor, *, reduction: str = "mean") -> Tensor:
        positions = torch.arange(tokens_BT.shape[1])
        x_BTD = self.norm(self.blocks(self.embedding(tokens_BT) + self.positions(positions)))
        logits_BTV = functional.linear(x_BTD, self.embedding.weight)
        flat = logits_BTV.float().view(-1, logits_BTV.shape[-1])
        return functional.cross_entropy(flat, targets_BT.reshape(-1), ignore_index=-1, reduction=reduction)


@dataclass(frozen=True)
class Settings:
    """What is chosen for the plain model."""

    rate: float
    bf16: bool


def train_plain(
    config: RunConfig, shards: Mapping[str, TokenShard], evals: Sequence[EvalTokens], settings: Settings
) -> tuple[float, float]:
    """Mean bits per byte and CPU seconds of training of one plain run."""
    torch.manual_seed(config.seed)
    batches = Batches(config, shards)
    model = PlainGPT(config.preset, config.vocabulary, config.sequence_length)
    decayed = [one for one in model.parameters() if one.dim() > 1]
    others = [one for one in model.parameters() if one.dim() <= 1]
    groups = [{"params": decayed, "weight_decay": 0.1}, {"params": others, "weight_decay": 0.0}]
    optimiser = torch.optim.AdamW(groups, lr=settings.rate, betas=(0.9, 0.95), fused=True)
    began = time.process_time()
    for step in range(config.steps):
        warm = max(1, config.steps // 20)
        done = max(0, step - warm) / max(1, config.steps - warm)
        rate = settings.rate * min((step + 1) / warm, 0.1 + 0.45 * (1 + math.cos(math.pi * done)))
        for group in optimiser.param_groups:
            group["lr"] = rate
        inputs_BT, targets_BT = (torch.from_numpy(part) for part in batches.batch(step))
        with torch.autocast("cpu", torch.bfloat16, enabled=settings.bf16):
            loss = model(inputs_BT, targets_BT)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        optimiser.zero_grad()
    seconds = time.process_time() - began
    return mean_score(model, config, evals), seconds


def mean_score(model: PlainGPT, config: RunConfig, evals: Sequence[EvalTokens]) -> float:
    """Mean bits per byte over the metrics, scored as the proxy is."""
    scores = []
    for held_out in evals:
        scored = load_scored(held_out, length=config.sequence_length, end_of_text=config.end_of_text)
        scores.append(bits_per_byte(model, scored, rows=8, device=torch.device("cpu")))  # type: ignore[arg-type]
    return sum(scores) / max(1, len(scores))


def train_proxy(
    config: RunConfig, shards: Mapping[str, TokenShard], evals: Sequence[EvalTokens]
) -> tuple[float, float]:
    """The same of the proxy."""
    began = time.process_time()
    trained = train(config, shards, [], TrainerOptions(device="cpu", threads=1))
    seconds = time.process_time() - began
    assert trained.status == "completed"
    scored = train(config, shards, evals, TrainerOptions(device="cpu", threads=1))
    return sum(scored.metrics.values()) / len(scored.metrics), seconds


def choose(config: RunConfig, shards: Mapping[str, TokenShard], evals: Sequence[EvalTokens]) -> tuple[Settings, int]:
    """The plain model's best rate and batch size at equal CPU seconds, and its faster precision.

    Small batches learn more a token and take longer a token; each size gets the tokens that its time allows.
    """
    tried: dict[tuple[float, int], tuple[float, float]] = {}
    pace = {size: seconds_a_token(config, shards, size) for size in (2, 4, 8)}

    def score(rate: float, size: int) -> float:
        if (rate, size) not in tried:
            allowed = round(config.tokens * pace[8] / pace[size])
            one = dataclasses.replace(config, batch_size=size, tokens=allowed)
            tried[rate, size] = train_plain(one, shards, evals, Settings(rate, bf16=True))
            found, seconds = tried[rate, size]
            print(f"  plain, rate {rate:g}, batch {size}: {found:.3f} bits per byte in {seconds:.1f} CPU s", flush=True)
        return tried[rate, size][0]

    rate = 1e-3
    size = min(pace, key=lambda one: score(rate, one))
    for factor in (0.5, 2.0):
        while score(rate * factor, size) < score(rate, size):
            rate *= factor
    single = seconds_a_token(config, shards, size, bf16=False)
    print(f"  plain in float32: {single / pace[size]:.2f} x the time")
    return Settings(rate, bf16=pace[size] <= single), size


def seconds_a_token(config: RunConfig, shards: Mapping[str, TokenShard], size: int, *, bf16: bool = True) -> float:
    """CPU seconds a token of the plain model at a batch size, over sixty steps."""
    short = dataclasses.replace(config, batch_size=size, tokens=60 * size * config.sequence_length)
    return train_plain(short, shards, [], Settings(1e-3, bf16=bf16))[1] / short.tokens


def longer(
    config: RunConfig, shards: Mapping[str, TokenShard], evals: Sequence[EvalTokens], settings: Settings
) -> tuple[float, float, Settings]:
    """The better of the last rate and its double: a longer run may bear a higher one, or a lower one no longer."""
    faster = dataclasses.replace(settings, rate=2 * settings.rate)
    ends = [(*train_plain(config, shards, evals, one), one) for one in (settings, faster)]
    for score, seconds, one in ends:
        print(f"plain with {config.tokens:,} tokens, rate {one.rate:g}: {score:.3f} in {seconds:.1f} CPU s", flush=True)
    return min(ends, key=lambda end: end[0])


def main() -> None:
    """Trains both and prints the ratio."""
    parser = argparse.ArgumentParser(description="Compute of a plain GPT to the proxy's loss.")
    parser.add_argument("folder", nargs="?", help="collected corpora (default: collected into .olmixctl/)")
    parser.add_argument("--model", default="250k")
    parser.add_argument("--tokens", type=int, default=250_000)
    parser.add_argument("--sequence-length", type=int, default=64)
    parser.add_argument("--batch-size", type=int, default=16)
    arguments = parser.parse_args()
    shards, evals = collect(folder_from(arguments.folder))
    config = RunConfig(
        model=arguments.model,
        tokens=arguments.tokens,
        sequence_length=arguments.sequence_length,
        batch_size=arguments.batch_size,
        seed=0,
        vocabulary=VOCABULARY,
        end_of_text=END_OF_TEXT,
        weights={name: 1 / len(shards) for name in shards},
    )
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    goal, spent = train_proxy(config, shards, evals)
    print(f"proxy {config.model}: {goal:.3f} bits per byte with {config.tokens:,} tokens in {spent:.1f} CPU s")
    settings, size = choose(config, shards, evals)
    plain = dataclasses.replace(config, batch_size=size)
    previous: tuple[float, float, int] | None = None
    for tokens in (config.tokens * 2**doubling for doubling in range(1, 7)):
        score, seconds, settings = longer(dataclasses.replace(plain, tokens=tokens), shards, evals, settings)
        if score <= goal:
            break
        previous = (score, seconds, tokens)
    print_ratio(goal, spent, config.tokens, previous, (score, seconds, tokens))


def print_ratio(
    goal: float,
    spent: float,
    trained: int,
    below: tuple[float, float, int] | None,
    above: tuple[float, float, int],
) -> None:
    """Between the last run above the goal and the first below it, loss is taken as linear in the log of compute."""
    if above[0] > goal:
        print(f"not reached: more than {above[2] / trained:.0f} x the tokens, {above[1] / spent:.1f} x the CPU seconds")
        return
    share = 1.0 if below is None else (below[0] - goal) / (below[0] - above[0])
    seconds, tokens = (
        above[i] if below is None else math.exp(math.log(below[i]) * (1 - share) + math.log(above[i]) * share)
        for i in (1, 2)
    )
    print(f"plain needs {tokens / trained:.1f} x the tokens and {seconds / spent:.1f} x the CPU seconds")


if __name__ == "__main__":
    main()
