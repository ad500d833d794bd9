"""Whatever is edited, in whatever order: each lock that is applied and committed verifies, data and history too."""

from __future__ import annotations

import random
import shutil

import pytest
from git import Repo
from workspaces import make_workspace, write_domain, write_mix

from olmixctl.plan import PlanOptions
from olmixctl.workspace import Workspace


class Script:
    """A mix that is edited at random."""

    def __init__(self, root, seed):
        self.root, self.random = root, random.Random(seed)
        self.fields = {"code": "", "docs": "", "web": ""}
        self.passes, self.made = 4, 0
        make_workspace(root)
        Repo.init(root).close()
        self.write()

    def fresh(self, word):
        self.made += 1
        return f"{word}{self.made}"

    def one(self):
        return self.random.choice(sorted(self.fields))

    def folder(self, domain):
        return self.root / "corpora" / domain

    def add(self):
        domain = self.fresh("new")
        write_domain(self.root, domain, self.random.randint(20, 60))
        self.fields[domain] = ""

    def remove(self):
        if len(self.fields) > 3:
            del self.fields[self.one()]

    def rename(self):
        old, new = self.one(), self.fresh("renamed")
        shutil.move(self.folder(old), self.folder(new))
        self.fields[new] = self.fields.pop(old)

    def revise(self):
        write_domain(self.root, self.one(), 10, seed=1 + self.made, start=500)

    def move_a_file(self):
        first = min(self.folder(self.one()).glob("*.txt"))
        first.rename(first.with_name(self.fresh("z") + ".txt"))

    def bound(self):
        self.fields[self.one()] = f"max: {self.random.choice([0.5, 0.8, 0.95])}"

    def repetition(self):
        self.passes = self.random.choice([4, 5, 8])

    def split(self):
        old, new = self.one(), self.fresh("part")
        self.folder(new).mkdir()
        for file in sorted(self.folder(old).glob("*.txt"))[::2]:
            shutil.move(file, self.folder(new) / file.name)
        self.fields[new] = ""

    def write(self):
        path = write_mix(self.root, self.fields, evals=tuple(sorted(self.fields))[:2])
        path.write_text(path.read_text().replace("max_repetition: 4", f"max_repetition: {self.passes}"))

    def apply(self, *, solve_only):
        workspace = Workspace.open(cwd=self.root)
        workspace.apply(workspace.plan(PlanOptions(solve_only=solve_only)))
        with Repo(self.root) as git:
            git.git.add("mixes")
            git.git.execute([
                "git", "-c", "user.name=a", "-c", "user.email=a@b.c", "commit", "-q", "--allow-empty", "-m", "applied"
            ])  # fmt: skip


@pytest.mark.parametrize("seed", [0, 2, 9])
def test_every_lock_of_a_history_verifies(tmp_path, seed):
    script = Script(tmp_path, seed)
    script.apply(solve_only=False)
    edits = [script.add, script.remove, script.rename, script.revise, script.move_a_file, script.bound, script.split]
    for _ in range(5):
        edit = script.random.choice([*edits, script.repetition])
        edit()
        script.write()
        script.apply(solve_only=script.random.random() < 0.2)
        workspace = Workspace.open(cwd=tmp_path)
        found = workspace.verify(deep=True)
        wrong = {check.name: check.detail for check in found.checks if check.ok is False}
        assert wrong == {}, edit.__name__
        assert next(check.ok for check in found.checks if check.name == "history"), edit.__name__
        assert workspace.plan().kind == "none"
