"""A comparison for people: aligned text for a terminal, and Markdown."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from typing import TYPE_CHECKING

from datapruner.core.table import aligned
from datapruner.dataset.compare.contenders import ALWAYS

if TYPE_CHECKING:
    from datapruner.dataset.compare.comparison import Cell, Comparison, Versus

__all__ = ["as_markdown", "as_text", "spaced"]

_WIDTH = 80
# From here on a score is told to one digit after the point, below to three: per cent and shares.
_LARGE = 10.0
_MARKS = {"win": "**{}**", "lose": "_{}_", "tie": "{}", "unclear": "{}"}


def as_text(found: Comparison) -> str:
    """The report, 80 columns wide unless a method has a long name."""
    lines = [*_head(found)]
    for budget, kept in found.budgets:
        lines += ["", f"{spaced(budget)}: {kept:,} of {found.train:,} rows"]
        lines += aligned(
            ("", "score", "against random", "against rs2", "select"),
            [_line(found, cell) for cell in _of(found, budget)],
        )
    lines += ["", *_wrapped(_conclusions(found))]
    lines += ["", *_wrapped(f"- {note}" for note in (*_rules(found), *found.notes))]
    return "\n".join(lines)


def as_markdown(found: Comparison) -> str:
    """One table for each budget."""
    parts = ["; ".join(_head(found)) + "."]
    for budget, kept in found.budgets:
        rows = [
            "| | score | against random | against rs2 | select |",
            "| --- | ---: | ---: | ---: | ---: |",
        ]
        for cell in _of(found, budget):
            name, score, *held, seconds = _line(found, cell)
            marked = [
                _MARKS[one.verdict].format(text.strip()) if one else ""
                for one, text in zip(_held(found, cell), held, strict=True)
            ]
            name = name.replace("|", "\\|")
            rows.append(f"| {' | '.join((name, score, *marked, seconds))} |")
        parts.append(
            f"**{spaced(budget)}**: {kept:,} of {found.train:,} rows\n\n" + "\n".join(rows)
        )
    said = (*_conclusions(found), *_rules(found), *found.notes)
    parts.append("\n".join(f"- {note}" for note in said))
    return "\n\n".join(parts)


def _head(found: Comparison) -> list[str]:
    split = "" if found.held_out is None else f", another {100 * found.held_out:.3g} % every seed"
    return [
        f"{found.recipe}: {found.steps:,} steps of {found.batch:,} rows for every method, "
        f"{len(found.seeds)} seeds",
        f"{found.train:,} rows to train on, {found.test:,} to test on{split}; "
        f"{found.classes:,} classes",
        f"score: {found.unit}, mean ± half of the 95 % interval",
    ]


def _conclusions(found: Comparison) -> list[str]:
    return [found.conclusion(budget) for budget, _ in found.budgets]


def _of(found: Comparison, budget: str) -> list[Cell]:
    return [*(cell for cell in found.cells if cell.budget == budget), found.reference]


def _line(found: Comparison, cell: Cell) -> tuple[str, ...]:
    held = (_difference(found, one) for one in _held(found, cell))
    score = f"{_number(found, cell.mean)} ± {_number(found, cell.half)}"
    seconds = f"{cell.seconds:.2f} s" if cell.seconds else ""
    return (cell.method, score, *held, seconds)


def _held(found: Comparison, cell: Cell) -> list[Versus | None]:
    rivals = found.rivals(cell.method)
    return [
        found.against(cell.method, name, cell.budget) if name in rivals else None for name in ALWAYS
    ]


def _difference(found: Comparison, one: Versus | None) -> str:
    if one is None:
        return ""
    half = "" if one.verdict == "unclear" else f" ± {_number(found, one.half)}"
    sign = "+" if one.difference >= 0 else ""
    # Words of one length keep the numbers under each other.
    return f"{sign}{_number(found, one.difference)}{half} {one.verdict:<4}"


def _number(found: Comparison, value: float) -> str:
    largest = max(abs(cell.mean) for cell in (*found.cells, found.reference))
    digits = 1 if largest >= _LARGE else 3
    return f"{round(value, digits) + 0.0:.{digits}f}"  # + 0.0 takes the sign off a zero


def _rules(found: Comparison) -> list[str]:
    chance = found.differences / 20
    return [
        "win, lose: 0 lies outside the 95 % interval of the difference, paired by seed (Student's "
        f"t over {len(found.seeds)} seeds); tie: inside.",
        "rs2 has as many rows in every round, other ones each time.",
        f"{found.differences} differences were judged. Of differences of nothing one in twenty "
        f"falls outside its interval by chance: expect {chance:.2g} of these, if nothing differed.",
        *(
            [
                "unclear: every seed gave the same difference, so there is no interval; a recipe "
                "that does not use trial.seed does this."
            ]
            if any(
                one is not None and one.verdict == "unclear"
                for cell in found.cells
                for one in _held(found, cell)
            )
            else []
        ),
    ]


def _wrapped(texts: Iterable[str]) -> list[str]:
    lines: list[str] = []
    for text in texts:
        lines += textwrap.wrap(text, _WIDTH, subsequent_indent="  ", break_on_hyphens=False)
    return lines


def spaced(budget: str) -> str:
    """A budget as prose has it: ``10 %``."""
    return budget.replace("%", " %")
