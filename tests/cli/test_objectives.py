"""Ratio constraints, the worst family, weights and guardrails, from the mix file to what every command says of them."""

from __future__ import annotations

import dataclasses
import shutil
from decimal import Decimal

import pytest
from workspaces import make_workspace, write_mix

from olmixctl.lock import dump, parse
from olmixctl.mixture import GridMixture
from olmixctl.workspace import Workspace

DOMAINS = {"code": "", "docs": "", "web": ""}
EVALS = """evals:
  - {name: code-bpb, heldout: code, fraction: 0.1, family: source, weight: 2}
  - {name: docs-bpb, heldout: docs, fraction: 0.1, family: source}
  - {name: web-bpb, heldout: web, fraction: 0.1}
"""


def rewrite(root, extra, evals=EVALS):
    """The mix file with other evals and further sections; the recorded runs answer for all of them."""
    path = write_mix(root, DOMAINS, extra=extra)
    lines = path.read_text().split("\n")
    start, end = lines.index("evals:"), next(i for i, line in enumerate(lines) if line.startswith("proxy:"))
    path.write_text("\n".join([*lines[:start], *evals.rstrip("\n").split("\n"), *lines[end:]]))
    return path


@pytest.fixture(scope="module")
def three_metrics(tmp_path_factory):
    """Runs that measured three metrics, in a folder to copy them from."""
    folder = tmp_path_factory.mktemp("three")
    make_workspace(folder)
    rewrite(folder, "")
    workspace = Workspace.open(cwd=folder)
    workspace.apply(workspace.plan())
    return folder


@pytest.fixture
def measured(root, three_metrics):
    """The workspace of `root`, after an apply of three metrics in two families."""
    for name in ("base.yaml", "base.lock.yaml"):
        shutil.copy(three_metrics / "mixes" / name, root / "mixes" / name)
    shutil.copytree(three_metrics / "mixes/base.runs", root / "mixes/base.runs")
    return root


def shares(olmixctl):
    return {domain: Decimal(str(weight)) for domain, weight in olmixctl.json("show")["weights"].items()}


def ratio(bounds):
    return f"constraints: [{{name: code-to-rest, ratio: {{of: [code], to: [docs, web]}}, {bounds}}}]"


def test_a_ratio_holds_exactly_and_is_named_wherever_the_mix_is_told_of(measured, olmixctl):
    before = shares(olmixctl)
    natural = before["code"] / (before["docs"] + before["web"])
    most = round(natural * Decimal("0.8"), 4)
    rewrite(measured, ratio(f"min: 0.01, max: {most}"))
    planned = olmixctl.json("plan")
    assert [(c["category"], c["subject"]) for c in planned["changes"]] == [("constraint", "constraints.code-to-rest")]
    assert planned["cost"]["runs"] == 0
    olmixctl("apply", "--auto-approve")
    after = shares(olmixctl)
    assert after["code"] <= most * (after["docs"] + after["web"])
    assert after["code"] + Decimal("0.000003") > most * (after["docs"] + after["web"])
    assert [a["constraint"] for a in olmixctl.json("show")["solution"]["active"]] == ["max_ratio:code-to-rest"]
    assert "in code-to-rest" in olmixctl("show").stdout
    olmixctl("verify")
    assert "2 bounds kept exactly" in olmixctl("verify").stdout
    told = olmixctl("explain", "code", "--resamples", "0").stdout
    assert f"max_ratio:code-to-rest  {most} → {float(most) * 1.1:.4g}" in told
    assert olmixctl.json("plan")["has_changes"] is False


