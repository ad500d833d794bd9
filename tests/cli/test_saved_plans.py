"""A saved plan is applied as it was written, to the mix it was made for, or not at all."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

LOCK = Path("mixes/base.lock.yaml")

ALTERED = {
    "proxy tokens": lambda p: p["proxy"].update(tokens=7),
    "cost": lambda p: p["cost"].update(flops=1.0),
    "a reason": lambda p: p.update(reason="because"),
    "a number that JSON does not have": lambda p: p["cost"].update(flops=float("inf")),
    "its digest": lambda p: p.update(digest="sha256:" + "0" * 64),
}


@pytest.mark.parametrize("case", ALTERED)
@pytest.mark.parametrize("command", ["apply", "show"])
def test_a_plan_edited_by_hand_is_refused(olmixctl, root, command, case):
    olmixctl("plan", "--out", "plan.json")
    document = json.loads((root / "plan.json").read_text())
    ALTERED[case](document)
    (root / "plan.json").write_text(json.dumps(document))
    assert "altered after it was written" in olmixctl(command, "plan.json", code=8).stderr
    assert not LOCK.exists()


def test_a_saved_plan_may_be_laid_out_anew_or_come_from_stdout(olmixctl, root):
    document = olmixctl.json("plan")
    (root / "plan.json").write_text(json.dumps(dict(reversed(document.items()))))
    olmixctl("apply", "plan.json")
    assert LOCK.exists()


@pytest.mark.parametrize("path", ["mixes/other.yaml", "own.yaml"])
def test_a_saved_plan_finds_its_mix_whatever_the_file_is_called(olmixctl, root, monkeypatch, path):
    (root / "mixes/base.yaml").rename(root / path)
    olmixctl("plan", path, "--out", "plan.json")
    (root / "below").mkdir()
    monkeypatch.chdir(root / "below")
    olmixctl("apply", "../plan.json")
    assert (root / path).with_suffix(".lock.yaml").exists()


def test_a_saved_plan_is_of_the_mix_beside_it_where_there_is_none_here(olmixctl, root, monkeypatch, tmp_path_factory):
    (root / "link").symlink_to(root / "mixes/base.yaml")
    (root / "link").rename(root / "mixes/linked.yaml")
    olmixctl("plan", "linked", "--out", "plan.json")
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    olmixctl("apply", root / "plan.json")
    assert (root / "mixes/linked.lock.yaml").exists()


def test_a_saved_plan_without_its_mix_is_refused(olmixctl, root):
    olmixctl("plan", "--out", "plan.json")
    (root / "mixes/base.yaml").rename(root / "mixes/gone.yaml")
    assert "plan is of mixes/base.yaml" in olmixctl("apply", "plan.json", code=64).stderr
