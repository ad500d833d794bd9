"""Loss spikes are left out and named; what is merely unlike the rest is not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from swarms import diminishing, evidence_of, log_linear, mixtures, swarm

from olmixctl.surrogate import FAMILIES, Evidence
from olmixctl.surrogate.spikes import LEAST_RUNS, without_spikes
from olmixctl.surrogate.validation import rank_correlation


def spiked(plain: Evidence, rows, by: float = 4.0) -> Evidence:
    """The evidence with some runs this many standard deviations higher in every metric."""
    losses_RM = plain.losses_RM.copy()
    losses_RM[rows] += by * losses_RM.std(axis=0)
    return replace(plain, losses_RM=losses_RM)


@pytest.mark.parametrize("truth", [diminishing, log_linear])
@pytest.mark.parametrize("rows", [[4], [0, 21]])
def test_a_spike_is_left_out_and_named(truth, rows):
    plain = swarm(40, truth=truth, noise=0.02)
    kept, found, doubtful = without_spikes(spiked(plain, rows, by=8.0))
    assert doubtful == ()
    assert [spike.run for spike in found] == [plain.runs[row] for row in rows]
    assert all(spike.above > 8.0 for spike in found)
    assert set(kept.runs) == set(plain.runs) - {spike.run for spike in found}
    np.testing.assert_array_equal(kept.losses_RM, np.delete(plain.losses_RM, rows, axis=0))
    assert without_spikes(kept) == (kept, (), ())


@settings(max_examples=12, deadline=None, derandomize=True)
@given(
    runs=st.integers(3, 60),
    domains=st.integers(2, 12),
    noise=st.sampled_from([0.0, 0.02, 0.2]),
    seed=st.integers(0, 999),
)
def test_runs_of_one_law_have_none(runs, domains, noise, seed):
    plain = swarm(runs, noise=noise, seed=seed, domains=domains)
    kept, found, doubtful = without_spikes(plain)
    assert found == doubtful == ()
    assert kept is plain


def test_a_run_at_the_border_of_the_swarm_is_none():
    """All of it one domain that the others hardly have, and what the law says of that."""
    weights_RC = mixtures(40, strength=5.0)
    weights_RC[7] = [1.0, 0.0, 0.0, 0.0, 0.0]
    losses_RM = diminishing(weights_RC) + np.random.default_rng(0).normal(0, 0.01, (40, 2))
    assert losses_RM[7].min() > losses_RM[:7].max(axis=0).min()
    assert without_spikes(evidence_of(weights_RC, losses_RM))[1] == ()


def test_what_is_far_below_is_no_spike():
    assert without_spikes(spiked(swarm(40), [4], by=-4.0))[1] == ()


def test_one_metric_of_several_is_no_spike():
    plain = swarm(40)
    losses_RM = np.hstack([plain.losses_RM, plain.losses_RM[:, :1] + 0.1])
    losses_RM[4, 0] += 5.0
    assert without_spikes(evidence_of(plain.weights_RC, losses_RM))[1] == ()


def test_of_few_runs_and_where_many_look_odd_nothing_is_said():
    few = spiked(swarm(LEAST_RUNS - 1), [3], by=20.0)
    assert without_spikes(few) == (few, (), ())
    many = spiked(swarm(40), list(range(0, 40, 2)))
    assert without_spikes(many) == (many, (), ())


def test_where_more_than_a_tenth_are_far_above_they_are_kept_and_named():
    several = spiked(swarm(40, noise=0.02), [1, 8, 15, 22, 29], by=20.0)
    kept, found, doubtful = without_spikes(several)
    assert kept is several
    assert found == ()
    assert {spike.run for spike in doubtful} == {several.runs[row] for row in (1, 8, 15, 22, 29)}


def test_a_run_without_what_all_others_have_is_kept_and_named():
    """An ablation: what its mixture does no other run can say."""
    weights_RC = np.random.default_rng(3).dirichlet([8.0, 6.0, 6.0, 4.0, 4.0], 24)
    weights_RC[6, 0] = 0.0
    weights_RC[6] /= weights_RC[6].sum()
    losses_RM = 1.0 + 0.25 * np.maximum(weights_RC[:, :1], 2e-5) ** [[-0.3, -0.32]]
    plain = evidence_of(weights_RC, losses_RM + np.random.default_rng(1).normal(0, 0.002, losses_RM.shape))
    kept, found, doubtful = without_spikes(plain)
    assert (kept, found) == (plain, ())
    assert [spike.run for spike in doubtful] == ["r006"]


@pytest.mark.parametrize("height", [1e14, 1e30, 1e90])
def test_no_height_hides_a_spike(height):
    plain = swarm(40, noise=0.02)
    losses_RM = plain.losses_RM.copy()
    losses_RM[4] = height
    assert [spike.run for spike in without_spikes(replace(plain, losses_RM=losses_RM)).spikes] == ["r004"]


def test_of_few_metrics_a_spike_has_to_stand_out_more():
    """In the middle of one metric is that metric, and a domain of its own may move it far."""
    plain = swarm(40, noise=0.02)
    several = replace(plain, metrics=tuple("tuvwxyz"), losses_RM=np.tile(plain.losses_RM, 4)[:, :7])
    height = 1.3
    assert len(without_spikes(spiked(several, [11], by=height)).spikes) == 1
    few = without_spikes(spiked(plain, [11], by=height))
    assert (few.spikes, len(few.doubtful)) == ((), 1)


def test_names_and_order_mean_nothing_and_a_level_metric_neither():
    plain = spiked(swarm(40, noise=0.02), [11])
    losses_RM = np.hstack([plain.losses_RM, np.full((40, 1), 1.5)])
    order = np.random.default_rng(1).permutation(40)
    turned = evidence_of(plain.weights_RC[order][:, ::-1], losses_RM[order])
    (found,) = without_spikes(turned)[1]
    assert order[turned.runs.index(found.run)] == 11


def test_a_process_ranks_as_it_did_without_the_spike():
    """What it is for: one such run of forty takes ranks from all predictions."""
    unseen_NC = mixtures(200, 8, seed=5, strength=1.0)
    weights_RC = mixtures(40, 8, strength=1.0)
    losses_RM = diminishing(weights_RC) + np.random.default_rng(2).normal(0, 0.02, (40, 2))
    plain = evidence_of(weights_RC, losses_RM)
    bad = replace(plain, losses_RM=losses_RM + (np.arange(40) == 9)[:, None] * 1.0)
    truth_N = diminishing(unseen_NC).mean(axis=1)

    def ranks(evidence: Evidence) -> float:
        return rank_correlation(truth_N, FAMILIES["gaussian"].fit(evidence).predict(unseen_NC).mean(axis=1)) or 0.0

    kept, found, _ = without_spikes(bad)
    assert [spike.run for spike in found] == ["r009"]
    assert ranks(bad) < ranks(plain) - 0.05
    assert ranks(kept) > ranks(plain) - 0.02
