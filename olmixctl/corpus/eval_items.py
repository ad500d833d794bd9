"""The items of file evals: lines of `{"text"}` or `{"context", "continuation"}`, or `.txt` files."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from olmixctl.corpus.context import CorpusContext
from olmixctl.corpus.discover import Found, declared_path, discover
from olmixctl.corpus.documents import Source, as_utf8, empty_file, iter_documents, iter_lines
from olmixctl.corpus.inputs import DeclarationError, DeclaredEval
from olmixctl.corpus.streams import decompressed, open_binary, raw_chunks, reading
from olmixctl.errors import CorpusError, Place

__all__ = ["EvalItem", "load_items"]


@dataclass(frozen=True, slots=True)
class EvalItem:
    """One thing to score.

    Attributes:
        context: what is given; None for plain text.
        target: what is scored, UTF-8.
        digest: of the text, as a training document of the same text has it; of both parts for a continuation.
        place: file and line.
    """

    context: bytes | None
    target: bytes
    digest: bytes
    place: Place

    @property
    def kind(self) -> Literal["text", "continuation"]:
        """Whether all of it is scored, or what follows a context."""
        return "text" if self.context is None else "continuation"


def load_items(eval_: DeclaredEval, context: CorpusContext) -> list[EvalItem]:
    """The items of a file eval in the order of their digests, the same item once.

    Raises:
        DeclarationError: a path matches nothing, or names a file that is no text.
        CorpusError: a file is wrong, empty or unreadable, or text and continuations are mixed.
    """
    address = f"evals.{eval_.name}"
    # Any dtype lets a .bin file through to where it is refused as what it is: no domain could be told its dtype here.
    found = discover(eval_.paths, context.root, dtype="uint16", address=address)
    for file in found:
        if file.format.kind not in ("jsonl", "text"):
            raise DeclarationError(
                f"an eval cannot be a {file.format.kind} file",
                address=declared_path(file, eval_.paths, context.root, dtype="uint16", address=address),
                place=Place(file.shown),
                remedy="write it as .jsonl or .txt",
            )
    items = {item.digest: item for file in reversed(found) for item in _items(file)}
    if len({item.kind for item in items.values()}) > 1:
        first = {item.kind: item for item in items.values()}
        raise CorpusError(
            f"eval {eval_.name} mixes plain text ({first['text'].place}) with continuations",
            place=first["continuation"].place,
            remedy="make two evals: their bits per byte are not comparable",
        )
    return sorted(items.values(), key=lambda item: item.digest)


def _items(file: Found) -> Iterator[EvalItem]:
    source = Source(file.url, file.shown, file.format)
    if file.format.kind == "jsonl":
        yield from _json_items(source)
        return
    for _, data in iter_documents(source):
        yield EvalItem(None, data, _digest(data), Place(file.shown))


def _json_items(source: Source) -> Iterator[EvalItem]:
    empty = True
    with reading(source.shown), open_binary(source.url) as file:
        packed = bool(source.format.compression)
        raw = raw_chunks(file, source.shown, packed=packed)
        for number, value in iter_lines(decompressed(raw, source.format.compression, source.shown), source.shown):
            empty = False
            yield _item(value, Place(source.shown, number))
    if empty:
        raise empty_file(source)


def _item(value: dict[str, Any], place: Place) -> EvalItem:
    fields = {name: value[name] for name in ("text", "context", "continuation") if name in value}
    if set(fields) not in ({"text"}, {"context", "continuation"}) or not all(
        isinstance(v, str) for v in fields.values()
    ):
        found = ", ".join(f"{k} ({type(v).__name__})" for k, v in fields.items()) or f"{sorted(value)[:8]}"
        raise CorpusError(
            f"an eval line with {found}",
            place=place,
            remedy='write {"text": "…"} or {"context": "…", "continuation": "…"}',
        )
    if "text" in fields:
        text = as_utf8(fields["text"], place)
        return EvalItem(None, text, _digest(text), place)
    target = as_utf8(fields["continuation"], place)
    given = as_utf8(fields["context"], place) if fields["context"] else b""
    return EvalItem(given, target, _digest(len(given).to_bytes(8, "big") + given + target), place)


def _digest(data: bytes) -> bytes:
    from blake3 import blake3

    return blake3(data).digest()
