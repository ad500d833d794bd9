"""Splits and merges between two locks as a person reads them."""

from __future__ import annotations

import pytest
from locks import make_lock

from olmixctl.lock.codec import digest_of
from olmixctl.lock.diff import diff_locks
from olmixctl.lock.history import lock_history
from olmixctl.lock.line import Committed
from olmixctl.lock.regrouped import Regrouped
from olmixctl.report.look import Look
from olmixctl.report.markdown import diff_markdown
from olmixctl.report.text_diff import diff_text
from olmixctl.report.text_history import history_text

BEFORE = make_lock({"code": 0.25, "docs": 0.35, "web": 0.4})
AFTER = make_lock({"code": 0.25, "docs": 0.3, "web/a": 0.1, "web/b": 0.35}, serial=2, parents=(digest_of(BEFORE),))

SPLIT = """\
Weights  shares in percent, change in points
     domain                before    after  change
  /  web → web/a + web/b  40.00 %  45.00 %   +5.00
       web/a                    –  10.00 %
       web/b                    –  35.00 %
  ~  docs                 35.00 %  30.00 %   −5.00
  = 1 domain unchanged, 25.00 % together

Data
  /  web → web/a + web/b  partitioned  100M → 200M tokens
"""


def told(*groups, estimated=False):
    return lambda before, after: tuple(
        Regrouped.of(before, after, olds, news, estimated=estimated) for olds, news in groups
    )


WEB = (("web",), ("web/b", "web/a"))


def test_a_split_stands_with_its_sum_and_its_parts(look):
    text = diff_text(diff_locks(BEFORE, AFTER, told(WEB)), look)
    assert SPLIT in text
    assert "removed" not in text


def test_a_merge_lists_what_it_was(look):
    text = diff_text(diff_locks(AFTER, BEFORE, told(WEB[::-1])), look)
    assert "  &  web/a + web/b → web  45.00 %  40.00 %   −5.00\n       web/a              10.00 %        –\n" in text


def test_a_part_that_keeps_its_name_has_both_shares(look):
    content = make_lock({"other": 1}).domains["other"].content
    after = make_lock({"code": 0.25, "docs": 0.35, "web": 0.3, "web/b": 0.1}, domains={"web": {"content": content}})
    text = diff_text(diff_locks(BEFORE, after, told((("web",), ("web", "web/b")))), look)
    assert "  /  web → web + web/b  40.00 %  40.00 %    0.00\n       web              40.00 %  30.00 %\n" in text
    assert "= 2 domains unchanged, 60.00 % together" in text


def test_a_domain_that_was_renamed_and_revised_is_one_line(look):
    after = make_lock({"code": 0.25, "docs": 0.3, "crawl": 0.45}, serial=2, parents=(digest_of(BEFORE),))
    moved = told((("web",), ("crawl",)))
    text = diff_text(diff_locks(BEFORE, after, moved), look)
    assert "  >  web → crawl  40.00 %  45.00 %   +5.00\n  ~  docs " in text
    assert "  >  web → crawl  renamed and revised  100M tokens" in text
    trail = [
        Committed(commit=f"c{n}", date="2026-02-11T10:00:00+01:00", subject="s", lock=lock, digest=digest_of(lock))
        for n, lock in enumerate((after, BEFORE))
    ]
    text = history_text("base", lock_history(trail, origins=moved), look, shallow=False)
    assert "    > web → crawl  renamed and revised, 40.00 % → 45.00 %\n" in text


def test_what_samples_tell_is_said(look):
    text = diff_text(diff_locks(BEFORE, AFTER, told(WEB, estimated=True)), look)
    assert "partitioned  100M → 200M tokens, told by samples of them" in text


def test_many_parts_are_counted_and_the_page_stays_narrow(look):
    names = [f"web/{'topic' * 4}{n:02}" for n in range(24)]
    after = make_lock({"code": 0.25, "docs": 0.35, **dict.fromkeys(names, 0.4 / 24)}, serial=2)
    text = diff_text(diff_locks(BEFORE, after, told((("web",), names))), look)
    assert "  /  web → 24 domains" in text
    assert all(name in text for name in names)
    assert max(map(len, text.splitlines())) <= 80


def test_in_markdown_the_parts_follow_their_sum():
    text = diff_markdown(diff_locks(BEFORE, AFTER, told(WEB)))
    assert "| `web → web/a + web/b` | 40.00 % | 45.00 % | +5.00 |\n| … `web/a` | – | 10.00 % |  |\n" in text
    assert "| `web → web/a + web/b` | partitioned | 100M → 200M tokens |" in text


@pytest.mark.parametrize("estimated", [False, True])
def test_history_says_it_in_one_line(look, estimated):
    trail = [
        Committed(commit=f"c{n}", date="2026-02-11T10:00:00+01:00", subject="s", lock=lock, digest=digest_of(lock))
        for n, lock in enumerate((AFTER, BEFORE))
    ]
    text = history_text("base", lock_history(trail, origins=told(WEB, estimated=estimated)), look, shallow=False)
    assert "    / web → web/a + web/b  partitioned, 40.00 % → 45.00 % together" in text
    assert ("as samples of the documents tell" in " ".join(text.split())) is estimated


def test_colour_changes_no_letter():
    import re

    found = diff_locks(BEFORE, AFTER, told(WEB))
    assert re.sub(r"\x1b\[\d+m", "", diff_text(found, Look(color=True))) == diff_text(found, Look())
