"""What a pull request is to be merged into, as CI says it in its environment. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["PullRequest", "pull_request"]

# In the order they are asked; the first that is set and not empty counts. Each service sets its own on pull or merge
# requests alone. A commit is the merge base itself, as GitLab computes it.
_BRANCHES = (
    "GITHUB_BASE_REF",
    "CI_MERGE_REQUEST_TARGET_BRANCH_NAME",
    "BUILDKITE_PULL_REQUEST_BASE_BRANCH",
    "BITBUCKET_PR_DESTINATION_BRANCH",
)
_COMMITS = ("CI_MERGE_REQUEST_DIFF_BASE_SHA",)


@dataclass(frozen=True, kw_only=True, slots=True)
class PullRequest:
    """A pull request under test.

    Attributes:
        revision: what to find the merge base with: a commit, or `origin/BRANCH`.
        source: the variable that said so.
    """

    revision: str
    source: str


def pull_request(environment: Mapping[str, str]) -> PullRequest | None:
    """The pull request this process is a check of; None outside CI, and in CI of anything else.

    Args:
        environment: of the process: `CI` must be set, and one of the variables by which a service names the target.
    """
    if environment.get("CI", "").lower() in ("", "0", "false"):
        return None
    for name in (*_COMMITS, *_BRANCHES):
        value = environment.get(name, "")
        if value:
            return PullRequest(revision=value if name in _COMMITS else f"origin/{value}", source=name)
    return None
