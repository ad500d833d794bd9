"""Swarms that are trained in rounds, or that stop once enough is known: the same end whatever came between."""

from __future__ import annotations

import dataclasses
import json
import random
import shutil
from decimal import Decimal

import pytest
from crashing import apply_in, forks
from interrupted import Interrupted
from workspaces import make_workspace, write_domain, write_mix

from olmixctl.errors import BlockedError, IncompleteError, StaleError
from olmixctl.execute.events import BatchStarted, Looked
from olmixctl.execute.fake import FakeExecutor
from olmixctl.execute.protocol import Outcome
from olmixctl.lock.store import write_lock
from olmixctl.methods import between, decide
from olmixctl.mixture import GRID
from olmixctl.plan.build import PlanOptions
from olmixctl.plan.codec import plan_as_json
from olmixctl.spec.schema import load_schema, violations
from olmixctl.workspace import Workspace

DOMAINS = dict.fromkeys(("code", "docs", "web"), "")
RUNS, LOOKS = 12, (4, 6, 9)
STOP = "swarm: {stop: {regret: 0.01}}"
ROUNDS = "swarm: {rounds: 3}"
BOTH = "swarm: {rounds: 3, stop: {regret: 0.01}}"


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    """Data that was read before."""
    root = tmp_path_factory.mktemp("template")
    make_workspace(root)
    Workspace.open(cwd=root).plan()
    return root


@pytest.fixture
def begin(template, tmp_path):
    """A workspace with a `swarm:` section; each call makes another."""

    def made(extra, name="w"):
        root = tmp_path / name
        shutil.copytree(template, root)
        write_mix(root, DOMAINS, extra=extra)
        return root

    return made


@pytest.fixture(scope="module")
def in_rounds(template, tmp_path_factory):
    """A workspace that one apply worked through in three rounds."""
    root = tmp_path_factory.mktemp("rounds") / "w"
    shutil.copytree(template, root)
    edit(root, ROUNDS)
    apply(root)
    return root


@pytest.fixture(scope="module")
def easily(template, tmp_path_factory):
    """A workspace whose mix file asks for so little that the first look is enough."""
    root = tmp_path_factory.mktemp("easily") / "w"
    shutil.copytree(template, root)
    edit(root, "swarm: {stop: {regret: 50}}")
    apply(root)
    return root


@pytest.fixture
def enough_after(monkeypatch):
    """Make enough known once so many planned runs are trained, and count the looks."""
    looks = []

    def known(count):
        def probability(plan, records):
            assert {run.key for run in plan.runs} <= set(records)
            looks.append(len(plan.runs))
            return 0.95 if len(plan.runs) >= count else 0.4

        monkeypatch.setattr(between, "probability", probability)
        return looks

    return known


def edit(root, extra, domains=DOMAINS):
    write_mix(root, domains, evals=tuple(DOMAINS)[:2], extra=extra)


def apply(root, plan=None, **options):
    workspace = Workspace.open(cwd=root)
    return workspace.apply(plan or workspace.plan(), **options)


def interrupt(root, after):
    workspace = Workspace.open(cwd=root)
    Interrupted.left = after
    workspace._executor = lambda evals, _=None: Interrupted(evals)
    with pytest.raises(IncompleteError):
        workspace.apply(workspace.plan())


def bytes_of(root):
    """The lock and all runs."""
    return {path.name: path.read_bytes() for path in sorted((root / "mixes").rglob("*")) if path.is_file()}


def marked(root):
    """Recorded runs of later rounds."""
    records = Workspace.open(cwd=root).ledger.records().values()
    return {record.key for record in records if "chain" in record.provenance}


# One round that may stop early


