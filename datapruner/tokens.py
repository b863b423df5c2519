"""Counting tokens: what a text costs, in the unit that the user pays in.

A budget in tokens is only as honest as its counter. Name the tokenizer of the model that will read
the texts; the counters that need none, ``words``, ``characters`` and ``bytes``, are named as what
they are.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np

from datapruner.core.types import IntArray, UInt8Array
from datapruner.errors import InputError

__all__ = ["TokenCounter", "resolve_counter"]

# Runs of letters, digits and underscores, and every other visible character by itself.
_PIECE = re.compile(r"\w+|[^\w\s]")


@runtime_checkable
class TokenCounter(Protocol):
    """Counts the tokens of texts."""

    @property
    def name(self) -> str:
        """What reports and manifests call it."""
        ...

    def count(self, texts: Sequence[str]) -> IntArray:
        """Tokens of each text: shape (len(texts),), int64, not negative."""
        ...


@dataclass(frozen=True)
class _Counter:
    """One text at a time."""

    name: str
    measure: Callable[[str], int] = field(repr=False)

    def count(self, texts: Sequence[str]) -> IntArray:
        return _whole(map(self.measure, texts), len(texts))


@dataclass(frozen=True)
class _BatchCounter:
    """Many texts at a time."""

    name: str
    measure: Callable[[list[str]], Iterable[int]] = field(repr=False)

    def count(self, texts: Sequence[str]) -> IntArray:
        return _whole(self.measure(list(texts)), len(texts))


def _whole(counts: Iterable[Any], n: int) -> IntArray:
    """The counts as int64, checked, for they may come from the user's own code."""
    values = counts.tolist() if isinstance(counts, np.ndarray) else list(map(int, counts))
    if len(values) != n:
        raise InputError(f"the token counter gave {len(values)} counts for {n} texts.")
    return np.asarray(values, dtype=np.int64)


def _count_words(texts: list[str]) -> Iterable[int]:
    """As ``len(_PIECE.findall(text))`` for each text, several times as fast."""
    # In slices, for the characters of a whole corpus would not fit into memory.
    if sum(map(len, texts)) <= _TOGETHER:
        return _count_together(texts) if texts else ()
    slices = [texts[start : start + 256] for start in range(0, len(texts), 256)]
    return np.concatenate(list(map(_count_together, slices)))


