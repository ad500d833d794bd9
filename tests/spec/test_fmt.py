"""The canonical form: comments kept, meaning kept, and nothing left to do the second time."""

from __future__ import annotations

import json
import textwrap

import pytest
import yaml
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from olmixctl.errors import SpecError
from olmixctl.spec.fmt import SECTIONS, format_mix

LAWS = settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], deadline=None)

MESSY = """

# yaml-language-server: $schema=../schemas/mix.schema.json

# About the proxy
# in two lines
proxy:   # small
    model: 250k
    tokens: 400K   
    sequence_length: 128


    batch_size: 16
# the domains
domains:
    # first
    a:
        paths: [a.txt,
            b.txt
        ]  # two
        description: |
            Hello
              there

            x  
        # max: 0.2
    b:
        paths:
        - b.txt    
        -    "c.txt"
---
"""  # noqa: W291  (trailing white space is what is cleaned)

MESSY = (
    MESSY.replace("---\n", "")
    + """\
version: 1
name: a


target:
   tokens: 1M
evals:
-   name: h
    heldout: a
    # why
    fraction: 0.1
- # what
  name: g
  description: "two
    lines"
  paths:
     -    x.jsonl
# bye


"""
)

NEAT = """\
# yaml-language-server: $schema=../schemas/mix.schema.json

version: 1
name: a

target:
  tokens: 1M
# the domains
domains:
  # first
  a:
    paths: [a.txt,
        b.txt
    ]  # two
    description: |
        Hello
          there

        x@@
    # max: 0.2
  b:
    paths:
      - b.txt
      - "c.txt"
evals:
  - name: h
    heldout: a
    # why
    fraction: 0.1
  - # what
    name: g
    description: "two
      lines"
    paths:
      - x.jsonl
# About the proxy
# in two lines
proxy:   # small
  model: 250k
  tokens: 400K
  sequence_length: 128

  batch_size: 16
# bye
""".replace("@@", "  ")


def test_golden():
    assert format_mix(MESSY) == NEAT


def test_canonical_stays(full, small):
    for text in (full, small, NEAT):
        assert format_mix(text) == text


def test_sections_come_in_the_order_of_the_documentation(full):
    data = yaml.safe_load(full)
    text = "".join(f"{name}: {json.dumps(data[name])}\n" for name in sorted(data, reverse=True))
    names = [line.split(":")[0] for line in format_mix(text).splitlines()]
    assert names == [name for name in SECTIONS if name in data]


def test_unknown_sections_come_last_as_they_stand():
    assert format_mix("zoo: 1\nbar: 2\nname: x\nversion: 1\n") == "version: 1\nname: x\nzoo: 1\nbar: 2\n"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("name: x\r\nversion: 1\r\n", "version: 1\nname: x\n"),
        ("\ufeffversion: 1\n", "version: 1\n"),
        ("---\nversion: 1\n...\n", "version: 1\n"),
        ("%YAML 1.1\n---\nversion: 1\n", "version: 1\n"),
        ("version: 1", "version: 1\n"),
        ("evals:\n- # none\n-\n- a\n", "evals:\n  - # none\n  -\n  - a\n"),
        ("--- # start\nversion: 1\n... # end\n", "# start\nversion: 1\n# end\n"),
        ("--- {version: 1}\n", "--- {version: 1}\n"),
        ("description: |   \n  a  \nversion: 1\n", "version: 1\ndescription: |\n  a  \n"),
        ("version: 1\n\n\n\nname: x\n\n\n", "version: 1\n\nname: x\n"),
        ("{version: 1,\n   name: x}   \n", "{version: 1,\n   name: x}\n"),
        ("# head\n\n# of name\nname: x\nversion: 1\n", "# head\n\nversion: 1\n# of name\nname: x\n"),
        ("name: x # why\nversion: 1\n", "version: 1\nname: x # why\n"),
        ("description: >\n     a\n\n     b\nversion: 1\n", "version: 1\ndescription: >\n     a\n\n     b\n"),
        ("description: a\n   b\nversion: 1\n", "version: 1\ndescription: a\n   b\n"),
        ("evals:\n-   - a\n    -   b\n-\n    name: x\n", "evals:\n  - - a\n    - b\n  -\n    name: x\n"),
        ('evals:\n- name: "a #b"   # c\n', 'evals:\n  - name: "a #b"   # c\n'),
        (
            "domains:\n      a:\n            max: 1\n      # end of domains\n",
            "domains:\n  a:\n    max: 1\n  # end of domains\n",
        ),
        ("evals:\n-   |\n    text\n     more\n", "evals:\n  - |\n      text\n       more\n"),
    ],
)
def test_forms(before, after):
    assert format_mix(before) == after
    assert format_mix(after) == after


