"""`--reuse`, `--recompute`, `--solve-only` and `--expires`: what they do, and every way to get them wrong."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from workspaces import write_domain, write_mix

from olmixctl.cli.planning import write_plan

LOCK = Path("mixes/base.lock.yaml")
BASE = {"code": "", "docs": "", "web": ""}


@pytest.fixture
def grown(applied):
    """After the first apply, papers join."""
    write_domain(applied, "papers", 50)
    write_mix(applied, BASE | {"papers": ""}, evals=("code", "docs"))
    return applied


@pytest.mark.parametrize(
    ("words", "found", "remedy"),
    [
        (["--reuse", "half"], "'half' is no reuse strategy", "auto, full, partial or none"),
        (["--reuse", "partial"], "needs the domains", "--recompute DOMAIN"),
        (["--recompute", "wen"], "--recompute wen: it names no domain", "did you mean 'web'?"),
        (["--recompute", "x*"], "--recompute x*: it names no domain", "there is: code, docs, papers, web"),
        (["--recompute", "papers"], "estimated anew already, it is among the changes", "leave it out"),
        (["--recompute", "web", "--reuse", "full"], "goes with partial reuse", "leave --reuse out"),
        (["--recompute", "web", "--reuse", "none"], "goes with partial reuse", "leave --reuse out"),
        (["--expires", "soon"], "no span of time", "12h, 7d"),
    ],
)
def test_wrong_options(olmixctl, grown, words, found, remedy):
    said = " ".join(olmixctl("plan", *words, code=64).stderr.split())
    assert found in said
    assert remedy in said
    if "--expires" not in words:
        assert found in " ".join(olmixctl("apply", "--auto-approve", *words, code=64).stderr.split())


def test_recompute_before_there_is_a_lock(olmixctl):
    assert "there is no lock yet" in olmixctl("plan", "--recompute", "web", code=64).stderr


def test_recompute_frees_what_it_names_and_the_saved_plan_keeps_it(olmixctl, grown):
    plan = olmixctl.json("plan", "--recompute", "w*", "--out", "plan.json")
    assert plan["coordinates"]["free"] == ["papers", "web"]
    (chosen,) = [row for row in plan["strategies"] if row["chosen"]]
    assert (chosen["name"], chosen["recompute"], chosen["needed"]) == ("partial", ["web"], 12)
    assert "--recompute 'w*'" in olmixctl("plan", "--recompute", "w*").stdout
    applied = olmixctl.json("apply", "plan.json")
    assert applied["trained"] == 12
    assert applied["lock"]["domains"]["web"].get("block") is None


def test_recompute_in_the_mix_file_goes_along_with_a_change(olmixctl, grown):
    extra = "reuse: partial\nrecompute: [web]"
    write_mix(grown, BASE, extra=extra)
    assert not olmixctl.json("plan")["has_changes"]
    write_mix(grown, BASE | {"papers": ""}, evals=("code", "docs"), extra=extra)
    assert olmixctl.json("plan")["coordinates"]["free"] == ["papers", "web"]
    olmixctl("apply", "--auto-approve")
    assert not olmixctl.json("plan")["has_changes"]


def test_solve_only_carries_over_and_says_what_that_costs(olmixctl, grown):
    plan = olmixctl.json("plan", "--solve-only")
    assert (plan["kind"], plan["cost"]["runs"]) == ("carry", 0)
    assert plan["strategies"][0]["gap"]["loss"] > 0
    olmixctl("apply", "--solve-only", "--auto-approve")
    assert "carried over without a run: papers is not measured" in olmixctl("show").stdout
    olmixctl("verify")
    again = olmixctl("plan").stdout
    assert "not measured: papers" in " ".join(again.split())
    assert "Nothing to do" in again


def test_a_saved_plan_can_be_told_to_train_nothing(olmixctl, grown):
    olmixctl("plan", "--out", "plan.json")
    applied = olmixctl.json("apply", "plan.json", "--solve-only")
    assert applied["trained"] == 0
    assert applied["lock"]["solution"]["status"] == "carried"


def test_a_saved_plan_can_be_told_to_train_fewer_runs_and_then_refuses(olmixctl, grown):
    olmixctl("plan", "--out", "plan.json")
    assert "9 runs are needed, 2 are allowed" in olmixctl("apply", "plan.json", "--max-runs", "2", code=3).stdout
    assert not list(grown.glob("mixes/base.runs/*papers*"))


@pytest.mark.parametrize("words", [["--reuse", "none"], ["--recompute", "web"], ["--allow-remove", "web"]])
def test_a_saved_plan_holds_its_own_options(olmixctl, grown, words):
    olmixctl("plan", "--out", "plan.json")
    assert "holds its own" in olmixctl("apply", "plan.json", *words, code=64).stderr


def test_only_a_saved_plan_says_when_it_was_made(olmixctl, grown):
    printed = olmixctl.json("plan", "--out", "plan.json", "--json-into", "same.json")
    saved = json.loads(Path("plan.json").read_text())
    assert json.loads(Path("same.json").read_text()) == printed
    assert set(saved) - set(printed) == {"created", "expires"}
    made, ends = (datetime.strptime(saved[k], "%Y-%m-%dT%H:%M:%S%z") for k in ("created", "expires"))
    assert ends - made == timedelta(days=7)
    olmixctl("plan", "--out", "plan.json", "--expires", "never")
    assert json.loads(Path("plan.json").read_text())["expires"] is None
    olmixctl("apply", "plan.json")


def test_an_expired_plan_is_refused(olmixctl, grown):
    document = olmixctl.json("plan")
    write_plan(Path("plan.json"), document, timedelta(days=-1))
    yesterday = (datetime.now(UTC) - timedelta(days=1)).strftime("%Y-%m-%d")
    assert f"the plan expired on {yesterday}" in olmixctl("apply", "plan.json", code=4).stderr
    assert "serial: 1\n" in LOCK.read_text()


def test_a_stale_plan_names_every_difference(olmixctl, grown):
    olmixctl("plan", "--recompute", "web", "--out", "plan.json")
    write_domain(grown, "web", 5, seed=9, start=200)
    write_domain(grown, "books", 20)
    write_mix(
        grown, {"docs": "", "web": "", "papers": "", "books": ""}, evals=("docs", "papers"), extra="swarm: {seed: 3}"
    )
    said = " ".join(olmixctl("apply", "plan.json", code=4).stderr.split())
    for difference in (
        "asks for: evals.code-bpb, evals.papers-bpb, swarm.seed",
        "domain books appeared",
        "domain code is gone",
        "domain web: its documents changed",
        "eval code-bpb is gone",
        "eval papers-bpb appeared",
        "runs are needed that the plan did not list",
    ):
        assert difference in said


def test_a_plan_applies_what_was_reviewed_and_no_other_strategy(olmixctl, grown):
    olmixctl("plan", "--out", "plan.json")
    text = (grown / "mixes/base.yaml").read_text()
    (grown / "mixes/base.yaml").write_text(text + "reuse: none\n")
    assert olmixctl.json("apply", "plan.json")["trained"] == 9
