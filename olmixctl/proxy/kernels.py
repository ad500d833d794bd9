"""The parts of a block between its matrix products, for a CPU: fewer passes over memory than autograd makes.

On a GPU `torch.compile` fuses these; on a CPU eager mode would spend more time here than in the matrix products. Each
kernel is one autograd function with its derivative written out. Products run in the compute type (bf16 where the
processor has it), what stands between them in float32. `plain` holds the same mathematics as ordinary torch
code: the tests hold the kernels against it, and CUDA compiles it.

Dimensions: N = B·T tokens, D width, H heads, K = D/H, F feed-forward.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function

__all__ = ["EPSILON", "heads_apart", "norm", "residual", "swiglu"]

EPSILON = 1e-6


def norm(x_ND: Tensor, dtype: torch.dtype) -> Tensor:
    """RMSNorm over the last dimension, without gains, as `dtype` (Zhang and Sennrich 2019, arXiv 1910.07467)."""
    return _Norm.apply(x_ND, dtype)  # type: ignore[no-any-return, no-untyped-call]


def residual(x_ND: Tensor, branch_ND: Tensor) -> Tensor:
    """The sum, in the type of x."""
    return _Residual.apply(x_ND, branch_ND)  # type: ignore[no-any-return, no-untyped-call]


def swiglu(gate_up_N2F: Tensor) -> Tensor:
    """silu(gate) · up, the two halves of the last dimension (Shazeer 2020, arXiv 2002.05202)."""
    return _SwiGLU.apply(gate_up_N2F)  # type: ignore[no-any-return, no-untyped-call]


def heads_apart(qkv_BT3D: Tensor, rotary_2T2D: Tensor, heads: int) -> tuple[Tensor, Tensor, Tensor]:
    """Queries and keys, normalised and turned, and values, each (B·H, T, K).

    Args:
        qkv_BT3D: the three projections.
        rotary_2T2D: cosines and signed sines (`model.rotary`), for queries (with the attention scale) and keys.
        heads: H. Component c of head h is at (c // (K/2), h, c % (K/2)) of the width for queries and keys, so that the
            two halves of every rotary pair lie half a width apart.
    """
    return _HeadsApart.apply(qkv_BT3D, rotary_2T2D, heads)  # type: ignore[no-any-return, no-untyped-call]


def _wide(x: Tensor) -> Tensor:
    """At least float32: what stands between the products; float64 stays for gradient checks."""
    return x if x.dtype == torch.float64 else x.float()


def _inverse_rms(x: Tensor) -> Tensor:
    squares = torch.linalg.vector_norm(x, dim=-1, keepdim=True).square_()
    inverse: Tensor = squares.mul_(1 / x.shape[-1]).add_(EPSILON).rsqrt_()
    return inverse


def _norm_gradient(g: Tensor, y: Tensor, inverse: Tensor) -> Tensor:
    """For y = x · inverse: (g − y · mean(g · y)) · inverse. Exact up to ε, which only matters for x near zero."""
    return torch.addcmul(g, y, (g * y).mean(-1, keepdim=True), value=-1).mul_(inverse)


class _Norm(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, dtype: torch.dtype) -> Tensor:  # noqa: ANN401  (torch's context is untyped)
        inverse = _inverse_rms(x)
        ctx.save_for_backward(x, inverse)
        return (x * inverse).to(dtype)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor, None]:  # noqa: ANN401
        x, inverse = ctx.saved_tensors
        return _norm_gradient(_wide(g), x * inverse, inverse), None


class _Residual(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, branch: Tensor) -> Tensor:  # noqa: ANN401
        ctx.dtype = branch.dtype
        return x + branch.to(x.dtype)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor, Tensor]:  # noqa: ANN401
        return g, g.to(ctx.dtype)


class _SwiGLU(Function):
    @staticmethod
    def forward(ctx: Any, gate_up: Tensor) -> Tensor:  # noqa: ANN401
        gate, up = _wide(gate_up).chunk(2, dim=-1)
        sigmoid = torch.sigmoid(gate)
        silu = gate * sigmoid
        ctx.save_for_backward(sigmoid, silu, up)
        return (silu * up).to(gate_up.dtype)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Tensor:  # noqa: ANN401
        sigmoid, silu, up = ctx.saved_tensors
        both = g.new_empty(*g.shape[:-1], 2 * g.shape[-1])
        d_gate, d_up = both.chunk(2, dim=-1)
        wide = _wide(g)
        d_up.copy_(wide * silu)
        # silu' = σ + silu · (1 − σ)
        d_gate.copy_(torch.addcmul(silu, silu, sigmoid, value=-1).add_(sigmoid).mul_(wide).mul_(up))
        return both


class _HeadsApart(Function):
    @staticmethod
    def forward(ctx: Any, qkv: Tensor, rotary: Tensor, heads: int) -> tuple[Tensor, Tensor, Tensor]:  # noqa: ANN401
        batch, length, _, width = qkv.shape
        size = width // heads
        x = _wide(qkv[:, :, :2])
        inverse = _inverse_rms(x)
        y = x * inverse
        turned = torch.addcmul(y * rotary[0], y.roll(width // 2, -1), rotary[1])
        apart = turned.view(batch, length, 2, 2, heads, size // 2).permute(2, 0, 4, 1, 3, 5)
        query_key = apart.to(qkv.dtype, memory_format=torch.contiguous_format).reshape(2, -1, length, size)
        value = qkv[:, :, 2].reshape(batch, length, heads, size).transpose(1, 2).reshape(-1, length, size)
        ctx.save_for_backward(y, inverse, rotary)
        return query_key[0].clone(), query_key[1].clone(), value

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:  # noqa: ANN401
        y, inverse, rotary = ctx.saved_tensors
        batch, length, _, width = y.shape
        heads, size = grads[0].shape[0] // batch, grads[0].shape[-1]
        out = grads[2].new_empty(batch, length, 3, width)
        turned = torch.empty_like(y)
        for index in (0, 1):
            halves = grads[index].view(batch, heads, length, 2, size // 2).permute(0, 2, 3, 1, 4)
            turned[:, :, index].view(batch, length, 2, heads, size // 2).copy_(halves)
        # The transpose of the rotation: half a width is its own inverse shift.
        g = torch.mul(turned, rotary[0]).add_((turned * rotary[1]).roll(width // 2, -1))
        out[:, :, :2].copy_(_norm_gradient(g, y, inverse))
        out[:, :, 2].view(batch, length, heads, size).copy_(grads[2].view(batch, heads, length, size).transpose(1, 2))
        return out, None, None
