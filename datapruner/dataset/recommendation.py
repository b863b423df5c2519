"""What ``recommend`` answers: a pick, in words, with the table it rests on."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal, TypeAlias

__all__ = ["WORDS", "Evidence", "Pick", "Recommendation"]

Pick: TypeAlias = Literal["high", "low", "mixed", "kcentre", "uniform"]

WORDS: dict[Pick, str] = {
    "high": "keep hard",
    "low": "keep easy",
    "mixed": "keep a mixture",
    "kcentre": "keep a cover (k-centre)",
    "uniform": "use random",
}


@dataclass(frozen=True, slots=True)
class Evidence:
    """What one pick did at one share of the pilot; accuracies and differences in per cent.

    Attributes:
        pick: how rows were picked.
        share: share of the pilot's training rows that was kept.
        kept: how many rows that was.
        linear: mean accuracy of the logistic regression.
        neighbours: mean accuracy of the nearest neighbours.
        accuracy: mean of the two.
        error: its standard error.
        difference: to random at the same size, paired by split; 0 for random.
        difference_error: standard error of the difference.
    """

    pick: Pick
    share: float
    kept: int
    linear: float
    neighbours: float
    accuracy: float
    error: float
    difference: float
    difference_error: float


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Recommendation:
    """Which pick to use, and why. ``print`` shows it as a table for a terminal.

    Attributes:
        pick: the name to pass on: ``high``, ``low``, ``mixed``, ``kcentre`` or ``uniform``.
        share: the share asked for.
        floor: the class guarantee that the pick was probed with; 0 for none.
        rows: rows of the corpus.
        kept: rows that the real run will keep.
        classes: number of labels; 0 without labels.
        pilot: rows looked at.
        held_out: rows of the pilot that the heads were tested on, in each split.
        splits: how often the pilot was divided.
        basis: ``"probe"`` when measured, ``"guide"`` when it follows from the share alone.
        errors: standard errors by which a pick had to beat random (Student, shared by the picks).
        margin: points of accuracy by which it had to, at least.
        evidence: one entry for each share and pick, the share asked for first.
        notes: caveats, in sentences.
    """

    pick: Pick
    share: float
    floor: float
    rows: int
    kept: int
    classes: int
    pilot: int
    held_out: int
    splits: int
    basis: Literal["probe", "guide"]
    errors: float
    margin: float
    evidence: tuple[Evidence, ...]
    notes: tuple[str, ...]

    @property
    def words(self) -> str:
        """The answer as a person would say it, for example ``keep hard``."""
        return WORDS[self.pick]

    def to_dict(self) -> dict[str, Any]:
        """Plain types only, ready for JSON; ``words`` is in it."""
        plain = asdict(self)
        plain["words"] = self.words
        plain["evidence"] = [asdict(row) for row in self.evidence]
        plain["notes"] = list(self.notes)
        return plain

    def __repr__(self) -> str:
        pilot = f"{self.pilot} pilot rows" if self.basis == "probe" else "not probed"
        return f'Recommendation("{self.words}", share {100 * self.share:.4g} %, {pilot})'

    def __str__(self) -> str:
        floor = f", {self.floor:.0%} of every class's fair part guaranteed" if self.floor else ""
        size = f"{100 * self.share:.4g} % of {self.rows:,} rows"
        lines = [f"{self.words} (pick={self.pick}){floor}: {size}"]
        if self.basis == "probe":
            lines += [
                f"pilot of {self.pilot:,} rows, {self.classes} classes, {self.splits} splits, "
                f"{self.held_out:,} rows held out in each; accuracy in per cent, ± standard error",
                f"rule: a lead over random above {self.errors:.2f} standard errors (Student's t, "
                f"{self.splits - 1} degrees of freedom,",
                f"5 % shared by the picks tried) and above {self.margin:g} points, else random",
                "",
                *self._table(),
            ]
        return "\n".join([*lines, *([""] if self.notes else []), *(f"- {n}" for n in self.notes)])

    def _table(self) -> list[str]:
        head = ("share", "kept", "pick", "linear", "neighbours", "both", "against random")
        body = [
            (
                f"{100 * row.share:.4g} %",
                str(row.kept),
                row.pick,
                f"{row.linear:.1f}",
                f"{row.neighbours:.1f}",
                f"{row.accuracy:.1f} ± {row.error:.1f}",
                ""
                if row.pick == "uniform"
                else f"{row.difference:+.1f} ± {row.difference_error:.1f}",
            )
            for row in self.evidence
        ]
        widths = [max(len(line[i]) for line in (head, *body)) for i in range(len(head))]
        left = {2}
        return [
            "  ".join(
                cell.ljust(width) if i in left else cell.rjust(width)
                for i, (cell, width) in enumerate(zip(line, widths, strict=True))
            ).rstrip()
            for line in (head, *body)
        ]
