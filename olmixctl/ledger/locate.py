"""Where the ledger of a mix and its leases are: beside the mix file, or at the URL it names."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote, urlsplit

from olmixctl.errors import Place, SpecError
from olmixctl.ledger.home import Home, LocalHome
from olmixctl.ledger.remote import RemoteHome, has_password, is_remote, unfit, without_credentials

__all__ = ["locate"]


def locate(url: str | None, mix: Path, root: Path, place: Place | None = None) -> tuple[Home, Home]:
    """The homes of a mix's runs and of its leases.

    Args:
        url: as declared: any fsspec URL, a path (a relative one starts at `root`), or None.
        mix: the mix file without its suffix, `mixes/NAME`.
        root: of the workspace.
        place: where `url` is declared.

    Raises:
        SpecError: the URL holds a password, which the mix file would carry into Git, or names a file system that cannot
            keep runs.
    """
    if url is None:
        # Leases are of this machine and this checkout; runs are committed.
        return LocalHome(mix.with_name(f"{mix.name}.runs")), LocalHome(
            root / ".olmixctl" / "leases" / mix.name, durable=False
        )
    if has_password(url):
        raise SpecError(
            f"the ledger's URL holds a password ({without_credentials(url)})",
            place=place,
            remedy="leave it out: the client finds credentials in the environment or in its own settings",
        )
    if is_remote(url):
        if why := unfit(url):
            raise SpecError(why, place=place, remedy="use s3://, gs:// or az://, or a folder on a shared disk")
        start = url.rstrip("/")
        return RemoteHome(f"{start}/{mix.name}.runs"), RemoteHome(f"{start}/{mix.name}.leases")
    folder = root / (unquote(urlsplit(url).path) if "://" in url else url)
    return LocalHome(folder / f"{mix.name}.runs"), LocalHome(folder / f"{mix.name}.leases", durable=False)
