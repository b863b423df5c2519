"""How an answer tells of its parts, sentences or blocks: a line each, one's story, a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, fields
from typing import TYPE_CHECKING, Any, Protocol

from datapruner.core.explain import explain_row
from datapruner.core.reason import Reason
from datapruner.core.selection import Selection

if TYPE_CHECKING:
    import polars as pl

__all__ = ["Part", "frame_of", "line_of", "short", "story_of"]

_LINE = 60
_STORY = 200


class Part(Protocol):
    """What became of one row; a frozen dataclass of texts, whole numbers and floats."""

    @property
    def text(self) -> str:
        """Its text."""

    @property
    def score(self) -> float:
        """What the scorer gave it."""

    @property
    def tokens(self) -> int:
        """Its price."""

    @property
    def reason(self) -> str:
        """Name of the ``Reason`` in lower case."""


def line_of(part: Part, name: str, place: str = "") -> str:
    """One line on a part: kept or not, score, tokens, reason, the beginning of its text.

    Args:
        part: a sentence or block.
        name: what the reader knows it by.
        place: told before the text; "" for none.
    """
    mark = "+" if _is_kept(part) else "-"
    where = f"{place}  " if place else ""
    return (
        f"{mark} {name} {part.score:>9.4g} {part.tokens:>5} {part.reason:<11} "
        f"{where}{short(part.text)}"
    )


def story_of(selection: Selection, row: int, name: str, text: str) -> str:
    """All that is known of one row, in several lines.

    Args:
        selection: in which it was decided.
        row: its number.
        name: in place of its number as a row.
        text: of the row.
    """
    told = explain_row(selection, row).splitlines()
    told[0] = f"{name}: {told[0].rpartition(': ')[2]}"
    return "\n".join([*told, f"  text   {short(text, _STORY)}"])


def frame_of(parts: Sequence[Part], kind: type[Any]) -> pl.DataFrame:
    """A row a part, with its fields and a column ``kept``.

    Args:
        parts: of one kind, in the order of the rows.
        kind: their class; a field that is neither int nor float makes a column of texts.
    """
    import polars as pl

    numbers = {"int": pl.Int64, "float": pl.Float64}
    schema = {field.name: numbers.get(str(field.type), pl.String) for field in fields(kind)}
    texts = [name for name, made in schema.items() if made == pl.String]
    told: list[dict[str, Any]] = [asdict(part) for part in parts]  # type: ignore[call-overload]
    rows = [{**row, **{name: str(row[name]) for name in texts}} for row in told]
    kept = pl.Series("kept", [_is_kept(part) for part in parts], dtype=pl.Boolean)
    return pl.DataFrame(rows, schema=schema).with_columns(kept)


def short(text: str, most: int = _LINE) -> str:
    """The beginning of a text as one line.

    Args:
        text: any.
        most: characters of the line.
    """
    line = " ".join(text.split())
    return line if len(line) <= most else f"{line[: most - 1]}…"


def _is_kept(part: Part) -> bool:
    return Reason[part.reason.upper()].is_kept
