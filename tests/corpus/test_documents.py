from __future__ import annotations

import errno
import gzip
import io
import json

import numpy as np
import pytest
import zstandard

from olmixctl.corpus import streams
from olmixctl.corpus.discover import discover
from olmixctl.corpus.documents import Source, iter_documents
from olmixctl.errors import CorpusError

PIECE = streams._CHUNK


@pytest.fixture
def read(workspace):
    def documents(path, content=None, dtype=None):
        if content is not None:
            workspace.write(path, content)
        (found,) = discover([path], workspace.root, dtype=dtype)
        return list(iter_documents(Source(found.url, found.shown, found.format)))

    return documents


def test_a_text_file_is_one_document_byte_for_byte(read):
    content = "\ufeffa\r\nb\u2028 文\n".encode()
    assert read("a.txt", content) == [(1, content)]


@pytest.mark.parametrize("suffix", [".jsonl", ".jsonl.gz", ".jsonl.zst"])
def test_json_lines_give_their_text_and_line(read, suffix):
    content = '{"text": "a\\n\\u00e9", "id": 1}\n\n  \n{"text": "b"}\r\n{"text": "last"}'
    assert read(f"a{suffix}", content) == [(1, "a\né".encode()), (4, b"b"), (5, b"last")]


@pytest.mark.parametrize("suffix", [".txt.gz", ".txt.zst", ".md.gz"])
def test_compressed_text(read, suffix):
    assert read(f"a{suffix}", "text") == [(1, b"text")]


def test_a_line_longer_than_a_piece(read):
    long = "x" * 3_000_000
    assert read("a.jsonl.gz", json.dumps({"text": long}) + "\n" + json.dumps({"text": "y"})) == [
        (1, long.encode()),
        (2, b"y"),
    ]


def test_archives_of_several_members_are_read_to_the_end(read, workspace):
    parts = [b'{"text": "a"}\n', b'{"text": "b"}\n']
    (workspace.root / "m.jsonl.gz").write_bytes(b"".join(map(gzip.compress, parts)) + b"\0" * 512)
    (workspace.root / "m.jsonl.zst").write_bytes(b"".join(map(zstandard.compress, parts)))
    expected = [(1, b"a"), (2, b"b")]
    assert read("m.jsonl.gz") == expected
    assert read("m.jsonl.zst") == expected


@pytest.mark.parametrize("cut", [1, 9, 200])
@pytest.mark.parametrize("suffix", [".gz", ".zst"])
def test_a_truncated_archive_is_an_error(read, workspace, suffix, cut):
    lines = "".join(json.dumps({"text": f"{i} {i**9}"}) + "\n" for i in range(500))
    path = workspace.write(f"a.jsonl{suffix}", lines)
    path.write_bytes(path.read_bytes()[:-cut])
    with pytest.raises(CorpusError, match=rf"a\.jsonl{suffix}: truncated or damaged archive after \d+ decompressed"):
        read(f"a.jsonl{suffix}")


@pytest.mark.parametrize("suffix", [".gz", ".zst"])
def test_a_damaged_or_false_archive_is_an_error(read, workspace, suffix):
    (workspace.root / f"a.jsonl{suffix}").write_bytes(b'{"text": "not packed"}\n')
    with pytest.raises(CorpusError, match="truncated or damaged archive after 0 decompressed bytes"):
        read(f"a.jsonl{suffix}")
    path = workspace.write(f"a.jsonl{suffix}", '{"text": "packed"}\n')
    path.write_bytes(path.read_bytes() + b"garbage")
    with pytest.raises(CorpusError, match="truncated or damaged archive after 19 decompressed bytes"):
        read(f"a.jsonl{suffix}")
    path.write_bytes(b"")
    with pytest.raises(CorpusError, match="truncated or damaged archive"):
        read(f"a.jsonl{suffix}")


@pytest.mark.parametrize(
    ("content", "offset"),
    [
        (b"ok \xff", 3),
        (b"\xc3", 0),
        (b"a" * PIECE + b"\xe2\x82", PIECE),
        (b"a" * (PIECE - 1) + "é".encode() + b"\xed\xa0\x80", PIECE + 1),
        (b"a" * (PIECE - 1) + b"\xc3a", PIECE - 1),
    ],
    ids=["plain", "cut", "cut-at-a-piece", "after-a-straddling-character", "broken-across-pieces"],
)
def test_invalid_utf8_names_the_file_and_the_byte(read, content, offset):
    with pytest.raises(CorpusError, match=rf"a\.txt: invalid UTF-8 at byte {offset} \(0x"):
        read("a.txt", content)


def test_invalid_utf8_in_an_archive_counts_in_the_decompressed_stream(read):
    content = b'{"text": "ok"}\n{"text": "\xff"}\n'
    for suffix in (".jsonl", ".jsonl.gz", ".jsonl.zst"):
        with pytest.raises(CorpusError, match=rf"a{suffix}:2: invalid UTF-8 at byte 25 of the file \(0xff"):
            read(f"a{suffix}", content)


