"""The front as text: aligned, at 80 columns and narrower, calm where there is none."""

from __future__ import annotations

import re

import pytest

from olmixctl.report.look import Look
from olmixctl.report.markdown import trade_off_markdown
from olmixctl.report.text_tradeoff import trade_off_section


def point(best_for, chosen=False, **changes):
    return {"best_for": best_for, "distance": 0.451, "changes": changes, "chosen": chosen}


def front(**fields):
    pull = [
        {"kl": 0.0, "distance": 1.32147, "change": -0.017, "chosen": False},
        {"kl": 0.0125, "distance": 0.45095, "change": 0.00001, "chosen": True},
    ]
    families = [
        point("code", code=-0.2726, web=0.1873),
        point("code 3 : 1 web", code=-0.1, web=0.1),
        point("web", code=0.12, web=0.0132),
        point("weighted mean", chosen=True, code=-0.1755, web=0.1027),
    ]
    value = {"reason": "", "runs": 18, "serial": 2, "pull": pull, "families": families, "left_out": []}
    return {"trade_off": value | fields}


GOLDEN = """\
Trade-off
  predicted change from the reference mix, by the 18 runs behind serial 2
     pull (kl)  distance  weighted mean
             0     1.321        −0.0170
  →     0.0125     0.451         0.0000

     as near, best for     code      web
     code               −0.2726  +0.1873
     code 3 : 1 web     −0.1000  +0.1000
     web                +0.1200  +0.0132
  →  weighted mean      −0.1755  +0.1027"""


def text(plan, **look):
    return "\n".join(trade_off_section(plan, Look(**look)))


def test_the_section():
    assert text(front()) == GOLDEN
    painted = text(front(), color=True)
    assert painted != GOLDEN
    assert re.sub(r"\x1b\[\d+m", "", painted) == GOLDEN


MARKDOWN = """\
**Trade-off**: predicted change from the reference mix, by the 18 runs behind serial 2

| pull (kl) | distance | weighted mean |
| --- | --: | --: |
| 0 | 1.321 | −0.0170 |
| **0.0125** | **0.451** | **0.0000** |

| as near, best for | `code` | `web` |
| --- | --: | --: |
| code | −0.2726 | +0.1873 |
| code 3 : 1 web | −0.1000 | +0.1000 |
| web | +0.1200 | +0.0132 |
| **weighted mean** | **−0.1755** | **+0.1027** |"""


def test_the_section_of_a_pull_request():
    assert trade_off_markdown(front()["trade_off"]) == MARKDOWN


def test_a_pull_request_is_told_of_what_is_left_out_and_of_no_front():
    left = point("a|b", **{"a|b": -0.1, "c": -0.2})
    said = trade_off_markdown(front(families=[left], left_out=["c"])["trade_off"])
    assert "`a\\|b`" in said
    assert "`c`" not in said
    assert said.endswith("1 family more, which the mix serves better, in --json")
    reason = trade_off_markdown(front(reason="there is no lock yet, so no runs tell")["trade_off"])
    assert reason == "**Trade-off**: none can be told: there is no lock yet, so no runs tell"
    assert "as near" not in trade_off_markdown(front(families=[])["trade_off"])


def test_none_where_none_was_asked_for():
    assert trade_off_section({}, Look()) == []


def test_one_family_has_no_second_table():
    assert text(front(families=[])) == GOLDEN.split("\n\n", maxsplit=1)[0]


def test_why_there_is_none():
    said = text({"trade_off": {"reason": "there is no lock yet, so no runs tell"}})
    assert said == "Trade-off\n  none can be told: there is no lock yet, so no runs tell"


def test_the_worst_family_is_named_where_it_counts():
    families = [point("code", code=0.1), point("worst family", chosen=True, code=0.1)]
    assert "distance  worst family\n" in text(front(families=families))


@pytest.mark.parametrize("width", [60, 80, 140])
def test_many_families_with_long_names_keep_to_the_page(width):
    names = [f"family_with_a_very_long_name_{number}" for number in range(7)]
    changes = dict.fromkeys(names, -0.01)
    families = [point(name, **changes) for name in names[:4]]
    plan = front(families=families, left_out=names[4:])
    lines = text(plan, width=width).split("\n")
    assert max(map(len, lines)) <= width
    assert lines[-1] == "  3 families more, which the mix serves better, in --json"
    assert "family_with…long_name_0" in "\n".join(lines)
    head = next(line for line in lines if "as near" in line)
    assert ("family_with…long_name_3" in head) == (width >= 140)
    said = " ".join(" ".join(lines).split())
    assert ("no room here for" in said) == (width < 140)
    assert ("family_with…long_name_3: a wider terminal shows them" in said) == (width < 140)
