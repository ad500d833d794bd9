"""A mix through its life: what each kind of edit needs, and what it must not touch."""

from __future__ import annotations

import json
import shutil
from fractions import Fraction

import pytest
from workspaces import write_domain, write_mix

from olmixctl.errors import BlockedError, IncompleteError, InfeasibleError, StaleError, UsageError
from olmixctl.lock import dump
from olmixctl.mixture import GRID
from olmixctl.plan import PlanOptions
from olmixctl.plan.codec import check_plan_file, plan_as_json
from olmixctl.workspace import Workspace

BASE = {"code": "", "docs": "", "web": ""}


def apply(root, **options):
    workspace = Workspace.open(cwd=root)
    return workspace.apply(workspace.plan(PlanOptions(**options)))


def plan(root, **options):
    return Workspace.open(cwd=root).plan(PlanOptions(**options))


def categories(plan):
    return {(change.category, change.subject, change.action) for change in plan.changes}


def ratios(weights, domains):
    total = sum(weights[d] for d in domains)
    return {d: Fraction(weights[d], total) for d in domains}


def test_first_plan_trains_three_runs_a_coordinate_and_one(root):
    first = plan(root)
    assert first.kind == "train"
    assert len(first.runs) == len(first.missing) == 3 * (3 + 1)
    assert first.counterfactual.runs == first.cost.runs == 12
    assert {c.category for c in first.changes} == {"added"}


def test_plan_after_apply_is_empty_and_apply_again_changes_no_byte(root):
    result = apply(root)
    assert result.written
    assert result.trained == 12
    before = (root / "mixes/base.lock.yaml").read_bytes()
    again = plan(root)
    assert again.kind == "none"
    assert not again.has_changes
    assert not Workspace.open(cwd=root).apply(again).written
    assert (root / "mixes/base.lock.yaml").read_bytes() == before


def test_the_same_inputs_elsewhere_give_the_same_lock(root, tmp_path_factory):
    other = tmp_path_factory.mktemp("elsewhere") / "deep" / "er"
    shutil.copytree(root, other)
    assert dump(apply(root).lock) == dump(apply(other).lock)


def test_order_of_domains_and_evals_in_the_file_means_nothing(root):
    apply(root)
    write_mix(root, {"web": "", "docs": "", "code": ""}, evals=("docs", "code"))
    assert plan(root).kind == "none"


def test_adding_a_domain_collapses_the_others_and_keeps_their_ratios_to_the_last_digit(root):
    first = apply(root).lock
    write_domain(root, "papers", 50)
    write_mix(root, BASE | {"papers": ""}, evals=("code", "docs"))
    second_plan = plan(root)
    assert second_plan.coordinates.names == ("papers", "reused")
    assert len(second_plan.missing) == 3 * (2 + 1)
    assert second_plan.counterfactual.runs == 3 * (4 + 1)
    assert ("added", "papers", "re-estimate") in categories(second_plan)
    second = apply(root).lock
    assert {d: second.domains[d].share for d in BASE} == {d: first.weights[d] * 1_000_000 for d in BASE}
    assert second.blocks["reused"].mass == GRID - second.weights["papers"]
    for domain, ratio in ratios(first.weights, BASE).items():
        assert abs(second.weights[domain] - ratio * second.blocks["reused"].mass) <= 1


def test_shares_are_carried_verbatim_through_generations(root):
    apply(root)
    write_domain(root, "papers", 50)
    write_mix(root, BASE | {"papers": ""}, evals=("code", "docs"))
    second = apply(root).lock
    write_domain(root, "books", 30)
    write_mix(root, BASE | {"papers": "", "books": ""}, evals=("code", "docs"))
    third = apply(root).lock
    assert {d: third.domains[d].share for d in BASE} == {d: second.domains[d].share for d in BASE}
    kept = [*BASE, "papers"]
    for domain, ratio in ratios(second.weights, kept).items():
        # papers joins the block with its rounded weight, so ratios to it are those of the rounded mix.
        assert abs(third.weights[domain] - ratio * third.blocks["reused"].mass) <= 2
    assert plan(root).kind == "none"


def test_revising_a_domain_re_estimates_it_alone(root):
    first = apply(root).lock
    write_domain(root, "web", 30, seed=7, start=80)
    revised = plan(root)
    assert ("revised", "web", "re-estimate") in categories(revised)
    assert revised.coordinates.names == ("reused", "web")
    assert len(revised.missing) == 9
    second = apply(root).lock
    assert {d: second.domains[d].share for d in ("code", "docs")} == {
        d: first.weights[d] * 1_000_000 for d in ("code", "docs")
    }


