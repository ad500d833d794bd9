"""Proxy model presets: shapes and parameter counts, without torch, so that `plan` can cost them.

A preset names a decoder-only transformer by its non-embedding parameters. Counts are computed, never written down.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["PRESETS", "ModelPreset"]


@dataclass(frozen=True, slots=True)
class ModelPreset:
    """The shape of a proxy model (the blocks are described in `olmixctl/proxy/model.py`).

    Attributes:
        name: as written in the mix file.
        layers: number of blocks.
        width: model dimension.
        heads: attention heads; the head dimension is width / heads, a multiple of 8.
        hidden: inner dimension of the SwiGLU feed-forward.
    """

    name: str
    layers: int
    width: int
    heads: int
    hidden: int

    @property
    def non_embedding_parameters(self) -> int:
        """Attention 4·d², SwiGLU 3·d·h, and nothing else: norms carry no gains."""
        return self.layers * (4 * self.width**2 + 3 * self.width * self.hidden)

    def total_parameters(self, vocabulary: int) -> int:
        """Non-embedding plus the tied embedding, vocabulary · d."""
        return self.non_embedding_parameters + vocabulary * self.width

    def train_flops_per_token(self, vocabulary: int) -> float:
        """6·N with N the parameters that multiply: blocks and the output head (Kaplan et al. 2020, §2.1)."""
        return 6.0 * self.total_parameters(vocabulary)


_ALL = (
    ModelPreset("250k", layers=4, width=72, heads=3, hidden=192),
    ModelPreset("1m", layers=4, width=144, heads=6, hidden=384),
    ModelPreset("4m", layers=6, width=240, heads=6, hidden=640),
    ModelPreset("15m", layers=8, width=400, heads=8, hidden=1056),
    ModelPreset("30m", layers=10, width=512, heads=8, hidden=1344),
    ModelPreset("60m", layers=12, width=640, heads=10, hidden=1728),
    ModelPreset("190m", layers=16, width=1000, heads=10, hidden=2640),
)

PRESETS: dict[str, ModelPreset] = {preset.name: preset for preset in _ALL}