def test_enough_is_known_early_and_the_lock_says_so(begin, enough_after):
    looks, root, events = enough_after(6), begin(STOP), []
    result = apply(root, on_event=events.append)
    assert looks == list(LOOKS[:2])
    assert (result.trained, len(result.lock.evidence)) == (6, 6)
    stopped = result.lock.stopped
    assert (stopped.planned, stopped.trained) == (RUNS, 6)
    assert (stopped.regret, stopped.probability) == (Decimal("0.01"), Decimal("0.95"))
    assert [(e.runs, e.planned, e.enough) for e in events if isinstance(e, Looked)] == [(4, 12, False), (6, 12, True)]
    again = Workspace.open(cwd=root)
    assert len(again.ledger.records()) == 6
    assert not again.plan().has_changes
    assert again.lock() == result.lock


def test_never_enough_is_the_whole_swarm(begin, enough_after):
    looks, whole = enough_after(RUNS + 1), apply(begin("", "plain"))
    result = apply(begin(STOP))
    assert looks == list(LOOKS)  # the whole swarm is not asked about: there is nothing left to save
    assert result.lock.stopped is None
    assert result.lock.weights == whole.lock.weights
    assert result.lock.evidence == whole.lock.evidence


@pytest.mark.parametrize("after", [1, 4, 5])
def test_interrupted_and_resumed_it_stops_at_the_same_place(begin, enough_after, after):
    enough_after(6)
    whole, broken = begin(STOP, "whole"), begin(STOP, "broken")
    apply(whole)
    interrupt(broken, after)
    assert apply(broken).trained == 6 - after
    assert bytes_of(broken) == bytes_of(whole)


@pytest.mark.parametrize("count", [5, 9, RUNS])
def test_what_is_recorded_beyond_does_not_move_the_end(begin, enough_after, count):
    enough_after(6)
    whole, some = begin("", "whole"), begin(STOP, "some")
    apply(whole)
    alone = begin(STOP, "alone")
    apply(alone)
    files = sorted((whole / "mixes/base.runs").glob("r1*.json"))
    (some / "mixes/base.runs").mkdir()
    for path in random.Random(count).sample(files, count):
        shutil.copy(path, some / "mixes/base.runs")
    apply(some)
    assert (some / "mixes/base.lock.yaml").read_bytes() == (alone / "mixes/base.lock.yaml").read_bytes()


def test_the_probability_is_that_of_the_runs(begin, easily):
    """With no stand-in: a regret that no mix has is enough at 1.5 mixtures a parameter, one nobody can promise never.

    Four runs of three coordinates are one a parameter, and prove nothing.
    """
    workspace = Workspace.open(cwd=easily)
    stopped, verified = workspace.lock().stopped, workspace.verify()
    assert stopped.trained == LOOKS[1]
    assert stopped.probability > Decimal("0.99")
    assert verified.ok
    assert "stopped" in {check.name for check in verified.checks}
    assert apply(begin("swarm: {stop: {regret: 0.000000001}}")).lock.stopped is None


def test_too_few_results_are_never_enough(begin):
    """Three of the first four runs diverge: what is left contradicts no law, so it proves none."""

    class Diverging(FakeExecutor):
        left = 3

        def measure(self, run):
            Diverging.left -= 1
            return Outcome(run=run, status="diverged") if Diverging.left >= 0 else super().measure(run)

    events = []
    workspace = Workspace.open(cwd=begin("swarm: {stop: {regret: 50}}"))
    workspace._executor = lambda evals, _=None: Diverging(evals)
    stopped = workspace.apply(workspace.plan(), on_event=events.append).lock.stopped
    looks = {event.runs: event.probability for event in events if isinstance(event, Looked)}
    assert looks[4] == looks[6] == 0
    assert (stopped.trained, len(workspace.lock().excluded)) == (9, 3)
    assert workspace.verify().ok


ALTERED = {
    "planned": {"planned": 30},
    "trained": {"trained": 7},
    "all were trained": {"planned": 4},
    "regret": {"regret": Decimal("49.000000000")},
    "probability": {"probability": Decimal("0.900000")},
    "too little": {"probability": Decimal("0.500000")},
}


