"""An executor that is told to stop: applies that are interrupted after a known number of runs."""

from __future__ import annotations

from olmixctl.errors import IncompleteError
from olmixctl.execute.fake import FakeExecutor


class Interrupted(FakeExecutor):
    """Trains so many runs in all, and is told to stop before the next."""

    left = 0

    def execute(self, work, _data, _on_event):
        while (run := work.claim()) is not None:
            work.record(self.measure(run))
            Interrupted.left -= 1
            if not Interrupted.left:
                raise IncompleteError("interrupted", remedy="run apply again")
