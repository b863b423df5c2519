"""One spelling for a row, whatever container it came in.

The same row read from JSONL, Parquet, a list of dicts or a polars frame must get the same digest,
for ids and fingerprints are made of it. So values are first made *plain* (what JSON knows), keys
are sorted, and a null is the same as a missing key: a column format cannot tell the two apart.
"""

from __future__ import annotations

import json
import math
from base64 import b64encode
from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from hashlib import blake2b
from typing import Any
from uuid import UUID

import numpy as np

from datapruner.errors import InputError

__all__ = ["DIGEST_BYTES", "plain", "row_digest", "text_digest", "to_json"]

# 128 bits: among a billion rows the chance of any collision is below 1e-20.
DIGEST_BYTES = 16

_AS_IS = frozenset({str, int, bool, type(None)})


def plain(value: Any) -> Any:
    """The value as JSON knows it.

    Nulls inside mappings are dropped (inside lists they stay, for they hold a place); bytes become
    base64, dates and times ISO 8601, decimals and UUIDs their text; NumPy scalars, arrays and
    tensors become Python numbers and lists; numbers that JSON lacks become ``"NaN"``,
    ``"Infinity"`` and ``"-Infinity"``. An int stays an int and a float a float: 1 and 1.0 differ.

    Raises:
        InputError: a value of a type with no JSON form.
    """
    kind = type(value)
    if kind in _AS_IS:
        return value
    if kind is float:
        return value if math.isfinite(value) else _not_finite(value)
    if kind is list:
        return [plain(inner) for inner in value]
    if kind is dict or isinstance(value, Mapping):
        pairs = ((str(key), plain(inner)) for key, inner in value.items())
        return {key: inner for key, inner in pairs if inner is not None}
    if isinstance(value, list | tuple):
        return [plain(inner) for inner in value]
    return plain(_simpler(value))


def _not_finite(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    return "Infinity" if value > 0 else "-Infinity"


def _simpler(value: Any) -> Any:
    """One step towards plain, for what neither JSON nor orjson knows."""
    if isinstance(value, np.datetime64 | np.timedelta64):
        return _from_numpy_time(value)
    if isinstance(value, bytes | bytearray | memoryview):
        return b64encode(value).decode("ascii")
    if isinstance(value, datetime | date | time):
        # pandas' NaT calls itself a datetime, and is the only one that differs from itself.
        return value.isoformat() if value == value else None
    if isinstance(value, Decimal | UUID | timedelta):
        return str(value)
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value)
    if isinstance(value, set | frozenset):
        return sorted(value, key=repr)
    return _by_method(value)


def _from_numpy_time(value: np.datetime64 | np.timedelta64) -> Any:
    """As the standard library's type; nanoseconds that do not fit keep NumPy's own text."""
    if np.isnat(value):
        return None
    code = "datetime64[us]" if isinstance(value, np.datetime64) else "timedelta64[us]"
    micro = value.astype(code)
    return micro.item() if micro == value else str(value)


def _by_method(value: Any) -> Any:
    """Arrays, tensors and series say themselves how to become lists; pandas' NA is nothing."""
    if type(value).__name__ == "NAType":
        return None
    for method in ("tolist", "to_list"):
        convert = getattr(value, method, None)
        if convert is not None:
            return convert()
    message = f"a value of type {type(value).__name__} has no JSON form"
    raise InputError(f"{message}; turn it into text, numbers, lists or bytes first.")


def row_digest(row: Mapping[str, Any]) -> bytes:
    """The 16-byte BLAKE2b digest of a row's content; key order and nulls make no difference."""
    import orjson

    # Most values are plain already: the short way for them is three times as fast.
    clean = {
        key: value if type(value) in _AS_IS else plain(value)
        for key, value in row.items()
        if value is not None
    }
    if None in clean.values():
        clean = plain(clean)
    try:
        text = orjson.dumps(clean, option=orjson.OPT_SORT_KEYS)
    except TypeError:  # a key that is no text, an int beyond 64 bits, half of a surrogate pair
        clean = plain(clean)
        text = json.dumps(clean, sort_keys=True, separators=(",", ":")).encode("ascii")
    return blake2b(text, digest_size=DIGEST_BYTES).digest()


def text_digest(text: str) -> bytes:
    """The digest that stands in for the content of a row that could not be read."""
    raw = b"unreadable\x1f" + text.encode("utf-8", "surrogatepass")
    return blake2b(raw, digest_size=DIGEST_BYTES).digest()


def to_json(row: Mapping[str, Any]) -> bytes:
    """The row as one line of JSON without its line end.

    Keys stay in order and nulls stay; NaN and the infinities become null, for JSON has no such
    numbers. Other values as in ``plain``.
    """
    import orjson

    options = orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_NON_STR_KEYS
    try:
        return orjson.dumps(row, default=_simpler, option=options)
    except TypeError as error:
        if isinstance(error.__cause__, InputError):
            raise error.__cause__ from None
        whole = {str(key): None for key in row} | plain(row)
        return json.dumps(whole, separators=(",", ":")).encode("ascii")