def test_a_removal_trains_nothing_and_renormalises(root):
    first = apply(root).lock
    write_mix(root, {"code": "", "web": ""}, evals=("code",))
    removal = plan(root)
    assert removal.kind == "rescale"
    assert removal.complete
    assert ("removed", "docs", "drop") in categories(removal)
    second = apply(root)
    assert second.trained == 0
    for domain, ratio in ratios(first.weights, ("code", "web")).items():
        assert abs(second.lock.weights[domain] - ratio * GRID) <= 1
    assert second.lock.solution.status == "kept"
    assert Workspace.open(cwd=root).verify().ok
    assert plan(root).kind == "none"


def test_a_removal_that_breaks_a_cap_moves_to_the_nearest_mix_that_keeps_it(root):
    first = apply(root).lock
    kept = ("code", "web")
    largest = max(kept, key=lambda d: first.weights[d])
    cap = round(first.weights[largest] / GRID + 0.001, 3)
    write_mix(root, {d: f"max: {cap}" if d == largest else "" for d in kept}, evals=("code",))
    result = apply(root)
    assert result.trained == 0
    assert result.lock.solution.status == "projected"
    assert result.lock.weights[largest] == round(cap * GRID)
    assert Workspace.open(cwd=root).verify().ok
    assert plan(root).kind == "none"


def test_a_moved_domain_is_recognised_and_keeps_its_weight(root):
    first = apply(root).lock
    (root / "corpora/web").rename(root / "corpora/crawl")
    write_mix(root, {"code": "", "docs": "", "crawl": ""})
    moved = plan(root)
    assert ("moved", "crawl", "keep-ratio") in categories(moved)
    assert moved.complete
    second = apply(root)
    assert second.trained == 0
    assert second.lock.weights["crawl"] == first.weights["web"]
    assert second.lock.domains["crawl"].changed_in == 1


def test_the_same_documents_in_other_files_cause_no_run_and_move_no_weight(root):
    for domain in BASE:
        folder = root / "corpora" / domain
        texts = [path.read_text() for path in sorted(folder.glob("*.txt"))]
        shutil.rmtree(folder)
        folder.mkdir()
        lines = [json.dumps({"text": text}) + "\n" for text in texts]
        for part in range(3):
            (folder / f"part{part}.jsonl").write_text("".join(lines[part::3]))
    text = (root / "mixes/base.yaml").read_text().replace("/*.txt", "/*.jsonl")
    (root / "mixes/base.yaml").write_text(text)
    first = apply(root).lock
    whole = "".join(path.read_text() for path in sorted((root / "corpora/web").glob("*.jsonl")))
    shutil.rmtree(root / "corpora/web")
    (root / "corpora/web").mkdir()
    (root / "corpora/web/all.jsonl").write_text(whole)
    resharded = plan(root)
    assert resharded.complete
    assert ("metadata", "web", "none") in categories(resharded)
    second = apply(root)
    assert second.trained == 0
    assert second.lock.weights == first.weights
    assert plan(root).kind == "none"


def test_a_bound_is_re_solved_from_recorded_evidence(root):
    apply(root)
    path = root / "mixes/base.yaml"
    path.write_text(path.read_text().replace("max_repetition: 4", "max_repetition: 3"))
    after = plan(root)
    assert after.kind == "resolve"
    assert {c.category for c in after.changes} == {"constraint"}
    result = apply(root)
    assert result.trained == 0
    assert Workspace.open(cwd=root).verify().ok


@pytest.mark.parametrize(
    ("extra", "category", "kind"),
    [
        ("objective: {kl: 0.2}", "objective", "resolve"),
        ("constraints: [{name: text, domains: [docs, web], min: 0.7}]", "constraint", "resolve"),
        ("surrogate: saturating", "solver", "resolve"),
        ("description: other words", "metadata", "none"),
        ("budget: {max_runs: 3}", "metadata", "none"),
    ],
)
def test_edits_that_need_no_run(root, extra, category, kind):
    apply(root)
    write_mix(root, BASE, extra=extra)
    after = plan(root)
    assert after.kind == kind
    assert after.complete
    assert {c.category for c in after.changes} == {category}


def test_more_runs_a_coordinate_train_only_the_further_ones(root):
    apply(root)
    write_mix(root, BASE, extra="swarm: {runs_per_coordinate: 4}")
    more = plan(root)
    assert len(more.runs) == 16
    assert len(more.missing) == 4


