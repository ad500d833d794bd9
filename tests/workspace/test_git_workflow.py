"""Two people, two branches, one mix: a real Git repository from the first lock to the joined one."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import replace

import pytest
from workspaces import make_workspace, write_domain, write_mix

from olmixctl.errors import IntegrityError, SpecError, StaleError, UsageError
from olmixctl.ledger.files import dump_run, parse_run
from olmixctl.lock import dump, parse, read_lock
from olmixctl.lock.codec import digest_of
from olmixctl.mixture import GRID
from olmixctl.plan import PlanOptions
from olmixctl.resolving import find_merging, next_commands, plan_merging, refuse_markers, resolve, take_side
from olmixctl.workspace import Workspace

BASE = {"code": "", "docs": "", "web": ""}
EVALS = ("code", "docs")
IDENTITY = ("-c", "user.name=t", "-c", "user.email=t@t", "-c", "commit.gpgsign=false", "-c", "core.editor=true")


def git(root, *words, check=True):
    done = subprocess.run(["git", *IDENTITY, *words], cwd=root, check=False, capture_output=True, text=True)
    assert not check or done.returncode == 0, f"git {words}\n{done.stdout}\n{done.stderr}"
    return done.stdout.strip()


def commit(root, subject):
    git(root, "add", "-A", "mixes", ".gitattributes")
    git(root, "commit", "-q", "-m", subject)
    return git(root, "rev-parse", "HEAD")


def edit(root, domains, *, subject=None, evals=EVALS, **options):
    """Edit the mix on the branch that is checked out, apply, commit."""
    write_mix(root, domains, evals=evals)
    workspace = Workspace.open(cwd=root)
    result = workspace.apply(workspace.plan(PlanOptions(**{"reuse": "full", **options})))
    commit(root, subject or f"{', '.join(domains)}")
    return result


def merge(root, branch):
    """Merge `branch`: the lock conflicts; what the mix file says is for the caller to decide."""
    git(root, "merge", "--no-edit", branch, check=False)


def join(root, **options):
    workspace = Workspace.open(cwd=root)
    merging = find_merging(workspace)
    plan = plan_merging(workspace, merging, PlanOptions(**options))
    return plan, resolve(workspace, merging, plan)


def finish(root):
    for command in next_commands(Workspace.open(cwd=root)):
        subprocess.run(
            f"git {' '.join(IDENTITY)} {command.removeprefix('git ')}{' --no-edit' if 'commit' in command else ''}",
            shell=True,
            cwd=root,
            check=True,
            capture_output=True,
        )


def check_settled(root):
    """After a join nothing is left to do, and the lock verifies."""
    workspace = Workspace.open(cwd=root)
    assert not workspace.plan().has_changes
    found = workspace.verify()
    assert found.ok, [check for check in found.checks if check.ok is False]


@pytest.fixture(scope="session")
def started(tmp_path_factory):
    """The first lock, committed on main, and the data that branches bring."""
    root = tmp_path_factory.mktemp("git")
    make_workspace(root)
    write_mix(root, BASE, evals=EVALS)
    for domain, documents in (("papers", 50), ("books", 30)):
        write_domain(root, domain, documents)
    (root / ".gitattributes").write_text("*.lock.yaml -merge\n*.runs/** linguist-generated\n")
    git(root, "init", "-q", "-b", "main")
    workspace = Workspace.open(cwd=root)
    workspace.apply(workspace.plan())
    commit(root, "first lock")
    return root


@pytest.fixture(scope="session")
def branched(started, tmp_path_factory):
    """A adds papers; B bounds docs and adds books."""
    root = tmp_path_factory.mktemp("branched") / "repository"
    shutil.copytree(started, root)
    git(root, "checkout", "-q", "-b", "papers")
    edit(root, BASE | {"papers": ""}, subject="Add papers")
    git(root, "checkout", "-q", "-b", "books", "main")
    edit(root, BASE | {"docs": "max: 0.3", "books": ""}, subject="Add books, bound docs")
    git(root, "checkout", "-q", "papers")
    return root


@pytest.fixture
def parted(branched, tmp_path):
    target = tmp_path / "parted"
    shutil.copytree(branched, target)
    return target


@pytest.fixture
def root(started, tmp_path):
    target = tmp_path / "repository"
    shutil.copytree(started, target)
    return target


def sides(root):
    """The locks of both branches of `branched`."""
    return tuple(Workspace.open(cwd=root).lock_at(branch) for branch in ("papers", "books"))


def two_domains(root):
    """The branches of `branched`, merged, and the mix file by hand; the locks of both."""
    ours, theirs = sides(root)
    merge(root, "books")
    write_mix(root, BASE | {"docs": "max: 0.3", "papers": "", "books": ""}, evals=EVALS)
    return ours, theirs


def test_two_branches_that_add_domains_join_without_training_again(parted):
    ours, theirs = two_domains(parted)
    assert "<<<<<<<" not in (parted / "mixes/base.lock.yaml").read_text()
    plan, result = join(parted)
    lock = result.lock
    assert result.trained == 0
    assert plan.coordinates.names == ("books", "papers", "reused")
    assert set(lock.evidence) == set(ours.evidence) | set(theirs.evidence)
    assert (lock.serial, lock.lineage) == (3, ours.lineage)
    assert set(lock.parents) == {digest_of(ours), digest_of(theirs)}
    assert list(lock.parents) == sorted(lock.parents)
    assert lock.weights["docs"] <= 0.3 * GRID
    assert f"parents: [{lock.parents[0]}, {lock.parents[1]}]" in (parted / "mixes/base.lock.yaml").read_text()
    check_settled(parted)
    finish(parted)
    assert git(parted, "status", "--porcelain", "mixes") == ""
    assert len(git(parted, "log", "-1", "--format=%P").split()) == 2
    check_settled(parted)


def test_a_join_made_on_either_branch_writes_the_same_bytes(parted, tmp_path):
    other = tmp_path / "other"
    shutil.copytree(parted, other)
    git(other, "checkout", "-q", "books")
    for place, branch in ((parted, "books"), (other, "papers")):
        merge(place, branch)
        write_mix(place, BASE | {"docs": "max: 0.3", "papers": "", "books": ""}, evals=EVALS)
    assert dump(join(parted)[1].lock) == dump(join(other)[1].lock)


def test_kept_ratios_are_those_from_before_the_branches(parted):
    first = Workspace.open(cwd=parted).lock_at("main")
    two_domains(parted)
    lock = join(parted)[1].lock
    assert {d: lock.domains[d].share for d in BASE} == {d: first.weights[d] * 1_000_000 for d in BASE}
    assert lock.blocks["reused"].from_serial == 1


def test_a_constraint_on_one_side_and_a_domain_on_the_other(root):
    git(root, "checkout", "-q", "-b", "bound")
    edit(root, BASE | {"web": "max: 0.4"})
    git(root, "checkout", "-q", "-b", "papers", "main")
    theirs = edit(root, BASE | {"papers": ""}).lock
    git(root, "checkout", "-q", "bound")
    merge(root, "papers")
    write_mix(root, BASE | {"web": "max: 0.4", "papers": ""}, evals=EVALS)
    plan, result = join(root)
    assert result.trained == 0
    assert set(result.lock.evidence) == set(theirs.evidence)
    assert {(c.category, c.subject) for c in plan.changes} == {("added", "papers"), ("constraint", "domains.web.max")}
    check_settled(root)


def test_bounds_on_both_sides_are_solved_from_the_evidence_they_share(root):
    first = read_lock(root / "mixes/base.lock.yaml")
    git(root, "checkout", "-q", "-b", "one")
    edit(root, BASE | {"web": "max: 0.4"})
    git(root, "checkout", "-q", "-b", "two", "main")
    edit(root, BASE | {"code": "min: 0.3"})
    merge(root, "one")
    write_mix(root, BASE | {"web": "max: 0.4", "code": "min: 0.3"}, evals=EVALS)
    plan, result = join(root)
    assert plan.kind == "resolve"
    assert result.lock.evidence == first.evidence
    assert result.lock.serial == 3
    check_settled(root)


def test_both_sides_revise_one_domain_and_the_data_that_is_here_counts(root):
    git(root, "checkout", "-q", "-b", "one")
    write_domain(root, "web", 20, seed=7, start=80)
    mine = edit(root, BASE).lock
    git(root, "checkout", "-q", "-b", "two", "main")
    shutil.rmtree(root / "corpora/web")
    write_domain(root, "web", 70)
    theirs = edit(root, BASE).lock
    merge(root, "one")
    plan, result = join(root)
    assert [(c.category, c.subject) for c in plan.changes] == [("revised", "web")]
    assert result.trained == 0
    assert set(result.lock.evidence) == set(theirs.evidence)
    assert not set(result.lock.evidence) & (set(mine.evidence) - set(theirs.evidence))
    check_settled(root)


def test_a_third_state_of_the_data_is_trained(root):
    git(root, "checkout", "-q", "-b", "one")
    write_domain(root, "web", 20, seed=7, start=80)
    edit(root, BASE)
    git(root, "checkout", "-q", "-b", "two", "main")
    write_domain(root, "web", 40, seed=8, start=80)
    edit(root, BASE)
    merge(root, "one")
    write_domain(root, "web", 60, seed=9, start=80)
    plan, result = join(root)
    assert result.trained == len(plan.missing) == 9
    check_settled(root)


def test_one_side_removes_what_the_others_runs_rest_on(root):
    git(root, "checkout", "-q", "-b", "without")
    edit(root, {"code": "", "web": ""}, evals=("code",), subject="Drop docs")
    git(root, "checkout", "-q", "-b", "papers", "main")
    edit(root, BASE | {"papers": ""})
    merge(root, "without")
    write_mix(root, {"code": "", "web": "", "papers": ""}, evals=("code",))
    plan, result = join(root)
    assert plan.coordinates.names == ("papers", "reused")
    assert result.trained == len(plan.missing) == 9
    check_settled(root)


def test_what_the_evidence_of_both_lacks_is_trained_and_no_more(parted):
    two_domains(parted)
    mix = parted / "mixes/base.yaml"
    mix.write_text(mix.read_text() + "swarm: {runs_per_coordinate: 6}\n")
    plan, result = join(parted)
    assert result.trained == len(plan.missing) == 6 * 4 - 18
    assert len(result.lock.evidence) == 24
    check_settled(parted)


def test_a_coordinate_that_no_run_sampled_is_trained(parted):
    ours, _ = two_domains(parted)
    write_domain(parted, "news", 30)
    write_mix(parted, BASE | {"docs": "max: 0.3", "papers": "", "books": "", "news": ""}, evals=EVALS)
    plan, result = join(parted)
    assert 3 <= result.trained < 15
    news = [run for run in plan.runs if run.point["news"]]
    assert len(news) >= 3
    assert set(ours.evidence) <= set(result.lock.evidence)
    check_settled(parted)


def test_an_interrupted_join_goes_on_and_writes_the_same_bytes(parted, tmp_path):
    two_domains(parted)
    mix = parted / "mixes/base.yaml"
    mix.write_text(mix.read_text() + "swarm: {runs_per_coordinate: 6}\n")
    other = tmp_path / "other"
    shutil.copytree(parted, other)
    plan, result = join(parted)
    for run in plan.missing[2:5]:
        name = f"{run.key.replace(':', '-')}.json"
        shutil.copy(parted / "mixes/base.runs" / name, other / "mixes/base.runs" / name)
    resumed, again = join(other)
    assert again.trained == len(resumed.missing) == 3
    assert dump(again.lock) == dump(result.lock)


def test_the_merged_mix_may_be_that_of_one_side(parted):
    ours, _ = two_domains(parted)
    write_mix(parted, BASE | {"papers": ""}, evals=EVALS)
    _, result = join(parted)
    assert result.trained == 0
    assert result.lock.evidence == ours.evidence
    assert result.lock.weights == ours.weights
    assert result.lock.domains["papers"].changed_in == ours.serial
    check_settled(parted)


def test_the_merged_mix_may_be_that_of_before(parted):
    first = Workspace.open(cwd=parted).lock_at("main")
    two_domains(parted)
    write_mix(parted, BASE, evals=EVALS)
    plan, result = join(parted)
    assert plan.kind == "none"
    assert result.lock.weights == first.weights
    assert (result.lock.serial, len(result.lock.parents)) == (3, 2)
    check_settled(parted)


def test_what_either_side_estimated_anew_is_free_in_the_join(root):
    git(root, "checkout", "-q", "-b", "papers")
    ours = edit(root, BASE | {"papers": ""}, reuse="partial", recompute=("docs",)).lock
    git(root, "checkout", "-q", "-b", "books", "main")
    theirs = edit(root, BASE | {"books": ""}).lock
    merge(root, "papers")
    write_mix(root, BASE | {"papers": "", "books": ""}, evals=EVALS)
    plan, result = join(root)
    assert plan.coordinates.names == ("books", "docs", "papers", "reused")
    assert result.trained == 0
    assert set(result.lock.evidence) == set(ours.evidence) | set(theirs.evidence)
    check_settled(root)


# Run files


def measured_elsewhere(record, *, by=0.0):
    """`record` as another machine would have found it."""
    metrics = {name: value + by for name, value in record.metrics.items()}
    return dump_run(replace(record, metrics=metrics, provenance={**record.provenance, "hardware": "another"}))


def conflict_run(root, second):
    """A run trained on both branches; `second` gives the text of the other result. Returns its file."""
    git(root, "checkout", "-q", "-b", "one")
    edit(root, BASE | {"papers": ""}, subject="Papers here")
    git(root, "checkout", "-q", "-b", "two", "main")
    edit(root, BASE | {"papers": "max: 0.5"}, subject="Papers there")
    name = git(root, "diff", "--name-only", "--diff-filter=A", "HEAD~1", "--", "mixes/base.runs/r1-*").split()[0]
    path = root / name
    path.write_text(second(parse_run(path.read_bytes(), path.name, path.name)))
    commit(root, "measured elsewhere")
    git(root, "checkout", "-q", "one")
    merge(root, "two")
    write_mix(root, BASE | {"papers": "max: 0.5"}, evals=EVALS)
    return path


@pytest.mark.parametrize("same", [True, False])
def test_a_run_trained_on_both_sides_stays_and_the_other_result_is_a_replicate(root, same):
    path = conflict_run(root, lambda record: measured_elsewhere(record, by=0.0 if same else 0.001))
    assert b"<<<<<<<" in path.read_bytes()
    before = path.read_bytes()
    workspace = Workspace.open(cwd=root)
    merging = find_merging(workspace)
    assert path.read_bytes() == before, "finding the sides writes nothing"
    assert any("trained on both sides" in note for note in merging.notes)
    plan = plan_merging(workspace, merging, PlanOptions())
    assert path.read_bytes() == before, "planning writes nothing"
    result = resolve(workspace, merging, plan)
    assert result.trained == 0
    ours = git(root, "show", f"one:mixes/base.runs/{path.name}")
    assert path.read_text().strip() == ours
    replicate = path.with_name(path.name.replace(".json", ".2.json"))
    assert replicate.exists() is not same
    check_settled(root)
    finish(root)
    check_settled(root)


def test_a_damaged_run_of_one_side_is_named(root):
    path = conflict_run(root, lambda record: dump_run(record).replace('"status": "done"', '"status": "diverged"'))
    with pytest.raises(IntegrityError, match=rf"{path.name} \(theirs\)"):
        find_merging(Workspace.open(cwd=root))


def test_half_a_conflict_in_a_run_file_is_named(root):
    path = conflict_run(root, measured_elsewhere)
    path.write_text(path.read_text().replace(">>>>>>> two", ""))
    git(root, "add", str(path))
    with pytest.raises(IntegrityError, match="not whole") as error:
        find_merging(Workspace.open(cwd=root))
    assert error.value.place.file == str(path)


def test_run_files_that_were_added_with_their_markers_are_settled_too(root):
    path = conflict_run(root, lambda record: measured_elsewhere(record, by=0.001))
    git(root, "add", str(path))
    _, result = join(root)
    assert result.trained == 0
    assert path.with_name(path.name.replace(".json", ".2.json")).exists()
    check_settled(root)


# Which sides


def test_sides_by_revision_bring_their_runs_along(parted):
    ours, theirs = sides(parted)
    write_mix(parted, BASE | {"docs": "max: 0.3", "papers": "", "books": ""}, evals=EVALS)
    workspace = Workspace.open(cwd=parted)
    assert find_merging(workspace) is None
    merging = find_merging(workspace, "papers", "books")
    plan = plan_merging(workspace, merging, PlanOptions())
    result = resolve(workspace, merging, plan)
    assert result.trained == 0
    assert set(result.lock.evidence) == set(ours.evidence) | set(theirs.evidence)
    check_settled(parted)


def test_markers_in_the_lock_are_read_where_git_knows_of_no_conflict(parted):
    ours, theirs = two_domains(parted)
    lock = parted / "mixes/base.lock.yaml"
    lock.write_text(f"<<<<<<< HEAD\n{dump(ours)}=======\n{dump(theirs)}>>>>>>> books\n")
    git(parted, "add", "mixes/base.lock.yaml")
    workspace = Workspace.open(cwd=parted)
    merging = find_merging(workspace)
    assert merging.merge.base is None
    plan = plan_merging(workspace, merging, PlanOptions())
    assert "planned from ours" in next(check.message for check in plan.checks if check.name == "merge")
    resolve(workspace, merging, plan)
    check_settled(parted)


def test_without_the_attribute_git_merges_lines_and_the_index_still_has_the_sides(parted):
    (parted / ".gitattributes").write_text("")
    commit(parted, "no attributes")
    ours, theirs = two_domains(parted)
    assert "<<<<<<<" in (parted / "mixes/base.lock.yaml").read_text()
    _, result = join(parted)
    assert set(result.lock.parents) == {digest_of(ours), digest_of(theirs)}
    check_settled(parted)


def test_a_rebase_is_joined_and_continued(parted):
    git(parted, "rebase", "books", check=False)
    write_mix(parted, BASE | {"docs": "max: 0.3", "papers": "", "books": ""}, evals=EVALS)
    _, result = join(parted)
    assert result.trained == 0
    assert next_commands(Workspace.open(cwd=parted))[-1] == "git rebase --continue"
    finish(parted)
    assert git(parted, "log", "-2", "--format=%s").splitlines() == ["Add papers", "Add books, bound docs"]
    check_settled(parted)


def test_a_side_that_goes_on_from_the_other_is_taken(root):
    git(root, "checkout", "-q", "-b", "papers")
    ours = edit(root, BASE | {"papers": ""}).lock
    workspace = Workspace.open(cwd=root)
    for words in (("papers", "main"), ("main", "papers")):
        merging = find_merging(workspace, *words)
        assert merging.merge.standing == ("ours" if words[0] == "papers" else "theirs")
        assert take_side(workspace, merging) == ours
    assert find_merging(workspace, "main", "main").merge.standing == "same"


def test_no_conflict_is_nothing_to_join(root):
    assert find_merging(Workspace.open(cwd=root)) is None


def test_locks_of_other_lineages_do_not_join(root):
    git(root, "checkout", "-q", "--orphan", "apart")
    (root / "mixes/base.lock.yaml").unlink()
    edit(root, BASE | {"papers": ""}, subject="apart")
    git(root, "checkout", "-q", "main")
    git(root, "merge", "--no-edit", "--allow-unrelated-histories", "apart", check=False)
    write_mix(root, BASE, evals=EVALS)
    with pytest.raises(StaleError, match="different lineages") as error:
        find_merging(Workspace.open(cwd=root))
    assert error.value.exit_code == 4
    assert "git checkout --ours" in error.value.remedy


def test_a_damaged_side_is_named(root):
    git(root, "checkout", "-q", "-b", "papers")
    edit(root, BASE | {"papers": ""})
    git(root, "checkout", "-q", "-b", "hand", "main")
    lock = root / "mixes/base.lock.yaml"
    lock.write_text(lock.read_text().replace("serial: 1", "serial: 2"))
    commit(root, "by hand")
    merge(root, "papers")
    with pytest.raises(IntegrityError, match=r"base.lock.yaml \(ours\)") as error:
        find_merging(Workspace.open(cwd=root))
    assert "--ours REV --theirs REV" in error.value.remedy


def test_a_lock_that_one_side_removed_is_said(root):
    git(root, "checkout", "-q", "-b", "papers")
    edit(root, BASE | {"papers": ""})
    git(root, "checkout", "-q", "-b", "gone", "main")
    git(root, "rm", "-q", "mixes/base.lock.yaml")
    git(root, "commit", "-qm", "no lock")
    merge(root, "papers")
    with pytest.raises(UsageError, match="ours has no lock"):
        find_merging(Workspace.open(cwd=root))


def test_one_revision_alone_is_refused(root):
    with pytest.raises(UsageError, match="go together"):
        find_merging(Workspace.open(cwd=root), "main")


def test_a_mix_file_with_markers_is_for_a_person(root):
    git(root, "checkout", "-q", "-b", "one")
    edit(root, BASE | {"papers": ""})
    git(root, "checkout", "-q", "-b", "two", "main")
    edit(root, BASE | {"books": ""})
    merge(root, "one")
    with pytest.raises(SpecError, match="conflict markers") as error:
        refuse_markers(root / "mixes/base.yaml")
    assert error.value.place.line > 1


def test_runs_know_the_commit_they_were_trained_on(root):
    head = git(root, "rev-parse", "HEAD")
    git(root, "checkout", "-q", "-b", "papers")
    edit(root, BASE | {"papers": ""})
    new = git(root, "diff", "--name-only", "--diff-filter=A", "HEAD~1", "--", "mixes/base.runs").splitlines()
    bodies = [json.loads((root / name).read_text()) for name in new if "/r1-" in name]
    assert len(bodies) == 9
    assert {(body["provenance"]["commit"], body["provenance"]["dirty"]) for body in bodies} == {(head, True)}


def test_the_text_of_a_joined_lock_reads_back(parted):
    two_domains(parted)
    lock = join(parted)[1].lock
    assert parse(dump(lock)) == lock
