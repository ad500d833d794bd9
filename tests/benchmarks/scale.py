"""A plan with nothing to do, on many domains: wall seconds and memory of the process, against `dvc status`, and growth.

    python tests/benchmarks/scale.py [--domains 1000] [--files 100] [--growth 10,100,1000,10000] [--no-dvc]

Prints the tables of docs/performance.md, *Scale*. A tree of small text files in nested folders, a mix file with a
domain a folder, and a lock in which three domains were added to the rest: 15 recorded runs, every other domain in the
block of kept ratios. The lock before that is written here instead of trained (its swarm would be three runs a domain).
Every figure is a whole process with files in the page cache: the least wall time of several, the most memory of any.

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

sys.path.insert(0, str(Path(__file__).parents[1]))
from workspaces import write_natural_lock

GROUP = 25
"""Domains a group: ids have two levels."""

ADDED = 3
"""Domains that the lock's last change added, so that runs stand behind it."""


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--domains", type=int, default=1000)
    parser.add_argument("--files", type=int, default=100, help="a domain, in the comparison with DVC")
    parser.add_argument("--growth", default="10,100,1000,10000", help="numbers of domains")
    parser.add_argument("--growth-files", type=int, default=10, help="a domain, in the growth table")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--no-dvc", action="store_true")
    parser.add_argument("--folder", type=Path, help="keep the trees here, and use those that are there")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.folder or Path(temporary)
        if arguments.domains:
            against_dvc(folder, arguments)
        if arguments.growth:
            growth(folder, [int(n) for n in arguments.growth.split(",")], arguments)


def against_dvc(folder, arguments):
    root = locked_tree(folder, arguments.domains, arguments.files)
    print(f"{arguments.domains:,} domains, {arguments.domains * arguments.files:,} files, nothing changed\n")
    print("| command | wall | peak memory |\n|---|--:|--:|")
    ours = measured(olmixctl("plan", "--detailed-exitcode"), root, arguments.repeats)
    line("olmixctl plan", ours)
    for words in [] if arguments.no_dvc else ["show", "validate", "verify"]:
        line(f"olmixctl {words}", measured(olmixctl(words), root, arguments.repeats))
    if not arguments.no_dvc:
        theirs = measured(dvc_ready(folder, root), root, arguments.repeats, env=QUIET)
        line(f"dvc {version_of_dvc(folder)}: dvc status", theirs)
        print(f"\nplan is {theirs[0] / ours[0]:.1f} times as fast")
    print(flush=True)


def growth(folder, sizes, arguments):
    """Wall time above that of the smallest possible plan (one tree of three domains) against the number of domains."""
    start = measured(olmixctl("plan"), locked_tree(folder, ADDED + 2, arguments.growth_files), arguments.repeats)[0]
    print(f"start-up, and a plan of {ADDED + 2} domains: {start:.3f} s\n")
    print("| domains | files | plan | above start-up | memory | validate | show | verify | lock |")
    print("|--:|--:|--:|--:|--:|--:|--:|--:|--:|")
    above = []
    for domains in sizes:
        root = locked_tree(folder, domains, arguments.growth_files)
        plan, memory = measured(olmixctl("plan", "--detailed-exitcode"), root, arguments.repeats)
        others = [measured(olmixctl(word), root, 3)[0] for word in ("validate", "show", "verify")]
        above.append(plan - start)
        size = (root / "mixes" / "scale.lock.yaml").stat().st_size / 1e6
        print(
            f"| {domains:,} | {domains * arguments.growth_files:,} | {plan:.2f} s | {plan - start:.3f} s "
            f"| {memory:.0f} MB | " + " | ".join(f"{seconds:.2f} s" for seconds in others) + f" | {size:.1f} MB |",
            flush=True,
        )
    print(f"\nexponent of the time above start-up, least squares in log-log: {exponent(sizes, above):.2f}")


def exponent(sizes, seconds):
    """The slope of log time over log size; what is not above the start-up says nothing and is left out."""
    points = [(math.log(n), math.log(s)) for n, s in zip(sizes, seconds, strict=True) if s > 0]
    return statistics.linear_regression(*zip(*points, strict=True)).slope


def line(title, figures):
    print(f"| `{title}` | {figures[0]:.2f} s | {figures[1]:.0f} MB |", flush=True)


# Measuring a process.

QUIET = {"DVC_NO_ANALYTICS": "true"}


def olmixctl(*words):
    return [sys.executable, "-m", "olmixctl", *words]


def measured(command, root, repeats, env=None):
    """The least wall seconds and the most peak memory (MB) of a command, the first run left out (it warms)."""
    runs = [once(command, root, env) for _ in range(repeats + 1)][1:]
    return min(run[0] for run in runs), max(run[1] for run in runs)


def once(command, root, env=None):
    """Wall seconds and peak memory (MB) of one process and its children."""
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
    return wall, usage.ru_maxrss * unit / 1e6


# The tree, its mix file and its lock.


def locked_tree(folder, domains, files):
    """A workspace of this size whose plan has nothing to do."""
    root = folder / f"{domains}x{files}"
    if (root / "mixes" / "scale.lock.yaml").exists():
        return root
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
    mix.write_text(mix_text(ids))
    once(olmixctl("apply", "--auto-approve"), root)
    return root


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
