"""One Hypothesis profile for all tests: no deadlines, because machines that run tests are shared."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("olmixctl", deadline=None, max_examples=50, print_blob=True)
settings.load_profile("olmixctl")
