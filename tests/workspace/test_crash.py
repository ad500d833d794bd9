"""An apply that is killed at any write, and run again, ends as if nothing had happened."""

from __future__ import annotations

import shutil

import pytest
from crashing import apply_in, forks
from workspaces import write_domain, write_mix

pytestmark = pytest.mark.slow

DOMAINS = {"code": "", "web": ""}
RUNS = 3


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    root = tmp_path_factory.mktemp("template")
    for domain, documents in (("code", 30), ("web", 40)):
        write_domain(root, domain, documents)
    write_mix(root, DOMAINS, evals=("code",), extra="swarm: {runs_per_coordinate: 1}")
    return root


def run(root, **options):
    process = forks().Process(target=apply_in, args=(str(root),), kwargs=options)
    process.start()
    process.join(60)
    return process.exitcode


def files(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.is_file()}


def test_killed_at_every_write_and_resumed_the_lock_is_the_same(template, tmp_path):
    whole, points = tmp_path / "whole", tmp_path / "points"
    shutil.copytree(template, whole)
    assert run(whole, count=str(points), log=str(whole / "log"), verify=True) == 0
    seen = points.read_text().splitlines()
    assert len((whole / "log").read_text().splitlines()) == RUNS
    assert len(seen) >= 30
    for number, what in enumerate(seen, 1):
        root = tmp_path / f"killed-{number}"
        shutil.copytree(template, root)
        assert run(root, kill_at=number, log=str(root / "log")) == -9, what
        assert run(root, log=str(root / "log")) == 0, what
        # Mix file, lock and runs, and nothing beside them: the same bytes as those that `verify` passed above.
        assert files(root / "mixes") == files(whole / "mixes"), what
        assert files(root / "mixes/base.runs") == files(whole / "mixes/base.runs"), what
        assert len((root / "log").read_text().splitlines()) <= RUNS + 1, what
        shutil.rmtree(root)
    print(f"{len(seen)} write points")