def test_a_ratio_by_hand_that_breaks_is_found_by_verify(measured, olmixctl):
    rewrite(measured, ratio("max: 0.0001"))
    olmixctl("apply", "--auto-approve")
    path = measured / "mixes/base.lock.yaml"
    lock = parse(path.read_text())
    moved = dict(lock.weights)
    moved["code"] += 1
    moved["web"] -= 1
    assert lock.weights["code"] * 10_000 <= lock.weights["docs"] + lock.weights["web"] < moved["code"] * 10_000
    path.write_text(dump(dataclasses.replace(lock, weights=GridMixture(moved))))
    broken = [check for check in olmixctl.json("verify", code=8)["checks"] if check["name"] == "bounds"]
    assert broken[0]["ok"] is False
    assert "max_ratio:code-to-rest" in broken[0]["detail"]


def test_a_fixed_ratio_is_held_as_nearly_as_millionths_can(measured, olmixctl):
    rewrite(measured, ratio("min: 0.3, max: 0.3"))
    olmixctl("apply", "--auto-approve")
    after = shares(olmixctl)
    assert abs(after["code"] - Decimal("0.3") * (after["docs"] + after["web"])) <= Decimal("0.000001")
    assert [a["constraint"] for a in olmixctl.json("show")["solution"]["active"]] == ["ratio:code-to-rest"]
    olmixctl("verify")
    olmixctl("explain", "code", "--resamples", "0")


def test_ratios_that_exclude_each_other_are_named_with_their_line(measured, olmixctl):
    path = rewrite(measured, ratio("min: 2").removesuffix("]") + ", {name: some, domains: [docs], min: 0.4}]")
    error = olmixctl.json("plan", code=7)["error"]
    assert olmixctl.json("validate", code=7)["error"] == error
    assert set(error["conflict"]) == {"min_ratio:code-to-rest", "constraint:some"}
    assert "min_ratio:code-to-rest ≥ 2" in error["message"]
    line = next(i for i, text in enumerate(path.read_text().split("\n"), 1) if text.startswith("constraints"))
    assert error["place"]["line"] == line
    olmixctl("apply", "--auto-approve", code=7)


def test_the_worst_family_is_solved_for_and_told_of(measured, olmixctl):
    mean = olmixctl.json("show")
    (measured / "before.yaml").write_text((measured / "mixes/base.lock.yaml").read_text())
    rewrite(measured, "objective: {worst_case: true}")
    planned = olmixctl("plan").stdout
    assert "objective.worst_case" in planned
    assert "solve for 3 coordinates, for the worst of 2 families" in " ".join(planned.split())
    olmixctl("apply", "--auto-approve")
    worst = olmixctl.json("show")
    families = {a["constraint"]: a["multiplier"] for a in worst["solution"]["active"] if "family:" in a["constraint"]}
    assert families
    assert sum(map(float, families.values())) == pytest.approx(1, abs=1e-6)
    assert set(families) <= {"family:source", "family:web-bpb"}
    change = {}
    for lock in (mean, worst):
        gains = {m: float(p["this"]) - float(p["natural"]) for m, p in lock["predicted"].items()}
        change[lock["serial"]] = max((2 * gains["code-bpb"] + gains["docs-bpb"]) / 3, gains["web-bpb"])
    assert change[2] < change[1]
    shown = olmixctl("show").stdout
    assert "solved for the worst family" in shown
    assert "source (family)" in shown
    assert "weighted mean" not in shown
    olmixctl("verify")
    told = olmixctl("explain", "code", "--resamples", "0").stdout
    assert "The worst family counts" in told
    assert set(olmixctl.json("explain", "code", "--resamples", "0")["because"]["families"]) == {
        name.removeprefix("family:") for name in families
    }
    assert "worst_case" in olmixctl("diff", "before.yaml").stdout


def test_a_family_that_is_misstated_fails_verify(measured, olmixctl):
    rewrite(measured, "objective: {worst_case: true}")
    olmixctl("apply", "--auto-approve")
    path = measured / "mixes/base.lock.yaml"
    lock = parse(path.read_text())
    others = tuple(a for a in lock.solution.active if not a.constraint.startswith("family:"))
    path.write_text(dump(dataclasses.replace(lock, solution=dataclasses.replace(lock.solution, active=others))))
    failed = {c["name"] for c in olmixctl.json("verify", code=8)["checks"] if c["ok"] is False}
    assert failed == {"solution"}


