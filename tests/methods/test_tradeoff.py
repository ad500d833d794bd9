"""The front that `plan --explain` prints, against the solves it is made of."""

from __future__ import annotations

import dataclasses
import math

import pytest
from workspaces import make_workspace, write_mix

from olmixctl.methods.olmix import fit_evidence, fitted_problem, gather, predict
from olmixctl.methods.problem import collapsed_reference, convex_metrics
from olmixctl.methods.tradeoff import trade_off
from olmixctl.mixture import GRID
from olmixctl.solve.exact import optimum
from olmixctl.workspace import Workspace

DOMAINS = {"code": "", "docs": "", "web": ""}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Three metrics measured, each a family of its own."""
    root = tmp_path_factory.mktemp("front")
    make_workspace(root)
    write_mix(root, DOMAINS, evals=tuple(DOMAINS))
    workspace = Workspace.open(cwd=root)
    workspace.apply(workspace.plan())
    return root


def front(folder, extra="", domains=DOMAINS):
    write_mix(folder, domains, evals=tuple(DOMAINS), extra=extra)
    workspace = Workspace.open(cwd=folder)
    return workspace, workspace.trade_off(workspace.lock())


def laws_of(workspace):
    lock = workspace.lock()
    observed = workspace._as_locked(lock)
    evidence = gather(observed, lock.coordinates, lock.evidence, workspace.ledger.records())
    fitted = fit_evidence(observed, lock.coordinates, evidence)
    return observed, fitted, fitted_problem(observed, lock.coordinates, fitted)


def test_a_stronger_pull_is_nearer_and_predicts_less(folder):
    workspace, found = front(folder)
    assert [point.kl for point in found.pull] == [0.0, 0.0125, 0.05, 0.2, 0.8]
    assert [point.chosen for point in found.pull] == [False, False, True, False, False]
    distances, changes = [p.distance for p in found.pull], [p.change for p in found.pull]
    assert distances == sorted(distances, reverse=True)
    assert changes == sorted(changes)
    assert changes[-1] < 0
    assert (found.reason, found.runs, found.serial) == ("", 12, 1)
    assert found.runs == len(workspace.lock().evidence)


def test_the_chosen_points_are_the_mix_of_the_lock(folder):
    workspace, found = front(folder)
    observed, fitted, problem = laws_of(workspace)
    weights = {d: points / GRID for d, points in workspace.lock().weights.items()}
    reference = collapsed_reference(problem.coordinates, observed.reference)
    now, then = predict(fitted, weights), predict(fitted, reference)
    (chosen,) = [point for point in found.families if point.chosen]
    assert chosen.best_for == "weighted mean"
    for metric, change in chosen.changes.items():
        assert change == pytest.approx(now[metric] - then[metric], abs=1e-4)
    (pull,) = [point for point in found.pull if point.chosen]
    assert pull.change == pytest.approx(sum(chosen.changes.values()) / 3, abs=1e-5)
    distance = math.fsum(w * math.log(w / reference[d]) for d, w in weights.items() if w)
    assert pull.distance == pytest.approx(distance, abs=1e-4)
    assert chosen.distance == pull.distance


def test_no_mix_of_the_front_is_better_for_a_family_than_its_own(folder):
    workspace, found = front(folder)
    _, fitted, problem = laws_of(workspace)
    points = {point.best_for: point for point in found.families}
    assert set(points) == {"code-bpb", "docs-bpb", "web-bpb", "weighted mean", "worst family"}
    (chosen,) = [point for point in found.families if point.chosen]
    for family in ("code-bpb", "docs-bpb", "web-bpb"):
        best = points[family].changes[family]
        assert all(best <= point.changes[family] + 2e-4 for point in found.families)
        assert points[family].distance <= 1.002 * chosen.distance
        if points[family].distance < 0.99 * chosen.distance:
            # It need not go as far: without a pull at all it is no better.
            alone = optimum(
                dataclasses.replace(problem, metric_weights={family: 1.0}, kl=0.0), convex_metrics(fitted.fit)
            )
            reference = collapsed_reference(problem.coordinates, problem.reference)
            assert best == pytest.approx(
                predict(fitted, alone.point)[family] - predict(fitted, reference)[family], abs=1e-3
            )
    worst = max(points["worst family"].changes.values())
    assert all(worst <= max(point.changes.values()) + 2e-4 for point in found.families)


def test_where_the_worst_family_counts_it_is_the_one_that_is_chosen(folder):
    _, found = front(folder, "objective: {worst_case: true}")
    (chosen,) = [point for point in found.families if point.chosen]
    assert chosen.best_for == "worst family"
    (pull,) = [point for point in found.pull if point.chosen]
    assert pull.change == pytest.approx(max(chosen.changes.values()), abs=1e-6)
    assert pull.distance == chosen.distance


def test_two_families_have_mixes_between_them(folder):
    text = "\n".join(f"  - {{name: {d}-bpb, heldout: {d}, fraction: 0.1}}" for d in DOMAINS)
    path = write_mix(folder, DOMAINS, evals=tuple(DOMAINS))
    named = text.replace("0.1}", "0.1, family: text}").replace(
        "code, fraction: 0.1, family: text", "code, fraction: 0.1"
    )
    path.write_text(path.read_text().replace(text, named))
    workspace = Workspace.open(cwd=folder)
    found = workspace.trade_off(workspace.lock())
    labels = [point.best_for for point in found.families]
    assert labels == [
        "code-bpb",
        "code-bpb 3 : 1 text",
        "code-bpb 1 : 3 text",
        "text",
        "weighted mean",
        "worst family",
    ]
    changes = [point.changes["code-bpb"] for point in found.families[:4]]
    assert changes == pytest.approx(sorted(changes), abs=2e-4)
    others = [point.changes["text"] for point in found.families[:4]]
    assert others == pytest.approx(sorted(others, reverse=True), abs=2e-4)
    assert changes[0] < changes[-1]
    assert others[0] > others[-1]


def test_without_a_pull_the_usual_ones_are_tried(folder):
    _, found = front(folder, "objective: {kl: 0}")
    assert [(point.kl, point.chosen) for point in found.pull] == [
        (0.0, True),
        (0.0125, False),
        (0.05, False),
        (0.2, False),
        (0.8, False),
    ]


def test_bounds_hold_on_the_whole_front(folder):
    free = {point.best_for: point for point in front(folder)[1].families}
    _, found = front(folder, domains={**DOMAINS, "docs": "max: 0.1"})
    assert [point.best_for for point in found.families] == list(free)
    assert all(point.distance > 0 for point in found.families)
    assert any(point.changes != free[point.best_for].changes for point in found.families)


def test_why_there_is_none(folder, tmp_path):
    make_workspace(tmp_path)
    empty = Workspace.open(cwd=tmp_path)
    assert empty.trade_off(None).reason == "there is no lock yet, so no runs tell"
    workspace, _ = front(folder)
    lock = workspace.lock()
    observed, records = workspace._as_locked(lock), workspace.ledger.records()
    kept = dataclasses.replace(lock, evidence=())
    assert trade_off(kept, observed, records).reason == "no runs stand behind lock serial 1"
    assert "not all what they were" in trade_off(lock, observed, {}).reason
    write_mix(folder, {"code": "", "docs": ""}, evals=("code", "docs"))
    other = Workspace.open(cwd=folder)
    assert "other domains than lock serial 1" in other.trade_off(lock).reason
    write_mix(folder, DOMAINS, evals=("code", "docs"))
    assert "measures others than lock serial 1" in Workspace.open(cwd=folder).trade_off(lock).reason


def test_the_same_inputs_give_the_same_front(folder):
    assert front(folder)[1].as_json() == front(folder)[1].as_json()


def test_a_mix_at_the_reference_has_none_that_are_as_near(folder):
    _, found = front(folder, "objective: {kl: 1000}")
    assert found.families == ()
    assert found.left_out == ()
    assert len(found.pull) == 5


def test_progress_ends_with_all_mixes_found(folder):
    workspace, found = front(folder)
    heard = []
    again = workspace.trade_off(workspace.lock(), lambda done, total: heard.append((done, total)))
    assert again == found
    assert heard == [(number, 10) for number in range(1, 11)]
