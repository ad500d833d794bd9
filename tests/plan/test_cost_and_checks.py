from __future__ import annotations

import dataclasses
import re

import pytest

from olmixctl.corpus.model import DomainState
from olmixctl.ledger.model import MixturePart, RunInputs, RunRecord
from olmixctl.mixture import Block, Coordinates, Mixture
from olmixctl.plan.checks import block_cap_check, budget_checks, context_checks, reliability_check
from olmixctl.plan.cost import actual_seconds, calibrate
from olmixctl.plan.model import Observed
from olmixctl.plan.reuse import Route
from olmixctl.spec.model import BudgetSpec, DomainSpec, EvalSpec, ExecutorSpec, MixSpec, ProxySpec, TargetSpec
from olmixctl.spec.presets import PRESETS

PROXY = ProxySpec(model="250k", tokens=1_000_000)


def observed(*, budget=None, device="auto", eval_tokens=0):
    spec = MixSpec(
        name="m", target=TargetSpec(tokens=10**9), domains=(DomainSpec(id="a", paths=("a",)),),
        evals=(EvalSpec(name="m", paths=("e",)),), proxy=PROXY, budget=budget or BudgetSpec(),
        executor=ExecutorSpec(device=device),
    )  # fmt: skip
    return Observed(
        spec=spec, inputs={}, semantic="", full="", states={}, evals={}, tokenizer="bytes", trainer="t1",
        vocabulary=257, eval_tokens=eval_tokens,
    )  # fmt: skip


def record(
    *, weight=1_000_000, seed=0, value=3.0, model="250k", seconds=10.0, tokens=1_000_000, status="done", **provenance
):
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
        provenance={"device_seconds": seconds, **provenance},
    )  # fmt: skip


def test_flops_are_six_n_d_and_two_n_for_each_token_scored():
    cost = calibrate(observed(eval_tokens=5_000), []).of(3)
    parameters = PRESETS["250k"].non_embedding_parameters + 257 * PRESETS["250k"].width
    assert cost.flops == 3 * (6 * parameters * 1_000_000 + 2 * parameters * 5_000)
    assert cost.device_seconds is None
    assert cost.calibration == 0
    assert cost.money is None


def test_seconds_come_from_recorded_runs_of_the_same_model():
    runs = [record(seconds=s) for s in (8.0, 10.0, 12.0)] + [record(model="1m", seconds=500.0)]
    cost = calibrate(observed(budget=BudgetSpec(gpu_hour_price=3600.0)), runs).of(2)
    low, middle, high = cost.device_seconds
    assert middle == pytest.approx(20.0)
    assert 16.0 <= low < middle < high <= 24.0
    assert cost.calibration == 3
    assert cost.money == pytest.approx((low, middle, high))


def test_training_time_scales_with_the_tokens_of_a_run_and_evaluation_does_not():
    plain = calibrate(observed(), [record(seconds=5.0, tokens=250_000)])
    assert plain.of(1).device_seconds == pytest.approx((20.0,) * 3)
    shared = record(seconds=5.0, tokens=250_000, train_seconds=2.0, eval_seconds=0.5)
    assert calibrate(observed(), [shared]).of(1).device_seconds == pytest.approx((4.0 * 4 + 1.0,) * 3)


def test_a_diverged_run_calibrates_nothing():
    assert calibrate(observed(), [record(status="diverged")]).of(1).calibration == 0


GPU, CPU = "NVIDIA H100", "cpu"


@pytest.mark.parametrize(
    ("wanted", "recent", "device"),
    [("auto", (), CPU), ("auto", (0,), GPU), ("cuda", (), GPU), ("cpu", (0,), CPU)],
    ids=["most runs", "those of the last apply", "asked for a GPU", "asked for the CPU"],
)
def test_of_several_devices_the_one_that_will_train_counts_and_the_others_are_named(wanted, recent, device):
    runs = [record(weight=500_000 + n, seconds=1.0 if n else 50.0, device=CPU if n else GPU) for n in range(3)]
    cost = calibrate(observed(device=wanted), runs, [runs[n].key for n in recent]).of(1)
    assert cost.device == device
    assert cost.device_seconds[1] == (50.0 if device == GPU else 1.0)
    assert cost.other_devices == ({CPU: 2} if device == GPU else {GPU: 1})


