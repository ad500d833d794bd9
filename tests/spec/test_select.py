"""Naming domains: ids, groups, globs, tags."""

from __future__ import annotations

import pytest

from olmixctl.spec.select import select, suggest

TAGS = {
    "code": ("code",),
    "web/de/news": ("crawl", "german"),
    "web/de/blogs": ("crawl", "german"),
    "web/science": ("crawl",),
    "web-old": (),
    "a.b": (),
}


@pytest.mark.parametrize(
    ("pattern", "ids"),
    [
        ("code", ("code",)),
        ("web", ("web/de/blogs", "web/de/news", "web/science")),
        ("web/", ("web/de/blogs", "web/de/news", "web/science")),
        ("web/de", ("web/de/blogs", "web/de/news")),
        ("web/*", ("web/de/blogs", "web/de/news", "web/science")),
        ("web/*/news", ("web/de/news",)),
        ("*/science", ("web/science",)),
        ("**/news", ("web/de/news",)),
        ("web*", ("web-old", "web/de/blogs", "web/de/news", "web/science")),
        ("w?b-old", ("web-old",)),
        ("*", tuple(sorted(TAGS))),
        ("tag:german", ("web/de/blogs", "web/de/news")),
        ("tag:ger", ()),
        ("a?b", ("a.b",)),
        ("a.b", ("a.b",)),
        ("axb", ()),
        ("we", ()),
        ("science", ()),
        ("code/*", ()),
        ("[cx]ode", ()),
    ],
)
def test_select(pattern, ids):
    assert select(pattern, TAGS) == ids


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        ("wbe/science", "did you mean 'web/science'?"),
        ("Code", "did you mean 'code'?"),
        ("tag:germn", "did you mean 'tag:german'?"),
        ("zzzzz", "there is: a.b, code, web, web-old, web/de, web/de/blogs, web/de/news, web/science"),
    ],
)
def test_suggest(pattern, words):
    assert suggest(pattern, TAGS) == words


def test_suggest_without_tags_and_with_many_names():
    assert suggest("tag:x", {"a": ()}) == "give a domain this tag"
    assert suggest("zzzz", {f"d{i:02}": () for i in range(20)}).endswith("d11, …")
