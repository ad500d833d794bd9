"""`make demo`: the whole tour on real text of this machine, and a check of what it found.

Everything happens in `demo/`, which Git ignores: a repository of its own with corpora, a mix file, its lock and its
runs. Stay and look around afterwards: `cd demo && ../.venv/bin/olmixctl show`.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

from collect import LATER, collect, table

from olmixctl.ledger.model import RunRecord
from olmixctl.methods.olmix import fit_evidence, gather, predict
from olmixctl.mixture import GRID, Coordinates, GridMixture, round_to_grid
from olmixctl.plan.model import Plan
from olmixctl.workspace import Workspace

ROOT = Path(__file__).resolve().parents[2]
DEMO = ROOT / "demo"
MIX = DEMO / "mixes" / "quickstart.yaml"
LOCK = MIX.with_name("quickstart.lock.yaml")
SEEDS = (0, 1)


def main() -> None:
    """The tour, then the check."""
    began = time.monotonic()
    title("Real text from this machine")
    shutil.rmtree(DEMO, ignore_errors=True)
    print(table(collect(DEMO)))
    MIX.parent.mkdir()
    shutil.copy(ROOT / "mixes" / "quickstart.yaml", MIX)
    (DEMO / ".gitignore").write_text("corpora/\nevals/\n.olmixctl/\n", encoding="utf-8")
    git("init", "--quiet", "--initial-branch=main")

    title("1. Declare, plan, apply: six domains")
    olmixctl("validate")
    olmixctl("plan")
    olmixctl("apply", "--auto-approve")
    olmixctl("show")
    git("add", "mixes")
    git("commit", "--quiet", "--message", "The first mix")
    first = locked_weights()

    title(f"2. New data: the domain `{LATER}` arrives")
    declare(LATER)
    olmixctl("plan")
    plan = Workspace.open(cwd=DEMO).plan()
    print(
        f"\nRuns with reuse: {plan.cost.runs}. Runs to recompute everything: {plan.counterfactual.runs}.\n", flush=True
    )
    olmixctl("apply", "--auto-approve")
    olmixctl("diff", "HEAD", str(LOCK.relative_to(DEMO)))
    olmixctl("verify")
    olmixctl("export", "--format", "olmo-core", "--check")
    git("add", "mixes")
    git("commit", "--quiet", "--message", f"Add {LATER}")

    title("3. Is it true? One proxy on each mix, two seeds, measured beside predicted")
    check(plan, first, locked_weights())
    print(f"\nThe demo took {time.monotonic() - began:.0f} s. Look around: cd demo && ../.venv/bin/olmixctl show")


def title(text: str) -> None:
    """A heading."""
    print(f"\n\033[1m{text}\033[0m\n" if sys.stdout.isatty() else f"\n=== {text}\n", flush=True)


def olmixctl(*words: str) -> None:
    """Run a command as a person would, and show it."""
    print(f"$ olmixctl {' '.join(words)}", flush=True)
    subprocess.run([sys.executable, "-m", "olmixctl", *words], cwd=DEMO, check=True)
    print(flush=True)


def git(*words: str) -> None:
    """Git in the demo's own repository, whoever runs it."""
    who = {"NAME": "demo", "EMAIL": "demo@localhost"}
    people = {f"GIT_{role}_{key}": value for role in ("AUTHOR", "COMMITTER") for key, value in who.items()}
    subprocess.run(["git", *words], cwd=DEMO, check=True, env=os.environ | people)  # noqa: S607


def declare(domain: str) -> None:
    """Add a domain to the mix file, as a person would: three lines."""
    text = MIX.read_text(encoding="utf-8")
    entry = f"  {domain}:\n    paths: [corpora/{domain}/*.jsonl]\n    description: docstrings of the standard library\n"
    head, mark, tail = text.partition("  prose:\n")
    MIX.write_text(head + entry + mark + tail, encoding="utf-8")
    print(entry)