def test_another_proxy_trains_everything_again(root):
    apply(root)
    text = (root / "mixes/base.yaml").read_text()
    (root / "mixes/base.yaml").write_text(text.replace("tokens: 4096", "tokens: 8192"))
    other = plan(root)
    assert ("proxy", "proxy.tokens", "re-estimate") in categories(other)
    assert len(other.missing) == 12
    assert not other.coordinates.blocks


def test_a_metric_that_was_never_measured_needs_runs_and_a_dropped_one_does_not(root):
    apply(root)
    write_mix(root, BASE, evals=("code", "docs", "web"))
    assert len(plan(root).missing) == 12
    write_mix(root, BASE, evals=("code",))
    dropped = plan(root)
    assert dropped.kind == "resolve"
    assert ("objective", "evals.docs-bpb", "none") in categories(dropped)


def test_reuse_none_estimates_everything_anew_and_settles(root):
    apply(root)
    write_domain(root, "papers", 50)
    write_mix(root, BASE | {"papers": ""}, evals=("code", "docs"))
    assert len(plan(root, reuse="none").runs) == 15
    apply(root)
    full = plan(root, reuse="none")
    assert full.kind == "train"
    assert full.coordinates.names == ("code", "docs", "papers", "web")
    # Runs of both swarms are points of the larger simplex: valid evidence.
    assert len(full.extra_evidence) == 12 + 9
    apply(root, reuse="none")
    assert plan(root, reuse="none").kind == "none"
    with pytest.raises(UsageError, match="partial"):
        plan(root, reuse="partial")


def test_a_protected_domain_leaves_only_with_a_word(root):
    write_mix(root, BASE | {"docs": "protected: true"})
    apply(root)
    write_mix(root, {"code": "", "web": ""}, evals=("code",))
    blocked = plan(root)
    assert [check.name for check in blocked.blocked] == ["protected"]
    with pytest.raises(BlockedError, match="docs is protected"):
        Workspace.open(cwd=root).apply(blocked)
    assert apply(root, allow_remove=frozenset({"docs"})).written


def test_budget_blocks_with_the_whole_plan_still_there(root):
    limited = plan(root, max_runs=5)
    assert len(limited.missing) == 12
    assert [check.name for check in limited.blocked] == ["max-runs"]
    with pytest.raises(BlockedError) as error:
        Workspace.open(cwd=root).apply(limited)
    assert error.value.exit_code == 3


def test_bounds_that_the_data_cannot_meet_are_named(root):
    text = (root / "mixes/base.yaml").read_text().replace("tokens: 50K", "tokens: 100M")
    (root / "mixes/base.yaml").write_text(text)
    with pytest.raises(InfeasibleError) as error:
        plan(root)
    assert error.value.exit_code == 7
    assert set(error.value.conflict) == {f"max_repetition:{d}" for d in BASE}


def test_a_saved_plan_binds(root):
    saved = json.loads(json.dumps(plan_as_json(plan(root))))
    check_plan_file(saved, plan(root))
    write_domain(root, "web", 5, seed=9, start=200)
    text = (root / "mixes/base.yaml").read_text().replace("max_repetition: 4", "max_repetition: 3")
    (root / "mixes/base.yaml").write_text(text)
    with pytest.raises(StaleError) as error:
        check_plan_file(saved, plan(root))
    assert "domain web: its documents changed" in str(error.value)
    assert "asks for" in str(error.value)


def test_a_plan_whose_lock_moved_is_refused(root):
    workspace = Workspace.open(cwd=root)
    early = workspace.plan()
    path = root / "mixes/base.yaml"
    path.write_text(path.read_text().replace("max_repetition: 4", "max_repetition: 3"))
    apply(root)
    with pytest.raises(StaleError, match="plan again"):
        workspace.apply(early)


def test_a_plan_whose_very_lock_is_there_already_is_done(root):
    workspace = Workspace.open(cwd=root)
    early = workspace.plan()
    other = apply(root)
    result = workspace.apply(early)
    assert result.by_another
    assert not result.written
    assert result.trained == 0
    assert result.lock == other.lock


def test_a_lock_of_another_mix_is_refused(root):
    apply(root)
    text = (root / "mixes/base.yaml").read_text().replace("name: base", "name: other")
    (root / "mixes/base.yaml").write_text(text)
    with pytest.raises(StaleError, match="lock is of mix 'base'"):
        plan(root)


