"""What `init` writes loads, is canonical, and says what the folder holds."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from olmixctl.errors import OlmixctlError, UsageError
from olmixctl.spec.fmt import format_mix
from olmixctl.spec.load import parse_mix
from olmixctl.spec.model import ProxySpec
from olmixctl.spec.scaffold import scaffold_mix, suggest_target
from olmixctl.spec.scan import scan_folder


def write(root, *names):
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("text")


def spec_of(text):
    return parse_mix(text, Path("mixes/m.yaml")).spec


def test_without_corpora_it_loads_and_is_canonical():
    text = scaffold_mix("first")
    assert "its tokens (a guess: edit it), and" in text
    assert "a guess" not in scaffold_mix("first", target_tokens="20M", guess=False)
    spec = spec_of(text)
    assert format_mix(text) == text
    assert (spec.name, spec.domain_ids, spec.target.tokens) == ("first", ("code", "web"), 10**9)
    assert [(e.name, e.heldout, e.fraction) for e in spec.evals] == [("code", ("code",), 0.05), ("web", ("web",), 0.05)]
    assert spec.proxy == ProxySpec(model="250k", tokens=250_000, sequence_length=64, batch_size=16)
    assert text.startswith("# yaml-language-server: $schema=")


def test_one_domain_a_folder_and_folders_nest(tmp_path):
    write(
        tmp_path,
        "corpora/web/de/a.jsonl",
        "corpora/web/de/b.txt",
        "corpora/web/en/a.jsonl.zst",
        "corpora/web/loose.txt",
        "corpora/code/x.txt",
        "corpora/.hidden/x.txt",
        "corpora/code/.hidden.txt",
        "corpora/nothing/scan.pdf",
        "corpora/.git/x.txt",
    )
    (tmp_path / "corpora/empty").mkdir()
    found = scan_folder(tmp_path / "corpora", root=tmp_path).corpora
    assert found == {
        "code": ["corpora/code/*.txt"],
        "web": {
            "de": ["corpora/web/de/*.txt", "corpora/web/de/*.jsonl"],
            "en": ["corpora/web/en/*.jsonl.zst"],
            "root": ["corpora/web/*.txt"],
        },
    }
    spec = spec_of(scaffold_mix("m", found, target_tokens="20M"))
    assert spec.domain_ids == ("code", "web/de", "web/en", "web/root")
    assert spec.target.tokens == 20_000_000
    assert [e.name for e in spec.evals] == ["code", "web-de", "web-en", "web-root"]


def test_a_folder_of_files_is_one_domain(tmp_path):
    write(tmp_path, "a.txt")
    assert scan_folder(tmp_path, root=tmp_path).corpora == {"root": ["*.txt"]}


def test_a_folder_outside_the_root_is_named_in_full(tmp_path):
    write(tmp_path, "data/web/a.txt")
    found = scan_folder(tmp_path / "data", root=tmp_path / "work").corpora
    assert found == {"web": [f"{tmp_path.as_posix()}/data/web/*.txt"]}


def test_names_that_cannot_be_ids(tmp_path):
    write(tmp_path, "c/my data/a.txt", "c/my-data/a.txt", "c/-x/a.txt", "c/no/a.txt", "c/2023/a.txt", "c/reused/a.txt")
    write(tmp_path, "c/[x]/a.txt", "c/日本/a.txt", f"c/{'l' * 150}/a.txt", 'c/q"u/a.txt', "c/1e5/a.txt", "c/y/a.txt")
    text = scaffold_mix("m", scan_folder(tmp_path / "c", root=tmp_path).corpora)
    spec = spec_of(text)
    assert format_mix(text) == text
    ids = set(spec.domain_ids)
    assert {"my-data", "my-data-2", "x", "no", "2023", "reused-2", "domain", "q-u", "1e5", "y", "l" * 90} <= ids
    assert len(ids) == 12
    paths = {p for d in spec.domains for p in d.paths}
    assert {"c/[[]x]/*.txt", 'c/q"u/*.txt', "c/日本/*.txt"} <= paths


def test_evals_of_ids_that_look_alike_get_names_of_their_own():
    corpora = {"a": {"b-c": ["x.txt"]}, "a-b": {"c": ["y.txt"]}}
    assert [e.name for e in spec_of(scaffold_mix("m", corpora)).evals] == ["a-b-c", "a-b-c-2"]


def test_a_link_to_a_folder_above_ends(tmp_path):
    write(tmp_path, "c/a/x.txt")
    (tmp_path / "c/a/loop").symlink_to(tmp_path / "c")
    (tmp_path / "c/b").symlink_to(tmp_path / "c/a")
    found = scan_folder(tmp_path / "c", root=tmp_path).corpora
    assert found == {"a": ["c/a/*.txt"], "b": ["c/b/*.txt"]}


def test_folders_that_cannot_be_scanned(tmp_path):
    with pytest.raises(UsageError, match="is not a folder"):
        scan_folder(tmp_path / "x", root=tmp_path)
    with pytest.raises(UsageError, match="holds no documents"):
        scan_folder(tmp_path, root=tmp_path)


def test_a_folder_that_cannot_be_read(tmp_path, monkeypatch):
    def refuse(self):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "iterdir", refuse)
    with pytest.raises(OlmixctlError, match="cannot be read: Permission denied"):
        scan_folder(tmp_path, root=tmp_path)


@pytest.mark.parametrize("name", ["", "a b", "../x", "-x", "x" * 101, "a\n"])
def test_names_that_no_mix_can_have(name):
    with pytest.raises(UsageError, match="cannot name a mix"):
        scaffold_mix(name)


def test_sizes_that_are_none():
    with pytest.raises(ValueError, match="is not a size"):
        scaffold_mix("x", target_tokens="many")


@given(
    st.text(alphabet=st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20),
    st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,12}", fullmatch=True),
)
def test_whatever_the_name_and_path_the_result_loads_as_written(path, name):
    text = scaffold_mix("m", {name if name != "reused" else "x": [path]})
    (domain,) = spec_of(text).domains
    assert domain.paths == (path,)
    assert yaml.safe_load(text)["domains"].keys() == {domain.id}


def test_the_suggested_target_is_what_the_data_has_to_one_digit(tmp_path):
    for name, size in (("a", 700_000), ("b/c", 650_000)):
        (tmp_path / "corpora" / name).mkdir(parents=True)
        (tmp_path / "corpora" / name / "x.txt").write_text("x" * size)
    corpora = scan_folder(tmp_path / "corpora", root=tmp_path).corpora
    assert suggest_target(corpora, root=tmp_path) == "1M"


def test_a_folder_of_other_text_is_a_domain_of_its_common_kinds(tmp_path):
    write(tmp_path, "c/code/a.py", "c/code/pkg/b.py", "c/code/pkg/deep/c.py", "c/code/setup.cfg", "c/web/a.txt")
    write(tmp_path, *(f"c/headers/{n}.h" for n in range(8)), "c/headers/x.c", "c/headers/y.c", "c/headers/README.md")
    found = scan_folder(tmp_path / "c", root=tmp_path)
    assert found.corpora == {
        "code": ["c/code/**/*.py", "c/code/**/*.cfg"],
        "headers": ["c/headers/**/*.h", "c/headers/**/*.c"],
        "web": ["c/web/*.txt"],
    }
    assert found.notes == ("c/headers: takes .h, .c; left out: 1 .md",)
    assert spec_of(scaffold_mix("m", found.corpora)).domain_ids == ("code", "headers", "web")
    assert suggest_target({"code": found.corpora["code"]}, root=tmp_path) == "10"


def test_folders_without_text_are_named(tmp_path):
    write(tmp_path, "c/web/a.txt", "c/scans/a.pdf", "c/scans/b.pdf", "c/raw/Makefile")
    (tmp_path / "c/latin").mkdir()
    (tmp_path / "c/latin/a.md").write_bytes(b"caf\xe9")
    (tmp_path / "c/zeros").mkdir()
    (tmp_path / "c/zeros/a.dat").write_bytes(b"a\0b")
    found = scan_folder(tmp_path / "c", root=tmp_path)
    assert found.corpora == {"web": ["c/web/*.txt"]}
    assert [note.split(":")[0] for note in found.notes] == ["c/latin", "c/raw", "c/scans", "c/zeros"]
    assert "nothing there is known to be text (2 .pdf)" in found.notes[2]


def test_empty_files_are_kept_out_of_a_plan(tmp_path):
    write(tmp_path, "c/code/a.py", "c/code/pkg/b.py", "c/md/a.md", "c/web/a.txt")
    (tmp_path / "c/code/pkg/__init__.py").touch()
    (tmp_path / "c/md/b.md").touch()
    found = scan_folder(tmp_path / "c", root=tmp_path)
    assert found.corpora == {"code": ["c/code/**/[!_]*.py"], "web": ["c/web/*.txt"]}
    assert "begin with _ are left out" in found.notes[0]
    assert "c/md: .md is left out, 1 of its files are empty" in found.notes[1]


def test_few_documents_among_many_other_files_are_told(tmp_path):
    write(tmp_path, "c/code/LICENSE.txt", "c/code/a.py", "c/code/b.py")
    found = scan_folder(tmp_path / "c", root=tmp_path)
    assert found.corpora == {"code": ["c/code/*.txt"]}
    assert found.notes == ("c/code: takes .txt; left out: 2 .py",)


def test_names_lose_their_accents_not_their_letters(tmp_path):
    write(tmp_path, "c/Größe/a.txt", "c/café/a.txt", "c/Łódź/a.txt", "c/ｗｉｄｅ/a.txt")
    assert set(scan_folder(tmp_path / "c", root=tmp_path).corpora) == {"Grosse", "cafe", "Lodz", "wide"}


def test_a_folder_of_other_text_alone_is_one_domain(tmp_path):
    write(tmp_path, "a.md")
    assert scan_folder(tmp_path, root=tmp_path).corpora == {"root": ["**/*.md"]}
