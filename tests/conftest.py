"""One Hypothesis profile for all tests, without deadlines: machines that run tests are shared. And Ctrl-C is heard."""

from __future__ import annotations

import signal

from hypothesis import settings

settings.register_profile("olmixctl", deadline=None, max_examples=50, print_blob=True)
settings.load_profile("olmixctl")

# A shell that starts tests in the background makes them deaf to it, and every command that they start and interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