@pytest.mark.parametrize("text", ["", "- a\n", "a: no\n", "a: 1\na: 2\n", "a: *x\n", "a: [\n", "a: y\n"])
def test_what_the_strict_reader_refuses_is_not_formatted(text):
    with pytest.raises(SpecError) as caught:
        format_mix(text, "mixes/m.yaml")
    assert caught.value.place.file == "mixes/m.yaml"


WORDS = st.text(alphabet="abc #:-'\"\n\\é", min_size=0, max_size=12)
KEYS = st.text(alphabet="abcxyz", min_size=2, max_size=4)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-1000, 1000) | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=12,
)
MAPPINGS = st.dictionaries(st.sampled_from(SECTIONS) | KEYS, VALUES, min_size=1, max_size=5)


@LAWS
@given(MAPPINGS, st.integers(2, 6), st.booleans(), st.randoms(use_true_random=False))
def test_meaning_and_comments_are_kept_and_twice_is_once(data, indent, width, random):
    style = {"indent": indent, "sort_keys": False, "allow_unicode": True, "width": 8 if width else 1000}
    text = yaml.safe_dump(data, default_flow_style=random.choice([None, False]), **style)
    assume(yaml.safe_load(text) == data)  # PyYAML folds some texts wrongly
    text = with_comments(text, random)
    try:
        once = format_mix(text)
    except SpecError:
        return
    assert yaml.safe_load(once) == data
    assert format_mix(once) == once
    assert sorted(comments(once)) == sorted(comments(text))
    assert all(line == line.rstrip() or "'" in once or '"' in once or "|" in once for line in once.splitlines())


def with_comments(text, random):
    """Comments before lines, where that leaves the data as it is."""
    result, data = text.splitlines(keepends=True), yaml.safe_load(text)
    for number in range(4):
        at = random.randrange(len(result) + 1)
        comment = f"{' ' * random.choice([0, 2, 4])}# remark {number}\n" + random.choice(["", "\n", "\n\n"])
        trial = [*result[:at], comment, *result[at:]]
        try:
            if yaml.safe_load("".join(trial)) == data:
                result = trial
        except yaml.YAMLError:
            continue
    return "".join(result)


def comments(text):
    return [line.strip() for line in text.splitlines() if line.strip().startswith("# remark")]


@LAWS
@given(st.permutations(range(9)), st.integers(1, 7))
def test_any_order_and_indentation_gives_the_same_form(order, step):
    sections = [
        "version: 1\n",
        "name: x  # called\n",
        "target:\n@tokens: 1M\n",
        "# data\ndomains:\n@a:\n@@# files\n@@paths: [a]\n@@tags:\n@@@- x\n@@@- z\n",
        "evals:\n@- name: h\n@  heldout: a\n",
        "objective: {kl: 0.1}\n",
        "proxy:\n@model: 1m # small\n@tokens: 5x\n",
        "swarm: {seed: 1}\n",
        "budget:\n@# money\n@max_runs: 3\n",
    ]
    head = "# yaml-language-server: $schema=x\n"
    written = head + "".join(sections[i] for i in order)
    expected = head + "".join(sections)
    assert format_mix(written.replace("@", " " * step)) == expected.replace("@", "  ")


def test_a_comment_in_a_text_is_text():
    text = textwrap.dedent("""\
        version: 1
        description: |
          first

          # not a comment


          last
        # a comment
        name: x
        """)
    formed = format_mix(text)
    assert yaml.safe_load(formed) == yaml.safe_load(text)
    assert formed == ("version: 1\n# a comment\nname: x\ndescription: |\n  first\n\n  # not a comment\n\n\n  last\n")