def test_a_guardrail_that_binds_is_named_with_its_price(measured, olmixctl):
    idle = EVALS.replace("heldout: web, fraction: 0.1", "heldout: web, fraction: 0.1, weight: 0")
    rewrite(measured, "", idle)
    olmixctl("apply", "--auto-approve")
    free = olmixctl.json("show")["predicted"]["web-bpb"]
    # Half of what the metric that nobody counts would lose without a guardrail.
    room = round((float(free["this"]) - float(free["natural"])) / 2, 6)
    assert room > 0
    rewrite(measured, f"objective: {{guardrails: [{{metric: web-bpb, max_regression: {room}}}]}}", idle)
    olmixctl("apply", "--auto-approve")
    kept = olmixctl.json("show")
    assert float(kept["predicted"]["web-bpb"]["this"]) == pytest.approx(float(free["natural"]) + room, abs=1e-5)
    assert [a["constraint"] for a in kept["solution"]["active"]] == ["guardrail:web-bpb"]
    shown = olmixctl("show").stdout
    assert "bounds that hold it, costliest first: guardrail:web-bpb" in shown
    assert "web-bpb             0" in shown
    told = olmixctl("explain", "code", "--resamples", "0")
    bound = olmixctl.json("explain", "code", "--resamples", "0")["because"]["bounds"][0]
    assert (bound["constraint"], bound["price"] > 0, bound["worth"] > 0) == ("guardrail:web-bpb", True, True)
    assert bound["loosened"] - bound["limit"] == pytest.approx(0.01)
    assert f"{bound['price']:.4f}" in told.stdout
    assert "web-bpb    +" not in told.stdout, "a metric without weight pulls nothing"
    olmixctl("verify")


def test_guardrails_that_exclude_each_other_exit_7_and_are_named(measured, olmixctl):
    rails = ", ".join(f"{{metric: {m}, max_regression: 0}}" for m in ("code-bpb", "docs-bpb", "web-bpb"))
    rewrite(measured, f"objective: {{guardrails: [{rails}]}}\nconstraints: [{{name: few, domains: [web], min: 0.95}}]")
    before = (measured / "mixes/base.lock.yaml").read_bytes()
    olmixctl("plan")
    error = olmixctl.json("apply", "--auto-approve", code=7)["error"]
    assert "constraint:few" in error["conflict"]
    assert any(name.startswith("guardrail:") for name in error["conflict"])
    assert "constraint:few ≥ 0.95" in error["message"]
    assert "is its prediction at the reference mix plus max_regression 0" in error["message"]
    assert (error["place"]["file"].endswith("base.yaml"), error["place"]["field"]) == (
        True,
        "objective.guardrails[2].max_regression",
    )
    assert (measured / "mixes/base.lock.yaml").read_bytes() == before


def ending(olmixctl, *words):
    return [c for c in olmixctl.json("plan", *words)["checks"] if c["name"] == "no-mix"]


