"""Tables: names to the left, numbers to the right, no trailing blanks."""

from __future__ import annotations

from datapruner.core.table import aligned


def test_columns_line_up() -> None:
    assert aligned(["name", "n"], [["a", "10"], ["longer", "7"], ["b", ""]]) == [
        "name     n",
        "a       10",
        "longer   7",
        "b",
    ]


def test_a_table_without_rows_is_its_head() -> None:
    assert aligned(["name", "n"], []) == ["name  n"]
