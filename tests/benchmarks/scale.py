"""A plan with nothing to do, on many domains: wall seconds and memory of the process, against `dvc status`, and growth.

    python tests/benchmarks/scale.py [--domains 1000] [--files 100] [--growth 10,100,1000,10000] [--no-dvc]

Prints the tables of docs/performance.md, *Scale*. A tree of small text files in nested folders, a mix file with a
domain a folder, and a lock whose last change added three domains: their runs are recorded, every other domain is in
the block of kept ratios. The lock before that is written here instead of trained (its swarm would be three runs a
domain). Every figure is a whole process with files in the page cache: the least seconds of several runs, the most
memory of any. Writing the trees and their locks takes most of the time.

DVC is installed into a virtual environment below the temporary folder. It gets the cheapest of its set-ups: the whole
tree as one tracked folder (`dvc add corpora`), its own state database warm, no Git.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).parents[1]))
from workspaces import write_natural_lock

GROUP = 25
"""Domains a group: ids have two levels."""

NOISE = 0.02
"""Seconds: what the least of several runs varies by."""

ADDED = 3
"""Domains that the lock's last change added, so that runs stand behind it."""


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--domains", type=int, default=1000)
    parser.add_argument("--files", type=int, default=100, help="a domain, in the comparison with DVC")
    parser.add_argument("--growth", default="10,100,300,1000,3000,10000", help="numbers of domains")
    parser.add_argument("--growth-files", type=int, default=10, help="a domain, in the growth table")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--no-dvc", action="store_true")
    parser.add_argument("--folder", type=Path, help="keep the trees here, and use those that are there")
    parser.add_argument("--make", nargs=3, metavar=("FOLDER", "DOMAINS", "FILES"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.make:
        make_tree(Path(arguments.make[0]), int(arguments.make[1]), int(arguments.make[2]))
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.folder or Path(temporary)
        if arguments.domains:
            against_dvc(folder, arguments)
        if arguments.growth:
            growth(folder, [int(n) for n in arguments.growth.split(",")], arguments)


def against_dvc(folder, arguments):
    root = locked_tree(folder, arguments.domains, arguments.files)
    print(f"{arguments.domains:,} domains, {arguments.domains * arguments.files:,} files, nothing changed\n")
    print("| command | wall | CPU | peak memory |\n|---|--:|--:|--:|")
    ours = line("olmixctl plan", measured(olmixctl("plan", "--detailed-exitcode"), root, arguments.repeats))
    for word in ("validate", "show", "verify"):
        line(f"olmixctl {word}", measured(olmixctl(word), root, arguments.repeats))
    if not arguments.no_dvc:
        status = dvc_ready(folder, root)
        theirs = line(f"dvc status ({version_of_dvc(folder)})", measured(status, root, arguments.repeats, env=QUIET))
        print(f"\nplan against dvc status: {theirs.wall / ours.wall:.1f} times as fast, ", end="")
        print(f"{theirs.cpu / ours.cpu:.1f} times less CPU, {theirs.memory / ours.memory:.1f} times less memory")
    print(flush=True)


def growth(folder, sizes, arguments):
    """A plan with nothing to do against the number of domains; other commands beside it."""
    start = measured(olmixctl("plan"), locked_tree(folder, ADDED + 2, arguments.growth_files), 2 * arguments.repeats)
    print(f"start-up (a plan of {ADDED + 2} domains): {start.wall:.3f} s, CPU {start.cpu:.3f} s\n")
    print("| domains | files | plan | CPU | CPU above start-up | peak memory | validate | show | diff | verify |")
    print("|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|")
    plans = []
    for domains in sizes:
        root = locked_tree(folder, domains, arguments.growth_files)
        plan = measured(olmixctl("plan", "--detailed-exitcode"), root, arguments.repeats)
        plans.append(plan)
        words = (["validate"], ["show"], ["diff", "first.lock.yaml", "mixes/scale.lock.yaml"], ["verify"])
        others = " | ".join(f"{measured(olmixctl(*w), root, 2).wall:.2f} s" for w in words)
        print(
            f"| {domains:,} | {domains * arguments.growth_files:,} | {plan.wall:.2f} s | {plan.cpu:.2f} s "
            f"| {plan.cpu - start.cpu:.3f} s | {plan.memory:.0f} MB | {others} |",
            flush=True,
        )
    for name in ("wall", "cpu"):
        above = [getattr(plan, name) - getattr(start, name) for plan in plans]
        used = [(n, seconds) for n, seconds in zip(sizes, above, strict=True) if seconds > NOISE]
        print(f"\nexponent of {name} above start-up: {exponent(used):.2f}", end="")
        print(f" (log-log least squares over {', '.join(f'{n:,}' for n, _ in used)}; less than {NOISE} s is noise)")


def exponent(points):
    """The slope of log seconds over log size."""
    if len(points) < 2:
        return math.nan
    logs = [(math.log(n), math.log(seconds)) for n, seconds in points]
    return statistics.linear_regression(*zip(*logs, strict=True)).slope


def line(title, run):
    print(f"| `{title}` | {run.wall:.2f} s | {run.cpu:.2f} s | {run.memory:.0f} MB |", flush=True)
    return run


# Measuring a process.

QUIET = {"DVC_NO_ANALYTICS": "true"}


class Run(NamedTuple):
    """Wall seconds, CPU seconds (user and system) and peak memory (MB) of a process and its children."""

    wall: float
    cpu: float
    memory: float


def olmixctl(*words):
    return [sys.executable, "-m", "olmixctl", *words]


def measured(command, root, repeats, env=None):
    """The least seconds and the most memory of a command; the first run is left out (it warms)."""
    runs = [once(command, root, env) for _ in range(repeats + 1)][1:]
    return Run(min(r.wall for r in runs), min(r.cpu for r in runs), max(r.memory for r in runs))


def once(command, root, env=None):
    with tempfile.TemporaryFile() as output:
        start = time.perf_counter()
        process = subprocess.Popen(
            command, cwd=root, stdout=output, stderr=subprocess.STDOUT, env={**os.environ, **(env or {})}
        )
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            output.seek(0)
            sys.exit(f"{' '.join(map(str, command))}: exit {process.returncode}\n{output.read().decode()[-4000:]}")
    unit = 1 if sys.platform == "darwin" else 1024  # ru_maxrss: bytes there, KiB elsewhere
    return Run(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * unit / 1e6)


# The tree, its mix file and its lock.


def locked_tree(folder, domains, files):
    """A workspace of this size whose plan has nothing to do."""
    root = folder / f"{domains}x{files}"
    if not (root / "locked").exists():
        # In a process of its own: a child's peak memory counts what its parent held when it was started.
        make = [sys.executable, __file__, "--make", root, str(domains), str(files)]
        subprocess.run(make, check=True, stdout=subprocess.DEVNULL)
    return root


def make_tree(root, domains, files):
    """Files, mix file, the lock before the change, and by `apply` the lock after it."""
    ids = [f"topic-{n // GROUP:03}/source-{n:05}" for n in range(domains)]
    for number, domain_id in enumerate(ids):
        write_files(root / "corpora" / domain_id, number, files)
    (root / "evals").mkdir()
    (root / "evals" / "questions.jsonl").write_text(
        "".join(json.dumps({"context": f"Question {n}:", "continuation": f" answer {n}"}) + "\n" for n in range(50))
    )
    (root / "mixes").mkdir()
    mix = root / "mixes" / "scale.yaml"
    mix.write_text(mix_text(ids[:-ADDED]))
    write_natural_lock(mix)
    (root / "mixes" / "scale.lock.yaml").rename(root / "first.lock.yaml")
    (root / "mixes" / "scale.lock.yaml").write_text((root / "first.lock.yaml").read_text())
    mix.write_text(mix_text(ids))
    once(olmixctl("apply", "--auto-approve"), root)
    (root / "locked").touch()


def write_files(folder, number, files):
    folder.mkdir(parents=True)
    for n in range(files):
        words = " ".join(f"w{(number * 7919 + n * 104729 + k * k) % 5003}" for k in range(30 + (number + n) % 40))
        (folder / f"part-{n:04}.txt").write_text(f"document {n} of source {number}\n{words}\n")


def mix_text(ids):
    lines = [
        "version: 1",
        "name: scale",
        "description: many domains in groups, as a catalogue of topics has them",
        "target: {tokens: 1M, max_repetition: 400}",
        "domains:",
    ]
    group = None
    for number, domain_id in enumerate(ids):
        topic, name = domain_id.split("/")
        if topic != group:
            group = topic
            # A bound on the only group there is would exclude every mix.
            lines += [f"  {topic}:", *(["    max: 0.9"] if len(ids) > GROUP else []), "    domains:"]
        lines += [
            f"      {name}:",
            f"        paths: [corpora/{domain_id}/*.txt]",
            f"        tags: [{('web', 'code', 'books')[number % 3]}]",
        ]
        if number % 4 == 0:
            lines.append("        max: 0.5")
        if number % 10 == 0:
            lines += [f"        description: what source {number} holds", "        owner: data-team"]
    lines += [
        "evals:",
        f"  - {{name: first, heldout: {ids[0]}, fraction: 0.2}}",
        "  - {name: questions, paths: [evals/questions.jsonl]}",
        "constraints:",
        "  - {name: web, domains: ['tag:web'], max: 0.8}",
        "objective: {kl: 0.05}",
        "proxy: {model: 250k, tokens: 4096, sequence_length: 64, batch_size: 8}",
        "executor: {kind: fake}",
    ]
    return "\n".join(lines) + "\n"


# DVC, for comparison only.


def dvc_ready(folder, root):
    """`dvc status` on the tree: installed, initialised, everything added."""
    dvc = dvc_command(folder)
    if not (root / "corpora.dvc").exists():
        start = time.perf_counter()
        for words in (["init", "--no-scm", "--quiet"], ["add", "--quiet", "corpora"]):
            subprocess.run([*dvc, *words], cwd=root, check=True, env={**os.environ, **QUIET})
        print(f"(dvc add: {time.perf_counter() - start:.0f} s)", file=sys.stderr)
    return [*dvc, "status"]


def dvc_command(folder):
    environment = folder / "dvc-environment"
    if not (environment / "ready").exists():
        venv.create(environment, with_pip=True)
        pip = [environment / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "dvc"]
        subprocess.run(pip, check=True)
        (environment / "ready").touch()
    return [environment / "bin" / "python", "-m", "dvc"]


def version_of_dvc(folder):
    done = subprocess.run([*dvc_command(folder), "--version"], check=True, capture_output=True, text=True)
    return done.stdout.strip()


if __name__ == "__main__":
    main()
