"""A domain that is split and merged again, in a real repository: what `apply`, `diff` and `history` say."""

from __future__ import annotations

from branches import git
from workspaces import write_domain, write_mix

REST = ("code", "docs")


def edit(root, domains, olmixctl, subject):
    """`domains`: id → pattern under `corpora/`."""
    path = write_mix(root, dict.fromkeys(REST, ""), evals=REST)
    lines = "".join(f"  {name}: {{paths: [corpora/{pattern}/*.txt]}}\n" for name, pattern in domains.items())
    path.write_text(path.read_text().replace("evals:\n", f"{lines}evals:\n", 1))
    said = olmixctl("apply", "--auto-approve", "--reuse", "full").stdout if (root / "mixes/base.lock.yaml").exists() \
        else olmixctl("apply", "--auto-approve").stdout  # fmt: skip
    git(root, "add", "-A", "mixes")
    git(root, "commit", "-qm", subject)
    return said


def test_a_split_and_a_merge_are_followed(root, olmixctl):
    for domain, documents in (("weba", 50), ("webb", 30)):
        write_domain(root, domain, documents)
    git(root, "init", "-q", "-b", "main")
    edit(root, {"crawl": "web?"}, olmixctl, "First lock")
    said = edit(root, {"weba": "weba", "webb": "webb"}, olmixctl, "Split")
    assert "/  crawl → weba + webb" in said
    edit(root, {"all": "web?"}, olmixctl, "Merge")
    diff = olmixctl.json("diff", "HEAD~2", "HEAD~1")
    assert [(g["kind"], list(g["before"]), list(g["after"])) for g in diff["regrouped"]] == [
        ("partitioned", ["crawl"], ["weba", "webb"])
    ]
    assert diff["regrouped"][0]["estimated"] is False
    done = olmixctl("history")
    assert "& weba + webb → all  merged" in done.stdout
    assert "/ crawl → weba + webb  partitioned" in done.stdout
    assert done.stderr == ""
    assert "part of crawl: estimated from" in olmixctl("history", "weba").stdout
    assert [entry["domain"] for entry in olmixctl.json("history", "weba")["locks"]] == [None, "weba", "crawl"]
    for path in (root / "mixes/base.runs").glob("d1-*"):
        path.unlink()
    assert olmixctl.json("diff", "HEAD~2", "HEAD~1")["regrouped"] == []
    (root / "mixes/base.yaml").write_text("nonsense: [")
    done = olmixctl("history")
    assert "removed" in done.stdout
    assert "domains that were split or merged are told as removed and added: " in done.stderr
