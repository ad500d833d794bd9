"""What a user installs: the wheel carries schemas and types, and the core asks for no torch."""

from __future__ import annotations

import subprocess
import sys
import tomllib
import zipfile
from email.parser import HeaderParser
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from olmixctl import __version__

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dist")
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True, text=True)
    (path,) = folder.glob("*.whl")
    with zipfile.ZipFile(path) as archive:
        yield archive


@pytest.fixture(scope="module")
def requirements(wheel) -> list[Requirement]:
    (name,) = [name for name in wheel.namelist() if name.endswith(".dist-info/METADATA")]
    message = HeaderParser().parsestr(wheel.read(name).decode())
    return [Requirement(line) for line in message.get_all("Requires-Dist", [])]


def test_the_wheel_carries_every_schema_and_the_type_marker(wheel):
    names = set(wheel.namelist())
    schemas = {f"olmixctl/schemas/{path.name}" for path in (ROOT / "schemas").glob("*.json")}
    assert "olmixctl/schemas/mix.schema.json" in schemas
    assert schemas <= names
    assert "olmixctl/py.typed" in names


def test_the_wheel_carries_every_module_and_nothing_of_the_repository_around_it(wheel):
    modules = {path.relative_to(ROOT).as_posix() for path in (ROOT / "olmixctl").rglob("*.py")}
    names = set(wheel.namelist())
    assert modules <= names
    assert {name.split("/")[0] for name in names} == {
        "olmixctl",
        next(n for n in names if "dist-info" in n).split("/")[0],
    }


def test_the_core_install_has_no_torch_and_the_train_extra_has(requirements):
    core = {canonicalize_name(r.name) for r in requirements if r.marker is None}
    heavy = {"torch", "ray", "pyarrow", "tokenizers", "submitit", "s3fs", "gcsfs"}
    assert {"cvxpy", "numpy", "scipy", "typer"} <= core
    assert not core & heavy
    extras = {canonicalize_name(r.name): str(r.marker) for r in requirements if r.marker is not None}
    assert extras["torch"] == 'extra == "train"'
    assert heavy <= extras.keys()


def pins() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pinned = [line.split("==") for line in lines if line and not line.startswith("#")]
    return {canonicalize_name(name): version for name, version in pinned}


def test_constraints_pin_what_ci_installs_within_what_is_declared():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wanted = [*project["project"]["dependencies"], *project["build-system"]["requires"]]
    for extra in ("train", "tokenizers", "parquet", "dev"):
        wanted += project["project"]["optional-dependencies"][extra]
    for requirement in map(Requirement, wanted):
        name = canonicalize_name(requirement.name)
        assert name in pins(), f"{name} is not pinned"
        assert Version(pins()[name]) in requirement.specifier, f"{name}=={pins()[name]} is outside {requirement}"


def test_torch_is_pinned_without_a_build_tag():
    assert pins()["torch"] == "2.13.0"
    assert not any("+" in version for version in pins().values())


def test_the_version_is_in_the_changelog():
    assert f"## [{__version__}]" in (ROOT / "CHANGELOG.md").read_text()
