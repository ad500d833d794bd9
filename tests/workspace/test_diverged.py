"""Runs that diverged measured nothing: where all but one mixture did, nothing is decided, and it is said."""

from __future__ import annotations

import pytest
from workspaces import make_workspace, write_mix

from olmixctl.errors import IncompleteError
from olmixctl.execute.fake import FakeExecutor
from olmixctl.execute.protocol import Outcome
from olmixctl.workspace import Workspace


class Diverging(FakeExecutor):
    """Only as many runs measure anything as the list has entries; batches share it."""

    def __init__(self, evals, left):
        super().__init__(evals)
        self.left = left

    def measure(self, run):
        return super().measure(run) if self.left and self.left.pop() else Outcome(run=run, status="diverged")


def begin(root, left, extra=""):
    make_workspace(root, extra=extra)
    return go_on(root, left)


def go_on(root, left=100):
    workspace, many = Workspace.open(cwd=root), [True] * left
    workspace._executor = lambda evals, _=None: Diverging(evals, many)
    return workspace


def refused(act):
    with pytest.raises(IncompleteError) as caught:
        act()
    assert "`olmixctl runs taint RUN` has one trained again" in caught.value.remedy
    return caught.value.message


ONE = "and what is left is one mixture, which says nothing of what another one would measure"


@pytest.mark.parametrize(
    ("left", "extra", "words"),
    [
        (0, "", "all 12 runs diverged, so nothing was measured"),
        (1, "", f"11 of 12 runs diverged, {ONE}"),
        (2, "proxy_repeats", f"22 of 24 runs diverged, {ONE}"),
    ],
)
def test_what_is_left_of_one_mixture_decides_nothing(tmp_path, left, extra, words):
    workspace = begin(tmp_path, left)
    if extra:
        text = workspace.path.read_text()
        workspace.path.write_text(text.replace("batch_size: 8", "batch_size: 8, repeats: 2"))
        workspace = go_on(tmp_path, left)
    plan = workspace.plan()
    assert refused(lambda: workspace.apply(plan)) == words
    assert not workspace.lock_path.exists()
    # The next plan knows, and trains nothing for it.
    assert refused(workspace.plan) == words


def test_a_run_that_is_trained_again_may_tell(tmp_path):
    workspace = begin(tmp_path, 1)
    plan = workspace.plan()
    refused(lambda: workspace.apply(plan))
    lost = next(key for key, record in workspace.ledger.records().items() if record.status == "diverged")
    workspace.ledger.taint(lost, "diverged")
    again = go_on(tmp_path)
    plan = again.plan()
    assert [run.key for run in plan.missing] == [lost]
    lock = again.apply(plan).lock
    assert (lock.surrogate.runs, len(lock.excluded)) == (2, 10)
    assert again.verify().ok


def test_later_rounds_may_still_tell_and_are_no_way_around_it(tmp_path):
    workspace = begin(tmp_path, 1, "swarm: {rounds: 3}")
    plan = workspace.plan()
    assert refused(lambda: workspace.apply(plan)) == f"11 of 12 runs diverged, {ONE}"
    assert not workspace.lock_path.exists()


def test_rounds_without_a_result_say_so(tmp_path):
    workspace = begin(tmp_path, 0, "swarm: {rounds: 3}")
    plan = workspace.plan()
    assert refused(lambda: workspace.apply(plan)) == "all 12 runs diverged, so nothing was measured"


def test_one_domain_needs_no_other_mixture(tmp_path):
    make_workspace(tmp_path)
    write_mix(tmp_path, {"code": ""})
    workspace = go_on(tmp_path, 1)
    assert workspace.apply(workspace.plan()).lock.weights["code"] == 10**6
