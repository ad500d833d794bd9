from __future__ import annotations

import os
import shutil
import subprocess
import sys
from operator import methodcaller

import pytest

from olmixctl.corpus import build_evals, build_shards, measure_domains, measure_evals, scan
from olmixctl.corpus.formats import FileFormat
from olmixctl.corpus.pool import run_parallel
from olmixctl.corpus.worker import answer
from olmixctl.errors import CorpusError, OlmixctlError, Place
from olmixctl.spec.model import DomainSpec


def square(number):
    if number == 13:
        raise CorpusError("unlucky", place=Place("thirteen"), remedy="skip it")
    return number * number


@pytest.mark.parametrize("processes", [False, True])
@pytest.mark.parametrize("workers", [1, 3])
def test_results_come_in_order(workers, processes):
    items = list(range(-50, 50))
    assert list(run_parallel(abs, items, workers=workers, processes=processes)) == [abs(i) for i in items]


def test_the_first_error_in_order_is_raised():
    done = []

    def step(number):
        done.append(number)
        return square(number)

    with pytest.raises(CorpusError, match="thirteen: unlucky"):
        list(run_parallel(step, range(1000), workers=2))
    assert len(done) < 1000


def test_an_expected_error_keeps_its_place_across_processes():
    assert answer(square, [1, 2]) == ([1, 4], None, None)
    results, error, defect = answer(square, [1, 13, 2])
    assert (results, defect) == (None, None)
    assert str(error) == "thirteen: unlucky\n  → skip it"


def test_a_defect_arrives_with_its_traceback():
    with pytest.raises(RuntimeError, match=r"(?s)Traceback.*AttributeError: 'int' object has no attribute 'upper'"):
        list(run_parallel(methodcaller("upper"), [1, 2, 3], workers=2, processes=True))


def test_a_process_that_is_killed_is_an_error_not_a_hang():
    with pytest.raises(OlmixctlError, match=r"a reading process ended early \(exit status"):
        list(run_parallel(os._exit, [7, 7, 7], workers=2, processes=True))


@pytest.fixture
def in_processes(monkeypatch):
    """Every file is worth a process; counts those that were started."""
    started = []
    original = subprocess.Popen
    monkeypatch.setattr(scan, "_PROCESS_BYTES", 0)
    monkeypatch.setattr(subprocess, "Popen", lambda *a, **k: started.append(a) or original(*a, **k))
    return started


def everything(domain, evals, context):
    states = measure_domains([domain], context)
    eval_states = measure_evals(evals, states, context)
    shard = build_shards(states, context, holdout_fraction=0.1)[domain.id]
    tokens = build_evals(evals, states, eval_states, context)
    return states, eval_states, shard.tokens_path.read_bytes(), [t.path.read_bytes() for t in tokens.values()]


@pytest.mark.parametrize("tokenizer", ["bytes", "tokenizer.json"])
@pytest.mark.usefixtures("word_tokenizer")
def test_processes_find_what_one_thread_finds(workspace, many_texts, heldout, in_processes, tokenizer):
    for i in range(4):
        workspace.jsonl(f"web/{i}.jsonl.zst", many_texts[i::4])
    domain, evals = DomainSpec(id="web", paths=("web",)), [heldout("web", fraction=0.1)]
    alone = everything(domain, evals, workspace.context(tokenizer, workers=1))
    assert in_processes == []
    shutil.rmtree(workspace.root / ".olmixctl")
    assert everything(domain, evals, workspace.context(tokenizer, workers=3)) == alone
    assert len(in_processes) >= 4


def test_an_error_in_a_process_names_the_file(workspace, many_texts, in_processes):
    for i in range(4):
        workspace.jsonl(f"web/{i}.jsonl", many_texts[i::4])
    workspace.write("web/2.jsonl", '{"text": "ok"}\n{"text": 3}\n')
    domain = DomainSpec(id="web", paths=("web",))
    with pytest.raises(CorpusError, match=r"^web/2\.jsonl:2: `text` is int"):
        measure_domains([domain], workspace.context(workers=2))
    assert len(in_processes) == 2


def test_what_is_worth_a_process(workspace):
    context, size = workspace.context(), 10**12
    lines, text = FileFormat("jsonl"), FileFormat("text", "gz")
    assert scan.worth_processes([("/x/a.jsonl", size, lines)], context)
    assert not scan.worth_processes([("/x/a.jsonl", 1000, lines)], context)
    assert not scan.worth_processes([("s3://x/a.jsonl", size, lines)], context)
    assert not scan.worth_processes([("/x/a.txt.gz", 10**9, text)], context)
    assert scan.worth_processes([("/x/a.txt.gz", size, text)], context)


def test_a_script_without_a_main_guard(workspace, many_texts):
    """Worker processes must not run the caller's script again."""
    for i in range(4):
        workspace.jsonl(f"web/{i}.jsonl", many_texts[i::4])
    script = workspace.write(
        "script.py",
        "from pathlib import Path\n"
        "from olmixctl.corpus import CorpusContext, measure_domains, scan\n"
        "from olmixctl.spec.model import DomainSpec\n"
        "scan._PROCESS_BYTES = 0\n"
        "context = CorpusContext.open(Path(__file__).parent, tokenizer='bytes', workers=2)\n"
        "print(measure_domains([DomainSpec(id='web', paths=('web',))], context)['web'].documents)\n",
    )
    out = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=False)
    assert (out.stdout, out.stderr) == ("200\n", "")
