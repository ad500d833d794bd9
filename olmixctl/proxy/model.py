"""The proxy: a small decoder-only transformer.

RMSNorm before each sub-layer, rotary positions, QK-norm, SwiGLU, no biases, tied embeddings. What differs from the
plain transformer, and why:
* Norms carry no gains: at these sizes they cost time and buy nothing.
* The output projections of attention and feed-forward start at zero, so each block starts as the identity.
* The embedding is centred over the vocabulary wherever it is used. The logits do not notice (a shift common to all of
  them), but its gradients as output head push all rows the same way, and as inputs tokens would come to look alike.
* Queries and keys are normalised over the whole width (as OLMo 2, arXiv 2501.00656), so the rates can be high.
* The matrices of all layers of one kind are one stacked parameter: the optimiser works on a handful of tensors, and
  Muon orthogonalises a whole stack in one batched product.
* Parameters and the residual stream are float32; each stack is cast once a step to the type of the products, which is
  cheaper than autocast.
* Up to `EXPLICIT_LENGTH` tokens, attention on a CPU is two batched products and a softmax, faster than the fused one.

Dimensions: B batch, T sequence, N = B·T, D width, H heads, K head dimension, F feed-forward, L layers, V vocabulary.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from olmixctl.proxy import kernels, plain
from olmixctl.spec.presets import ModelPreset

__all__ = ["ProxyModel", "rotary"]

ROTARY_BASE = 500.0
"""Turns slow down to this many tokens: proxies see short sequences, and lower bases learned faster (docs/proxy.md)."""
EXPLICIT_LENGTH = 256


class ProxyModel(nn.Module):
    """Token ids to the loss of the tokens that follow.

    Args:
        preset: the shape.
        vocabulary: number of token ids.
        sequence_length: longest sequence.
        seed: of the initialisation, drawn on the CPU so that every device starts from the same numbers.
        dtype: of the matrix products and what enters them.
    """

    rotary_2T2D: Tensor
    mask_TT: Tensor

    def __init__(
        self, preset: ModelPreset, vocabulary: int, sequence_length: int, *, seed: int, dtype: torch.dtype
    ) -> None:
        super().__init__()
        self.preset = preset
        self.dtype = dtype
        generator = torch.Generator().manual_seed(seed)
        shapes = self.shapes(preset, vocabulary)

        def drawn(name: str, std: float) -> nn.Parameter:
            return nn.Parameter(torch.randn(shapes[name], generator=generator) * std)

        self.embedding_VD = drawn("embedding_VD", std=0.02)
        self.query_key_value_L3DD = drawn("query_key_value_L3DD", std=preset.width**-0.5)
        self.attention_out_LDD = nn.Parameter(torch.zeros(shapes["attention_out_LDD"]))
        self.gate_up_L2FD = drawn("gate_up_L2FD", std=preset.width**-0.5)
        self.down_LDF = nn.Parameter(torch.zeros(shapes["down_LDF"]))
        explicit = min(sequence_length, EXPLICIT_LENGTH)
        mask_TT = torch.full((explicit, explicit), float("-inf")).triu(1)
        self.register_buffer("rotary_2T2D", rotary(sequence_length, preset.heads, preset.width), persistent=False)
        self.register_buffer("mask_TT", mask_TT.to(dtype), persistent=False)

    @staticmethod
    def shapes(preset: ModelPreset, vocabulary: int) -> dict[str, tuple[int, ...]]:
        """The parameters by name, with their shapes."""
        layers, width, hidden = preset.layers, preset.width, preset.hidden
        return {
            "embedding_VD": (vocabulary, width),
            "query_key_value_L3DD": (layers, 3, width, width),
            "attention_out_LDD": (layers, width, width),
            "gate_up_L2FD": (layers, 2, hidden, width),
            "down_LDF": (layers, width, hidden),
        }

    def matrices(self) -> list[nn.Parameter]:
        """The stacks that Muon updates: everything but the embedding."""
        return [self.query_key_value_L3DD, self.attention_out_LDD, self.gate_up_L2FD, self.down_LDF]

    def forward(self, tokens_BT: Tensor, targets_BT: Tensor, *, reduction: str = "mean") -> Tensor:
        """Cross entropy in nats over the targets (−1 is not scored): their `mean` or `sum`."""
        part = plain if tokens_BT.is_cuda else kernels
        batch, length = tokens_BT.shape
        width, heads = self.preset.width, self.preset.heads
        embedding_VD = self.embedding_VD - self.embedding_VD.mean(0)
        x_ND = part.norm(functional.embedding(tokens_BT.reshape(-1), embedding_VD), torch.float32)
        # One cast and one gradient a stack; unbind makes a layer's matrices views of it.
        stacks = [stack.to(self.dtype).flatten(1, -2).unbind(0) for stack in self.matrices()]
        for qkv_3DD, out_DD, gate_up_2FD, down_DF in zip(*stacks, strict=True):
            qkv_ND = functional.linear(part.norm(x_ND, self.dtype), qkv_3DD)
            query, key, value = part.heads_apart(
                qkv_ND.view(batch, length, 3, width), self.rotary_2T2D[:, :length], heads
            )
            mixed_BHTK = self.attend(query, key, value).view(batch, heads, length, -1)
            x_ND = part.residual(x_ND, functional.linear(mixed_BHTK.transpose(1, 2).reshape(-1, width), out_DD))
            hidden_NF = part.swiglu(functional.linear(part.norm(x_ND, self.dtype), gate_up_2FD))
            x_ND = part.residual(x_ND, functional.linear(hidden_NF, down_DF))
        logits_NV = functional.linear(part.norm(x_ND, self.dtype), embedding_VD.to(self.dtype))
        return functional.cross_entropy(logits_NV.float(), targets_BT.reshape(-1), ignore_index=-1, reduction=reduction)

    def attend(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """Causal attention, each argument and the result (B·H, T, K); queries carry the scale."""
        length = query.shape[1]
        if query.is_cuda or length > len(self.mask_TT):
            return functional.scaled_dot_product_attention(query, key, value, is_causal=True, scale=1.0)
        mask = self.mask_TT[:length, :length].expand(len(query), -1, -1)
        return torch.bmm(torch.baddbmm(mask, query, key.mT).softmax(-1), value)


def rotary(length: int, heads: int, width: int) -> Tensor:
    """Rotary positions (Su et al. 2021, arXiv 2104.09864) as factors: (cosine | sine, T, query | key, D).

    Turned y is y · cosine + shifted(y) · sine, with y shifted by half a width: the first half of the width holds the
    first components of all pairs, the second half the second. The sines carry the sign, the query's factors the scale
    K^−½ of attention.
    """
    size = width // heads
    frequency = ROTARY_BASE ** (-torch.arange(0, size, 2, dtype=torch.float64) / size)
    angle = torch.outer(torch.arange(length, dtype=torch.float64), frequency).repeat(1, heads)
    cosine, sine = torch.cat([angle.cos()] * 2, dim=1), torch.cat([-angle.sin(), angle.sin()], dim=1)
    scale = torch.tensor([size**-0.5, 1.0], dtype=torch.float64).view(1, 1, 2, 1)
    return (torch.stack([cosine, sine]).unsqueeze(2) * scale).float()
