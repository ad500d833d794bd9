"""`python -m olmixctl`."""

from __future__ import annotations

from olmixctl.cli import main

if __name__ == "__main__":
    main()
