"""Muon on the matrices, Adam on the embedding: a handful of tensors, updated in place.

Muon (Jordan et al. 2024): the momentum of a matrix, orthogonalised by a few Newton–Schulz steps, so that every
direction moves by the same amount. In a few hundred steps it reaches a loss that takes AdamW several times the tokens.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from olmixctl.proxy.tuning import Tuning

__all__ = ["MuonAdam", "orthogonalise"]

# Quintic coefficients of Jordan et al. 2024: five steps bring singular values in (0, 1] near to 1.
NEWTON_SCHULZ = ((3.4445, -4.7750, 2.0315),) * 5


def orthogonalise(matrices_NRC: Tensor, dtype: torch.dtype) -> Tensor:
    """The nearest semi-orthogonal matrices, roughly: singular values between about 0.7 and 1.2.

    Args:
        matrices_NRC: a stack of matrices of any one shape.
        dtype: of the products; bf16 is exact enough.
    """
    wide = matrices_NRC.shape[-2] <= matrices_NRC.shape[-1]
    x = matrices_NRC if wide else matrices_NRC.mT
    x = (x / x.norm(dim=(-2, -1), keepdim=True).clamp_min(1e-20)).to(dtype)
    for a, b, c in NEWTON_SCHULZ:
        gram = torch.bmm(x, x.mT)
        polynomial = torch.baddbmm(gram, gram, gram, beta=b, alpha=c)
        x = torch.baddbmm(x, polynomial, x, beta=a)
    return x if wide else x.mT


class MuonAdam:
    """The optimiser of a proxy.

    Args:
        matrices: stacks of matrices, (…, R, C).
        embeddings: what Adam updates.
        tuning: peak rates and momenta.
        dtype: of Muon's matrix products.
    """

    def __init__(
        self, matrices: Sequence[Tensor], embeddings: Sequence[Tensor], tuning: Tuning, dtype: torch.dtype
    ) -> None:
        self.dtype = dtype
        self.matrices = list(matrices)
        self.embeddings = list(embeddings)
        self.tuning = tuning
        self.momenta = [torch.zeros_like(parameter) for parameter in self.matrices]
        self.first = [torch.zeros_like(parameter) for parameter in self.embeddings]
        self.second = [torch.zeros_like(parameter) for parameter in self.embeddings]
        self.steps = 0

    @torch.no_grad()
    def step(self, factor: float) -> None:
        """One update from the gradients, at `factor` times the peak rates; gradients are dropped."""
        self.steps += 1
        for parameter, momentum in zip(self.matrices, self.momenta, strict=True):
            self._muon(parameter, momentum, factor * self.tuning.matrix_rate)
        for parameter, first, second in zip(self.embeddings, self.first, self.second, strict=True):
            self._adam(parameter, first, second, factor * self.tuning.embedding_rate)

    def state(self) -> dict[str, list[Tensor] | int]:
        """All that a resumed run needs, beside the parameters."""
        return {"momenta": self.momenta, "first": self.first, "second": self.second, "steps": self.steps}

    def load(self, state: dict[str, list[Tensor] | int]) -> None:
        """Take over a state written by `state()`."""
        for name in ("momenta", "first", "second"):
            for mine, saved in zip(getattr(self, name), state[name], strict=True):  # type: ignore[arg-type]
                mine.copy_(saved)
        self.steps = int(state["steps"])  # type: ignore[arg-type]

    def _muon(self, parameter: Tensor, momentum: Tensor, rate: float) -> None:
        gradient = _taken(parameter)
        momentum.lerp_(gradient, 1 - self.tuning.momentum)
        update = gradient.lerp_(momentum, self.tuning.momentum)  # Nesterov
        rows, columns = parameter.shape[-2:]
        # A matrix that widens its input may move further in norm: sqrt(rows / columns), as in Jordan et al.
        scale = rate * max(1.0, rows / columns) ** 0.5
        direction = orthogonalise(update.reshape(-1, rows, columns), self.dtype)
        parameter.add_(direction.to(parameter.dtype).reshape(parameter.shape), alpha=-scale)

    def _adam(self, parameter: Tensor, first: Tensor, second: Tensor, rate: float) -> None:
        gradient = _taken(parameter)
        beta1, beta2 = self.tuning.betas
        first.lerp_(gradient, 1 - beta1)
        second.mul_(beta2).addcmul_(gradient, gradient, value=1 - beta2)
        denominator = (second / (1 - beta2**self.steps)).sqrt_().add_(1e-10)
        parameter.addcdiv_(first, denominator, value=-rate / (1 - beta1**self.steps))


def _taken(parameter: Tensor) -> Tensor:
    gradient = parameter.grad
    assert gradient is not None, "step() without backward()"
    parameter.grad = None
    return gradient