def _count_together(texts: list[str]) -> IntArray:
    """Pieces of each of some texts, at least one, in a few passes over all their characters."""
    joined = "\n".join(texts)
    if joined.isascii():
        kinds = np.frombuffer(joined.encode("ascii").translate(_ASCII_KINDS), dtype=np.uint8)
        return _begun(kinds, texts)
    codes = np.frombuffer(joined.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    kinds = _KINDS.take(codes)
    unknown = kinds == _UNKNOWN
    if unknown.any():
        for code in np.unique(codes[unknown]).tolist():
            _KINDS[code] = _kind(chr(code))
        kinds = _KINDS.take(codes)
    return _begun(kinds, texts)


def _begun(kinds: UInt8Array, texts: list[str]) -> IntArray:
    """Pieces that begin in each text, from the kinds of all characters, a space between texts."""
    # A run of letters counts where it begins, any other visible character by itself.
    begins = kinds == _OTHER
    in_word = kinds == _LETTER
    begins |= in_word
    begins[1:] &= ~(in_word[1:] & in_word[:-1])
    if len(texts) == 1:
        return np.array([np.count_nonzero(begins)])
    starts = np.fromiter(accumulate([len(text) + 1 for text in texts[:-1]], initial=0), np.int64)
    # The space behind the last text has no character: an empty last text would begin past the end.
    begins = np.append(begins, False)
    pieces: IntArray = np.add.reduceat(begins, starts, dtype=np.int64)
    return pieces


_SPACE, _LETTER, _OTHER, _UNKNOWN = 0, 1, 2, 3


def _kind(char: str) -> int:
    if not _PIECE.match(char):
        return _SPACE
    return _LETTER if re.match(r"\w", char) else _OTHER


# One byte a code point, found out when it is first met: classing them all would take half a second.
_KINDS = np.full(sys.maxunicode + 1, _UNKNOWN, dtype=np.uint8)
_ASCII_KINDS = bytes(_kind(chr(code)) if code < 128 else _UNKNOWN for code in range(256))
# Characters that are looked at together.
_TOGETHER = 1 << 18


def _count_bytes(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass"))


_BUILT_IN: dict[str, Callable[[str], int]] = {
    "characters": len,
    "bytes": _count_bytes,
}


def resolve_counter(
    spec: str | Path | object | None, *, default: str | object | None = None
) -> TokenCounter:
    """The counter that the user meant.

    Args:
        spec: one of
            ``"words"``: words and punctuation marks, a fast and deterministic approximation
            (English text has about 1.3 subword tokens a word; scripts without spaces are
            undercounted by far); ``"characters"`` or ``"bytes"`` (of UTF-8);
            a ``tokenizer.json`` file, or a folder that holds one;
            the name of a model whose tokenizer is in the Hugging Face cache (no network is used);
            an object with ``count(texts)``, or with ``encode(text)``, such as a tokenizer of
            ``tokenizers``, ``transformers``, ``sentencepiece`` or ``tiktoken``;
            None for the default.
        default: used when ``spec`` is None; ``"words"`` if it is None too.

    Returns:
        A counter. Tokenizers neither truncate nor pad, and special tokens are not counted.

    Raises:
        InputError: nothing of that name; says what was tried.
    """
    if spec is None:
        spec = "words" if default is None else default
    if isinstance(spec, str | Path):
        return _by_name(str(spec))
    if isinstance(spec, list | tuple | dict | bytes):
        raise InputError(f"a {type(spec).__name__} is no token counter; give a name or an object.")
    name = str(getattr(spec, "name", None) or type(spec).__name__)
    if callable(getattr(spec, "count", None)):
        return _BatchCounter(name, spec.count)  # type: ignore[attr-defined]
    if hasattr(spec, "encode_batch_fast") or hasattr(spec, "no_truncation"):
        return _tokenizer(spec, name)
    if callable(getattr(spec, "encode", None)):
        return _Counter(name, _Encoding(spec.encode))  # type: ignore[attr-defined]
    raise InputError(
        f"a {type(spec).__name__} is no token counter; it needs count(texts) or encode(text)."
    )


def _by_name(name: str) -> TokenCounter:
    if name == "words":
        return _BatchCounter(name, _count_words)
    if name in _BUILT_IN:
        return _Counter(name, _BUILT_IN[name])
    path = Path(name).expanduser()
    file = path / "tokenizer.json" if path.is_dir() else path
    if not file.is_file():
        cached = _in_cache(name)
        if cached is None:
            built_in = ", ".join(("words", *_BUILT_IN))
            tried = f"the built-in {built_in}; the file {file}; the Hugging Face cache"
            raise InputError(
                f'no token counter "{name}". Tried: {tried}. Give a tokenizer.json, or a model '
                "that is "
                "on this machine; nothing is downloaded."
            )
        file = cached
    return _from_file(file, name)


def _in_cache(name: str) -> Path | None:
    """The tokenizer of a model that was downloaded before, if there is one."""
    try:
        from huggingface_hub import try_to_load_from_cache
        from huggingface_hub.errors import HFValidationError
    except ImportError:
        return None
    try:
        found = try_to_load_from_cache(name, "tokenizer.json")
    except HFValidationError:
        return None
    return Path(found) if isinstance(found, str) else None


def _from_file(file: Path, name: str) -> TokenCounter:
    from tokenizers import Tokenizer

    try:
        tokenizer = Tokenizer.from_file(str(file))
    except Exception as error:  # the library raises bare Exception
        raise InputError(f"{file} is not a tokenizer.json that can be read: {error}.") from error
    return _tokenizer(tokenizer, name)


def _tokenizer(tokenizer: Any, name: str) -> TokenCounter:
    """Counts with a copy, so that the user's own keeps its truncation and padding."""
    copy = type(tokenizer).from_str(tokenizer.to_str())
    copy.no_truncation()
    copy.no_padding()

    return _BatchCounter(name, _Batches(copy))


@dataclass(frozen=True)
class _Batches:
    tokenizer: Any

    def __call__(self, texts: list[str]) -> Iterable[int]:
        # In slices, for the encodings of a whole corpus would not fit into memory.
        for start in range(0, len(texts), 1024):
            part = texts[start : start + 1024]
            yield from map(len, self.tokenizer.encode_batch(part, add_special_tokens=False))


@dataclass(frozen=True)
class _Encoding:
    """``encode`` of any library, without special tokens where it has a word for that."""

    encode: Callable[..., Any]

    def __call__(self, text: str) -> int:
        options: dict[str, Any]
        for options in ({"add_special_tokens": False}, {"disallowed_special": ()}, {}):
            try:
                return len(self.encode(text, **options))
            except TypeError:
                if not options:
                    raise
        raise AssertionError("unreachable")
