"""What `kernels` computes, as ordinary torch code: compiled on CUDA, and what the tests hold the kernels against."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from olmixctl.proxy.kernels import EPSILON

__all__ = ["heads_apart", "norm", "residual", "swiglu"]


def norm(x_ND: Tensor, dtype: torch.dtype) -> Tensor:
    """RMSNorm over the last dimension, without gains, as `dtype`."""
    return functional.rms_norm(x_ND, x_ND.shape[-1:], eps=EPSILON).to(dtype)


def residual(x_ND: Tensor, branch_ND: Tensor) -> Tensor:
    """The sum, in the type of x."""
    return x_ND + branch_ND.to(x_ND.dtype)


def swiglu(gate_up_N2F: Tensor) -> Tensor:
    """silu(gate) · up, the two halves of the last dimension."""
    gate, up = gate_up_N2F.chunk(2, dim=-1)
    return functional.silu(gate) * up


def heads_apart(qkv_BT3D: Tensor, rotary_2T2D: Tensor, heads: int) -> tuple[Tensor, Tensor, Tensor]:
    """Queries and keys, normalised and turned, and values, each (B·H, T, K)."""
    batch, length, _, width = qkv_BT3D.shape
    size = width // heads
    y = norm(qkv_BT3D[:, :, :2].to(rotary_2T2D.dtype), rotary_2T2D.dtype)
    turned = (y * rotary_2T2D[0] + y.roll(width // 2, -1) * rotary_2T2D[1]).to(qkv_BT3D.dtype)
    apart = turned.view(batch, length, 2, 2, heads, size // 2).permute(2, 0, 4, 1, 3, 5)
    query_key = apart.reshape(2, batch * heads, length, size)
    value = qkv_BT3D[:, :, 2].reshape(batch, length, heads, size).transpose(1, 2).reshape(-1, length, size)
    return query_key[0], query_key[1], value
