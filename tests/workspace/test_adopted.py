"""A mix on adopted runs, through its life: decided without training, checked, changed, and left for runs of its own."""

from __future__ import annotations

import shutil

import pytest
from adopting import DOMAINS, edit_table, write_declared_mix, write_tables
from branches import commit, git
from workspaces import write_mix

from olmixctl.errors import BlockedError, IncompleteError, UsageError
from olmixctl.importing import Swarm, import_runs
from olmixctl.methods.resample import Bootstrap
from olmixctl.plan import PlanOptions
from olmixctl.resolving import find_merging, plan_merging, resolve
from olmixctl.workspace import Workspace

SOLVE = PlanOptions(solve_only=True)


def open_at(root):
    return Workspace.open(cwd=root)


def adopt(root, **said):
    return import_runs(open_at(root), Swarm(ratios=root / "a.csv", metrics=root / "b.csv", **said))


def apply(root, options=SOLVE):
    workspace = open_at(root)
    return workspace.apply(workspace.plan(options))


def remark(plan, name="adopted"):
    return " ".join(check.message for check in plan.checks if check.name == name)


@pytest.fixture(scope="session")
def decided_once(tmp_path_factory):
    root = tmp_path_factory.mktemp("adopted")
    write_declared_mix(root)
    write_tables(root)
    adopt(root)
    apply(root)
    return root


@pytest.fixture
def decided(decided_once, tmp_path):
    """A lock on fourteen adopted runs."""
    root = tmp_path / "mix"
    shutil.copytree(decided_once, root)
    return root


@pytest.fixture
def adopted(decided):
    """The same before its lock."""
    (decided / "mixes/base.lock.yaml").unlink()
    return decided


def test_solve_only_turns_adopted_runs_into_a_sound_lock(decided):
    workspace = open_at(decided)
    lock = workspace.lock()
    assert len(lock.evidence) == 14
    assert lock.solution.status == "optimal"
    assert lock.inputs["trainer"].startswith("adopted1:")
    result = workspace.verify()
    assert result.ok
    said = {check.name: check.detail for check in result.checks}
    assert "the runs were adopted from tables of others" in said["trainer"]
    assert workspace.explain("code", Bootstrap(resamples=0)).because is not None


def test_the_lock_stays_on_them_and_nothing_is_to_do(decided):
    for options in (None, SOLVE, PlanOptions(reuse="none")):
        plan = open_at(decided).plan(options)
        assert plan.kind == "none"
        assert "adopted from tables of others" in remark(plan)


def test_the_same_tables_give_the_same_lock_whatever_their_order(decided, tmp_path):
    other = tmp_path / "elsewhere"
    other.mkdir()
    write_declared_mix(other)
    write_tables(other)
    for name in ("a.csv", "b.csv"):
        edit_table(other / name, lambda rows: rows.__setitem__(slice(1, None), rows[:0:-1]))
    adopt(other)
    apply(other)
    assert (other / "mixes/base.lock.yaml").read_bytes() == (decided / "mixes/base.lock.yaml").read_bytes()


def test_replicates_are_all_evidence_and_so_is_a_single_more(tmp_path):
    write_declared_mix(tmp_path)
    write_tables(tmp_path)
    edit_table(tmp_path / "a.csv", lambda rows: rows[2].__setitem__(slice(1, None), rows[1][1:]))
    assert adopt(tmp_path).adoption.replicates == (2,)
    assert len(apply(tmp_path).lock.evidence) == 14
    assert open_at(tmp_path).verify().ok


def test_without_a_word_a_first_plan_trains_and_says_what_is_there(adopted):
    plan = open_at(adopted).plan()
    assert plan.kind == "train"
    assert "14 adopted runs are recorded and not used" in remark(plan)
    assert [check.name for check in plan.blocked] == ["declared-evals"]
    assert "nobody can measure one, two here" in remark(plan, "declared-evals")
    with pytest.raises(BlockedError, match="nobody can measure"):
        open_at(adopted).apply(plan)


