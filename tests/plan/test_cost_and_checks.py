from __future__ import annotations

import re

import pytest

from olmixctl.ledger.model import MixturePart, RunInputs, RunRecord
from olmixctl.mixture import Mixture
from olmixctl.plan.checks import reliability_check
from olmixctl.plan.cost import estimate_cost
from olmixctl.spec.model import BudgetSpec, ProxySpec
from olmixctl.spec.presets import PRESETS

PROXY = ProxySpec(model="250k", tokens=1_000_000)


def record(*, weight=1_000_000, seed=0, value=3.0, model="250k", seconds=10.0, tokens=1_000_000, status="done"):
    parts = [MixturePart(weight, (("olc1:a", 1),))]
    if weight < 1_000_000:
        parts.append(MixturePart(1_000_000 - weight, (("olc1:b", 1),)))
    return RunRecord(
        inputs=RunInputs(
            parts=tuple(parts), model=model, tokens=tokens, sequence_length=128, batch_size=8,
            tokenizer="bytes", evals=("ev1:m",), seed=seed, trainer="t1",
        ),
        mixture=Mixture({"a": weight / 1e6, "b": 1 - weight / 1e6}),
        evals={"m": "ev1:m"},
        status=status,
        metrics={"m": value} if status == "done" else {},
        provenance={"device_seconds": seconds},
    )  # fmt: skip


def test_flops_are_six_n_d_over_blocks_and_head():
    cost = estimate_cost(3, PROXY, 257, BudgetSpec(), [])
    preset = PRESETS["250k"]
    assert cost.flops == 3 * 6 * (preset.non_embedding_parameters + 257 * preset.width) * 1_000_000
    assert cost.device_seconds is None
    assert cost.calibration == 0
    assert cost.money is None


def test_seconds_come_from_recorded_runs_of_the_same_model():
    runs = [record(seconds=s) for s in (8.0, 10.0, 12.0)] + [record(model="1m", seconds=500.0)]
    cost = estimate_cost(2, PROXY, 257, BudgetSpec(gpu_hour_price=3600.0), runs)
    low, middle, high = cost.device_seconds
    assert middle == pytest.approx(20.0)
    assert 16.0 <= low < middle < high <= 24.0
    assert cost.calibration == 3
    assert cost.money == pytest.approx(20.0)


def test_seconds_scale_with_the_tokens_of_a_run():
    cost = estimate_cost(1, PROXY, 257, BudgetSpec(), [record(seconds=5.0, tokens=250_000)])
    assert cost.device_seconds == pytest.approx((20.0, 20.0, 20.0))


def test_a_diverged_run_calibrates_nothing():
    assert estimate_cost(1, PROXY, 257, BudgetSpec(), [record(status="diverged")]).calibration == 0


def swarm(noise):
    """Four mixtures, 0.1 apart, two seeds each, `noise` apart."""
    return [
        record(weight=200_000 * (n + 1), seed=seed, value=3.0 + 0.1 * n + (noise if seed else 0.0) * (-1) ** n)
        for n in range(4)
        for seed in (0, 1)
    ]


def reliability(records):
    return list(reliability_check(records, records[0].inputs.setting, {"ev1:m": 1.0}))


def test_replicates_that_agree_say_nothing():
    assert reliability(swarm(0.01)) == []


def test_replicates_that_differ_warn_and_name_a_budget_that_would_do():
    (check,) = reliability(swarm(0.15))
    assert check.level == "warn"
    found = float(re.search(r"reliability (\d\.\d+)", check.message)[1])
    # Half the squared difference is the noise; signal is what is left of the spread of first seeds.
    noise, total = 0.15**2 / 2, 0.05 / 3
    assert found == pytest.approx((total - noise) / total, abs=0.006)
    wanted = noise / (total - noise) * 9
    assert f"{wanted:.1f}M"[:3] in check.message or "tokens a run would do" in check.message
    assert "proxy.tokens" in check.remedy


def test_noise_without_signal_names_no_budget():
    records = [
        record(weight=200_000 * (n + 1), seed=s, value=3.0 + (0.1 if s else 0.0)) for n in range(4) for s in (0, 1)
    ]
    (check,) = reliability(records)
    assert "no budget near it" in check.message


def test_runs_of_another_setting_do_not_count():
    records = swarm(0.15)
    assert list(reliability_check(records, "s1:other", {"ev1:m": 1.0})) == []


def test_a_swarm_without_replicates_says_nothing():
    assert reliability([r for r in swarm(0.15) if r.inputs.seed == 0]) == []
