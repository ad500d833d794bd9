from __future__ import annotations

import json
import sys

import numpy as np
import pytest

from olmixctl.corpus import open_tokenizer
from olmixctl.errors import CorpusError, MissingExtraError
from olmixctl.fingerprint import sha256_hex


def test_bytes_are_tokens(tmp_path):
    tokenizer = open_tokenizer("bytes", tmp_path)
    text = "né\0".encode()
    (tokens,) = tokenizer.encode([text])
    assert tokens.tolist() == list(text)
    assert tokenizer.byte_size(np.array([*text, 256, 256])) == len(text)
    facts = tokenizer.name, tokenizer.digest, tokenizer.vocabulary_size, tokenizer.end_of_text, tokenizer.dtype
    assert facts == ("bytes", "bytes", 257, 256, "uint16")


def test_a_tokenizer_file_is_its_content(workspace, word_tokenizer):
    tokenizer = open_tokenizer("tokenizer.json", workspace.root)
    assert tokenizer.digest == f"sha256:{sha256_hex(word_tokenizer.read_bytes())}"
    vocabulary = json.loads(word_tokenizer.read_text())["model"]["vocab"]
    assert tokenizer.end_of_text == vocabulary["<|endoftext|>"]
    assert tokenizer.vocabulary_size == max(vocabulary.values()) + 1
    encoded = tokenizer.encode([b"one two", b"three"])
    assert [e.tolist() for e in encoded] == [[vocabulary["one"], vocabulary["two"]], [vocabulary["three"]]]
    assert tokenizer.byte_size(encoded[0]) == len("one two")


def test_without_an_end_of_text_one_id_more_is_taken(workspace, word_tokenizer):
    value = json.loads(word_tokenizer.read_text())
    value["added_tokens"] = [t for t in value["added_tokens"] if t["content"] != "<|endoftext|>"]
    vocabulary = value["model"]["vocab"]
    vocabulary["plain"] = vocabulary.pop("<|endoftext|>")
    word_tokenizer.write_text(json.dumps(value))
    tokenizer = open_tokenizer("tokenizer.json", workspace.root)
    assert tokenizer.end_of_text == max(vocabulary.values()) + 1
    assert tokenizer.vocabulary_size == tokenizer.end_of_text + 1


def test_truncation_and_padding_in_the_file_are_ignored(workspace, word_tokenizer):
    import tokenizers

    tokenizer = tokenizers.Tokenizer.from_file(str(word_tokenizer))
    tokenizer.enable_truncation(2)
    tokenizer.enable_padding(length=8)
    tokenizer.save(str(word_tokenizer))
    encoded = open_tokenizer("tokenizer.json", workspace.root).encode([b"one two three", b"one"])
    assert [len(e) for e in encoded] == [3, 1]


def test_a_large_vocabulary_needs_four_bytes(workspace, word_tokenizer):
    value = json.loads(word_tokenizer.read_text())
    value["model"]["vocab"] |= {f"w{i}": 100 + i for i in range(70_000)}
    word_tokenizer.write_text(json.dumps(value))
    tokenizer = open_tokenizer("tokenizer.json", workspace.root)
    assert tokenizer.dtype == "uint32"
    assert tokenizer.encode([b"w69999"])[0].tolist() == [70_099]


@pytest.mark.parametrize("content", ["{", "{}", '{"model": 3}', "[1]"])
def test_a_file_that_is_no_tokenizer(workspace, content, word_tokenizer):
    workspace.write("t.json", content)
    with pytest.raises(CorpusError, match=r"t\.json: not a tokenizer\.json"):
        open_tokenizer("t.json", workspace.root)


def test_a_tokenizer_that_is_not_there(tmp_path):
    with pytest.raises(CorpusError, match=r"byte: cannot read the tokenizer: No such file.*\n.*`tokenizer: bytes`"):
        open_tokenizer("byte", tmp_path)


def test_without_the_extra_it_says_what_to_install(workspace, monkeypatch):
    workspace.write("other.json", "{ }")
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'olmixctl\[tokenizers\]'"):
        open_tokenizer("other.json", workspace.root)
