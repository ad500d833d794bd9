"""What the clients of object stores raise beside OSError, and how it is told; no client is imported for it.

An error can only come from a client that is loaded, so its classes are looked up among the modules that are. Ask in the
`except` clause itself: it is evaluated when something was raised, and the client is loaded by then.
"""

from __future__ import annotations

import re
import sys

__all__ = ["USERINFO", "store_errors", "told"]

_CLASSES = {
    "botocore.exceptions": ("BotoCoreError", "ClientError"),
    "aiohttp.client_exceptions": ("ClientError",),
    "gcsfs.retry": ("HttpError", "ChecksumError"),
    "google.auth.exceptions": ("GoogleAuthError",),
    "azure.core.exceptions": ("AzureError",),
    "httpx": ("HTTPError",),
    "paramiko.ssh_exception": ("SSHException",),
}
"""Module → its base classes that are no OSError: S3, HTTP, GCS, Google's logins, Azure, Hugging Face, SFTP."""

USERINFO = re.compile(r"//[^/@:\s\"']*:[^/@\s\"']*@")
"""User and password, wherever a client's message quotes a URL."""


def store_errors(*more: type[Exception]) -> tuple[type[Exception], ...]:
    """OSError, what the clients that are loaded raise beside it, and `more`."""
    loaded = ((vars(sys.modules[name]), classes) for name, classes in _CLASSES.items() if sys.modules.get(name))
    found = (names.get(each) for names, classes in loaded for each in classes)
    return (OSError, *more, *(each for each in found if isinstance(each, type) and issubclass(each, Exception)))


def told(error: Exception) -> str:
    """What `error` says, without passwords; the name of its kind where it says nothing."""
    said = error.strerror if isinstance(error, OSError) else None
    return USERINFO.sub("//", said or str(error)) or type(error).__name__