@pytest.mark.parametrize("case", ALTERED)
def test_a_reason_that_is_not_true_is_found_by_verify(easily, tmp_path, case):
    shutil.copytree(easily / "mixes", tmp_path / "mixes")
    workspace = Workspace.open(cwd=tmp_path)
    lock = workspace.lock()
    other = dataclasses.replace(lock.stopped, **ALTERED[case])
    write_lock(workspace.lock_path, dataclasses.replace(lock, stopped=other))
    (check,) = [check for check in workspace.verify().checks if check.name == "stopped"]
    assert not check.ok
    assert check.detail.startswith("misstated")


def test_with_less_asked_for_the_runs_stand_and_with_more_the_rest_is_trained(begin, enough_after):
    enough_after(6)
    root = begin(STOP)
    first = apply(root).lock
    edit(root, "swarm: {stop: {regret: 0.02, confidence: 0.8}}")
    plan = Workspace.open(cwd=root).plan()
    assert plan.kind == "resolve"
    assert {change.action for change in plan.changes} == {"none"}
    looser = apply(root).lock
    assert (looser.evidence, looser.weights, looser.stopped) == (first.evidence, first.weights, None)
    edit(root, "")
    plan = Workspace.open(cwd=root).plan()
    assert (plan.kind, len(plan.missing)) == ("train", RUNS - 6)
    assert apply(root).trained == RUNS - 6
    edit(root, STOP)  # all is trained already: nothing is thrown away
    assert Workspace.open(cwd=root).plan().kind == "resolve"
    assert len(apply(root).lock.evidence) == RUNS
    assert not Workspace.open(cwd=root).plan().has_changes


def test_a_domain_that_comes_after_an_early_stop_is_estimated_with_the_ratios_kept(begin, enough_after):
    enough_after(4)
    root = begin(STOP)
    apply(root)
    write_domain(root, "news", 30)
    edit(root, STOP, DOMAINS | {"news": ""})
    workspace = Workspace.open(cwd=root)
    plan = workspace.plan()
    assert plan.kind == "train"
    assert len(plan.coordinates.blocks) == 1
    assert len(plan.runs) == 3 * (2 + 1)
    result = workspace.apply(plan)
    assert result.lock.stopped.trained == result.trained < 9
    assert not Workspace.open(cwd=root).plan().has_changes


def test_a_tainted_run_is_trained_again_and_no_other(begin, enough_after):
    enough_after(6)
    root = begin(STOP)
    workspace = Workspace.open(cwd=root)
    lock = apply(root).lock
    workspace.ledger.taint(lock.evidence[2], "loss spike")
    plan = workspace.plan()
    assert len(plan.missing) == 1 + RUNS - 6
    assert apply(root).trained == 1
    assert workspace.lock().evidence == lock.evidence


# Rounds


def test_later_rounds_follow_from_the_first(begin, in_rounds):
    plan = Workspace.open(cwd=begin(ROUNDS)).plan()
    assert (len(plan.runs), plan.rounds.later, plan.cost.runs) == (4, (4, 4), RUNS)
    assert not plan.complete
    again = Workspace.open(cwd=in_rounds)
    assert (len(again.lock().evidence), again.lock().stopped) == (RUNS, None)
    assert len(marked(in_rounds)) == 8
    assert not again.plan().has_changes
    assert again.verify().ok
    # They are others than those that the design would have gone on with.
    drawn = between.draw(plan.observed, plan.coordinates, RUNS)
    points = {tuple(sorted(r.mixture.items())) for r in again.ledger.records().values() if r.key in marked(in_rounds)}
    assert not points & {tuple(sorted((name, p / GRID) for name, p in mix.items())) for mix in drawn}


@pytest.mark.parametrize("after", [3, 4, 6, 8, 11])
def test_interrupted_in_any_round_the_same_runs_are_chosen_again(begin, in_rounds, after):
    whole, broken = in_rounds, begin(ROUNDS)
    interrupt(broken, after)
    plan = Workspace.open(cwd=broken).plan()
    assert plan.extra_evidence == ()
    assert sum(run.recorded for run in plan.runs) == min(after, 4)
    assert plan.cost.runs == RUNS - after
    assert apply(broken).trained == RUNS - after
    assert bytes_of(broken) == bytes_of(whole)


