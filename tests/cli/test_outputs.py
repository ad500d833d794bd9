"""What `--out` and its like may write: never over a mix, its lock or its runs."""

from __future__ import annotations

import json
import shutil

import pytest

COMMANDS = {
    "export": ("export", "--format", "csv", "--out"),
    "plan": ("plan", "--out"),
    "json": ("plan", "--json-into"),
    "markdown": ("plan", "--md-into"),
}


def snapshot(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file() and ".olmixctl" not in path.parts}


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    ("target", "what"),
    [
        ("mixes/base.yaml", "a mix file"),
        ("mixes/new.yaml", "a mix file"),
        ("mixes/base.lock.yaml", "a lock"),
        ("old.lock.yaml", "a lock"),
        ("mixes/base.runs/x.json", "recorded runs"),
        ("link", "a mix file"),
        ("here/base.yaml", "a mix file"),
        ("none/plan.json", "there is no folder none"),
        ("corpora", "no regular file"),
        ("loop", "link leads nowhere"),
    ],
)
def test_nothing_that_a_mix_rests_on_is_written_over(olmixctl, applied, command, target, what):
    (applied / "link").symlink_to("mixes/base.yaml")
    (applied / "here").symlink_to("mixes")
    (applied / "loop").symlink_to("loop")
    before = snapshot(applied)
    assert what in olmixctl(*COMMANDS[command], target, code=64).stderr
    assert snapshot(applied) == before


def test_a_mix_file_outside_of_mixes_is_known_by_its_use_and_by_its_lock(olmixctl, applied):
    shutil.copy(applied / "mixes/base.yaml", applied / "own.yaml")
    assert "the mix file" in olmixctl("plan", "own.yaml", "--out", "own.yaml", code=64).stderr
    shutil.copy(applied / "mixes/base.lock.yaml", applied / "own.lock.yaml")
    assert "a mix file" in olmixctl("export", "base", "--out", "own.yaml", code=64).stderr


def test_a_link_is_written_through(olmixctl, applied):
    (applied / "real.json").write_text("old")
    (applied / "link.json").symlink_to("real.json")
    olmixctl("export", "--out", "link.json")
    assert (applied / "link.json").is_symlink()
    assert json.loads((applied / "real.json").read_text())["name"] == "base"
