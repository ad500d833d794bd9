"""Batches: the mixture at every prefix, all of a shard in an epoch, the same text for the same seed."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from olmixctl.errors import CorpusError, SpecError
from olmixctl.mixture import GRID, Mixture, round_to_grid
from olmixctl.proxy.config import RunConfig
from olmixctl.proxy.data import Batches, first_window, schedule, stride

amounts = st.dictionaries(st.text("abcdef", min_size=1, max_size=3), st.integers(0, 1000), min_size=1, max_size=12)


def grid(raw: dict[str, int]) -> dict[str, int]:
    weights = Mixture.normalised({name: value + (value == 0 and not any(raw.values())) for name, value in raw.items()})
    return round_to_grid({name: weight * GRID for name, weight in weights.items()})


@given(amounts, st.integers(1, 400))
def test_every_prefix_is_within_one_sequence_of_the_request(raw, sequences):
    points = grid(raw)
    order = schedule(points, sequences)
    seen = np.cumsum(order[:, None] == np.arange(len(points)), axis=0)
    wanted = np.arange(1, sequences + 1)[:, None] * np.array(list(points.values())) / GRID
    assert np.abs(seen - wanted).max() < 1


@given(amounts, st.integers(1, 200))
def test_a_longer_schedule_begins_with_the_shorter_one(raw, sequences):
    points = grid(raw)
    assert np.array_equal(schedule(points, sequences), schedule(points, sequences + 57)[:sequences])


def test_many_small_domains_do_not_pile_up():
    # 63 domains of 0.16 % each fall due at the same time under any rule by thresholds.
    points = round_to_grid({"big": 0.9 * GRID} | {f"d{i}": 0.1 / 63 * GRID for i in range(63)})
    order = schedule(points, 2000)
    small = np.cumsum(order != list(points).index("big"))
    assert np.abs(small - 0.1 * np.arange(1, 2001)).max() <= 1


def test_the_schedule_repeats_after_the_grid():
    points = {"a": GRID // 4, "b": GRID - GRID // 4}
    order = schedule(points, GRID + 10)
    assert np.array_equal(order[GRID:], order[:10])
    assert (order[:GRID] == 0).sum() == GRID // 4


@given(st.integers(1, 5000))
def test_an_epoch_visits_every_window_once(windows):
    step = stride(windows)
    assert len({ordinal * step % windows for ordinal in range(windows)}) == windows


def test_any_stretch_of_an_epoch_is_spread_over_the_shard():
    step = stride(1000)
    visited = sorted(ordinal * step % 1000 for ordinal in range(50))
    assert max(b - a for a, b in itertools.pairwise(visited)) < 3 * 1000 / 50


def test_realised_tokens_are_the_request_within_one_batch(config, shards):
    batches = Batches(config, shards)
    for steps in range(config.steps + 1):
        realised = batches.realised_tokens(steps)
        assert sum(realised.values()) == steps * config.tokens_per_step
        for domain, weight in config.weights.items():
            assert abs(realised[domain] - weight * steps * config.tokens_per_step) <= config.tokens_per_step


def test_a_batch_depends_on_the_step_alone(config, shards):
    forwards, backwards = Batches(config, shards), Batches(config, shards)
    expected = [forwards.batch(step) for step in range(6)]
    for step in reversed(range(6)):
        assert all(np.array_equal(a, b) for a, b in zip(backwards.batch(step), expected[step], strict=True))


def test_parts_are_the_batch(config, shards):
    batches = Batches(config, shards)
    inputs, targets = batches.batch(2)
    parts = list(batches.parts(2, 3))
    assert [len(part) for part, _ in parts] == [3, 1]
    assert np.array_equal(np.concatenate([part for part, _ in parts]), inputs)
    assert np.array_equal(np.concatenate([part for _, part in parts]), targets)


def test_targets_follow_inputs_in_the_shard(config, shards):
    inputs, targets = Batches(config, shards).batch(0)
    assert np.array_equal(inputs[:, 1:], targets[:, :-1])
    text = np.load(shards["prose"].tokens_path).tolist()
    joined = "".join(map(chr, text + text[:100]))
    rows = ["".join(map(chr, row)) for row in inputs]
    assert sum(row in joined for row in rows) == 3  # three quarters of four


def test_a_swarm_reads_the_same_text_of_a_domain(config, shards):
    """Common random numbers: the k-th sequence of a domain does not hang on the mixture."""
    other = dataclasses.replace(config, weights={"code": 0.6, "prose": 0.4})
    first, second = (sequences_of(Batches(one, shards), "code", 8) for one in (config, other))
    assert np.array_equal(first, second)


def test_another_seed_reads_elsewhere(config, shards):
    other = dataclasses.replace(config, seed=1)
    first, second = (sequences_of(Batches(one, shards), "code", 4) for one in (config, other))
    assert not np.array_equal(first, second)


def sequences_of(batches: Batches, domain: str, count: int) -> np.ndarray:
    source = next(one for one in batches.sources if one.domain == domain)
    return np.stack([source.sequence(ordinal, 64) for ordinal in range(count)])


def test_renaming_a_domain_changes_no_batch(config, shards):
    renamed = dataclasses.replace(config, weights={"code": 0.25, "a-new-name": 0.75})
    moved = {"code": shards["code"], "a-new-name": dataclasses.replace(shards["prose"], domain="a-new-name")}
    for step in range(4):
        before, after = Batches(config, shards).batch(step), Batches(renamed, moved).batch(step)
        assert np.array_equal(before[0], after[0])


def test_a_domain_without_weight_needs_no_shard_and_trains_nothing(config, shards):
    sparse = dataclasses.replace(config, weights={"code": 0.0, "prose": 1.0, "absent": 0.0})
    batches = Batches(sparse, {"prose": shards["prose"]})
    assert batches.realised_tokens(3) == {"absent": 0, "code": 0, "prose": 3 * 256}
    assert batches.epochs(3)["code"] == 0.0


def test_repetition_is_counted_in_epochs(shards, make_run):
    batches = Batches(make_run(tokens=50_000, weights={"code": 1.0}), shards)
    epochs = batches.epochs(batches.config.steps)["code"]
    assert epochs == pytest.approx(50_176 / shards["code"].tokens)
    assert epochs > 1


def test_a_shard_shorter_than_a_sequence_wraps(tmp_path, make_run, make_shard):
    shard = make_shard(tmp_path, "tiny", ["ab"])
    inputs, targets = Batches(make_run(tokens=256, weights={"tiny": 1.0}), {"tiny": shard}).batch(0)
    assert set(inputs.ravel().tolist()) == {97, 98, 256}
    assert np.array_equal(inputs[:, 1:], targets[:, :-1])
    assert inputs[0, :4].tolist() in ([97, 98, 256, 97], [98, 256, 97, 98], [256, 97, 98, 256])


def test_a_domain_with_weight_and_no_shard_is_named(config):
    with pytest.raises(SpecError, match="no tokens for domain 'code'"):
        Batches(config, {})


def test_weights_must_sum_to_one(shards, make_run):
    with pytest.raises(SpecError, match=r"sum to 0\.9"):
        Batches(make_run(weights={"code": 0.5, "prose": 0.4}), shards)


def test_a_shard_that_is_no_array_is_named(tmp_path, config, shards):
    (tmp_path / "bad.npy").write_bytes(b"not an array")
    broken = dataclasses.replace(shards["code"], tokens_path=tmp_path / "bad.npy")
    with pytest.raises(CorpusError, match=r"'code' cannot be read from .*bad\.npy"):
        Batches(config, shards | {"code": broken})


def test_an_empty_shard_says_what_to_do(tmp_path, config, shards):
    np.save(tmp_path / "empty.npy", np.array([], np.uint16))
    empty = dataclasses.replace(shards["code"], tokens_path=tmp_path / "empty.npy")
    with pytest.raises(CorpusError, match="at least one training document"):
        Batches(config, shards | {"code": empty})


def test_an_id_beyond_the_vocabulary_is_refused(tmp_path, config, shards):
    np.save(tmp_path / "high.npy", np.full(5000, 300, np.uint16))
    high = dataclasses.replace(shards["code"], tokens_path=tmp_path / "high.npy")
    batches = Batches(config, shards | {"code": high})
    with pytest.raises(CorpusError, match="token id 300"):
        [batches.batch(step) for step in range(4)]


def test_first_window_is_stable():
    """Golden: it decides what every recorded run was trained on."""
    assert [first_window(seed, "olx1:abc", 1000) for seed in range(4)] == [800, 510, 168, 703]


def test_a_config_is_checked(make_run):
    with pytest.raises(SpecError, match="no proxy model '2m'"):
        make_run(model="2m")
    with pytest.raises(SpecError, match="batch_size is 0"):
        make_run(batch_size=0)
    with pytest.raises(SpecError, match="end of text 300"):
        make_run(end_of_text=300)
    with pytest.raises(SpecError, match="seed is -1"):
        make_run(seed=-1)


def test_a_config_digest_is_of_all_fields(config: RunConfig):
    for change in ({"seed": 1}, {"tokens": 7_000}, {"weights": {"code": 0.5, "prose": 0.5}}, {"model": "1m"}):
        assert dataclasses.replace(config, **change).digest() != config.digest()
    assert dataclasses.replace(config, weights={"prose": 0.75, "code": 0.25}).digest() == config.digest()
