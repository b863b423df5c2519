"""What a cache of teacher logits holds, of which rows and of which teacher: its ``header.json``."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal

from datapruner.errors import FormatError, InputError
from datapruner.output import atomic_write_bytes

__all__ = ["FORMAT", "HEADER", "Plan", "row_bytes"]

FORMAT = "datapruner-teacher-1"
HEADER = "header.json"
KEY_BYTES = 8


def row_bytes(classes: int, topk: int | None) -> int:
    """Bytes of one answer: 2 a logit, or 6 for each of the top classes and 4 for the rest."""
    return 2 * classes if topk is None else 6 * topk + 4


@dataclass(frozen=True)
class Plan:
    """The header of a cache.

    Attributes:
        fingerprint: of the teacher.
        n: number of rows when it is complete.
        classes: number of classes, C.
        topk: how many are kept of each answer; None: all, as logits.
        per: ``"row"``: one answer a row; ``"token"``: one for each token of a row.
        view: which view of the rows the teacher saw, for example ``"centre crop"``.
        ids: digest of the ids.
        content: digest of what stands under them; None: nobody looked.
        segment_bytes: size at which a segment is closed.
    """

    fingerprint: str
    n: int
    classes: int
    topk: int | None
    per: Literal["row", "token"]
    view: str
    ids: str
    content: str | None
    segment_bytes: int

    def __post_init__(self) -> None:
        """Refuse what no cache can hold."""
        if self.classes < 1:
            raise InputError(f"classes is {self.classes}; a teacher tells between 1 or more.")
        if self.topk is not None and not 1 <= self.topk <= self.classes:
            raise InputError(
                f"topk is {self.topk}; of {self.classes} classes between 1 and {self.classes} can "
                "be kept."
            )
        if self.per not in ("row", "token"):
            raise InputError(f'per is {self.per!r}; it is "row" or "token".')
        if self.per == "token" and self.topk is None:
            raise InputError(
                f"a cache of tokens keeps the top of {self.classes} classes alone; say how many "
                "with topk, for example 32."
            )
        if self.segment_bytes < 1:
            raise InputError(f"segment_bytes is {self.segment_bytes}; it must be 1 or more.")

    def save(self, folder: Path) -> None:
        """Write the header; it appears whole or not at all.

        Raises:
            OutputError: it exists or cannot be written.
        """
        body = {"format": FORMAT, **asdict(self)}
        atomic_write_bytes(folder / HEADER, (json.dumps(body, indent=1) + "\n").encode())

    @classmethod
    def load(cls, folder: Path) -> Plan:
        """The header of the cache in a folder.

        Raises:
            InputError: there is none.
            FormatError: damaged, or of another version.
        """
        path = folder / HEADER
        if not path.is_file():
            raise InputError(f"{folder} holds no cache of teacher logits: it has no {HEADER}.")
        try:
            body: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            kind = body.pop("format")
            if kind != FORMAT:
                raise FormatError(
                    f"{path} has the format {kind!r}; this datapruner reads {FORMAT}. Build the "
                    "cache again."
                )
            return cls(**{field.name: body[field.name] for field in fields(cls)})
        except (KeyError, TypeError, AttributeError, json.JSONDecodeError, InputError) as error:
            raise FormatError(
                f"{path} is damaged: {error}. Build the cache again in another folder."
            ) from error

    def refuse_other_teacher(self, folder: Path, fingerprint: str) -> None:
        """An error if the cache is of another teacher.

        Raises:
            InputError: it is.
        """
        if fingerprint != self.fingerprint:
            raise InputError(
                f"the cache in {folder} holds the answers of the teacher {self.fingerprint!r}, not "
                f"of {fingerprint!r}. Build one for this teacher in a folder of its own."
            )

    def refuse_other_view(self, folder: Path, view: str) -> None:
        """An error if the teacher saw the rows in another view.

        Raises:
            InputError: it did.
        """
        if view != self.view:
            raise InputError(
                f"the cache in {folder} was made on the view {self.view!r} of the rows, not on "
                f"{view!r}: what a teacher says of one view does not hold for another. Build one "
                "cache a view."
            )

    def refuse_other_size(self, folder: Path, other: Plan) -> None:
        """An error if another plan keeps something else of the answers.

        Raises:
            InputError: it does.
        """
        for name in ("classes", "topk", "per", "segment_bytes"):
            mine, theirs = getattr(self, name), getattr(other, name)
            if mine != theirs:
                raise InputError(
                    f"the cache in {folder} was begun with {name}={mine!r}, not {theirs!r}. Go on "
                    "as it was begun, or choose another folder."
                )