@pytest.mark.parametrize(("after", "expected"), [(0, [(4, 1), (8, 2), (12, 3)]), (6, [(8, 2), (12, 3)])])
def test_each_batch_says_where_in_the_whole_swarm_it_is(begin, after, expected):
    root, events = begin(ROUNDS), []
    if after:
        interrupt(root, after)
    apply(root, on_event=events.append)
    found = [event for event in events if isinstance(event, BatchStarted)]
    assert [(event.runs, event.number) for event in found] == expected
    assert {(event.planned, event.rounds, event.open) for event in found} == {(RUNS, 3, True)}


def test_batches_between_looks_are_no_rounds(begin, enough_after):
    enough_after(RUNS)
    events = []
    apply(begin(STOP), on_event=events.append)
    found = [event for event in events if isinstance(event, BatchStarted)]
    assert [(e.runs, e.planned, e.number, e.rounds) for e in found] == [(count, RUNS, 1, 1) for count in (*LOOKS, RUNS)]


def test_older_runs_are_evidence_from_the_first_round_on(begin):
    whole, broken = begin("swarm: {seed: 7}", "whole"), begin("swarm: {seed: 7}", "broken")
    for root in (whole, broken):
        apply(root)
        (root / "mixes/base.lock.yaml").unlink()
        edit(root, ROUNDS)
    result = apply(whole)
    assert len(result.lock.evidence) == 2 * RUNS
    interrupt(broken, 6)
    plan = Workspace.open(cwd=broken).plan()
    assert (len(plan.extra_evidence), plan.cost.runs) == (RUNS, RUNS - 6)
    apply(broken)
    assert bytes_of(broken) == bytes_of(whole)


def test_rounds_stop_when_enough_is_known(begin, in_rounds, enough_after):
    looks, root = enough_after(8), begin(BOTH)
    result = apply(root)
    assert looks == [4, 8]
    assert (result.trained, result.lock.stopped.planned, result.lock.stopped.trained) == (8, RUNS, 8)
    assert not Workspace.open(cwd=root).plan().has_changes
    edit(root, ROUNDS)  # without a stop the same rounds go on
    plan = Workspace.open(cwd=root).plan()
    assert (plan.kind, plan.extra_evidence, plan.complete) == ("train", (), False)
    result = apply(root)
    assert (result.trained, len(result.lock.evidence)) == (4, RUNS)
    assert Workspace.open(cwd=in_rounds).lock().evidence == result.lock.evidence


def test_a_lost_run_of_a_later_round_is_the_only_one_trained_again(in_rounds, tmp_path):
    root = tmp_path / "lost"
    shutil.copytree(in_rounds, root)
    workspace = Workspace.open(cwd=root)
    first = workspace.lock()
    workspace.ledger.taint(max(marked(root)), "loss spike")
    result = apply(root)
    assert result.trained == 1
    assert result.lock.evidence == first.evidence


def test_where_no_mixture_is_left_to_ask_for_the_rounds_end(begin, monkeypatch):
    monkeypatch.setattr(between, "following", lambda *_: ())
    root = begin(ROUNDS)
    assert apply(root).trained == 4
    assert not Workspace.open(cwd=root).plan().has_changes


def test_a_mixture_that_was_tried_is_not_asked_for_again(begin, monkeypatch):
    """What is asked for most may be what was run already; then the next best ones are."""
    root = begin(ROUNDS)
    plan = Workspace.open(cwd=root).plan()
    drawn = between.draw(plan.observed, plan.coordinates, RUNS)
    monkeypatch.setattr(between, "next_batch", lambda _, count: drawn[:count])
    assert apply(root).trained == RUNS