@pytest.mark.parametrize("fresh", [False, True])
def test_a_plan_says_where_the_last_apply_of_it_ended(measured, olmixctl, fresh):
    rails = ", ".join(f"{{metric: {m}, max_regression: 0}}" for m in ("code-bpb", "docs-bpb", "web-bpb"))
    few = "constraints: [{name: few, domains: [web], min: 0.95}]"
    rewrite(measured, f"objective: {{guardrails: [{rails}]}}\n{few}")
    if fresh:  # the runs are trained by the apply that ends so
        shutil.rmtree(measured / "mixes/base.runs")
        (measured / "mixes/base.lock.yaml").unlink()
    assert ending(olmixctl) == []
    olmixctl("plan", "--out", "plan.json")
    error = olmixctl.json("apply", "--auto-approve", code=7)["error"]
    (check,) = ending(olmixctl)
    assert (check["level"], check["remedy"]) == ("warn", error["remedy"])
    assert check["message"].endswith(f"will (exit 7): {error['message']}")
    said = " ".join(olmixctl("plan").stdout.split())
    assert "the last apply of this plan ended without a mix, and the next one will (exit 7): the bounds" in said
    # A plan that was saved before is as stale as it was: not at all.
    olmixctl("apply", "plan.json", code=7)
    # Nothing relevant: a description. Then another guardrail, and the runs' results.
    path = measured / "mixes/base.yaml"
    path.write_text(path.read_text().replace("name: base\n", "name: base\ndescription: x\n"))
    assert len(ending(olmixctl)) == 1
    text = path.read_text()
    path.write_text(text.replace("max_regression: 0}", "max_regression: 0.001}", 1))
    assert ending(olmixctl) == []
    path.write_text(text)
    assert len(ending(olmixctl)) == 1
    if fresh:
        key = min(run["key"] for run in olmixctl.json("plan")["runs"])
        olmixctl("runs", "taint", key, "--reason", "odd")
        assert ending(olmixctl) == []
        olmixctl("runs", "taint", key, "--undo")
        assert len(ending(olmixctl)) == 1
    (measured / ".olmixctl/ended/base.json").write_text("{")
    assert ending(olmixctl) == []


def test_plan_explain_shows_the_front_and_a_plain_plan_does_not(measured, olmixctl):
    assert "Trade-off" not in olmixctl("plan").stdout
    assert "trade_off" not in olmixctl.json("plan")
    said = olmixctl("plan", "--explain").stdout
    assert "predicted change from the reference mix, by the 12 runs behind serial 1" in said
    assert "→       0.05" in said
    assert "→  weighted mean" in said
    assert max(map(len, said.splitlines())) <= 80
    front = olmixctl.json("plan", "--explain")["trade_off"]
    assert (front["reason"], front["runs"], len(front["pull"])) == ("", 12, 5)
    assert {name for point in front["families"] for name in point["changes"]} == {"source", "web-bpb"}


def test_the_plan_of_a_pull_request_holds_the_front_where_it_is_asked_for(measured, olmixctl):
    olmixctl("plan", "--md-into", "plan.md")
    assert "Trade-off" not in (measured / "plan.md").read_text()
    olmixctl("plan", "--explain", "--md-into", "plan.md")
    said = (measured / "plan.md").read_text()
    assert "**Trade-off**: predicted change from the reference mix, by the 12 runs behind serial 1" in said
    assert "| **0.05** |" in said
    assert "| **weighted mean** |" in said
    assert said.count("### olmixctl plan") == 1


def test_a_saved_plan_with_a_front_is_a_plan_like_any_other(measured, olmixctl):
    rewrite(measured, "objective: {kl: 0.1}")
    olmixctl("plan", "--explain", "--out", "plan.json")
    assert "Trade-off" in olmixctl("show", "plan.json").stdout
    olmixctl("apply", "plan.json")
    assert olmixctl.json("show")["inputs"]["objective"]["kl"] == 0.1


def test_without_runs_the_plan_says_why_there_is_no_front(root, olmixctl):
    assert "none can be told: there is no lock yet" in " ".join(olmixctl("plan", "--explain").stdout.split())


def test_a_renamed_domain_is_no_change_of_the_constraints_and_evals_that_name_it(measured, olmixctl):
    path = rewrite(measured, ratio("max: 2"))
    olmixctl("apply", "--auto-approve")
    before = shares(olmixctl)
    text = path.read_text().replace("  code: {paths", "  source: {paths").replace("of: [code]", "of: [source]")
    path.write_text(text.replace("heldout: code,", "heldout: source,"))
    planned = olmixctl.json("plan")
    assert [(c["category"], c["subject"]) for c in planned["changes"]] == [("moved", "source")]
    olmixctl("apply", "--auto-approve")
    assert shares(olmixctl) == {{"code": "source"}.get(d, d): weight for d, weight in before.items()}
    assert olmixctl.json("plan")["has_changes"] is False
    olmixctl("verify")
