"""Swarms too small to tell anything, or to be trained in rounds: refused or said before anything is trained."""

from __future__ import annotations

import pytest
from workspaces import write_domain, write_mix

from olmixctl.errors import IncompleteError
from olmixctl.workspace import Workspace

DOMAINS = dict.fromkeys(("code", "docs", "web"), "")


def plan_of(root, swarm):
    write_mix(root, DOMAINS, extra=f"swarm: {{{swarm}}}")
    return Workspace.open(cwd=root).plan()


def said(plan):
    return [(check.level, check.name, check.message) for check in plan.checks if check.name.startswith("swarm")]


def test_one_mixture_is_refused_before_it_is_trained(root):
    with pytest.raises(IncompleteError, match="this swarm is one mixture, which says nothing of") as found:
        plan_of(root, "runs_per_coordinate: 0.2, rounds: 20, stop: {regret: 0.1}")
    assert found.value.remedy.startswith("raise swarm.runs_per_coordinate: 1 trains as many mixtures as")
    assert not list((root / "mixes").glob("*.lock.yaml"))


def test_two_mixtures_are_enough_to_solve(root):
    plan = plan_of(root, "runs_per_coordinate: 0.5")
    assert len({tuple(run.point.items()) for run in plan.runs}) == 2
    assert Workspace.open(cwd=root).apply(plan).trained == 2


def test_a_mix_of_one_domain_has_one_mixture_and_needs_no_other(tmp_path):
    write_domain(tmp_path, "code", 60)
    write_mix(tmp_path, {"code": ""}, extra="swarm: {runs_per_coordinate: 0.5}")
    workspace = Workspace.open(cwd=tmp_path)
    assert workspace.apply(workspace.plan()).lock.weights["code"] == 10**6


def test_recorded_runs_of_other_mixtures_stand_beside_a_single_one(root):
    first = Workspace.open(cwd=root)
    first.apply(first.plan())
    (root / "mixes/base.lock.yaml").unlink()
    plan = plan_of(root, "runs_per_coordinate: 0.2, seed: 5")
    assert len(plan.runs) == 1
    assert plan.extra_evidence


@pytest.mark.parametrize(
    ("swarm", "words"),
    [
        ("runs_per_coordinate: 1, rounds: 20", ["swarm.rounds: 20 cannot apply: all 4 mixtures are the first round"]),
        ("runs_per_coordinate: 1, stop: {regret: 1}", ["swarm.stop cannot apply: a look needs 4 mixtures, and"]),
        (
            "runs_per_coordinate: 0.5, rounds: 3, stop: {regret: 1}",
            ["swarm.rounds: 3 cannot apply: all 2 mixtures are the first round", "swarm.stop cannot apply"],
        ),
        ("rounds: 3, stop: {regret: 1}", []),
        ("stop: {regret: 1}", []),
        ("runs_per_coordinate: 1", []),
    ],
)
def test_what_cannot_apply_to_so_small_a_swarm_is_said(root, swarm, words):
    found = said(plan_of(root, swarm))
    assert [level for level, _, _ in found] == ["warn"] * len(words)
    assert all(word in message for word, (_, _, message) in zip(words, found, strict=True))
