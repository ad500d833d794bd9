"""The proxy: a small decoder-only transformer.

RMSNorm before each sub-layer, rotary positions, QK-norm, SwiGLU, no biases, tied embeddings. What differs from the
plain transformer, and why:
* Norms carry no gains: at these sizes they cost time and buy nothing.
* The output projections of attention and feed-forward start at zero, so each block starts as the identity.
* Queries and keys are normalised (Dehghani et al. 2023, arXiv 2302.05442), so the rates can be high.
* The matrices of all layers of one kind are one stacked parameter: the optimiser works on a handful of tensors, and
  Muon orthogonalises a whole stack in one batched product.
* Master weights are float32; the forward pass casts each stack once to the compute type, which is cheaper than autocast.

Dimensions: B batch, T sequence, D width, H heads, K head dimension, F feed-forward, L layers, V vocabulary.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from olmixctl.spec.presets import ModelPreset

__all__ = ["ProxyModel"]

ROTARY_BASE = 10_000.0


class ProxyModel(nn.Module):
    """Token ids to the loss of the tokens that follow.

    Args:
        preset: the shape.
        vocabulary: number of token ids.
        sequence_length: longest sequence.
        seed: of the initialisation, drawn on the CPU so that every device starts from the same numbers.
        dtype: of activations and of the weights they meet.
    """

    rotation_T2K: Tensor

    def __init__(
        self, preset: ModelPreset, vocabulary: int, sequence_length: int, *, seed: int, dtype: torch.dtype
    ) -> None:
        super().__init__()
        self.preset = preset
        self.dtype = dtype
        layers, width, hidden = preset.layers, preset.width, preset.hidden
        generator = torch.Generator().manual_seed(seed)

        def drawn(*shape: int, std: float) -> nn.Parameter:
            return nn.Parameter(torch.randn(shape, generator=generator) * std)

        self.embedding_VD = drawn(vocabulary, width, std=0.02)
        self.query_key_value_L3DD = drawn(layers, 3, width, width, std=width**-0.5)
        self.attention_out_LDD = nn.Parameter(torch.zeros(layers, width, width))
        self.gate_up_L2FD = drawn(layers, 2, hidden, width, std=width**-0.5)
        self.down_LDF = nn.Parameter(torch.zeros(layers, width, hidden))
        self.register_buffer(
            "rotation_T2K", rotation(sequence_length, width // preset.heads).to(dtype), persistent=False
        )

    def matrices(self) -> list[nn.Parameter]:
        """The stacks that Muon updates: everything but the embedding."""
        return [self.query_key_value_L3DD, self.attention_out_LDD, self.gate_up_L2FD, self.down_LDF]

    def hidden(self, tokens_BT: Tensor) -> Tensor:
        """Activations before the output head, (B·T, D)."""
        batch, length = tokens_BT.shape
        width, heads = self.preset.width, self.preset.heads
        cos_TK, sin_TK = self.rotation_T2K[:length].unbind(1)
        x_ND = norm(functional.embedding(tokens_BT.reshape(-1), self.embedding_VD.to(self.dtype)))
        stacks = [stack.to(self.dtype).flatten(1, -2).unbind(0) for stack in self.matrices()]
        for qkv_3DD, out_DD, gate_up_2FD, down_DF in zip(*stacks, strict=True):
            qkv_BHTK = (
                functional.linear(norm(x_ND), qkv_3DD)
                .view(batch, length, 3, heads, width // heads)
                .permute(2, 0, 3, 1, 4)
            )
            query_key_BHTK = rotate(norm(qkv_BHTK[:2]), cos_TK, sin_TK)
            mixed_BHTK = functional.scaled_dot_product_attention(
                query_key_BHTK[0], query_key_BHTK[1], qkv_BHTK[2], is_causal=True
            )
            x_ND = x_ND + functional.linear(mixed_BHTK.transpose(1, 2).reshape(-1, width), out_DD)
            gate_NF, up_NF = functional.linear(norm(x_ND), gate_up_2FD).chunk(2, dim=-1)
            x_ND = x_ND + functional.linear(functional.silu(gate_NF) * up_NF, down_DF)
        return norm(x_ND)

    def forward(self, tokens_BT: Tensor, targets_BT: Tensor, *, reduction: str = "mean") -> Tensor:
        """Cross entropy in nats: the mean, or with `reduction="none"` one a token, flat. Target −1 is not scored."""
        logits_NV = functional.linear(self.hidden(tokens_BT), self.embedding_VD.to(self.dtype))
        return functional.cross_entropy(logits_NV.float(), targets_BT.reshape(-1), ignore_index=-1, reduction=reduction)


def norm(x: Tensor) -> Tensor:
    """RMSNorm over the last dimension, without gains (Zhang and Sennrich 2019, arXiv 1910.07467)."""
    return functional.rms_norm(x, x.shape[-1:])


def rotation(length: int, size: int) -> Tensor:
    """Cosines and sines of rotary positions, (T, 2, K/2) (Su et al. 2021, arXiv 2104.09864)."""
    frequency_K = ROTARY_BASE ** (-torch.arange(0, size, 2, dtype=torch.float64) / size)
    angle_TK = torch.outer(torch.arange(length, dtype=torch.float64), frequency_K)
    return torch.stack([angle_TK.cos(), angle_TK.sin()], dim=1).float()


def rotate(x: Tensor, cos_TK: Tensor, sin_TK: Tensor) -> Tensor:
    """Rotary positions: the first and second half of each head turn as pairs."""
    first, second = x.chunk(2, dim=-1)
    return torch.cat([first * cos_TK - second * sin_TK, second * cos_TK + first * sin_TK], dim=-1)


def initial_loss(vocabulary: int) -> float:
    """The loss of a model that knows nothing, nats per token: the measure of an explosion."""
    return math.log(vocabulary)