def test_no_round_is_larger_than_planned(begin, monkeypatch):
    monkeypatch.setattr(between, "following", lambda plan, *_: between.draw(plan.observed, plan.coordinates, 40)[-10:])
    assert apply(begin(ROUNDS)).trained <= RUNS


def test_every_mixture_is_repeated(begin):
    root = begin(ROUNDS)
    text = (root / "mixes/base.yaml").read_text().replace("batch_size: 8}", "batch_size: 8, repeats: 2}")
    (root / "mixes/base.yaml").write_text(text)
    plan = Workspace.open(cwd=root).plan()
    assert (len(plan.runs), plan.rounds.later) == (8, (8, 8))
    result = apply(root)
    assert result.trained == 2 * RUNS
    assert {record.inputs.seed for record in Workspace.open(cwd=root).ledger.records().values()} == {0, 1}


def test_an_informative_swarm_is_nested_and_its_runs_are_kept(begin):
    root = begin("swarm: {design: informative, runs_per_coordinate: 1.5}")
    small = apply(root)
    edit(root, "swarm: {design: informative, runs_per_coordinate: 3}")
    plan = Workspace.open(cwd=root).plan()
    assert [run.recorded for run in plan.runs] == [True] * 6 + [False] * 6
    assert {run.key for run in plan.runs if run.recorded} == set(small.lock.evidence)
    assert Workspace.open(cwd=begin("", "random")).plan().runs[0].key not in small.lock.evidence


@pytest.mark.parametrize("where", ["following", "decide", "training"])
def test_ctrl_c_between_trainings_is_an_apply_to_be_continued(begin, in_rounds, monkeypatch, where):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    places = {"following": (between, "following"), "decide": (decide, "decide"), "training": (FakeExecutor, "measure")}
    root = begin(ROUNDS)
    if where == "training":
        interrupt(root, 6)
    with monkeypatch.context() as patch:
        patch.setattr(*places[where], interrupted)
        with pytest.raises(IncompleteError) as stopped:
            apply(root)
    recorded = {"following": 4, "decide": RUNS, "training": 6}[where]
    assert stopped.value.message == f"interrupted: {recorded} of {RUNS} runs are recorded, no lock was written"
    assert "continues where this one stopped" in stopped.value.remedy
    assert Workspace.open(cwd=root).unlock() == ()
    apply(root)
    assert bytes_of(root) == bytes_of(in_rounds)


