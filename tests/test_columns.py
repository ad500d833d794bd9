from __future__ import annotations

import pytest

from olmixctl.columns import Naming, match_columns, short_names
from olmixctl.errors import CorpusError, UsageError
from olmixctl.tables import Table


def match(columns, known, **said):
    kind = said.pop("kind", "domain")
    table = Table("a.csv", ("index", *columns), (), ())
    return match_columns(table, columns, known, Naming(kind=kind, **said))


@pytest.mark.parametrize(
    ("columns", "known"),
    [
        (["code", "web/science"], ["code", "web/science"]),
        (["train_the_pile_arxiv", "train_the_pile_github"], ["arxiv", "github"]),
        (["train_the_pile_arxiv", "train_the_pile_github"], ["the_pile_arxiv", "the_pile_github"]),
        (["train_the_pile_arxiv", "train_the_pile_github"], ["train_the_pile_arxiv", "github"]),
        (["dclm:science", "wikipedia"], ["dclm/science", "wikipedia"]),
        (["metric/the_pile_arxiv_val_loss", "metric/the_pile_github_val_loss"], ["arxiv", "the_pile_github"]),
        (["metric/the_pile_arxiv_val_loss", "metric/the_pile_github_val_loss"], ["the_pile_arxiv_val_loss", "github"]),
        (["metric/a_val_loss", "metric/b_val_loss"], ["a", "b_val_loss"]),
        (["metric/only_val_loss"], ["only"]),
        (["eval/downstream/gsm8k_bpb (BPB v2)", "eval/downstream/coqa_bpb (BPB v2)"], ["gsm8k_bpb", "coqa_bpb"]),
        (["a b", "c"], ["a-b", "c"]),
    ],
)
def test_a_column_is_what_its_name_says_without_what_tools_put_around_it(columns, known):
    assert match(columns, known) == dict(zip(columns, known, strict=True))


def test_a_name_is_never_taken_by_likeness():
    with pytest.raises(CorpusError, match="2 columns are no domains of the mix: codes, Web; code, web have no column"):
        match(["codes", "Web"], ["code", "web"])
    with pytest.raises(CorpusError, match="column 'pile_cc' is no domain of the mix; cc has no column"):
        match(["pile_cc", "web"], ["cc", "web"])


def test_what_is_named_counts_before_what_is_read():
    swapped = {"web": "news", "news": "web"}
    assert match(["web", "news"], ["web", "news"], given=swapped) == swapped


def test_two_columns_are_never_one_domain():
    with pytest.raises(CorpusError, match="columns 'train_web' and 'web' would both be domain 'web'") as caught:
        match(["train_web", "web"], ["web"])
    assert "--domain COLUMN=NAME" in caught.value.remedy


def test_what_is_missing_has_a_remedy_of_its_kind():
    with pytest.raises(CorpusError, match="the mix: web has no column") as caught:
        match(["code"], ["code", "web"])
    assert "--absent ID" in caught.value.remedy
    assert match(["code"], ["code", "web"], absent=["web"]) == {"code": "code"}
    with pytest.raises(CorpusError, match="the mix: two has no column") as caught:
        match(["one"], ["one", "two"], kind="metric")
    assert "out of the mix file" in caught.value.remedy


def test_what_is_ignored_may_be_a_glob_and_takes_nothing_that_is_known():
    assert match(["x/a", "x/b", "y"], ["a"], ignored=["x/*", "y"]) == {"x/a": "a"}
    with pytest.raises(CorpusError, match="a has no column"):
        match(["x/a"], ["a"], ignored=["x/a"])


def test_many_are_counted():
    with pytest.raises(CorpusError, match="7 columns are no domains of the mix: c0, c1, c2, c3, c4 and 2 more"):
        match([f"c{i}" for i in range(7)], ["web"])


def test_an_absent_domain_must_be_one_and_have_no_column():
    with pytest.raises(UsageError, match="--absent webb: the mix has no domain 'webb'") as caught:
        match(["web"], ["web"], absent=["webb"])
    assert caught.value.remedy == "there is: web"
    with pytest.raises(UsageError, match="the table has a column for it"):
        match(["web"], ["web"], absent=["web"])


def test_short_names_never_become_empty():
    for columns in (["train_", "train_a"], ["a_", "a_b"], ["_loss", "x_loss"], ["a", "a"], ["x"]):
        short = short_names(columns)
        assert list(short) == list(dict.fromkeys(columns))
        assert all(name for names in short.values() for name in names)
        assert all(short[column][0] == column for column in columns)
