"""Hypothesis strategies: rows, forests, limits and offers for the ledger; budgets, scores, HTML."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Any

import numpy as np
from hypothesis import strategies as st
from oracles.ledger_oracle import Rules

from datapruner.context.html.tree import Tree
from datapruner.core.allocate import Allocation
from datapruner.core.budget import Budget
from datapruner.core.items import Items
from datapruner.core.ledger import Ledger
from datapruner.core.reason import Reason
from datapruner.core.rulings import Rulings
from datapruner.core.scores import Scores

__all__ = [
    "COUNTED",
    "LIMITS",
    "PRICED",
    "Case",
    "budgets",
    "cases",
    "flat_items",
    "ids",
    "markup",
    "shuffled",
]

LIMITS = ("count", "price", "caps", "price caps", "floors")
# The combinations that have a fast lane of their own.
COUNTED = ("count", "caps", "floors")
PRICED = ("count", "price")
UNITS = ("tokens", "words", "bytes-read", "k")


@dataclass(frozen=True)
class Case:
    """One configuration of a ledger, in the words of the oracle, and a sequence of offers."""

    rules: Rules
    offers: tuple[int, ...]

    def items(self) -> Items:
        r = self.rules
        return Items.of(
            r.n,
            cost=None if all(c == 1 for c in r.cost) else list(r.cost),
            group=np.array(r.group, dtype=np.int32),
            group_names=[f"g{g}" for g in range(r.groups)],
            parent=np.array(r.parent, dtype=np.int64),
            pinned=np.array(r.pinned, dtype=bool),
            shell=np.array(r.shell, dtype=bool),
            barred=np.array(r.barred, dtype=bool),
        )

    def ledger(self) -> Ledger:
        r = self.rules
        allocation = None
        if r.caps is not None or r.cost_caps is not None or any(r.floors):
            allocation = Allocation(
                None if r.caps is None else np.array(r.caps, dtype=np.int64),
                None if r.cost_caps is None else np.array(r.cost_caps, dtype=np.float64),
                np.array(r.floors, dtype=np.int64),
                "drawn",
            )
        return Ledger(
            self.items(),
            count=r.count,
            cost=r.total,
            allocation=allocation,
            eligible=np.array(r.eligible, dtype=bool),
            ruled_out=np.array(r.ruled, dtype=np.uint8),
            fill=r.fill,
        )


def flags(luck: Random, n: int, chance: float) -> tuple[bool, ...]:
    return tuple(luck.random() < chance for _ in range(n))


def rulings(luck: Random, n: int) -> tuple[int, ...]:
    """Nothing ruled out, or now and then a third of the rows for one reason or the other."""
    if luck.random() < 0.75:
        return (0,) * n
    reasons = (0, 0, 0, 0, int(Reason.DUPLICATE), int(Reason.QUALITY))
    return tuple(luck.choice(reasons) for _ in range(n))


def whole_numbers(luck: Random, n: int, top: int) -> tuple[int, ...]:
    return tuple(luck.randint(0, top) for _ in range(n))


def prices(luck: Random, n: int) -> tuple[float, ...]:
    """Ones, whole prices or sixty-fourths: their sums are exact, and so is a literal oracle."""
    kind = luck.choice(["unit", "whole", "parts"])
    if kind == "unit":
        return (1.0,) * n
    if kind == "whole":
        return tuple(float(v) for v in whole_numbers(luck, n, 9))
    return tuple(v / 64 for v in whole_numbers(luck, n, 300))


def forest(luck: Random, n: int) -> tuple[int, ...]:
    """Parents that stand before or after their children, without a cycle."""
    order = luck.sample(range(n), n)
    parent = [-1] * n
    for place, row in enumerate(order):
        above = luck.randint(-2, place - 1)
        parent[row] = order[above] if above >= 0 else -1
    return tuple(parent)


@st.composite
def cases(
    draw: Any,
    *,
    flat: bool | None = None,
    fill: str | None = None,
    limits: tuple[str, ...] = LIMITS,
    pins: bool = True,
    feasible: bool = True,
) -> Case:
    """A ledger's configuration and its offers, each row once at most.

    Hypothesis draws (and shrinks) the number of rows and which kinds of limit there are; what
    stands in the rows follows from a seed, so that thousands of configurations take seconds.

    Args:
        flat: True: no parents; None: either.
        fill: one of the two, or None for either.
        limits: the kinds of limit that may occur.
        pins: whether rows may be pinned.
        feasible: whether limits leave room for pinned rows and floors.
    """
    n = draw(st.integers(0, 16))
    is_flat = draw(st.booleans()) if flat is None else flat
    kinds = draw(st.sets(st.sampled_from(limits)))
    fill = fill or draw(st.sampled_from(["skip", "stop"]))
    luck = Random(draw(st.integers(0, 2**32 - 1)))
    many = luck.randint(1, 4) if "caps" in limits else 1
    parent = (-1,) * n if is_flat else forest(luck, n)
    barred = below(parent, flags(luck, n, 0.1))
    pinned = flags(luck, n, luck.choice([0, 0.2])) if pins else (False,) * n
    caps = whole_numbers(luck, many, 5)
    cost_caps = whole_numbers(luck, many, 30)
    rules = Rules(
        n=n,
        groups=many,
        cost=prices(luck, n),
        group=whole_numbers(luck, n, many - 1),
        parent=parent,
        pinned=tuple(p and not b for p, b in zip(pinned, barred, strict=True)),
        shell=(False,) * n if is_flat else flags(luck, n, 0.4),
        barred=barred,
        eligible=flags(luck, n, luck.choice([1, 0.8])),
        ruled=(0,) * n,
        count=luck.randint(0, n) if "count" in kinds else n,
        total=float(luck.randint(0, 60)) if "price" in kinds else math.inf,
        caps=caps if "caps" in kinds else None,
        cost_caps=tuple(map(float, cost_caps)) if "price caps" in kinds else None,
        floors=whole_numbers(luck, many, 3) if "floors" in kinds else (0,) * many,
        fill=fill,
    )
    if feasible:
        rules = rules.made_feasible()
    offers = tuple(luck.sample(range(n), luck.randint(n // 2, n)))
    return Case(replace(rules, ruled=rulings(luck, n)), offers)


def below(parent: Sequence[int], marked: Sequence[bool]) -> tuple[bool, ...]:
    """The marked rows and all rows below them."""
    found = list(marked)
    for _ in parent:
        for row, above in enumerate(parent):
            found[row] = found[row] or (above >= 0 and found[above])
    return tuple(found)


def numbers(low: float, high: float) -> st.SearchStrategy[float]:
    return st.floats(low, high, allow_nan=False, allow_infinity=False)


@st.composite
def budgets(draw: Any) -> Budget:
    """Any budget that can be written down."""
    share = draw(st.none() | numbers(0, 1).filter(bool))
    of_cost = share is not None and draw(st.booleans())
    cost = draw(st.none() | st.integers(0, 2**53) | numbers(0, 1e300))
    priced = cost is not None or of_cost
    return Budget(
        count=draw(st.none() | st.integers(0, 10**18)),
        share=share,
        share_of="cost" if of_cost else "items",
        cost=cost,
        unit=draw(st.none() | st.sampled_from(UNITS)) if priced else None,
        threshold=draw(st.none() | numbers(-1e300, 1e300)),
        per_group=draw(st.none() | st.integers(0, 10**18)),
        floor=draw(st.integers(0, 10**18) | numbers(0, 1)),
    )


@st.composite
def ids(draw: Any, n: int) -> Any:
    """Ids of one kind: none, integers, or text with whatever Unicode holds, lone surrogates too."""
    kind = draw(st.sampled_from(["none", "int", "text"]))
    if kind == "none":
        return None
    one = (
        st.integers(-(2**63), 2**63 - 1) if kind == "int" else st.text(st.characters(), max_size=6)
    )
    return draw(st.lists(one, min_size=n, max_size=n, unique=True))


@st.composite
def flat_items(draw: Any, *, most: int = 30) -> tuple[Items, Scores]:
    """Rows without parents, with ids, groups and prices, and scores with plenty of ties; some of
    the rows may be ruled out."""
    n = draw(st.integers(0, most))
    luck = Random(draw(st.integers(0, 2**32 - 1)))
    many = luck.randint(1, 3)
    unit = luck.random() < 0.5
    items = Items.of(
        n,
        id=[f"id {v}" for v in luck.sample(range(n), n)],
        cost=None if unit else whole_numbers(luck, n, 9),
        unit=None if unit else "tokens",
        group=np.array(whole_numbers(luck, n, many - 1), dtype=np.int32),
        group_names=[f"g{g}" for g in range(many)],
        pinned=np.array(flags(luck, n, luck.choice([0, 0.15])), dtype=bool),
    )
    values = np.array(whole_numbers(luck, n, luck.choice([1, 6, 1000])), dtype=np.float64)
    weight = np.array(whole_numbers(luck, many, 5), dtype=np.float64)
    ruled = Rulings(np.array(rulings(luck, n), dtype=np.uint8))
    return items, Scores(values, items, group_weight=weight, rulings=ruled)


def shuffled(scores: Scores, order: Sequence[int]) -> Scores:
    """The same scores of the same rows, made anew in another order."""
    rows, items = np.array(order, dtype=np.int64), scores.items
    again = Items.of(
        items.n,
        id=None if items.id is None else items.id[rows],
        cost=None if items.is_unit_cost else items.cost[rows],
        unit=items.unit,
        group=items.group[rows],
        group_names=items.group_names,
        pinned=items.pinned[rows],
    )
    ruled = None if scores.rulings is None else scores.rulings.take(rows)
    weight = scores.group_weight
    return Scores(scores.values[rows], again, group_weight=weight, rulings=ruled)


_BLOCK_TAGS = (
    *("div", "p", "h1", "h2", "h3", "ul", "ol", "li", "table", "thead", "tbody", "tr", "td", "th"),
    *("dl", "dt", "dd", "pre", "section", "article", "blockquote", "header", "footer", "form"),
    *("details", "summary", "figure", "figcaption", "caption", "fieldset", "select", "option"),
    "nav",
)
_INLINE_TAGS = (
    *("a", "b", "em", "span", "code", "i", "small", "br", "img", "sub", "u", "font", "label"),
    "custom-x",
)
_ATTRIBUTES = (' dir="rtl"', ' colspan="2"', " class=x", " lang=en", ' href="/x?a=1&b=2"')
_TEXTS = (
    *("foo", "bar baz", " ", "\n", "x &amp; y", "&lt;p&gt;", "Wait. Then go! Really?", "日本語。"),
    *("a&nbsp;b", " lead", "trail ", "end.\n\nNew para.", '"q"', "é", "A | B", "# hash", "1. one"),
)


@st.composite
def markup(draw: Any) -> str:
    """A page of HTML as nobody should write it: elements in each other's wrong places, unclosed.

    Hypothesis draws how large and wild it is; what stands in it follows from a seed, so that
    hundreds of pages take seconds.
    """
    luck = Random(draw(st.integers(0, 2**32 - 1)))
    deepest, widest = draw(st.integers(0, 7)), draw(st.integers(0, 5))
    out: list[str] = []
    _nodes(luck, out, 0, deepest, widest)
    _nodes(luck, out, 0, deepest, widest)
    page = "".join(out)
    wrapper = draw(st.sampled_from(["", "<body>", "<html lang=de><head><title>T</title></head>"]))
    return wrapper + page


def _nodes(luck: Random, out: list[str], depth: int, deepest: int, widest: int) -> None:
    for _ in range(luck.randint(0, widest)):
        if luck.random() < 0.45 or depth > deepest:
            out.append(luck.choice(_TEXTS))
            continue
        tag = luck.choice(_BLOCK_TAGS if luck.random() < 0.65 else _INLINE_TAGS)
        said = luck.choice(_ATTRIBUTES) if luck.random() < 0.15 else ""
        out.append(f"<{tag}{said}>")
        if tag not in ("br", "img"):
            _nodes(luck, out, depth + 1, deepest, widest)
            if luck.random() < 0.9:
                out.append(f"</{tag}>")


# -- pages ----------------------------------------------------------------------------------------

BLOCKS = ("div", "p", "section", "ul", "li", "table", "tr", "td", "h2", "pre", "nav", "x-block")
LINES = ("span", "b", "a", "i", "code", "em", "x-note", "button")
EMPTIES = ("br", "hr", "img", "wbr", "input")
PIECES = ("", "", "", " ", "\n  ", "a", "word ", " two words", "\u00a0", "a\nb", "\tx", "\u05d0")
MARKUP = (
    "<div>", "</div>", "<p>", "</p>", "<b>", "</b>", "<table>", "<tr>", "<td>", "</table>",
    "<li>", "<ul>", "</ul>", "<br>", "<br/>", "<img alt=x>", "<!--", "-->", "<!-- c -->",
    "<![CDATA[x]]>", "<script>", "</script>", "<style>", "</style>", "<pre>", "</pre>",
    "<textarea>", "</textarea>", "<title>", "</title>", "<a href='x", "'>", '">', "<p title=\"",
    "&amp;", "&#0;", "&bogus", "&#x200b;", "<", ">", "</", "<!", "<?xml ?>", "\x00", "\ufeff",
    "\u200b", "word ", " two words ", "\n", "\t", "<html lang=en>", "</html>", "<head>",
    "</head>", "<body>", "</body>", "<svg>", "</svg>", "<p hidden>", "<div style='display:none'>",
    "<x-y z>", "<form>", "<select><option>", "</x>", "<o:p>", "\U0001f600",
)  # fmt: skip


@st.composite
def trees(draw: Any, *, most: int = 24) -> Tree:
    """A page as columns: any nesting, texts and tails with and without white space in them."""
    n = draw(st.integers(1, most))
    luck = Random(draw(st.integers(0, 2**32 - 1)))
    tags, parents, attributes = ["html"], [-1], [None]
    path = [0]
    names = BLOCKS + LINES * 2 + EMPTIES
    for row in range(1, n):
        del path[luck.randint(1, len(path)) :]
        parents.append(path[-1])
        tags.append(luck.choice(names))
        some = {} if luck.random() < 0.8 else {luck.choice(["dir", "class", "alt", "href"]): "v"}
        attributes.append(some or None)
        if tags[-1] not in EMPTIES:
            path.append(row)
    texts = ["" if tag in EMPTIES else luck.choice(PIECES) for tag in tags]
    tails = ["", *(luck.choice(PIECES) for _ in range(n - 1))]
    return Tree(tags, parents, texts, tails, attributes, range(n))


@st.composite
def html(draw: Any, *, most: int = 40) -> str:
    """Markup that is mostly wrong: tags that do not match, broken comments, odd characters."""
    luck = Random(draw(st.integers(0, 2**32 - 1)))
    n = draw(st.integers(0, most))
    return "".join(luck.choice(MARKUP) for _ in range(n)) + draw(st.text(max_size=8))
