"""On a real terminal: colour by default, none under NO_COLOR, the page as wide as the window, questions answered."""

from __future__ import annotations

import os
import pty
import select
import struct
import subprocess
import sys
import termios
import time
from fcntl import ioctl

import pytest

PROMPT = "[y/N]: "
_PATIENCE = 120
"""Seconds for a command that goes on writing."""


def on_terminal(root, *words, columns=80, typed="", **environment):
    """Exit code and output of a command on a terminal of its own; `typed` is typed when it asks."""
    ours, theirs = pty.openpty()
    ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    env = {k: v for k, v in os.environ.items() if k not in ("COLUMNS", "NO_COLOR", "TERM")}
    process = subprocess.Popen(
        [sys.executable, "-m", "olmixctl", *words],
        cwd=root,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=env | {"TERM": "xterm", **environment},
        start_new_session=True,
        # The terminal becomes the controlling one, so that Ctrl-C reaches the process as it does for a person.
        preexec_fn=lambda: ioctl(0, termios.TIOCSCTTY, 0),  # noqa: PLW1509  (no threads here)
    )
    os.close(theirs)
    output, asked, began = "", False, time.monotonic()
    try:
        while chunk := _read(ours, again="\x03" if asked and typed == "\x03" else ""):
            output += chunk
            assert time.monotonic() - began < _PATIENCE, f"it does not end:\n{output}"
            if typed and not asked and PROMPT in output:
                asked = True
                os.write(ours, typed.encode())
        return process.wait(timeout=60), output
    finally:
        os.close(ours)
        process.kill()
        process.wait()


def _read(terminal, again):
    """The next output; empty when the process is gone (Linux says so with an error).

    `again` is typed once more each second: a Ctrl-C that comes between the question and the reading of the answer is
    only noticed with the next key, as by any Python program.
    """
    for _ in range(60):
        ready, _, _ = select.select([terminal], [], [], 1)
        if ready:
            break
        if again:
            os.write(terminal, again.encode())
    assert ready, "nothing for a minute"
    try:
        return os.read(terminal, 65536).decode(errors="replace")
    except OSError:
        return ""


def test_colour_is_for_terminals(root):
    code, output = on_terminal(root, "plan")
    assert code == 0
    assert "\x1b[32m+\x1b[0m" in output


@pytest.mark.parametrize("environment", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_colour_can_be_turned_off(root, environment):
    _, output = on_terminal(root, "plan", **environment)
    assert "\x1b[32m" not in output
    assert "+  code" in output
    _, output = on_terminal(root, "plan", "--no-color")
    assert "\x1b[32m" not in output


@pytest.mark.parametrize(("columns", "bars"), [(60, False), (100, True)])
def test_the_page_is_as_wide_as_the_window(applied, columns, bars):
    _, output = on_terminal(applied, "show", "--no-color", columns=columns)
    assert ("█" in output) == bars
    assert max(len(line) for line in output.splitlines()) <= columns


def test_apply_asks_and_takes_no_for_an_answer(root):
    code, output = on_terminal(root, "apply", typed="n\n")
    assert code == 1
    assert "Apply this plan? [y/N]" in output
    assert "nothing was done" in output
    assert not (root / "mixes/base.lock.yaml").exists()


def test_apply_asks_and_does_it(root):
    code, output = on_terminal(root, "apply", typed="y\n")
    assert code == 0
    assert "lock serial 1 written" in output
    assert output.count("runs trained") == 1


def test_ctrl_c_at_the_question_stops_without_a_trace(root):
    code, output = on_terminal(root, "apply", typed="\x03")
    assert code == 130
    assert "Traceback" not in output
    assert not (root / "mixes/base.lock.yaml").exists()
