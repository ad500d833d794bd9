"""Plans, locks, diffs and runs as text and Markdown: pure functions from values to strings."""

from __future__ import annotations
