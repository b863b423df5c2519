"""Structural priors: what stands around the text is put down, as far as the caller says."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from datapruner.context.html.priors import put_down
from datapruner.context.html.prune import HtmlPruner, prune_html
from datapruner.errors import InputError
from datapruner.scorers.marks import Marks, bits_of

PAGE = (
    "<nav>red fish, red fish</nav><header>red fish</header><main><p>A red fish.</p>"
    "<p>Something else.</p><p><a href='/'>red fish</a></p></main><aside>red fish</aside>"
    "<form><label>red fish</label></form><footer><div>red fish</div></footer>"
)


def marks(tags: list[str], linked: list[float]) -> Marks:
    bits = np.array([bits_of(tag, "") for tag in tags], dtype=np.int64)
    zeros = np.zeros(len(tags), dtype=np.int64)
    return replace(Marks.none(zeros), bits=bits, linked=np.array(linked))


def test_by_a_share_of_the_distance_between_worst_and_best() -> None:
    values = np.array([1.0, 3.0, 5.0, 2.0])
    given = marks(["nav", "p", "footer", "p"], [0.0, 0.5, 0.0, 0.6])
    assert put_down(values, given, 0.5).tolist() == [-1.0, 3.0, 3.0, 0.0]
    assert put_down(values, given, 0.0).tolist() == values.tolist()
    assert put_down(np.zeros(0), marks([], []), 1.0).size == 0


@pytest.mark.parametrize("method", ["lexical", "main"])
def test_at_one_nothing_around_the_text_comes_before_it(method: str) -> None:
    made = HtmlPruner(budget="100% of items", method=method, prior=1.0, block_tokens=4)(PAGE, "red")
    values = made.selection.scores.values
    rows = made.selection.order.tolist()
    outside = [values[row] for row in rows if made.blocks.text(row).endswith(".")]
    around = [values[row] for row in rows if not made.blocks.text(row).endswith(".")]
    assert (len(outside), len(around)) == (2, 6)
    assert max(around) <= min(outside)


def test_without_it_structure_does_not_count() -> None:
    def first(blocks: Any, **named: Any) -> str:
        return str(prune_html(PAGE, "red fish", budget="2 words", to="text", **named).text)

    assert first(PAGE) != first(PAGE, prior=1.0)


@pytest.mark.parametrize("prior", [-0.1, 1.1, float("nan"), "1", None, True])
def test_a_prior_that_is_none_is_refused(prior: Any) -> None:
    with pytest.raises(InputError, match=r"prior is .*; it must be a number from 0"):
        HtmlPruner(prior=prior)
