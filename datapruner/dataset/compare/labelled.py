"""Rows with features and labels: what a learner sees of them, and what a selector does.

A row of the data keeps its number, whether it can be used or not.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from datapruner.core.items import Items
from datapruner.core.types import AnyArray, BoolArray, IntArray
from datapruner.dataset.compare.features import are_finite, bare_array, flat, matrix, numeric
from datapruner.dataset.load import NO_LABEL
from datapruner.dataset.reading import Reading, is_source, load_vectors, read_items
from datapruner.dataset.source import Source, open_source
from datapruner.errors import InputError, nearest
from datapruner.rng import mix
from datapruner.vectors.store import open_vectors

__all__ = ["Labelled", "coded", "read_labelled", "read_test"]

_SHOWN = 5


@dataclass(frozen=True, eq=False, kw_only=True)
class Labelled:
    """Rows that can be trained on.

    Attributes:
        x: shape (n, ...), numeric, what the learner sees.
        labels: n names of classes; None where a row has none.
        items: the rows as selectors see them, with an ``embedding`` feature unless there is
            nothing to select (test rows) and nothing to make one of.
        usable: shape (m,), int64, rows with a label and finite features, ascending.
    """

    x: AnyArray
    labels: Sequence[str | None]
    items: Items
    usable: IntArray

    @property
    def in_order(self) -> IntArray:
        """The usable rows, in an order that follows from what they are."""
        keys = mix(self.items.tie_keys()[self.usable], 1)
        return self.usable[np.argsort(keys, kind="stable")]


def read_labelled(
    data: Any, reading: Reading, features: Any, *, what: str = "the data", progress: Any = None
) -> Labelled:
    """Rows of any container.

    Args:
        data: rows as ``open_source`` takes them, with a column of labels; or an array of shape
            (n, ...), or a file of vectors, with n labels in the reading.
        reading: which column plays which part.
        features: what the learner sees: a column, a file (``.npy`` of any shape) or an array; None:
            the data if they are an array, else the embedding.
        what: the rows, for messages.
        progress: None, or called with (stage, done, total).

    Raises:
        InputError: no labels, features of another length or not finite, rows that cannot be read.
        MissingColumnError: a column that is not there.
    """
    array = bare_array(data)
    if array is not None or data is None:
        rows, x, labels = _of_array(array, reading, features)
    else:
        source: Source = data if is_source(data) else open_source(data)
        rows, x, labels = _of_source(source, reading, features, progress)
    if len(x) != rows.n:
        raise InputError(
            f"the features have {len(x)} rows and {what} {rows.n}; they must be of the same rows, "
            "in the same order."
        )
    good = rows.is_countable & _are_usable(x, labels, rows, what, reading.on_bad)
    return Labelled(x=x, labels=labels, items=rows, usable=np.flatnonzero(good))


def read_test(
    data: Any, reading: Reading, features: Any, *, given: Any, progress: Any = None
) -> Labelled:
    """Test rows, as ``read_labelled`` reads the rows to train on.

    Args:
        data: a pair (features, labels), or rows with the columns of the data.
        reading: that of the data.
        features: that of the data.
        given: what the learner sees of the test rows, if it is not a column.
        progress: None, or called with (stage, done, total).

    Raises:
        InputError: features of the data lie apart from them, and those of the test rows are not
            given; or as ``read_labelled``.
    """
    if isinstance(data, tuple) and len(data) == 2:
        plain = dataclasses.replace(reading, label=data[1], embedding=None, id=None, text=None)
        return read_labelled(data[0], plain, given, what="the test set", progress=progress)
    if not isinstance(reading.label, str):
        raise InputError(
            "test is rows, but label is no column. Give test=(features, labels), or the data as "
            "rows with a column of labels, too."
        )
    source: Source = data if is_source(data) else open_source(data)
    wanted = features if features is not None else reading.embedding
    if given is None and wanted is not None and not _is_column(wanted, source):
        raise InputError(
            f"the features of the data are not a column of {source.description}, so say where "
            "those of the test rows are: test_features=... (--test-features)."
        )
    plain = dataclasses.replace(reading, id=None)
    if given is not None or features is not None:
        wanted = features if given is None else given
        plain = dataclasses.replace(plain, text=None, embedding=None)
    else:
        wanted = None
    return read_labelled(source, plain, wanted, what="the test set", progress=progress)


def coded(train: Labelled, test: Labelled | None) -> tuple[tuple[str, ...], IntArray, IntArray]:
    """Names of the classes, and a code for every row.

    Names that are whole numbers stand in the order of the numbers, so that labels 0 to C - 1 are
    their own codes; others in that of the alphabet.

    Returns:
        (classes, codes of the data, codes of the test rows); -1 for rows that cannot be used.
    """
    used = {train.labels[row] for row in train.usable.tolist()}
    if test is not None:
        used |= {test.labels[row] for row in test.usable.tolist()}
    names = sorted(str(name) for name in used)
    if all(name.lstrip("-").isdecimal() for name in names):
        names.sort(key=int)
    code = {name: place for place, name in enumerate(names)}
    found = []
    for part in (train, test):
        codes = np.full(0 if part is None else len(part.x), -1, dtype=np.int64)
        if part is not None:
            codes[part.usable] = [code[str(part.labels[row])] for row in part.usable.tolist()]
        found.append(codes)
    return tuple(names), found[0], found[1]


def _of_array(
    array: AnyArray | None, reading: Reading, features: Any
) -> tuple[Items, AnyArray, list[str | None]]:
    if reading.text is not None:
        raise InputError(
            f"text is {reading.text!r}, but the data are an array, which has no columns."
        )
    if reading.label is None or isinstance(reading.label, str):
        raise InputError(
            f"label is {reading.label!r}, but the data are an array, which has no columns: give "
            "label=[...], one for each row. On the command line give a file of rows with a column "
            "of labels, and the array with --features."
        )
    seen = matrix(features, None) if features is not None else array
    if reading.embedding is not None:
        vectors = open_vectors(reading.embedding)
    elif array is not None:
        vectors = flat(array)
    else:
        raise InputError("there is nothing to train on: give data, or embedding=vectors.")
    x = vectors.take(np.arange(vectors.n)) if seen is None else numeric(seen)
    labels = _names(reading.label)
    if len(labels) != vectors.n:
        raise InputError(f"{len(labels)} labels for {vectors.n} rows; give one each.")
    groups = [NO_LABEL if one is None else one for one in labels]
    return load_vectors(vectors, groups, reading.id), x, labels


def _of_source(
    source: Source, reading: Reading, features: Any, progress: Any
) -> tuple[Items, AnyArray, list[str | None]]:
    if not isinstance(reading.label, str):
        raise InputError(
            f"which column of {source.description} holds the labels? Name it: label=... (--label). "
            f"{nearest('label', source.columns)}"
        )
    x = None if features is None else numeric(matrix(features, source))
    has_own = x is None or reading.embedding is not None or reading.text is not None
    needs = ("embedding",) if has_own else ()
    loaded, _ = read_items(source, reading, needs, progress=progress)
    items = loaded.items
    if x is None:
        vectors = open_vectors(items.feature("embedding"))
        x = vectors.take(np.arange(vectors.n))
    elif not has_own and len(x) == items.n:
        items = dataclasses.replace(items, features={**items.features, "embedding": flat(x)})
    names = [None if one == NO_LABEL else one for one in items.group_names]
    return items, x, [names[code] for code in items.group.tolist()]


def _names(label: Any) -> list[str | None]:
    values = label.tolist() if hasattr(label, "tolist") else list(label)
    return [None if value is None or value != value else str(value) for value in values]


def _is_column(given: Any, source: Source) -> bool:
    return isinstance(given, str) and given in source.columns


def _are_usable(
    x: AnyArray, labels: Sequence[str | None], items: Items, what: str, on_bad: str
) -> BoolArray:
    """Which rows have a label and finite features.

    Raises:
        InputError: some have not, and ``on_bad`` is "error".
    """
    named = np.array([label is not None for label in labels], dtype=bool)
    finite = are_finite(x)
    for good, fault in ((named, "have no label"), (finite, "have features that are not finite")):
        rows = np.flatnonzero(~good & items.is_countable)
        if rows.size and on_bad == "error":
            shown = ", ".join(map(str, rows[:_SHOWN].tolist()))
            raise InputError(
                f"{rows.size} rows of {what} {fault} (rows {shown}"
                f"{', ...' if rows.size > _SHOWN else ''}); mend them, or leave them out with "
                'on_bad="drop" (--on-bad drop).'
            )
    usable: BoolArray = named & finite
    return usable
