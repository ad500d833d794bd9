"""Muon and Adam: what an update is, and that a saved state continues it."""

from __future__ import annotations

import pytest
import torch

from olmixctl.proxy.optim import MuonAdam, orthogonalise
from olmixctl.proxy.tuning import Tuning, learning_rate_factor, tuning_for
from olmixctl.spec.presets import PRESETS

TUNING = Tuning(matrix_rate=0.1, embedding_rate=0.01, momentum=0.9, warmup=0.1)


@pytest.mark.parametrize("shape", [(3, 24, 24), (2, 24, 40), (2, 40, 24)])
def test_orthogonalised_matrices_have_singular_values_near_one(shape):
    matrices = torch.randn(shape, generator=torch.Generator().manual_seed(0)) * 1e-3
    values = torch.linalg.svdvals(orthogonalise(matrices, torch.float32))
    assert float(values.max()) < 1.3
    assert float(values.median()) > 0.6


def test_orthogonalised_keeps_the_directions():
    matrices = torch.randn(1, 16, 24, generator=torch.Generator().manual_seed(0))
    left, _, right = torch.linalg.svd(matrices, full_matrices=False)
    overlap = torch.diagonal(left.mT @ orthogonalise(matrices, torch.float32) @ right.mT, dim1=-2, dim2=-1)
    assert float(overlap.min()) > 0.3


def test_a_zero_gradient_moves_nothing():
    optimiser, parameters = make_optimiser()
    before = [parameter.clone() for parameter in parameters]
    for parameter in parameters:
        parameter.grad = torch.zeros_like(parameter)
    optimiser.step(1.0)
    assert all(torch.equal(a, b) for a, b in zip(before, parameters, strict=True))


def test_adam_is_torchs():
    optimiser, (_, embedding) = make_optimiser()
    reference = embedding.detach().clone().requires_grad_()
    adam = torch.optim.Adam([reference], lr=TUNING.embedding_rate, betas=TUNING.betas, eps=1e-10)
    for step in range(5):
        gradients = draw_gradients(optimiser, step)
        reference.grad = gradients[-1].clone()
        optimiser.step(1.0)
        adam.step()
    assert torch.allclose(embedding, reference, rtol=1e-5, atol=1e-7)


def test_a_loaded_state_continues_bit_for_bit():
    first, parameters = make_optimiser()
    for step in range(3):
        draw_gradients(first, step)
        first.step(0.5)
    second, copies = make_optimiser()
    with torch.no_grad():
        for copy, parameter in zip(copies, parameters, strict=True):
            copy.copy_(parameter)
    second.load(first.state())
    for optimiser in (first, second):
        draw_gradients(optimiser, 9)
        optimiser.step(0.5)
    assert all(torch.equal(a, b) for a, b in zip(parameters, copies, strict=True))


def make_optimiser() -> tuple[MuonAdam, list[torch.Tensor]]:
    generator = torch.Generator().manual_seed(2)
    matrix = torch.randn(2, 3, 8, 12, generator=generator).requires_grad_()
    embedding = torch.randn(10, 8, generator=generator).requires_grad_()
    return MuonAdam([matrix], [embedding], TUNING, torch.float32), [matrix, embedding]


def draw_gradients(optimiser: MuonAdam, seed: int) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    for parameter in optimiser.matrices + optimiser.embeddings:
        parameter.grad = torch.randn(parameter.shape, generator=generator)
    return [parameter.grad.clone() for parameter in optimiser.matrices + optimiser.embeddings]


def test_every_preset_is_tuned():
    for name in PRESETS:
        assert tuning_for(name).matrix_rate > 0


def test_the_rate_rises_holds_and_falls_to_the_floor():
    factors = [learning_rate_factor(step, 1000, TUNING) for step in range(1000)]
    assert factors[0] == pytest.approx(0.01)
    assert max(factors) == factors[100] == 1.0
    assert factors[:100] == sorted(factors[:100])
    assert factors[100:] == sorted(factors[100:], reverse=True)
    assert 0 < factors[-1] < 0.01


def test_a_single_step_has_a_rate():
    assert learning_rate_factor(0, 1, TUNING) == 1.0