def test_who_asks_to_estimate_a_domain_anew_asks_to_train(decided):
    plan = open_at(decided).plan(PlanOptions(recompute=("web",)))
    assert (plan.kind, set(plan.coordinates.free)) == ("train", {"web"})


def test_a_bound_is_solved_again_on_them(decided):
    write_declared_mix(decided, extra="constraints: [{name: few, domains: [web], max: 0.2}]")
    plan = open_at(decided).plan()
    assert (plan.kind, len(plan.missing)) == ("resolve", 0)
    result = apply(decided, None)
    assert result.lock.weights["web"] <= 200_000
    assert len(result.lock.evidence) == 14
    assert open_at(decided).verify().ok


def test_how_runs_would_be_trained_means_nothing_to_them(decided):
    text = (decided / "mixes/base.yaml").read_text()
    (decided / "mixes/base.yaml").write_text(text.replace("tokens: 4096", "tokens: 8192"))
    plan = open_at(decided).plan()
    assert (plan.kind, len(plan.missing)) == ("resolve", 0)
    assert [(c.category, c.action, c.reason) for c in plan.changes] == [
        ("proxy", "none", "adopted runs were not trained by it")
    ]
    apply(decided, None)
    assert open_at(decided).verify().ok
    assert open_at(decided).plan().kind == "none"


def test_more_adopted_runs_are_a_change(decided):
    write_tables(decided, 6, seed=8, first=101)
    adopt(decided, more=True)
    plan = open_at(decided).plan()
    assert (plan.kind, plan.reason) == ("resolve", "6 more adopted runs are recorded")
    assert len(apply(decided, None).lock.evidence) == 20
    assert open_at(decided).verify().ok
    assert open_at(decided).plan().kind == "none"


def test_a_tainted_one_is_left_out_and_not_trained_again(decided):
    workspace = open_at(decided)
    key = workspace.lock().evidence[3]
    workspace.ledger.taint(key, "read off the wrong column")
    assert not open_at(decided).verify().ok
    plan = open_at(decided).plan()
    assert plan.kind == "resolve"
    assert "read off the wrong column; solved on the 13 adopted runs there are" in plan.reason
    lock = apply(decided, None).lock
    assert key not in lock.evidence
    assert [item.run for item in lock.excluded] == [key]
    assert open_at(decided).verify().ok
    open_at(decided).ledger.untaint(key)
    assert len(apply(decided, None).lock.evidence) == 14


def test_a_domain_that_no_run_had_is_held_at_its_reference_share(tmp_path):
    write_declared_mix(tmp_path, (*DOMAINS, "news"))
    write_tables(tmp_path)
    adopt(tmp_path, absent=("news",))
    lock = apply(tmp_path).lock
    natural = 700 / (400 + 500 + 600 + 700)
    assert lock.weights["news"] == pytest.approx(natural * 1e6, abs=2)
    assert open_at(tmp_path).verify().ok
    assert open_at(tmp_path).plan().kind == "none"


def test_few_runs_are_solved_and_one_mixture_is_not(tmp_path):
    write_declared_mix(tmp_path)
    write_tables(tmp_path, 2)
    adopt(tmp_path)
    assert len(apply(tmp_path).lock.evidence) == 2
    assert open_at(tmp_path).verify().ok
    other = tmp_path / "one"
    other.mkdir()
    write_declared_mix(other)
    write_tables(other, 1)
    adopt(other)
    with pytest.raises(IncompleteError, match="all adopted runs have one mixture"):
        open_at(other).plan(SOLVE)