def test_lost_runs_are_planned_and_trained_again(root):
    first = apply(root).lock
    victim = next((root / "mixes/base.runs").glob("*.json"))
    was = victim.read_bytes()
    victim.unlink()
    lost = plan(root)
    assert lost.kind == "train"
    assert [run.key.replace(":", "-") for run in lost.missing] == [victim.stem]
    assert "1 of 12 runs behind the lock" in lost.reason
    again = apply(root).lock
    assert victim.read_bytes() == was
    assert again.weights == first.weights
    assert plan(root).kind == "none"
    shutil.rmtree(root / "mixes/base.runs")
    assert len(plan(root).missing) == 12


def test_a_rehearsal_is_said_and_never_passes_for_a_measured_mix(root):
    apply(root)
    assert "rehearsal" in {check.name for check in plan(root).checks}
    workspace = Workspace.open(cwd=root)
    assert "rehearsal" in workspace.export("csv")[1][0]
    assert next(c for c in workspace.verify().checks if c.name == "trainer").detail.startswith("a rehearsal")
    path = root / "mixes/base.yaml"
    path.write_text(path.read_text().replace("kind: fake", "kind: local"))
    real = plan(root)
    assert ("proxy", "trainer", "re-estimate") in categories(real)
    assert len(real.missing) == 12
    assert not Workspace.open(cwd=root).verify().ok


def test_protection_that_comes_later_is_recorded(root):
    first = apply(root).lock
    write_mix(root, BASE | {"docs": "protected: true"})
    later = plan(root)
    assert later.complete
    assert ("metadata", "docs.protected", "none") in categories(later)
    second = apply(root).lock
    assert second.domains["docs"].protected
    assert second.weights == first.weights
    assert plan(root).kind == "none"
    write_mix(root, {"code": "", "web": ""}, evals=("code",))
    assert [check.name for check in plan(root).blocked] == ["protected"]


def test_kept_ratios_that_a_bound_will_move_are_announced(root):
    first = apply(root).lock
    kept = ("code", "web")
    largest = max(kept, key=lambda d: first.weights[d])
    cap = round(first.weights[largest] / GRID + 0.001, 3)
    write_mix(root, {d: f"max: {cap}" if d == largest else "" for d in kept}, evals=("code",))
    (check,) = [c for c in plan(root).checks if c.name == "bounds-move-ratios"]
    assert f"max:{largest}" in check.message
    assert f"→ {cap:.2%}" in check.message


def test_bounds_that_only_the_kept_ratios_exclude_say_so(root):
    apply(root)
    write_domain(root, "papers", 50)
    write_mix(root, BASE | {"papers": ""}, evals=("code", "docs"))
    second = apply(root).lock
    smallest = min(BASE, key=lambda d: second.weights[d])
    write_mix(root, BASE | {"papers": "", smallest: "min: 0.5"}, evals=("code", "docs"))
    with pytest.raises(InfeasibleError, match="with the kept ratios of 3 domains") as error:
        plan(root)
    assert f"min:{smallest}" in error.value.conflict
    assert "--reuse none" in error.value.remedy
    assert error.value.place.field == f"domains.{smallest}.min"
    assert plan(root, reuse="none").kind == "train"


def test_words_for_domains_nobody_knows_are_refused_or_said(root):
    apply(root)
    with pytest.raises(UsageError, match="--allow-remove newz"):
        plan(root, allow_remove=frozenset({"newz"}))
    write_mix(root, BASE, extra="changes: [{move: {from: nope, to: code}}]")
    assert "idle-declaration" in {check.name for check in plan(root).checks}


def test_solve_only_needs_recorded_runs(root):
    workspace = Workspace.open(cwd=root)
    with pytest.raises(IncompleteError, match="no recorded run"):
        workspace.plan(PlanOptions(solve_only=True))
    assert workspace.lock() is None


def test_an_unknown_mix_and_several_mixes_are_said(root):
    with pytest.raises(UsageError, match="no mix 'nope'"):
        Workspace.open("nope", cwd=root)
    (root / "mixes/second.yaml").write_text((root / "mixes/base.yaml").read_text())
    with pytest.raises(UsageError, match="base, second"):
        Workspace.open(cwd=root)


def test_domains_with_the_same_documents_are_refused(root):
    shutil.copytree(root / "corpora/web", root / "corpora/copy")
    write_mix(root, BASE | {"copy": ""}, evals=("code", "docs"))
    from olmixctl.errors import CorpusError

    with pytest.raises(CorpusError, match="hold the same documents"):
        plan(root)