def locked_weights() -> dict[str, int]:
    """The weights in force, in millionths."""
    lock = Workspace.open(cwd=DEMO).lock()
    if lock is None:
        sys.exit("the demo made no lock; please report this")
    return dict(lock.weights)


def check(plan: Plan, first: dict[str, int], second: dict[str, int]) -> None:
    """Train a proxy on each mix and compare what it measures with what the laws predict."""
    workspace = Workspace.open(cwd=DEMO)
    domains = tuple(plan.observed.states)
    mixes = {
        "natural": on_grid({d: plan.observed.natural[d] for d in domains}),
        "uniform": on_grid(dict.fromkeys(domains, 1 / len(domains))),
        "first mix": GridMixture(dict.fromkeys(domains, 0) | first),
        "second mix": GridMixture(second),
    }
    # One law over all seven domains, fitted on both swarms, predicts all four mixes; none of them was in a swarm.
    free = Coordinates(domains)
    evidence = gather(plan.observed, free, tuple(workspace.ledger.records()), workspace.ledger.records())
    fitted = fit_evidence(plan.observed, free, evidence)
    predicted = {name: statistics.fmean(predict(fitted, mix.as_mixture()).values()) for name, mix in mixes.items()}
    records = workspace.measure(plan, list(mixes.values()), seeds=SEEDS)
    measured = {name: [average(records[number, seed]) for seed in SEEDS] for number, name in enumerate(mixes)}
    print(f"{'mean of the metrics, bits per byte':<36} {'predicted':>9} {'measured':>9} {'seeds':>15} {'natural':>8}")
    natural = statistics.fmean(measured["natural"])
    for name, values in measured.items():
        mean = statistics.fmean(values)
        seeds = " ".join(f"{value:.4f}" for value in values)
        print(f"{name:<36} {predicted[name]:>9.4f} {mean:>9.4f} {seeds:>15} {mean / natural - 1:>+8.1%}")
    print(f"\n{verdict(measured)}\n{uniform_in_words(plan, measured)}")


def average(record: RunRecord) -> float:
    """The objective's mean: all metrics weigh the same here."""
    return statistics.fmean(record.metrics.values())


def verdict(measured: dict[str, list[float]]) -> str:
    """Said plainly, whichever way it went: a mix is better only when it wins on every seed."""
    lines = []
    for name in ("first mix", "second mix"):
        wins = [mix < natural for mix, natural in zip(measured[name], measured["natural"], strict=True)]
        if all(wins):
            lines.append(f"The {name} is better than natural, on every seed.")
        elif any(wins):
            lines.append(f"The {name} is NOT clearly better than natural: it wins on some seeds only.")
        else:
            lines.append(f"The {name} is NOT better than natural.")
    better = statistics.fmean(measured["second mix"]) < statistics.fmean(measured["first mix"])
    lines.append(f"The new domain {'helped' if better else 'did NOT help'}: second mix against first.")
    return "\n".join(lines)


def uniform_in_words(plan: Plan, measured: dict[str, list[float]]) -> str:
    """How the plainest mix of all compares, and whether the mix file would allow it."""
    target, states = plan.observed.spec.target, plan.observed.states
    passes = {domain: target.tokens / len(states) / state.tokens for domain, state in states.items()}
    over = [f"{d} {n:.1f} times" for d, n in sorted(passes.items()) if n > target.max_repetition]
    better = statistics.fmean(measured["uniform"]) < statistics.fmean(measured["second mix"])
    allowed = (
        f"it would repeat {', '.join(over)} where {target.max_repetition:g} are allowed" if over else "it is allowed"
    )
    return f"Uniform measures {'better' if better else 'worse'} than the second mix; {allowed}."


def on_grid(weights: dict[str, float]) -> GridMixture:
    """A mixture on the grid of millionths."""
    return GridMixture(round_to_grid({domain: weight * GRID for domain, weight in weights.items()}))


if __name__ == "__main__":
    main()
