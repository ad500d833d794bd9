"""Where a run computes: by rule, and a clear message where it cannot."""

from __future__ import annotations

import pytest
import torch

from olmixctl.errors import OlmixctlError
from olmixctl.proxy import device
from olmixctl.proxy.config import TrainerOptions


def test_a_missing_gpu_is_a_message(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(OlmixctlError, match="torch finds no GPU"):
        device.resolve(TrainerOptions(device="cuda"))


@pytest.mark.parametrize(
    ("instructions", "expected"), [({"avx512_bf16": True}, "bf16"), ({"amx_bf16": True}, "bf16"), ({}, "float32")]
)
def test_auto_takes_bf16_where_the_processor_multiplies_it(monkeypatch, instructions, expected):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: instructions)
    assert device.resolve(TrainerOptions(device="cpu")).precision == expected


@pytest.mark.parametrize("precision", ["float32", "bf16"])
def test_a_stated_precision_is_taken(precision):
    assert device.resolve(TrainerOptions(device="cpu", precision=precision)).precision == precision


def test_the_machine_kind_names_processor_and_instructions():
    kind = device.resolve(TrainerOptions(device="cpu")).kind
    assert torch.backends.cpu.get_cpu_capability() in kind


def test_big_batches_are_taken_in_parts(make_run):
    machine = device.resolve(TrainerOptions(device="cpu", threads=1))
    assert machine.rows(make_run()) == 4
    assert machine.rows(make_run(sequence_length=128, batch_size=64)) == 4
    assert machine.rows(make_run(sequence_length=32, batch_size=64, vocabulary=1_000_000)) == 4
    assert machine.rows(make_run(sequence_length=65_536, batch_size=2)) == 1


def test_settings_are_put_back_after_an_error():
    machine = device.resolve(TrainerOptions(device="cpu", threads=2))
    before = torch.get_num_threads()

    def fail() -> None:
        with machine.settings():
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert torch.get_num_threads() == before
