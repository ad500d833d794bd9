"""Every way to get a mix file wrong: the place, what was found, what to write, and all problems at once."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from olmixctl.errors import InfeasibleError, OlmixctlError, SpecError
from olmixctl.spec.fmt import format_mix
from olmixctl.spec.load import parse_mix

# (what is replaced, by what, line:column, field, in the message, in the remedy)
CASES = {
    # What YAML misreads
    "exponent": ("1M", "1e-05", "3:18", "target.tokens", "`1e-05` as text", "0.00001"),
    "big exponent": ("1M", "1e12", "3:18", "target.tokens", "as text", "write 1000000000000"),
    "sexagesimal": ("name: small", "name: 12:30", "2:7", "name", "base 60", 'quote it: "12:30"'),
    "norway": ("  a:", "  no:", "5:3", "domains.no", "key `no` as false", 'quote it: "no"'),
    "off": ("small", "off", "2:7", "name", "`off` as false", '"off"'),
    "yes for true": ("a.txt]", "a.txt], protected: yes", "5:34", "domains.a.protected", "as true", "write true"),
    "capital True": ("a.txt]", "a.txt], protected: True", "5:34", "domains.a.protected", "as true", "write true"),
    "letter": ("  a:", "  y:", "5:3", "domains.y", "some readers", 'quote it: "y"'),
    "octal": ("small", "0123", "2:7", "name", "octal", "decimal"),
    "octal 1.2": ("small", "0o17", "2:7", "name", "YAML 1.2 as a number", '"0o17"'),
    "hexadecimal": ("small", "0x1F", "2:7", "name", "hexadecimal", "decimal"),
    "underscores": ("1M", "1_000_000", "3:18", "target.tokens", "YAML 1.2 as text", "write 1000000"),
    "date": ("small", "2026-02-11", "2:7", "name", "a date", '"2026-02-11"'),
    "infinity": ("1M", ".inf", "3:18", "target.tokens", "infinity", "finite"),
    "number as key": ("  a:", "  2023:", "5:3", "domains.2023", "as a number", '"2023"'),
    "true as key": ("  a:", "  true:", "5:3", "domains.true", "as true or false", '"true"'),
    "nothing as key": ("  a:", "  null:", "5:3", "domains.null", "as nothing", '"null"'),
    "list as key": ("  a:", "  ? [x]\n  :", "5:5", "domains", "single word", "key: value"),
    "duplicate key": ("  b:", "  a:", "6:3", "domains.a", "stands twice; first on line 5", "keep one"),
    "duplicate section": ("name: small", "name: x\nname: y", "3:1", "name", "first on line 2", "keep one"),
    "merge key": ("{paths: [b.txt]}", "{<<: {paths: [b]}}", "6:7", "domains.b", "merge keys", "write the values"),
    "tag": ("{paths: [b.txt]}", "!x {paths: [b]}", "6:6", "domains.b", "`!x`", "leave the tag out"),
    "scalar tag": ("small", "!!float 3", "2:7", "name", "by its tag", "leave the tag out"),
    # YAML that is none
    "tab": ("  b:", "\tb:", "6:1", "", "a tab", "spaces"),
    "glob without quotes": ("[b.txt]", "[*.txt]", "6:16", "", "may not start with `*`", "quote"),
    "hidden line break": ("small", '"a\u2028b"', "2:9", "", "U+2028", "delete it"),
    "control character": ("small", "a\x07b", "2:8", "", "U+0007", "delete it"),
    "at sign": ("small", "@small", "2:7", "", "may not start with `@`", "quote"),
    "colon": ("small", "a: b", "2:8", "", "a second `: `", "quote"),
    "open quote": ("small", '"small', "2:7", "", "never closed", "close it"),
    "two documents": ("target:", "---\ntarget:", "3:1", "", "second document", "one mapping"),
    "indentation": ("  b:", "   b:", "6:4", "", "does not line up", "as its siblings"),
    "open bracket": ("[b.txt]", "[b.txt", "6:20", "", "not closed", "close it"),
    "no colon": ("name: small", "name small", "2:1", "", "a line without `:`", "key: value"),
    "conflict marker": ("name: small", "<<<<<<< HEAD\nname: x", "2:1", "", "conflict marker", "settle"),
    # Shape
    "unknown section": ("proxy:", "proxies:", "9:1", "proxies", "unknown field", "did you mean 'proxy'?"),
    "unknown field": ("[a.txt]", "[a.txt], foo: 1", "5:23", "domains.a.foo", "unknown field", "fields here are: paths"),
    "misspelt field": ("{paths: [a", "{path: [a", "5:7", "domains.a.path", "unknown field", "did you mean 'paths'?"),
    "missing field": (", fraction: 0.1", "", "8:5", "evals[0].fraction", "is missing", "fraction: 0.01"),
    "partial without names": (
        "name: small",
        "name: small\nreuse: partial",
        "3:8",
        "reuse",
        "needs the domains",
        "recompute",
    ),
    "unknown to recompute": (
        "name: small",
        "name: small\nrecompute: [c]",
        "3:13",
        "recompute[0]",
        "'c' names no domain",
        "there is: ",
    ),
    "missing section": ("version: 1\n", "", "1:1", "version", "is missing", "version: 1"),
    "newer version": ("version: 1", "version: 2", "1:10", "version", "version 2", "newer olmixctl"),
    "odd version": ("version: 1", "version: '1'", "1:10", "version", "version '1'", "write version: 1"),
    "text for a number": ("0.1}", "much}", "8:37", "evals[0].fraction", "'much'", "at most 0.5"),
    "nothing": ("400K", "~", "9:30", "proxy.tokens", "found nothing", "400K"),
    "a path that is no list": ("[b.txt]", "b.txt", "6:14", "domains.b.paths", "'b.txt'", "list of paths"),
    "a number as path": ("[b.txt]", "[1]", "6:15", "domains.b.paths[0]", "the number 1", "text"),
    "no paths": ("[b.txt]", "[]", "6:7", "domains.b.paths", "an empty list", "list of paths"),
    "empty path": ("[b.txt]", "['']", "6:15", "domains.b.paths[0]", "empty text", "some text"),
    "a domain that is text": ("{paths: [b.txt]}", "b.txt", "6:6", "domains.b", "'b.txt'", "a mapping"),
    "a domain that is nothing": ("b: {paths: [b.txt]}", "b:", "6:5", "domains.b", "nothing", "a mapping"),
    "a group with files": (
        "{paths: [b.txt]}",
        "{paths: [b], domains: {c: {paths: [c]}}}",
        "6:7",
        "domains.b.paths",
        "a group of domains has no files",
        "into a domain of the group",
    ),
    "an eval of both kinds": (
        "fraction: 0.1",
        "fraction: 0.1, paths: [x]",
        "8:42",
        "evals[0].paths",
        "not both",
        "two evals",
    ),
    "a name with a space": ("  a:", "  a b:", "5:3", "domains.a b", "cannot be a name", "letters"),
    "a name with a slash": ("  a:", "  a/b:", "5:3", "domains.a/b", "cannot be a name", "letters"),
    "a name that ends in a line": ("  a:", '  "a\\n":', "5:3", "domains.a\n", "cannot be a name", "letters"),
    "a long name": ("  a:", f"  {'a' * 101}:", "5:3", f"domains.{'a' * 101}", "cannot be a name", "100"),
    "too low": ("a.txt]", "a.txt], min: -0.1", "5:28", "domains.a.min", "-0.1", "between 0 and 1"),
    "too high": ("a.txt]", "a.txt], max: 5", "5:28", "domains.a.max", "the number 5", "between 0 and 1"),
    "half a token": ("1M", "1.5", "3:18", "target.tokens", "1.5", "300B"),
    "less than a token": ("1M", "0.0001K", "3:18", "target.tokens", "is 0.1, not a whole number", "size"),
    "lower-case suffix": ("1M", "1t", "3:18", "target.tokens", "'1t'", "1T"),
    "no tokens": ("1M", "0", "3:18", "target.tokens", "the number 0", "size"),
    "true for a number": ("128", "true", "9:53", "proxy.sequence_length", "found true", "a whole number"),
    "fraction of half": ("0.1}", "0.7}", "8:37", "evals[0].fraction", "0.7", "at most 0.5"),
    "unknown preset": ("250k", "1M", "9:16", "proxy.model", "'1M'", "did you mean '1m'?"),
    # Between sections
    "eval of nothing": ("heldout: a", "heldout: c", "8:24", "evals[0].heldout", "names no domain", "there is: a, b"),
    "eval of a tag": ("heldout: a", "heldout: 'tag:x'", "8:24", "evals[0].heldout", "names no domain", "this tag"),
    "eval of a list": ("heldout: a", "heldout: [a, c]", "8:28", "evals[0].heldout[1]", "'c' names", "there is"),
    "too few tokens": ("400K", "1K", "9:30", "proxy.tokens", "less than one step of 16 × 128 = 2048", "raise"),
    "reserved": ("  b:", "  reused:", "6:3", "domains.reused", "virtual domain", "another name"),
    "raw tokens": ("[b.txt]", "[b.bin]", "6:7", "domains.b.paths", "unknown type", "dtype"),
    "no weight": ("fraction: 0.1", "fraction: 0.1, weight: 0", "7:1", "evals", "weight 0", "above 0"),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_one_problem(refuse, small, case):
    old, new, at, field, message, remedy = case
    assert old in small
    error = refuse(small.replace(old, new, 1))
    assert isinstance(error, SpecError)
    assert error.exit_code == 1
    problem = error.problems[0]
    assert str(problem.place) == f"mixes/m.yaml:{at}"
    assert problem.place.field == field
    assert message in problem.message
    assert remedy in problem.remedy


# (what is added, line:column, field, in the message, in the remedy)
ADDED = {
    "no rounds": ("swarm: {rounds: 0}", "10:17", "swarm.rounds", "the number 0", "1 to 20"),
    "half a round": ("swarm: {rounds: 1.5}", "10:17", "swarm.rounds", "1.5", "1 to 20"),
    "unknown design": ("swarm: {design: foo}", "10:17", "swarm.design", "'foo'", "dirichlet, informative"),
    "negative regret": ("swarm: {stop: {regret: -1}}", "10:24", "swarm.stop.regret", "-1", "bits per byte above 0"),
    "no regret": ("swarm: {stop: {confidence: 0.9}}", "10:9", "swarm.stop.regret", "is missing", "regret: 0.002"),
    "sure": (
        "swarm: {stop: {regret: 0.01, confidence: 1.5}}",
        "10:42",
        "swarm.stop.confidence",
        "1.5",
        "below 1, such as 0.9",
    ),
    "stop without a limit": ("swarm: {stop: true}", "10:15", "swarm.stop", "true", "a mapping"),
    "reference": ("objective: {reference: naturl}", "10:24", "objective.reference", "'naturl'", "'natural'"),
    "reference of a list": ("objective: {reference: [a]}", "10:13", "objective.reference", "a list", "uniform"),
    "unknown domain": (
        "objective: {reference: {a: 0.5, b: 0.4, cc: 0.1}}",
        "10:45",
        "objective.reference.cc",
        "'cc'",
        "there is: a, b",
    ),
    "uncovered": ("objective: {reference: {a: 1}}", "10:13", "objective.reference", "no share for 'b'", "every"),
    "sum": ("objective: {reference: {a: 0.5, b: 0.6}}", "10:13", "objective.reference", "sum to 1.1", "sum to 1"),
    "zero share": ("objective: {reference: {a: 1, b: 0}}", "10:34", "objective.reference.b", "number 0", "above 0"),
    "guardrail": (
        "objective: {guardrails: [{metric: g, max_regression: 0.1}]}",
        "10:35",
        "objective.guardrails[0].metric",
        "no eval",
        "there is: h",
    ),
    "two guardrails": (
        "objective: {guardrails: [{metric: h, max_regression: 0.1}, {metric: h, max_regression: 0.2}]}",
        "10:69",
        "objective.guardrails[1].metric",
        "already",
        "keep one",
    ),
    "constraint of nothing": (
        "constraints: [{name: c, domains: [x/*], max: 0.5}]",
        "10:35",
        "constraints[0].domains[0]",
        "names no domain",
        "there is",
    ),
    "constraint without bound": (
        "constraints: [{name: c, domains: [a]}]",
        "10:15",
        "constraints[0].max",
        "min or max is missing",
        "`min: 0.1` or `max: 0.5`",
    ),
    "constraint named as a domain": (
        "constraints: [{name: a, domains: [a], max: 0.5}]",
        "10:22",
        "constraints.a.name",
        "name of a domain",
        "another",
    ),
    "two constraints of a name": (
        "constraints: [{name: c, domains: [a], max: 0.5}, {name: c, domains: [b], max: 0.6}]",
        "10:57",
        "constraints[1].name",
        "stands twice",
        "another",
    ),
    "surrogate": ("surrogate: lightgbm", "10:12", "surrogate", "'lightgbm'", "auto, log_linear, saturating"),
    "method": ("method: doremi", "10:9", "method", "'doremi'", "this version has olmix"),
    "executor": ("executor: {kind: slurm}", "10:18", "executor.kind", "'slurm'", "local, fake"),
    "swarm": ("swarm: {runs_per_coordinate: 0}", "10:30", "swarm.runs_per_coordinate", "number 0", "above 0"),
    "seed": ("swarm: {seed: -1}", "10:15", "swarm.seed", "-1", "at least 0"),
    "moved to nowhere": ("changes: [{move: {from: x, to: c}}]", "10:32", "changes[0].move.to", "'c'", "there is: a"),
    "moved from here": ("changes: [{move: {from: b, to: a}}]", "10:25", "changes[0].move.from", "still", "remove"),
    "moved to itself": ("changes: [{move: {from: a, to: a}}]", "10:12", "changes[0].move", "own id", "remove"),
    "parted into nothing": (
        "changes: [{partition: {from: x, into: [x/*]}}]",
        "10:40",
        "changes[0].partition.into[0]",
        "names no domain",
        "there is",
    ),
    "merged from one": (
        "changes: [{merge: {from: [x], into: a}}]",
        "10:20",
        "changes[0].merge.from",
        "a list",
        "at least two",
    ),
    "two changes in one": (
        "changes: [{move: {from: x, to: a}, merge: {from: [x, y], into: a}}]",
        "10:11",
        "changes[0]",
        "a mapping",
        "item of its own",
    ),
    "unknown change": ("changes: [{moved: {from: x, to: a}}]", "10:12", "changes[0].moved", "unknown", "'move'"),
    "alias": ("description: &d x\nowner: *d", "11:8", "", "aliases", "write the value out"),
}


@pytest.mark.parametrize("case", ADDED.values(), ids=ADDED)
def test_one_problem_in_an_added_section(refuse, small, case):
    added, at, field, message, remedy = case
    error = refuse(f"{small}{added}\n")
    assert isinstance(error, SpecError)
    problem = error.problems[0]
    assert str(problem.place) == f"mixes/m.yaml:{at}"
    assert problem.place.field == field
    assert message in problem.message
    assert remedy in problem.remedy


@pytest.mark.parametrize(
    "change",
    [
        "partition: {from: a, into: [a, b]}",  # the rest keeps the name
        "merge: {from: [a, old], into: a}",  # one takes the other in
        "merge: {from: [x, z], into: b}",
        "partition: {from: x, into: ['*']}",
    ],
)
def test_changes_that_may_keep_a_name(load, small, change):
    assert len(load(f"{small}changes: [{{{change}}}]\n").spec.changes) == 1


def test_evals_of_one_name(refuse, small):
    error = refuse(small.replace("proxy:", "  - {name: h, heldout: b, fraction: 0.1}\nproxy:"))
    assert (error.place.line, error.place.field) == (9, "evals[1].name")
    assert "stands twice" in error.message


def test_a_declared_domain_cannot_be_held_out(refuse, small):
    error = refuse(small.replace("[a.txt]", "[a.txt], declared: {tokens: 1M, revision: r1}"))
    assert (str(error.place), error.place.field) == ("mixes/m.yaml:8:24", "evals.h.heldout")
    assert "'a' is declared" in error.message


def test_all_problems_come_at_once_in_the_order_of_the_file(refuse, small):
    text = small.replace("1M", "1e6").replace("  a:", "  no:").replace("h,", "h, foo: 1,").replace("128", "x")
    error = refuse(text + "bar: 2\n")
    assert [p.place.line for p in error.problems] == [3, 5, 8, 9, 10]
    assert str(error).count("→") == 5


def test_a_misspelt_field_is_not_also_missing(refuse, small):
    assert len(refuse(small.replace("proxy:", "proxies:")).problems) == 1


def test_a_misread_value_is_reported_once(refuse, small):
    assert len(refuse(small.replace("1M", "1e6")).problems) == 1


def test_another_version_hides_what_it_may_have_changed(refuse, small):
    text = small.replace("version: 1", "version: 7").replace("proxy", "proxies")
    assert [p.place.field for p in refuse(text).problems] == ["version"]


@pytest.mark.parametrize("depth", [100, 5_000, 200_000])
def test_deep_nesting_is_refused_before_it_exhausts_the_stack(refuse, depth):
    error = refuse("version: 1\nname: " + "[" * depth + "]" * depth)
    assert "nested deeper than 40 levels" in error.message


def test_an_alias_bomb_costs_nothing(refuse):
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 20)]
    assert "aliases" in refuse("\n".join(lines)).message


@pytest.mark.parametrize(
    "case",
    [
        ("min: 0.6, max: 0.5", "min: 0", "", ("min:a", "max:a"), 5),
        ("min: 0.6", "min: 0.6", "", ("min:a", "min:b"), 5),
        ("max: 0.2", "max: 0.6", "", ("max:a", "max:b"), 5),
        ("max: 0.5", "max: 1", "constraints: [{name: c, domains: [a], min: 0.6}]", ("max:a", "min:c"), 5),
        ("min: 0.5", "max: 1", 'constraints: [{name: c, domains: ["*"], max: 0.6}]', ("max:c",), 10),
    ],
)
def test_bounds_that_exclude_each_other(refuse, small, case):
    a, b, added, conflict, line = case
    text = small.replace("[a.txt]", f"[a.txt], {a}").replace("[b.txt]", f"[b.txt], {b}") + added + "\n"
    error = refuse(text)
    assert isinstance(error, InfeasibleError)
    assert error.exit_code == 7
    assert error.conflict == conflict
    assert error.place.line == line
    assert "exclude each other" in error.message
    assert "loosen" in error.remedy


def test_bounds_of_nested_groups_against_their_members(refuse, small):
    text = small.replace("  b:", "  g:\n    max: 0.3\n    domains:\n      c: {paths: [c], min: 0.4}\n  b:")
    error = refuse(text)
    assert error.conflict == ("max:g", "min:g/c")
    assert error.place.line == 7
    assert "g max 0.3, g/c min 0.4: at least 0.4 where at most 0.3 is left" in error.message
    assert error.remedy == "loosen one of them (lines 7, 9)"


def test_a_long_conflict_is_cut_in_the_message_only(refuse, small):
    many = "".join(f"  d{i}: {{paths: [x{i}], max: 0.001}}\n" for i in range(50))
    text = small.replace("[a.txt]", "[a.txt], max: 0.001").replace("  b: {paths: [b.txt]}\n", many)
    error = refuse(text)
    assert len(error.conflict) == 51
    assert "and 44 more" in error.message


SCRAPS = st.sampled_from(
    [
        "",
        ":",
        "- ",
        "[",
        "]",
        "{",
        "}",
        "#",
        "'",
        '"',
        "|",
        ">",
        "&a ",
        "*a ",
        "!t ",
        "\n",
        "  ",
        "\t",
        "~",
        "no",
        "1e5",
        "0.5",
        "x: 1",
    ]
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.data())
def test_no_damage_is_more_than_an_error_with_a_place(load, full, data):
    """A few pieces of the file cut out or replaced, as an editor slips: it loads, or says where it does not."""
    pieces = re.split(r"(\W)", full)
    for _ in range(data.draw(st.integers(1, 3))):
        pieces[data.draw(st.integers(0, len(pieces) - 1))] = data.draw(SCRAPS)
    text = "".join(pieces)
    for use in (load, format_mix):
        try:
            use(text)
        except OlmixctlError as error:
            place = error.place
        else:
            continue
        assert 1 <= place.line <= text.count("\n") + 1
        assert place.column >= 1


@pytest.mark.parametrize(
    ("section", "found"),
    [("swarm: {runs_per_coordinate: 1000000}", "at most 100"), ("swarm: {runs_per_coordinate: 0}", "at most 100")],
)
def test_a_swarm_nobody_could_train_is_refused(section, found):
    text = f"""version: 1
name: m
target: {{tokens: 1M}}
domains: {{a: {{paths: [a/*.txt]}}, b: {{paths: [b/*.txt]}}}}
evals: [{{name: a, heldout: a, fraction: 0.1}}]
proxy: {{model: 250k, tokens: 20000}}
{section}
"""
    with pytest.raises(SpecError, match=found):
        parse_mix(text, Path("mixes/m.yaml"))
