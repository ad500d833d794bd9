"""Rounds and early stops from the command line: what is said, what a saved plan binds, which exit code."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from workspaces import write_mix

DOMAINS = dict.fromkeys(("code", "docs", "web"), "")
LOCK = Path("mixes/base.lock.yaml")


def swarm(root, text, *, more=""):
    write_mix(root, DOMAINS, extra=f"swarm: {{{text}}}{more}")


def trained(root):
    return len(list((root / "mixes/base.runs").glob("r1*.json")))


def test_a_stop_is_said_before_and_after_and_stands_in_the_lock(olmixctl, root):
    swarm(root, "stop: {regret: 50}")
    plan = olmixctl("plan").stdout
    assert max(map(len, plan.splitlines())) <= 80
    assert "apply looks after 4, 6 and 9 runs whether the mix is within 50 of the best one" in " ".join(plan.split())
    assert "To train up to 12 runs and write lock serial 1" in plan
    said = olmixctl("apply", "--auto-approve").output
    assert "after 4 of 12 runs: within 50 of the best with probability 0.00, going on" in said
    assert "after 6 of 12 runs: within 50 of the best with probability 1.00, enough" in said
    assert "6 runs trained" in said
    assert "Stopped early, after 6 of 12 runs" in said
    assert trained(root) == 6
    assert "stopped early, after 6 of 12 runs" in olmixctl("show").stdout
    assert olmixctl.json("show")["stopped"]["trained"] == 6
    assert "Nothing to do" in olmixctl("plan").stdout
    assert "stopped " in olmixctl("verify").stdout


def test_the_answer_in_json(olmixctl, root):
    swarm(root, "rounds: 3, stop: {regret: 50}")
    document = olmixctl.json("plan")
    assert (document["rounds"]["later"], document["cost"]["runs"], len(document["runs"])) == ([4, 4], 12, 4)
    answer = olmixctl.json("apply", "--auto-approve")
    assert (answer["trained"], answer["lock"]["stopped"]["planned"]) == (8, 12)


def test_a_saved_plan_goes_on_through_its_rounds(olmixctl, root):
    swarm(root, "rounds: 3")
    olmixctl("plan", "--out", "plan.json")
    assert "in 2 rounds, are chosen" in " ".join(olmixctl("show", "plan.json").stdout.split())
    olmixctl("apply", "plan.json")
    assert trained(root) == 12
    assert LOCK.exists()


@pytest.mark.parametrize("now", ["rounds: 4", "rounds: 1", "rounds: 3, stop: {regret: 1}", "rounds: 3, seed: 1"])
def test_a_saved_plan_of_other_rounds_is_stale(olmixctl, root, now):
    swarm(root, "rounds: 3")
    olmixctl("plan", "--out", "plan.json")
    swarm(root, now)
    assert "the mix file changed in what it asks for" in olmixctl("apply", "plan.json", code=4).stderr


def test_a_saved_plan_whose_runs_others_train_meanwhile_trains_fewer(olmixctl, root):
    swarm(root, "rounds: 3")
    olmixctl("plan", "--out", "plan.json")
    olmixctl("apply", "--auto-approve")
    files = sorted((root / "mixes/base.runs").glob("r1*.json"))
    LOCK.unlink()
    records = {path: json.loads(path.read_text()) for path in files}
    first = [path for path, record in records.items() if "chain" not in record["provenance"]]
    for path in first[:2]:
        path.unlink()
    assert olmixctl.json("apply", "plan.json")["trained"] == 2
    assert trained(root) == 12


def test_the_budget_covers_every_round(olmixctl, root):
    swarm(root, "rounds: 3", more="\nbudget: {max_runs: 11}")
    assert "12 runs are needed, 11 are allowed" in olmixctl("plan", code=3).stdout
    swarm(root, "rounds: 3")
    said = olmixctl("apply", "--auto-approve", "--max-runs", "4", code=3).output
    assert "12 runs are needed, 4 are allowed" in said


@pytest.mark.parametrize(
    "text", ["rounds: 0", "stop: {regret: -1}", "stop: {regret: 1, confidence: 1.5}", "design: foo"]
)
def test_what_makes_no_sense_is_refused_with_its_place(olmixctl, root, text):
    swarm(root, text)
    field = text.split(":")[0]
    for command in ("validate", "plan"):
        assert f"swarm.{field}" in olmixctl(command, code=1).stderr


def test_fmt_keeps_them(olmixctl, root):
    swarm(root, "rounds: 3, design: informative, stop: {regret: 0.01}")
    olmixctl("fmt")
    assert "swarm: {rounds: 3, design: informative, stop: {regret: 0.01}}" in (root / "mixes/base.yaml").read_text()
    olmixctl("fmt", "--check")
