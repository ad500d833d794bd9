"""A ledger's home behind an fsspec URL: `s3://bucket/ledger`, `gs://…`, `abfs://…`.

Exclusive creation is the store's own conditional write (`If-None-Match: *` on S3, a generation match on GCS). It is
tried out before the first write: a store that ignores the condition would lose runs unseen, and is refused.
"""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import Any

from olmixctl.errors import MissingExtraError, OlmixctlError, Place
from olmixctl.stores import USERINFO, store_errors, told

__all__ = ["RemoteHome", "has_password", "is_remote", "unfit", "without_credentials"]

_EXTRAS = {"s3": "s3", "s3a": "s3", "gs": "gcs", "gcs": "gcs"}
"""Protocol → the extra that brings its client."""

_CONDITIONAL = frozenset({"s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "memory"})
"""Protocols whose fsspec implementation creates exclusively (`pipe_file(…, mode="create")`)."""

_LOCAL = frozenset({"", "file", "local"})

_IN_PROCESS = frozenset({"memory", "dir", "reference", "data", "generic", "pyscript"})
"""Protocols of file systems that live in this process, or have nowhere of their own to write."""


def is_remote(url: str) -> bool:
    """Whether `url` names another file system than this machine's."""
    return _protocol(url) not in _LOCAL


def has_password(url: str) -> bool:
    """Whether `url` holds a password. A user alone is none: `abfs://container@account` is how Azure names a place."""
    return USERINFO.search(url) is not None


def without_credentials(url: str) -> str:
    """`url` as it may be shown: without user and password, and without a query (signatures stand there)."""
    return USERINFO.sub("//", url).partition("?")[0]


def unfit(url: str) -> str:
    """Why no ledger can be at a remote `url`; empty where one can."""
    protocol = _protocol(url)
    if protocol in _IN_PROCESS:
        return f"no ledger can be on {protocol}://: what is written there is gone when the command ends"
    if protocol not in _CONDITIONAL:
        return f"no ledger can be on {protocol}://: files cannot be created exclusively there"
    return ""


class RemoteHome:
    """A prefix in an object store.

    Args:
        url: of the folder; credentials come from the environment, as the store's own client finds them.
    """

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/")
        self._where = without_credentials(self._url)
        self._exclusive = False

    @property
    def where(self) -> str:
        """See `Home`."""
        return self._where

    @property
    def folder(self) -> None:
        """See `Home`."""
        return None

    def place(self, name: str) -> str:
        """See `Home`."""
        return f"{self.where}/{name}"

    def names(self) -> list[str]:
        """See `Home`."""
        with self._reached(self.where):
            try:
                found = self._files.ls(self._folder, detail=False)
            except FileNotFoundError:
                self._check_bucket()
                return []
        start = f"{self._folder}/"
        inside = (str(path).removeprefix(start) for path in found if str(path).startswith(start))
        return sorted(name for name in inside if name and "/" not in name and not name.startswith("."))

    def read(self, name: str) -> bytes | None:
        """See `Home`."""
        return self.read_many([name]).get(name)

    def read_many(self, names: Iterable[str]) -> dict[str, bytes]:
        """See `Home`; the store is asked for many at once."""
        paths = {f"{self._folder}/{name}": name for name in names}
        if not paths:
            return {}
        with self._reached(self.where):
            found = self._files.cat(list(paths), on_error="return")
            for content in found.values():
                if isinstance(content, BaseException) and not isinstance(content, FileNotFoundError):
                    raise content
        return {paths[path]: content for path, content in found.items() if isinstance(content, bytes)}

    def create(self, name: str, data: bytes) -> bool:
        """See `Home`."""
        with self._reached(self.place(name)):
            self._check_exclusive()
            return self._create(name, data)

    def replace(self, name: str, data: bytes) -> None:
        """See `Home`: a store shows an object whole or not at all."""
        with self._reached(self.place(name)):
            self._files.pipe_file(f"{self._folder}/{name}", data)

    def delete(self, name: str) -> None:
        """See `Home`."""
        with self._reached(self.place(name)), contextlib.suppress(FileNotFoundError):
            self._files.rm_file(f"{self._folder}/{name}")

    def sweep(self) -> None:
        """See `Home`: objects are written whole, so killed writers leave nothing."""

    @cached_property
    def _opened(self) -> tuple[Any, str]:
        from fsspec.core import url_to_fs

        protocol = _protocol(self._url)
        if protocol not in _CONDITIONAL:
            raise OlmixctlError(
                f"no ledger can be on {protocol}://: files cannot be created exclusively there",
                place=Place(self.where),
                remedy="use s3://, gs:// or az://, or a folder on a shared disk",
            )
        try:
            # Others write at the same time: a listing that is kept would hide their runs.
            files, folder = url_to_fs(self._url, use_listings_cache=False)
        except ImportError as error:
            extra = _EXTRAS.get(protocol)
            remedy = f"pip install 'olmixctl[{extra}]'" if extra else f"install the fsspec client of {protocol}"
            raise MissingExtraError(
                f"a ledger on {protocol}:// needs a client that is not installed",
                place=Place(self.where),
                remedy=remedy,
            ) from error
        return files, str(folder).rstrip("/")

    @property
    def _files(self) -> Any:  # noqa: ANN401  (fsspec is untyped)
        return self._opened[0]

    @property
    def _folder(self) -> str:
        return self._opened[1]

    def _create(self, name: str, data: bytes) -> bool:
        try:
            self._files.pipe_file(f"{self._folder}/{name}", data, mode="create")
        except FileExistsError:
            return False
        return True

    def _check_exclusive(self) -> None:
        """Once: create a probe twice. The second must be refused."""
        if self._exclusive:
            return
        probe = f".probe-{uuid.uuid4().hex}"
        try:
            self._exclusive = self._create(probe, b"") and not self._create(probe, b"")
        finally:
            with contextlib.suppress(FileNotFoundError):
                self._files.rm_file(f"{self._folder}/{probe}")
        if not self._exclusive:
            raise OlmixctlError(
                "this store cannot create a file exclusively: two applies at once could overwrite each other's runs",
                place=Place(self.where),
                remedy="use a store with conditional writes (S3, GCS, Azure), or a folder on a shared disk",
            )

    def _check_bucket(self) -> None:
        """An empty folder and a misspelt bucket look the same in a listing."""
        bucket = self._folder.partition("/")[0]
        if _protocol(self._url) != "memory" and not self._files.exists(bucket):
            raise OlmixctlError(
                f"there is no bucket {bucket!r}, or these credentials may not see it",
                place=Place(self.where),
                remedy="mend `ledger` in the mix file, or create the bucket",
            )

    @contextlib.contextmanager
    def _reached(self, place: str) -> Iterator[None]:
        _ = self._opened  # a client that is missing is another error than a store that does not answer
        try:
            yield
        except store_errors() as error:
            raise OlmixctlError(
                f"the ledger cannot be reached: {told(error)}",
                place=Place(place),
                remedy="check network, credentials and the URL; nothing that is recorded is lost",
            ) from error


def _protocol(url: str) -> str:
    return url.partition("://")[0].lower() if "://" in url else ""
