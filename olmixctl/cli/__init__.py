"""The command line: arguments in, one call to the workspace, a rendered answer out."""

from __future__ import annotations

import gc

__all__ = ["main"]


def main() -> None:
    """Run the command in `sys.argv`; always ends in `SystemExit` with one of the documented codes."""
    # What a command makes are values without cycles, up to a million of them: looking for cycles as often as Python
    # does by itself takes a fifth of its time.
    gc.set_threshold(50_000, 20, 50)
    try:
        from olmixctl.cli.boundary import run_app

        run_app()
    except KeyboardInterrupt:
        # Ctrl-C while modules load, before any command runs.
        raise SystemExit(130) from None
