"""Text to tokens: `bytes` is built in, a Hugging Face `tokenizer.json` comes with the extra `tokenizers`.

A tokenizer is identified by what it does: `bytes`, or the SHA-256 of its file. Its end-of-text token, which follows
every document in a shard, is `<|endoftext|>`, `</s>`, `<eos>` … where the vocabulary has one, and else one id more
than the largest.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from olmixctl.errors import CorpusError, MissingExtraError, Place
from olmixctl.fingerprint import sha256_hex

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["BytesTokenizer", "JsonTokenizer", "Tokenizer", "open_tokenizer"]

_END_OF_TEXT = ("<|endoftext|>", "<|end_of_text|>", "</s>", "<eos>", "[EOS]", "<|im_end|>", "<end_of_text>")


class Tokenizer(Protocol):
    """Texts as UTF-8 in, token ids out.

    `digest` is its identity, `end_of_text` the id between documents, `vocabulary_size` counts that id too, `dtype` is
    the element type of shards (`uint16` or `uint32`), `byte_level` says that a token is a byte, so counting needs no
    tokenising.
    """

    @property
    def name(self) -> str: ...

    @property
    def digest(self) -> str: ...

    @property
    def vocabulary_size(self) -> int: ...

    @property
    def end_of_text(self) -> int: ...

    @property
    def dtype(self) -> str: ...

    @property
    def byte_level(self) -> bool: ...

    def encode(self, texts: Sequence[bytes]) -> list[NDArray[Any]]:
        """Token ids of each text, without end-of-text; `texts` are valid UTF-8."""
        ...

    def byte_size(self, tokens: NDArray[Any]) -> int:
        """Bytes of UTF-8 that the tokens stand for."""
        ...


class BytesTokenizer:
    """One token a byte of UTF-8, and 256 between documents."""

    name = "bytes"
    digest = "bytes"
    vocabulary_size = 257
    end_of_text = 256
    dtype = "uint16"
    byte_level = True

    def encode(self, texts: Sequence[bytes]) -> list[NDArray[np.uint8]]:
        """The bytes themselves; widened where they are written."""
        import numpy as np

        return [np.frombuffer(text, dtype=np.uint8) for text in texts]

    def byte_size(self, tokens: NDArray[Any]) -> int:
        """Every token but end-of-text is a byte."""
        return int((tokens < self.end_of_text).sum())


class JsonTokenizer:
    """A `tokenizer.json`. Truncation and padding it may declare are switched off: they would drop or invent tokens."""

    byte_level = False

    def __init__(self, name: str, content: bytes) -> None:
        self.name = name
        self._content = content
        self.digest = f"sha256:{sha256_hex(content)}"
        self._tokenizer = _load(content, name)
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        vocabulary: dict[str, int] = self._tokenizer.get_vocab(with_added_tokens=True)
        largest = max(vocabulary.values(), default=-1)
        self.end_of_text = next((vocabulary[t] for t in _END_OF_TEXT if t in vocabulary), largest + 1)
        self.vocabulary_size = max(largest, self.end_of_text) + 1
        self.dtype = "uint16" if self.vocabulary_size <= 2**16 else "uint32"

    def __reduce__(self) -> tuple[object, ...]:
        """Worker processes load the file's content again."""
        return _opened, (self.name, self._content)

    def encode(self, texts: Sequence[bytes]) -> list[NDArray[Any]]:
        """Ids of each text, without the special tokens a template would add; runs on all cores."""
        import numpy as np

        encodings = self._tokenizer.encode_batch_fast([t.decode() for t in texts], add_special_tokens=False)
        return [np.asarray(e.ids, dtype=self.dtype) for e in encodings]

    def byte_size(self, tokens: NDArray[Any]) -> int:
        """Bytes of the decoded text."""
        return len(self._tokenizer.decode(tokens.tolist(), skip_special_tokens=True).encode())


def open_tokenizer(name: str, root: Path) -> Tokenizer:
    """The tokenizer a mix names: `bytes`, or the path of a `tokenizer.json` (relative ones start at `root`).

    Raises:
        CorpusError: there is no such file, or it is no tokenizer.
        MissingExtraError: it is a file and the extra `tokenizers` is not installed.
    """
    if name == "bytes":
        return BytesTokenizer()
    path = root / Path(name).expanduser()
    try:
        content = path.read_bytes()
    except OSError as error:
        raise CorpusError(
            f"cannot read the tokenizer: {error.strerror or error}",
            place=Place(name),
            remedy="write `tokenizer: bytes`, or the path of a Hugging Face tokenizer.json",
        ) from error
    return _opened(name, content)


@lru_cache(maxsize=4)
def _opened(name: str, content: bytes) -> JsonTokenizer:
    return JsonTokenizer(name, content)


def _load(content: bytes, name: str) -> Any:  # noqa: ANN401  (an untyped library's object)
    try:
        import tokenizers
    except ImportError as error:
        raise MissingExtraError(
            f"tokenizer {name!r} needs the package tokenizers", remedy="pip install 'olmixctl[tokenizers]'"
        ) from error
    try:
        return tokenizers.Tokenizer.from_str(content.decode())
    except Exception as error:
        # The library raises bare Exception for a malformed file; anything more special is a defect and goes on.
        if type(error) is not Exception and not isinstance(error, UnicodeDecodeError):
            raise
        raise CorpusError(
            f"not a tokenizer.json: {error}",
            place=Place(name),
            remedy="save it with tokenizers' Tokenizer.save, or transformers' save_pretrained",
        ) from error
