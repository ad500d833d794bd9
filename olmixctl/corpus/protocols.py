"""What a remote path needs when it cannot be listed: another spelling, a package, or access."""

from __future__ import annotations

__all__ = ["access_remedy", "remote_remedy"]

_PACKAGES = {
    "s3": "'olmixctl[s3]'",
    "s3a": "'olmixctl[s3]'",
    "gs": "'olmixctl[gcs]'",
    "gcs": "'olmixctl[gcs]'",
    "http": "aiohttp",
    "https": "aiohttp",
}
_WELL_KNOWN = ("s3", "gs", "http", "https", "abfs", "hf", "sftp", "hdfs")


def access_remedy(url: str) -> str:
    """What to look at where a store does not give what stands at `url`."""
    if url.startswith(("s3://", "s3a://")):
        return "check the address and credentials, and the region (AWS_PROFILE, AWS_ACCESS_KEY_ID, AWS_DEFAULT_REGION)"
    return "check the address and credentials"


def remote_remedy(url: str, error: Exception) -> str:
    """What to do about an fsspec URL (`s3://…`, `zip::https://…`) that `error` kept from being listed."""
    from fsspec import available_protocols

    protocols = [part.split("://")[0] for part in url.split("::") if "://" in part or "/" not in part]
    unknown = [name for name in protocols if name not in available_protocols()]
    if unknown:
        known = ", ".join(_WELL_KNOWN)
        return f"`{unknown[0]}` is no protocol; known are {known} and others of fsspec (a local path has none)"
    if not isinstance(error, ImportError):
        return access_remedy(url)
    needed = [_PACKAGES[name] for name in protocols if name in _PACKAGES]
    if needed:
        return f"pip install {' '.join(dict.fromkeys(needed))}"
    return f"install what reads this protocol: {error}"
