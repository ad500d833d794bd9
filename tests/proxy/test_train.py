"""Whole runs: they learn what they are fed, end the same way twice, stop, resume and diverge as outcomes."""

from __future__ import annotations

import dataclasses
import json
import math

import pytest

from olmixctl.errors import OlmixctlError, SpecError
from olmixctl.proxy import tuning
from olmixctl.proxy.config import TRAINER_VERSION, TrainerOptions
from olmixctl.proxy.train import train

ONE = TrainerOptions(device="cpu", precision="float32", threads=1)


def test_a_run_measures_and_accounts(config, shards, evals):
    result = train(config, shards, evals, ONE)
    assert result.status == "completed"
    assert set(result.metrics) == {"prose", "code-continued"}
    assert all(0 < value < 8 for value in result.metrics.values())
    assert result.steps == 24
    assert result.tokens == 6144 == sum(result.realised_tokens.values())
    assert result.realised_tokens == {"code": 1536, "prose": 4608}
    assert result.epochs["prose"] == pytest.approx(4608 / shards["prose"].tokens)
    assert (result.device, result.precision, result.threads) == ("cpu", "float32", 1)
    assert result.trainer == TRAINER_VERSION
    assert result.wall_seconds >= result.train_seconds + result.eval_seconds
    assert result.device_seconds == pytest.approx(result.train_seconds + result.eval_seconds)


def test_the_record_is_json(config, shards, evals):
    result = train(config, shards, evals, ONE)
    assert json.loads(json.dumps(result.as_record()))["metrics"] == dict(result.metrics)


@pytest.mark.parametrize("precision", ["float32", "bf16"])
def test_the_same_run_twice_is_bitwise_the_same(config, shards, evals, precision):
    options = dataclasses.replace(ONE, precision=precision)
    first, second = (train(config, shards, evals, options) for _ in range(2))
    assert first.metrics == second.metrics
    assert first.final_loss == second.final_loss
    assert first.precision == precision


def test_parts_of_a_batch_are_the_batch(monkeypatch, config, shards, evals):
    whole = train(config, shards, evals, ONE)
    monkeypatch.setattr("olmixctl.proxy.device.Machine.rows", lambda *_: 3)
    parts = train(config, shards, evals, ONE)
    assert parts.metrics == pytest.approx(whole.metrics, rel=1e-3)


def test_another_seed_is_another_run(config, shards, evals):
    first = train(config, shards, evals, ONE)
    other = train(dataclasses.replace(config, seed=1), shards, evals, ONE)
    assert first.metrics != other.metrics


def test_a_mixture_teaches_what_it_holds(make_run, shards, evals):
    mixes = ({"code": 0.95, "prose": 0.05}, {"code": 0.05, "prose": 0.95})
    code, prose = (train(make_run(weights=mix, tokens=8_000), shards, evals, ONE).metrics for mix in mixes)
    assert code["code-continued"] < prose["code-continued"]
    assert prose["prose"] < code["prose"]


@pytest.mark.parametrize("stop_at", [1, 7, 23])
def test_an_interrupted_run_resumes_bit_for_bit(config, shards, evals, tmp_path, stop_at):
    options = dataclasses.replace(ONE, checkpoint_dir=tmp_path / "checkpoints")
    whole = train(config, shards, evals, ONE)
    asked = iter(range(1000))
    stopped = train(config, shards, evals, options, should_stop=lambda: next(asked) >= stop_at)
    assert stopped.status == "interrupted"
    assert stopped.steps == stop_at
    assert not stopped.metrics
    assert len(list(options.checkpoint_dir.iterdir())) == 1
    resumed = train(config, shards, evals, options)
    assert resumed.status == "completed"
    assert resumed.metrics == whole.metrics
    assert resumed.final_loss == whole.final_loss
    assert resumed.train_seconds > stopped.train_seconds
    assert not list(options.checkpoint_dir.iterdir())


def test_checkpoints_are_written_on_the_way(monkeypatch, config, shards, evals, tmp_path):
    """A killed process, unlike an interrupted one, leaves what the clock wrote."""
    options = dataclasses.replace(ONE, checkpoint_dir=tmp_path, checkpoint_seconds=0.0)

    def kill(progress):
        if progress.step >= 20:
            raise KeyboardInterrupt

    monkeypatch.setattr("olmixctl.proxy.train.REPORT_SECONDS", 0.0)
    with pytest.raises(KeyboardInterrupt):
        train(config, shards, evals, options, on_progress=kill)
    assert list(tmp_path.glob("*.pt"))
    assert not list(tmp_path.glob("*.tmp"))
    assert train(config, shards, evals, options).metrics == train(config, shards, evals, ONE).metrics


