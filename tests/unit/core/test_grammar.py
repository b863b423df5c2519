"""Numbers as text: short, and reading back to the same float."""

from __future__ import annotations

import pytest

from datapruner.core.grammar import counts_rows, percent, plain, read_clauses
from datapruner.errors import BudgetError


@pytest.mark.parametrize(
    ("share", "text"),
    [(0.3, "30%"), (1.0, "100%"), (0.29, "29%"), (1 / 3, "33.33333333333333%"), (0.0005, "0.05%")],
)
def test_per_cents_are_short_and_exact(share: float, text: str) -> None:
    assert percent(share) == text
    assert read_clauses(text) == {"share": share}


def test_numbers_are_plain() -> None:
    assert [plain(v) for v in (2048.0, 0.5, -3.0)] == ["2048", "0.5", "-3"]


def test_words_for_rows_count_in_any_case() -> None:
    assert counts_rows("Rows")
    assert not counts_rows("tokens")


def test_an_error_quotes_the_clause_and_the_whole() -> None:
    with pytest.raises(BudgetError, match=r"cannot read '3 pr group' in the budget '5%, 3 pr grou"):
        read_clauses("5%, 3 pr group")
