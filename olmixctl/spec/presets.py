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
    ModelPreset("250k", layers=2, width=128, heads=4, hidden=160),
    ModelPreset("1m", layers=3, width=192, heads=4, hidden=320),
    ModelPreset("4m", layers=5, width=288, heads=6, hidden=544),
    ModelPreset("15m", layers=8, width=384, heads=8, hidden=1112),
    ModelPreset("30m", layers=10, width=512, heads=8, hidden=1272),
    ModelPreset("60m", layers=12, width=640, heads=10, hidden=1736),
    ModelPreset("190m", layers=16, width=1024, heads=16, hidden=2496),
)

PRESETS: dict[str, ModelPreset] = {preset.name: preset for preset in _ALL}