def test_runs_of_other_metrics_are_no_evidence(adopted):
    path = adopted / "mixes/base.yaml"
    text = path.read_text()
    path.write_text(text.replace("  - {name: two, declared: {revision: a}}\n", ""))
    assert open_at(adopted).plan(SOLVE).kind == "resolve"  # what is measured beyond does no harm
    path.write_text(text.replace("{name: two, declared: {revision: a}}", "{name: two, declared: {revision: b}}"))
    with pytest.raises(IncompleteError, match="its domains or metrics were others"):
        open_at(adopted).plan(SOLVE)


def test_a_metric_adopted_later_joins_the_runs_there_are(decided):
    """The same runs with one metric more: each stays one run of evidence, also when the metric goes again."""
    text = (decided / "mixes/base.yaml").read_text()
    more = text.replace("  - {name: two,", "  - {name: three, declared: {revision: a}}\n  - {name: two,")
    (decided / "mixes/base.yaml").write_text(more)
    edit_table(
        decided / "b.csv", lambda rows: [row.append(str(1.5 + i / 99) if i else "three") for i, row in enumerate(rows)]
    )
    found = adopt(decided)
    assert (len(found.adoption.fresh), found.adoption.recorded) == (14, 0)
    assert found.adoption.trainer == open_at(decided).lock().inputs["trainer"]
    lock = apply(decided, None).lock
    assert (len(lock.evidence), set(lock.predicted)) == (14, {"one", "two", "three"})
    (decided / "mixes/base.yaml").write_text(text)
    assert len(apply(decided).lock.evidence) == 14
    assert open_at(decided).verify().ok
    assert open_at(decided).plan().kind == "none"