def test_runs_on_another_device_leave_it_uncalibrated():
    cost = calibrate(observed(device="cuda"), [record(device=CPU)]).of(1)
    assert cost.device_seconds is None
    assert cost.other_devices == {CPU: 1}


def test_actual_seconds_are_those_that_runs_tell():
    assert actual_seconds([record(seconds=2.0), record(seconds=3.5)]) == 5.5
    assert actual_seconds([]) is None


def checks(budget, runs, recorded, max_runs=None):
    present = observed(budget=budget)
    return {c.name: c for c in budget_checks(present, calibrate(present, recorded).of(runs), max_runs)}


def test_device_hours_beyond_the_budget_block():
    hours = BudgetSpec(max_gpu_hours=1.0, gpu_hour_price=2.5)
    assert checks(hours, 360, [record(seconds=10.0)]) == {}
    blocked = checks(hours, 361, [record(seconds=10.0)])["max-gpu-hours"]
    assert blocked.level == "block"
    assert "about 1.00 device-hours are needed, 1 are allowed" in blocked.message
    assert checks(hours, 361, [])["uncalibrated"].level == "warn"
    assert checks(hours, 0, []) == {}


@pytest.mark.parametrize(("budget", "typed", "allowed"), [(5, None, 5), (None, 5, 5), (5, 7, 5), (9, 5, 5)])
def test_the_smaller_limit_of_runs_rules(budget, typed, allowed):
    assert checks(BudgetSpec(max_runs=budget), allowed, [], typed) == {}
    found = checks(BudgetSpec(max_runs=budget), allowed + 1, [], typed)["max-runs"]
    assert f"6 runs are needed, {allowed} are allowed" in found.message


def block_route(shares):
    coordinates = Coordinates(("new",), (Block("reused", shares),))
    return Route(kind="train", coordinates=coordinates, reason="", kept_from=1)


def test_a_block_that_a_small_member_holds_far_below_its_reference_says_so():
    """Ten passes over 10M tokens at half the block: the block gets a fifth of 1B, though most of the data is in it."""
    sizes = {"a": 10_000_000, "b": 900_000_000, "new": 90_000_000}
    states = {d: DomainState(id=d, fingerprint=d, content=d, tokens=n, documents=1) for d, n in sizes.items()}
    spec = dataclasses.replace(observed().spec, target=TargetSpec(tokens=10**9, max_repetition=10.0))
    present = dataclasses.replace(observed(), spec=spec, states=states)
    (check,) = block_cap_check(present, block_route({"a": 1, "b": 1}))
    assert check.name == "block-cap"
    assert "hold 2 domains to 20.00% of the mix, the reference gives them 91.00%: a, b run out first" in check.message
    assert list(block_cap_check(present, block_route({"a": 1, "b": 99}))) == []


@pytest.mark.parametrize(("tokens", "said"), [(997_000_000, ""), (980_000_000, "3.9×"), (250_000_000, "1.0×")])
def test_caps_are_said_to_decide_where_the_slack_shown_is_below_four(tokens, said):
    """Sizes of three digits that `init` guesses for a target of 1B may add up to 997M."""
    states = {"a": DomainState(id="a", fingerprint="a", content="a", tokens=tokens, documents=1)}
    present = dataclasses.replace(observed(), states=states)
    route = Route(kind="none", coordinates=Coordinates(("a",)), reason="")
    messages = [check.message for check in context_checks(present, None, route, None) if check.name == "caps-decide"]
    assert len(messages) == bool(said)
    assert all(f"only {said} the target run" in message for message in messages)


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
