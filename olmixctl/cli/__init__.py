"""The command line: arguments in, one call to the workspace, a rendered answer out."""

from __future__ import annotations

__all__ = ["main"]


def main() -> None:
    """Run the command in `sys.argv`; always ends in `SystemExit` with one of the documented codes."""
    try:
        from olmixctl.cli.boundary import run_app

        run_app()
    except KeyboardInterrupt:
        # Ctrl-C while modules load, before any command runs.
        raise SystemExit(130) from None