def test_a_domain_that_comes_is_trained_here_and_the_ratios_stand(decided):
    """What is trained from then on has another trainer: the adopted ratios stay, the adopted runs do not."""
    before = open_at(decided).lock()
    write_declared_mix(decided, (*DOMAINS, "news"), kind="fake")
    idle = open_at(decided).plan(SOLVE)
    assert idle.kind == "carry"
    plan = open_at(decided).plan()
    assert plan.kind == "train"
    assert set(plan.coordinates.free) == {"news"}
    assert "not comparable with what is trained here; its ratios of what did not change are kept" in remark(plan)
    lock = open_at(decided).apply(plan).lock
    assert lock.inputs["trainer"] == "fake1"
    assert not set(lock.evidence) & set(before.evidence)
    (block,) = lock.coordinates.blocks
    assert {name: share // 10**6 for name, share in block.shares.items()} == dict(before.weights)
    assert open_at(decided).verify().ok
    assert open_at(decided).plan().kind == "none"
    with pytest.raises(UsageError, match="the lock rests on runs trained here"):
        adopt(decided, absent=("news",))


def test_shares_of_adopted_runs_are_carried_where_nothing_is_trained(decided):
    write_declared_mix(decided, (*DOMAINS, "news"))
    lock = apply(decided).lock
    assert lock.solution.status == "carried"
    assert open_at(decided).verify().ok
    assert open_at(decided).plan().kind == "none"
    assert open_at(decided).plan(PlanOptions(reuse="full")).kind == "train"


def test_a_domain_that_goes_needs_no_run(decided):
    write_declared_mix(decided, ("code", "docs"))
    plan = open_at(decided).plan()
    assert (plan.kind, len(plan.missing)) == ("rescale", 0)
    apply(decided, None)
    assert open_at(decided).verify().ok


def test_two_swarms_are_never_fitted_together(adopted, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    write_declared_mix(other)
    write_tables(other, seed=9, first=101)
    adopt(other)
    for path in (other / "mixes/base.runs").iterdir():
        shutil.copy(path, adopted / "mixes/base.runs")
    with pytest.raises(UsageError, match="runs of 2 swarms were adopted"):
        open_at(adopted).plan(SOLVE)
    write_tables(adopted, 3, seed=11, first=501)
    with pytest.raises(UsageError, match="28 runs were adopted before"):
        adopt(adopted, more=True)


def test_measuring_a_mix_is_training_not_adopting(decided):
    """What is put to the test here is recorded as trained here."""
    write_declared_mix(decided, kind="fake")
    workspace = open_at(decided)
    plan = workspace.plan()
    (record,) = workspace.measure(plan, [workspace.lock().weights]).values()
    assert record.inputs.trainer == "fake1"
    assert record.inputs.model == "250k"
    assert workspace.plan().kind == "none"


def test_branches_of_a_mix_on_adopted_runs_are_joined(decided):
    """One side bounds, the other adopts more: the join has both, and trains nothing."""
    (decided / ".gitattributes").write_text("*.lock.yaml -merge\n")
    git(decided, "init", "-q", "-b", "main")
    commit(decided, "adopted")
    git(decided, "checkout", "-q", "-b", "bounded")
    write_declared_mix(decided, extra="constraints: [{name: few, domains: [web], max: 0.2}]")
    apply(decided, None)
    commit(decided, "bounded")
    git(decided, "checkout", "-q", "-b", "more", "main")
    write_tables(decided, 6, seed=8, first=101)
    adopt(decided, more=True)
    apply(decided, None)
    commit(decided, "more")
    git(decided, "merge", "bounded", check=False)
    workspace = open_at(decided)
    merging = find_merging(workspace)
    plan = plan_merging(workspace, merging, PlanOptions())
    assert (plan.kind, len(plan.missing), len(plan.blocked)) == ("resolve", 0, 0)
    lock = resolve(workspace, merging, plan).lock
    assert len(lock.evidence) == 20
    assert lock.weights["web"] <= 200_000
    assert open_at(decided).verify().ok
    assert open_at(decided).plan().kind == "none"


def test_data_that_can_be_read_and_measured_can_be_adopted_for_too(root):
    """Domains with files and evals held out of them: what is adopted is of these documents, and outlives others."""
    write_tables(root)
    write_mix(root, dict.fromkeys(DOMAINS, ""), evals=("code", "docs"), extra="surrogate: log_linear")
    named = {"metric/one_val_loss": "code-bpb", "metric/two_val_loss": "docs-bpb"}
    assert adopt(root, evals=named).written == 14
    lock = apply(root).lock
    assert open_at(root).verify(deep=True).ok
    assert open_at(root).plan().kind == "none"
    (root / "corpora/web/new.txt").write_text("a document that no adopted run has seen")
    plan = open_at(root).plan()
    assert (plan.kind, set(plan.coordinates.free)) == ("train", {"web"})
    assert not open_at(root).verify(deep=True).ok
    # Adopted anew, the same runs are said to be of what the domain is now.
    again = adopt(root, evals=named)
    assert (again.adoption.trainer, again.written) == (lock.inputs["trainer"], 14)
    plan = open_at(root).plan()
    assert (plan.kind, set(plan.coordinates.free)) == ("resolve", set(DOMAINS))
    assert plan.reason == "14 more adopted runs are recorded, of what changed, too"
    assert open_at(root).plan(PlanOptions(reuse="full")).kind == "train"  # whoever asks to keep ratios keeps them
    later = apply(root, None).lock
    assert later.evidence != lock.evidence
    assert len(later.evidence) == 14
    assert open_at(root).verify(deep=True).ok


def test_replicates_that_differ_too_much_are_a_warning(tmp_path):
    write_declared_mix(tmp_path)
    write_tables(tmp_path, 8)

    def repeat(rows):
        for twin in (5, 6, 7):
            rows[twin][1:] = rows[twin - 4][1:]

    edit_table(tmp_path / "a.csv", repeat)
    edit_table(tmp_path / "b.csv", lambda rows: [row.__setitem__(1, str(1 + i % 3)) for i, row in enumerate(rows) if i])
    adopt(tmp_path)
    said = remark(open_at(tmp_path).plan(SOLVE), "reliability")
    assert "the adopted runs cannot tell these mixtures apart" in said
    assert "tokens" not in said
