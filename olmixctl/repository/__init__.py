"""What Git knows: files at a revision, over commits, on both sides of a merge; and the commit work was done on.

Texts and names only: what a lock says is read elsewhere. GitPython loads when something is asked.
"""

from __future__ import annotations

from olmixctl.repository.conflict import Conflict, Finish, conflict_of, finish_of
from olmixctl.repository.log import Past, Version, versions_of
from olmixctl.repository.markers import sides_of
from olmixctl.repository.opening import provenance
from olmixctl.repository.pull_request import PullRequest, pull_request
from olmixctl.repository.revisions import common_ancestor, file_at, files_at, split_range, text_at
from olmixctl.repository.underway import operation_under_way

__all__ = [
    "Conflict",
    "Finish",
    "Past",
    "PullRequest",
    "Version",
    "common_ancestor",
    "conflict_of",
    "file_at",
    "files_at",
    "finish_of",
    "operation_under_way",
    "provenance",
    "pull_request",
    "sides_of",
    "split_range",
    "text_at",
    "versions_of",
]