@pytest.mark.parametrize("content", [b"\x7fELF\x02\x01\0\0", "wide".encode("utf-16-le"), b"\x89PNG\r\n\x1a\n\0"])
def test_a_binary_file_as_text(read, content):
    with pytest.raises(CorpusError, match=r"a\.txt: .*a binary file, or text in another encoding\n.*iconv"):
        read("a.txt", content)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "not JSON"),
        ('{"text": "a"} {"text": "b"}', "not JSON"),
        ('["a"]', "a JSON list, not an object"),
        ('{"txt": "a"}', r"no `text` among \['txt'\]"),
        ('{"text": null}', "`text` is NoneType"),
        ('{"text": 3}', "`text` is int"),
        ('{"text": ""}', "an empty document"),
        ('{"text": "\\ud800"}', "half of a surrogate pair at character 0"),
        ("[" * 100_000, "not JSON"),
        ('{"text": "a", "n": ' + "9" * 5000 + "}", "not JSON"),
    ],
)
def test_a_wrong_line_is_an_error_with_its_number(read, line, message):
    with pytest.raises(CorpusError, match=rf"a\.jsonl:2: {message}"):
        read("a.jsonl", '{"text": "fine"}\n' + line + "\n")


@pytest.mark.parametrize("name", ["a.txt", "a.jsonl", "a.npy"])
def test_an_empty_file_is_an_error(read, name):
    with pytest.raises(CorpusError, match="holds no document" if name != "a.npy" else "not a .npy file"):
        read(name, b"")


def test_a_file_of_blank_lines_is_empty(read):
    with pytest.raises(CorpusError, match=r"a\.jsonl: the file holds no document"):
        read("a.jsonl", "\n\n \n")


def test_a_file_that_vanished_or_cannot_be_read(read, workspace):
    path = workspace.write("a.txt", "x")
    (found,) = discover(["a.txt"], workspace.root)
    path.unlink()
    with pytest.raises(CorpusError, match=r"a\.txt: cannot read: No such file"):
        list(iter_documents(Source(found.url, found.shown, found.format)))


def test_a_read_error_names_the_offset(workspace, monkeypatch):
    class Failing(io.BytesIO):
        def read(self, size=-1):
            if self.tell() >= 1 << 20:
                raise OSError(errno.EIO, "Input/output error")
            return super().read(size)

    workspace.write("a.txt", "x")
    (found,) = discover(["a.txt"], workspace.root)
    monkeypatch.setattr("olmixctl.corpus.documents.open_binary", lambda _url: Failing(b"x" * (2 << 20)))
    with pytest.raises(CorpusError, match=r"a\.txt: read error at byte 1048576: Input/output error"):
        list(iter_documents(Source(found.url, found.shown, found.format)))


def npy(array):
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def test_token_files_come_in_blocks_that_do_not_depend_on_the_type(read):
    tokens = np.arange(5000) % 257
    for dtype in ("<u2", ">u2", "<u4", "<i4", "<i8"):
        blocks = read("a.npy", npy(tokens.astype(dtype)))
        assert [len(b) // 4 for _, b in blocks] == [2048, 2048, 904]
        assert b"".join(b for _, b in blocks) == tokens.astype("<u4").tobytes()
    assert read("a.bin", tokens.astype("<u2").tobytes(), dtype="uint16") == blocks


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((2, 2), np.uint16), r"an array of uint16 with shape \(2, 2\)"),
        (np.zeros(3, np.float32), "an array of float32"),
        (np.array([1, -2], np.int32), "token 1 is -2"),
    ],
)
def test_wrong_token_arrays(read, array, message):
    with pytest.raises(CorpusError, match=message):
        read("a.npy", npy(array))


def test_a_cut_token_file(read):
    with pytest.raises(CorpusError, match=r"a\.npy: the token file ends at byte 138: its header announces 148 bytes"):
        read("a.npy", npy(np.zeros(10, np.uint16))[:-10])
    with pytest.raises(CorpusError, match=r"a\.bin: the token file ends at byte 3: not a whole number of uint16"):
        read("a.bin", b"abc", dtype="uint16")


def test_parquet(read, workspace):
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"id": [1, 2], "text": ["a", "文"]}), workspace.root / "a.parquet")
    assert read("a.parquet") == [(1, b"a"), (2, "文".encode())]
    pq.write_table(pa.table({"text": ["a", None]}), workspace.root / "b.parquet")
    with pytest.raises(CorpusError, match=r"b\.parquet:2: `text` is NoneType"):
        read("b.parquet")
    pq.write_table(pa.table({"body": ["a"]}), workspace.root / "c.parquet")
    with pytest.raises(CorpusError, match=r"no column `text` among \['body'\]"):
        read("c.parquet")
    data = (workspace.root / "a.parquet").read_bytes()
    with pytest.raises(CorpusError, match=r"d\.parquet: damaged Parquet"):
        read("d.parquet", data[: len(data) // 2])


def test_reading_holds_a_piece_of_a_big_archive_not_all_of_it(workspace):
    import tracemalloc

    rows = (json.dumps({"text": f"{i} word " * 1000}) + "\n" for i in range(5000))
    workspace.write("a.jsonl.zst", "".join(rows))  # 50 MB of text, which packs a thousandfold
    (found,) = discover(["a.jsonl.zst"], workspace.root)
    tracemalloc.start()
    try:
        count = sum(1 for _ in iter_documents(Source(found.url, found.shown, found.format)))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert count == 5000
    assert peak < 25e6


def test_lines_of_a_stream_are_the_same_however_it_is_cut():
    data = b"a\n\nbcd\nlast"
    expected = [(0, b"a"), (2, b""), (3, b"bcd"), (7, b"last")]
    for size in range(1, len(data) + 1):
        assert list(streams.lines(data[i : i + size] for i in range(0, len(data), size))) == expected
