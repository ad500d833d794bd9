"""Golden plans: what a person reads for each kind of edit, to the letter."""

from __future__ import annotations

import json
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


def split(root, names, source="web"):
    """The files of a domain by turns to several; one of them may keep the name."""
    files = sorted((root / "corpora" / source).glob("*.txt"))
    for i, path in enumerate(files):
        folder = root / "corpora" / names[i % len(names)]
        folder.mkdir(exist_ok=True)
        path.rename(folder / path.name)


def split_keeping_the_name(root):
    split(root, ("web", "news", "sport", "web"))


def split_up(root):
    split(root, ("news", "sport"))


def merge(root):
    for source in ("code", "docs"):
        for path in sorted((root / "corpora" / source).glob("*.txt")):
            target = root / "corpora" / "prose" / f"{source}-{path.name}"
            target.parent.mkdir(exist_ok=True)
            path.rename(target)


def move_and_revise(root):
    revise(root)
    (root / "corpora/web/0000.txt").unlink()
    move(root)


def as_lines(root, sizes=(30, 50)):
    """The documents of web in files of many lines."""
    texts = [path.read_text() for path in sorted((root / "corpora/web").glob("*.txt"))]
    for path in (root / "corpora/web").iterdir():
        path.unlink()
    start = 0
    for number, size in enumerate(sizes):
        lines = [json.dumps({"text": text}) for text in texts[start : start + size]]
        (root / f"corpora/web/{number}.jsonl").write_text("\n".join(lines) + "\n")
        start += size


def reshard_and_revise(root):
    write_domain(root, "web", 10, seed=7, start=80)
    as_lines(root, (20, 40, 30))


def several(root):
    split_up(root)
    (root / "corpora/docs").rename(root / "corpora/manuals")
    write_domain(root, "papers", 50)


def forget_inventories(root):
    """As a lock of an older version: it kept none."""
    for path in (root / "mixes/base.runs").glob("d1-*.json"):
        path.unlink()


def nothing(root):
    """The mix file alone changes."""


EDITS = {
    "add": add,
    "constraint": nothing,
    "contradicted": add,
    "merge": merge,
    "merge-declared": merge,
    "metadata": nothing,
    "move": move,
    "move-and-revise": move_and_revise,
    "none": nothing,
    "objective": nothing,
    "partition": partition,
    "partition-keeping-the-name": split_keeping_the_name,
    "partition-undeclared": split_up,
    "proxy": nothing,
    "remove": nothing,
    "reshard": as_lines,
    "reshard-and-revise": reshard_and_revise,
    "revise": revise,
    "several": several,
    "solver": nothing,
    "unknown-past": split_up,
}


def test_every_case_has_its_edit():
    assert {folder.name for folder in CASES.iterdir() if folder.is_dir()} == set(EDITS)


@pytest.mark.parametrize("case", EDITS)
def test_plan(case, tmp_path):
    make_workspace(tmp_path)
    workspace = Workspace.open(cwd=tmp_path)
    workspace.apply(workspace.plan())
    EDITS[case](tmp_path)
    if case == "unknown-past":
        forget_inventories(tmp_path)
    shutil.copy(CASES / case / "edit.yaml", tmp_path / "mixes" / "base.yaml")
    plan = Workspace.open(cwd=tmp_path).plan()
    found = plan_text(plan_as_json(plan), Look(width=80))
    golden = CASES / case / "plan.txt"
    if os.environ.get("UPDATE_CASES"):
        golden.write_text(found, encoding="utf-8")
    assert found == golden.read_text(encoding="utf-8")
