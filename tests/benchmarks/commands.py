"""Light commands: `--help`, and `plan` with nothing to do on 64 domains. Wall seconds of whole processes, best of five.

python tests/benchmarks/commands.py
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
from workspaces import write_domain, write_mix

DOMAINS, FILES = 64, 50
HEAVY = ("torch", "cvxpy", "scipy", "numpy")


def main():
    print(f"{'command':<40} {'best s':>7} {'median s':>9}  heavy modules loaded")
    row("--help", ["--help"], Path.cwd())
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        names = [f"d{number:02}" for number in range(DOMAINS)]
        for name in names:
            write_domain(root, name, FILES, words=60)
        write_mix(root, dict.fromkeys(names, ""))
        run(["apply", "--auto-approve"], root)
        row(f"plan, nothing to do, {DOMAINS} domains", ["plan"], root)
        row("show", ["show"], root)
        row("validate", ["validate"], root)
        row("verify", ["verify"], root)


def row(title, words, root):
    times = sorted(run(words, root) for _ in range(5))
    print(f"{title:<40} {times[0]:>7.2f} {times[2]:>9.2f}  {', '.join(loaded(words, root)) or 'none'}")


def run(words, root):
    start = time.perf_counter()
    subprocess.run([sys.executable, "-m", "olmixctl", *words], cwd=root, check=True, capture_output=True)
    return time.perf_counter() - start


def loaded(words, root):
    code = (
        "import sys\n"
        "from olmixctl.cli import main\n"
        f"sys.argv = ['olmixctl', *{words!r}]\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        f"print('LOADED', *[m for m in {HEAVY!r} if m in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=root, check=True, capture_output=True, text=True)
    return done.stdout.rsplit("LOADED", 1)[1].split()


if __name__ == "__main__":
    main()
