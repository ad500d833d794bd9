"""The model: its counts, its kernels against plain torch and against finite differences, causality."""

from __future__ import annotations

import math

import pytest
import torch

from olmixctl.proxy import kernels, plain
from olmixctl.proxy.model import ProxyModel, rotary
from olmixctl.spec.presets import PRESETS, ModelPreset

TINY = ModelPreset("tiny", layers=2, width=32, heads=2, hidden=48)


def make_model(dtype=torch.float32, *, trained=False, length=16, seed=0) -> ProxyModel:
    model = ProxyModel(TINY, 50, length, seed=seed, dtype=dtype)
    if trained:
        generator = torch.Generator().manual_seed(1)
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.1)
    return model


def value(loss: torch.Tensor) -> float:
    return loss.item()


def tokens(*shape: int, seed=0) -> torch.Tensor:
    return torch.randint(0, 50, shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("preset", PRESETS.values(), ids=lambda preset: preset.name)
def test_counts_are_those_of_the_parameters(preset):
    shape = ProxyModel.shapes(preset, vocabulary=257)
    total = sum(math.prod(one) for one in shape.values())
    assert total == preset.total_parameters(257)
    assert total - math.prod(shape["embedding_VD"]) == preset.non_embedding_parameters


@pytest.mark.parametrize("preset", PRESETS.values(), ids=lambda preset: preset.name)
def test_presets_are_near_their_names(preset):
    nominal = float(preset.name[:-1]) * {"k": 1e3, "m": 1e6}[preset.name[-1]]
    assert preset.non_embedding_parameters == pytest.approx(nominal, rel=0.05)
    assert preset.width % preset.heads == 0
    assert preset.width // preset.heads % 8 == 0


def test_parameters_have_the_stated_shapes():
    stated = ProxyModel.shapes(TINY, 50)
    assert {name: tuple(one.shape) for name, one in make_model().named_parameters()} == stated


def test_it_starts_knowing_nothing():
    loss = make_model()(tokens(4, 16), tokens(4, 16, seed=1))
    assert loss.item() == pytest.approx(math.log(50), rel=0.02)


def test_the_seed_decides_the_start():
    first, same, other = make_model(seed=3), make_model(seed=3), make_model(seed=4)
    assert torch.equal(first.gate_up_L2FD, same.gate_up_L2FD)
    assert not torch.equal(first.gate_up_L2FD, other.gate_up_L2FD)


def test_no_token_sees_what_follows():
    model = make_model(trained=True)
    inputs, targets = tokens(1, 16), tokens(1, 16, seed=1)
    changed = inputs.clone()
    changed[:, 10:] = (changed[:, 10:] + 1) % 50
    only_early = targets.clone()
    only_early[:, 10:] = -1
    assert value(model(inputs, only_early)) == value(model(changed, only_early))
    late = targets.clone()
    late[:, :10] = -1
    assert value(model(inputs, late)) != value(model(changed, late))


def test_positions_matter():
    model = make_model(trained=True)
    inputs, targets = tokens(1, 16), torch.full((1, 16), -1)
    targets[0, -1] = 7
    swapped = inputs.clone()
    swapped[0, [2, 5]] = inputs[0, [5, 2]]
    assert value(model(inputs, targets)) != value(model(swapped, targets))


def test_a_shift_of_all_positions_changes_no_attention():
    """Rotary positions enter scores as differences only."""
    factors = rotary(40, 2, 32)
    qkv = torch.randn(1, 8, 3, 32, generator=torch.Generator().manual_seed(0))
    scores = []
    for begin in (0, 32):
        query, key, _ = kernels.heads_apart(qkv, factors[:, begin : begin + 8], 2)
        scores.append(torch.bmm(query, key.mT))
    assert torch.allclose(*scores, atol=1e-5)


def test_long_sequences_take_the_fused_attention_and_agree(monkeypatch):
    inputs, targets = tokens(2, 16), tokens(2, 16, seed=1)
    explicit = make_model(trained=True)
    monkeypatch.setattr("olmixctl.proxy.model.EXPLICIT_LENGTH", 4)
    fused = make_model(trained=True)
    assert value(explicit(inputs, targets)) == pytest.approx(value(fused(inputs, targets)), rel=1e-6)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-6), (torch.bfloat16, 2e-2)])
def test_kernels_are_the_plain_mathematics(monkeypatch, dtype, tolerance):
    inputs, targets = tokens(4, 16), tokens(4, 16, seed=1)
    results = []
    for part in (kernels, plain):
        monkeypatch.setattr("olmixctl.proxy.model.kernels", part)
        model = make_model(dtype, trained=True)
        loss = model(inputs, targets)
        loss.backward()
        results.append((loss.detach(), *(parameter.grad for parameter in model.parameters())))
    for ours, reference in zip(*results, strict=True):
        assert float((ours - reference).norm() / reference.norm()) < tolerance


def wide(*shape: int) -> torch.Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(5)).requires_grad_()


def test_derivatives_are_those_of_finite_differences():
    assert torch.autograd.gradcheck(lambda x: kernels.norm(x, torch.float64), wide(3, 8))
    assert torch.autograd.gradcheck(kernels.residual, (wide(3, 4), wide(3, 4) * 2))
    assert torch.autograd.gradcheck(kernels.swiglu, wide(3, 8))
    factors = rotary(5, 2, 8).double()
    assert torch.autograd.gradcheck(lambda qkv: kernels.heads_apart(qkv, factors, 2), wide(2, 5, 3, 8))


def test_queries_and_keys_are_normalised():
    qkv = torch.randn(2, 8, 3, 32, generator=torch.Generator().manual_seed(0)) * 50
    query, key, value = kernels.heads_apart(qkv, rotary(8, 2, 32), 2)
    # Unit mean square over both heads together; queries carry the scale K^−½.
    assert torch.allclose(key.view(2, 2, 8, 16).square().mean((1, 3)), torch.ones(2, 8), atol=1e-4)
    assert torch.allclose(query.view(2, 2, 8, 16).square().mean((1, 3)), torch.full((2, 8), 1 / 16), atol=1e-4)
    assert torch.equal(value.view(2, 2, 8, 16).transpose(1, 2).reshape(2, 8, 32), qkv[:, :, 2])
