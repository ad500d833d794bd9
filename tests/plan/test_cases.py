"""Golden plans: what a person reads for each kind of edit, to the letter."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from workspaces import make_workspace, write_domain

from olmixctl.plan.codec import plan_as_json
from olmixctl.report.look import Look
from olmixctl.report.text_plan import plan_text
from olmixctl.workspace import Workspace

CASES = Path(__file__).parents[1] / "cases"


def add(root):
    write_domain(root, "papers", 50)


def revise(root):
    write_domain(root, "web", 30, seed=7, start=80)


def move(root):
    (root / "corpora/web").rename(root / "corpora/crawl")


def partition(root):
    (root / "corpora/news").mkdir()
    for path in sorted((root / "corpora/web").glob("00[0-3]*.txt")):
        path.rename(root / "corpora/news" / path.name)


def nothing(root):
    """The mix file alone changes."""


EDITS = {
    "add": add,
    "constraint": nothing,
    "metadata": nothing,
    "move": move,
    "none": nothing,
    "objective": nothing,
    "partition": partition,
    "proxy": nothing,
    "remove": nothing,
    "revise": revise,
}


def test_every_case_has_its_edit():
    assert {folder.name for folder in CASES.iterdir() if folder.is_dir()} == set(EDITS)


@pytest.mark.parametrize("case", EDITS)
def test_plan(case, tmp_path):
    make_workspace(tmp_path)
    workspace = Workspace.open(cwd=tmp_path)
    workspace.apply(workspace.plan())
    EDITS[case](tmp_path)
    shutil.copy(CASES / case / "edit.yaml", tmp_path / "mixes" / "base.yaml")
    plan = Workspace.open(cwd=tmp_path).plan()
    found = plan_text(plan_as_json(plan), Look(width=80))
    golden = CASES / case / "plan.txt"
    if os.environ.get("UPDATE_CASES"):
        golden.write_text(found, encoding="utf-8")
    assert found == golden.read_text(encoding="utf-8")
