"""What the documentation and docstrings mention is there: files, make targets, options of benchmarks, names of code."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
SOURCES = sorted((ROOT / "olmixctl").rglob("*.py"))
OURS = re.compile(r"(?<![\w/.])((?:olmixctl|tests|docs|schemas)/[\w./-]*\w)")
SPANS = re.compile(r"`([^`\n]+)`")
NAME = re.compile(r"[a-z]\w*(?:\.[a-z_]\w*)+|[a-z]+(?:_[a-z]+)+|(?:[A-Z][a-z]+){2,}")
FOREIGN = ("export/megatron.py", "export/olmo_core.py", "export/hf.py")
"""They name what other programs have."""


def shown(page):
    return page.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("page", PAGES, ids=shown)
def test_paths_are_there(page):
    text = page.read_text(encoding="utf-8")
    modules = {path.name for path in [*SOURCES, *(ROOT / "tests").rglob("*.py"), *(ROOT / "docs").rglob("*.py")]}
    missing = [path for path in OURS.findall(text) if not (ROOT / path).exists()]
    named = re.findall(r"(?:`|^  )([a-z_]+\.py)(?:`|  )", text, flags=re.MULTILINE)
    missing += [name for name in named if name not in modules]
    assert missing == []


@pytest.mark.parametrize("page", PAGES, ids=shown)
def test_linked_pages_are_there(page):
    links = re.findall(r"\]\(([^)#\s]+)", page.read_text(encoding="utf-8"))
    assert [link for link in links if "://" not in link and not (page.parent / link).exists()] == []


def test_make_targets_are_there():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE))
    used = {name for page in PAGES for name in re.findall(r"(?:`|\$ )make ([a-z-]+)", page.read_text(encoding="utf-8"))}
    assert used
    assert used <= targets


def test_options_of_benchmarks_are_there():
    for page in PAGES:
        for script, words in re.findall(
            r"`python (tests/benchmarks/\w+\.py)([^`]*)`", page.read_text(encoding="utf-8")
        ):
            source = (ROOT / script).read_text(encoding="utf-8")
            missing = [option for option in re.findall(r"--[a-z-]+", words) if f'"{option}"' not in source]
            assert missing == [], f"{shown(page)}: {script}"


def test_docstrings_mention_names_that_are_there():
    """A name with a dot, an underscore or two capitals, in backquotes: it stands in some code, not only in prose."""
    code, mentions = set(), []
    for path in SOURCES:
        text = path.read_text(encoding="utf-8")
        prose = [
            node.value
            for node in ast.walk(ast.parse(text))
            if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        ]
        lines = text.splitlines()
        for node in prose:
            mentions += [(shown(path), node.lineno, name) for name in SPANS.findall(node.value) if NAME.fullmatch(name)]
            lines[node.lineno - 1 : node.end_lineno] = [""] * (node.end_lineno - node.lineno + 1)
        code |= set(re.findall(r"\w+", "\n".join(line.partition("  #")[0] for line in lines)))
        code |= set(path.relative_to(ROOT).with_suffix("").parts)
    known = [found for found in mentions if not found[0].endswith(FOREIGN)]
    assert len(known) > 100
    assert [found for found in known if not set(found[2].split(".")) <= code] == []