def test_a_run_stopped_without_a_folder_keeps_nothing(config, shards, evals):
    result = train(config, shards, evals, ONE, should_stop=lambda: True)
    assert (result.status, result.steps, result.final_loss) == ("interrupted", 0, None)


def test_another_run_does_not_take_over_a_checkpoint(config, shards, evals, tmp_path):
    options = dataclasses.replace(ONE, checkpoint_dir=tmp_path)
    asked = iter(range(1000))
    train(config, shards, evals, options, should_stop=lambda: next(asked) >= 5)
    other = dataclasses.replace(config, seed=1)
    assert train(other, shards, evals, options).metrics == train(other, shards, evals, ONE).metrics


def test_revised_text_does_not_continue_an_old_checkpoint(config, shards, evals, tmp_path):
    options = dataclasses.replace(ONE, checkpoint_dir=tmp_path)
    asked = iter(range(1000))
    train(config, shards, evals, options, should_stop=lambda: next(asked) >= 5)
    revised = shards | {"code": dataclasses.replace(shards["code"], key="olx1:revised")}
    result = train(config, revised, evals, options, should_stop=lambda: False)
    assert result.steps == 24
    assert len(list(tmp_path.iterdir())) == 1  # the old one stays for the old text


def test_a_damaged_checkpoint_says_what_to_do(config, shards, evals, tmp_path):
    options = dataclasses.replace(ONE, checkpoint_dir=tmp_path)
    asked = iter(range(1000))
    train(config, shards, evals, options, should_stop=lambda: next(asked) >= 5)
    (path,) = tmp_path.iterdir()
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(OlmixctlError, match=r"checkpoint .* cannot be read") as caught:
        train(config, shards, evals, options)
    assert "delete it" in caught.value.remedy


def test_an_exploding_run_is_an_outcome(monkeypatch, config, shards, evals, tmp_path):
    wild = tuning.Tuning(matrix_rate=1e4, embedding_rate=1e4, momentum=0.8)
    monkeypatch.setattr("olmixctl.proxy.train.tuning_for", lambda _: wild)
    result = train(config, shards, evals, dataclasses.replace(ONE, checkpoint_dir=tmp_path))
    assert result.status == "diverged"
    assert not result.metrics
    assert result.steps < 24
    assert result.final_loss is None or math.isfinite(result.final_loss)
    assert sum(result.realised_tokens.values()) == result.tokens
    json.dumps(result.as_record(), allow_nan=False)


def test_progress_tells_loss_speed_and_what_is_left(monkeypatch, config, shards, evals):
    monkeypatch.setattr("olmixctl.proxy.train.REPORT_SECONDS", 0.0)
    seen = []
    train(config, shards, evals, ONE, on_progress=seen.append)
    assert [one.step for one in seen] == [10, 20, 24]
    assert all(one.steps == 24 and one.tokens_per_second > 0 for one in seen)
    assert seen[0].loss > seen[-1].loss
    assert seen[-1].eta_seconds == 0 < seen[0].eta_seconds


def test_progress_is_not_told_more_often_than_asked(config, shards, evals, monkeypatch):
    monkeypatch.setattr("olmixctl.proxy.train.REPORT_SECONDS", 1e6)
    seen = []
    train(config, shards, evals, ONE, on_progress=seen.append)
    assert seen == []


def test_a_run_without_metrics_trains(config, shards):
    assert train(config, shards, [], ONE).status == "completed"


def test_two_metrics_of_one_name_are_refused(config, shards, evals):
    with pytest.raises(SpecError, match="two metrics share a name"):
        train(config, shards, [evals[0], evals[0]], ONE)


def test_threads_and_denormals_are_put_back(make_run, shards):
    import torch

    before = torch.get_num_threads()
    result = train(make_run(tokens=256), shards, [], dataclasses.replace(ONE, threads=before + 1))
    assert result.threads == before + 1
    assert torch.get_num_threads() == before
    assert float(torch.tensor([1e-40]) * 0.5) > 0