def test_ctrl_c_with_nothing_recorded_is_only_that(begin, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(FakeExecutor, "measure", interrupted)
    root = begin(ROUNDS)
    with pytest.raises(KeyboardInterrupt):
        apply(root)
    assert Workspace.open(cwd=root).unlock() == ()


# What is said beforehand


def test_recorded_runs_of_later_rounds_are_counted(begin):
    root = begin(ROUNDS)
    interrupt(root, 6)
    workspace = Workspace.open(cwd=root)
    plan = workspace.plan(PlanOptions(max_runs=RUNS - 6))
    assert not plan.blocked
    assert [step.get("runs") for step in plan_as_json(plan)["steps"]] == [RUNS - 6, RUNS, None]
    assert [check.name for check in workspace.plan(PlanOptions(max_runs=RUNS - 7)).blocked] == ["max-runs"]
    result = workspace.apply(plan)
    assert (result.trained, result.cost.runs) == (RUNS - 6, RUNS - 6)
    workspace.lock_path.unlink()
    plan = workspace.plan()
    assert (plan.complete, plan.cost.runs, [step["do"] for step in plan_as_json(plan)["steps"]]) == (
        True,
        0,
        ["solve", "write-lock"],
    )
    assert workspace.apply(plan).lock == result.lock


def test_runs_that_follow_from_other_results_are_not_counted(begin):
    """A run of the first round is measured again: which ones follow it is open, so none of them may be promised."""
    root = begin(ROUNDS)
    apply(root)
    workspace = Workspace.open(cwd=root)
    first = workspace.lock().evidence
    workspace.lock_path.unlink()
    workspace.ledger.taint(min(set(first) - marked(root)), "loss spike")
    assert workspace.plan().cost.runs == 1 + RUNS - 4


def test_the_budget_is_that_of_all_rounds(begin):
    workspace = Workspace.open(cwd=begin(BOTH))
    plan = workspace.plan(PlanOptions(max_runs=RUNS - 1))
    assert [check.name for check in plan.blocked] == ["max-runs"]
    with pytest.raises(BlockedError):
        workspace.apply(plan)
    assert not workspace.plan(PlanOptions(max_runs=RUNS)).blocked


def test_the_plan_as_json_says_what_is_open(begin):
    plan = Workspace.open(cwd=begin(BOTH)).plan()
    document = plan_as_json(plan)
    assert document["rounds"] == {"later": [4, 4], "looks": [4], "stop": {"regret": 0.01, "confidence": 0.9}}
    assert (len(document["runs"]), document["cost"]["runs"], document["complete"]) == (4, RUNS, False)
    assert [step.get("runs") for step in document["steps"]] == [RUNS, RUNS, None]
    whole = json.loads(json.dumps(document)) | {"mix_file": "mixes/base.yaml", "digest": "sha256:" + "0" * 64}
    assert list(violations(whole, load_schema("plan"))) == []
    assert "rounds" not in plan_as_json(Workspace.open(cwd=begin("", "plain")).plan())


def test_an_apply_whose_plan_another_one_finished_finds_the_same_lock(begin, enough_after):
    enough_after(6)
    root = begin(STOP)
    slow, fast = Workspace.open(cwd=root), Workspace.open(cwd=root)
    plan = slow.plan()
    fast.apply(fast.plan())
    result = slow.apply(plan)
    assert (result.trained, result.written, result.by_another) == (0, False, True)


def test_an_apply_whose_lock_became_another_is_stale(begin, enough_after):
    enough_after(6)
    root = begin(STOP)
    slow = Workspace.open(cwd=root)
    plan = slow.plan()
    edit(root, STOP + "\nobjective: {kl: 0.2}")
    apply(root)
    with pytest.raises(StaleError):
        slow.apply(plan)


# Several at once, and killed ones


def run(root, number=0, **options):
    process = forks().Process(target=apply_in, args=(str(root), str(root / f"log-{number}")), kwargs=options)
    process.start()
    return process


def trained(root):
    return [line.split()[0] for log in root.glob("log-*") for line in log.read_text().splitlines()]


@pytest.mark.slow
def test_two_at_once_train_each_run_of_each_round_once(begin, in_rounds):
    shared = begin(ROUNDS)
    processes = [run(shared, number, delay=0.05, gate=2) for number in range(2)]
    for process in processes:
        process.join(120)
    assert [process.exitcode for process in processes] == [0, 0]
    assert len(trained(shared)) == len(set(trained(shared))) == RUNS
    assert (shared / "mixes/base.lock.yaml").read_bytes() == (in_rounds / "mixes/base.lock.yaml").read_bytes()


@pytest.mark.slow
def test_killed_between_or_in_rounds_and_resumed_the_bytes_are_the_same(begin):
    whole = begin(BOTH.replace("0.01", "0.000000001"), "whole")
    process = run(whole, count=str(whole / "points"))
    process.join(120)
    assert process.exitcode == 0
    points = len((whole / "points").read_text().splitlines())
    for name in ("points", "log-0"):
        (whole / name).unlink()
    for number in [*range(5, points, max(points // 5, 1)), points]:
        root = begin(BOTH.replace("0.01", "0.000000001"), f"killed-{number}")
        process = run(root, kill_at=number)
        process.join(120)
        assert process.exitcode == -9
        process = run(root, 1)
        process.join(120)
        assert process.exitcode == 0, number
        assert bytes_of(root) == bytes_of(whole), number
        assert len(trained(root)) <= RUNS + 1, number
