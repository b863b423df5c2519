"""Mutated pages through the HTML pruner: python -m tests.fuzz.html --pages 10000 --workers 2

Of every page: no exception, two seconds at most, within the budget, well formed, read again it is
the same page, written again the same bytes, and no word of what nobody sees. What the pages are
made of, `tests.fuzz.pages` says; with the optional data folder they are real ones, too.
"""

from __future__ import annotations

import argparse
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from random import Random
from typing import Any

from datapruner.context.html.clean import LEVELS, clean
from datapruner.context.html.hiding import visible
from datapruner.context.html.parse import parse
from datapruner.context.html.prune import prune_html
from datapruner.context.html.result import PrunedHtml
from datapruner.tokens import resolve_counter

from .pages import SECRET, around_secrets, as_given, mutated, several, sources
from .wellformed import faults, plain

MOST_SECONDS = 2.0
# A page that takes so many times longer than it may is given up.
PATIENCE = 15
BATCH = 50
COUNTER = resolve_counter("words")


class Hangs(Exception):
    """A page takes far too long."""


def check_front(page: bytes | str) -> None:
    """Parsing, hiding and cleaning: a tree each time, and cleaning again changes nothing."""
    seen, _ = visible(parse(page).tree)
    assert list(seen.ends) == list(replace(seen).ends), "hiding tells wrong ends"
    for level in LEVELS:
        once = clean(seen, level)
        again = clean(once, level)
        assert list(again.texts) == list(once.texts), f"cleaning {level} again changes texts"
        assert list(again.tags) == list(once.tags), f"cleaning {level} again changes elements"
        assert not {"script", "style", "comment()"} & set(once.tags)
        assert list(once.ends) == list(replace(once).ends), f"cleaning {level} tells wrong ends"


def check_pruned(luck: Random, page: bytes | str, pages: list[str]) -> None:
    """Pruning: within the budget, well formed, and read back it is the same page."""
    budget = luck.choice([0, 1, 5, 40, 500])
    settings: dict[str, Any] = {
        "to": luck.choice(["html", "html", "markdown", "text"]),
        "block_tokens": luck.choice([0, 8, 128, 128]),
        "fill": luck.choice(["skip", "skip", "stop"]),
        "level": luck.choice(["lossless", "lossless", "text", "minimal"]),
        "keep": luck.choice([(), (), ("href", "alt"), ("id", "start", "title", "value")]),
    }
    query = luck.choice(["", "two", "what is one"])
    given: Any = page
    if luck.random() < 0.1:
        given = [*several(luck, page, pages)]
        # The title of one of several pages stands under its label, where it is no title.
        settings["keep"] = tuple(name for name in settings["keep"] if name != "title")
    made = prune_html(given, query, budget=f"{budget} words", **settings)
    tokens = int(COUNTER.count([made.text])[0]) if made.text else 0
    assert tokens == made.tokens <= budget, f"{tokens} words for {budget}, {made.tokens} told"
    if settings["to"] == "html":
        wrong = faults(made.text)
        assert not wrong, f"not well formed: {wrong[:3]}"
        if "bare" not in made.flags:
            level, keep = settings["level"], settings["keep"]
            again = prune_html(made.text, budget="everything", level=level, keep=keep)
            check_again(made.text, again)
            if isinstance(given, bytes | str):
                assert again.text == made.text, "read and written again it is another page"


def check_again(text: str, again: PrunedHtml) -> None:
    """What came out and is read again has the same text, and nothing in it is hidden."""
    first, second = ("".join(plain(said).split()) for said in (text, again.text))
    assert second == first, "read and written again it has another text"
    assert not again.removed, f"hidden content is left: {again.removed[0]}"


def check_hidden(luck: Random) -> None:
    """What is hidden between the parts of a well-formed page is not in what is left."""
    page = around_secrets(luck)
    for to in ("html", "markdown", "text"):
        made = prune_html(page, SECRET, budget="everything", to=to)
        assert SECRET not in made.text, f"hidden text is left of {page!r}"


@contextmanager
def no_longer_than(seconds: float) -> Iterator[None]:
    """Raises ``Hangs`` when so much CPU time is spent."""
    before = signal.signal(signal.SIGVTALRM, _give_up)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def _give_up(signum: int, frame: object) -> None:
    del signum, frame
    raise Hangs


def check(number: int, seed: int, pages: list[str], most_seconds: float) -> Iterator[str]:
    """What is wrong with one page, a line each."""
    luck = Random(f"{seed} {number}")
    page = as_given(luck, mutated(luck, pages))
    start = spent = time.process_time()
    try:
        with no_longer_than(PATIENCE * most_seconds):
            check_front(page)
            start = time.process_time()
            check_pruned(luck, page, pages)
            spent = time.process_time()
            check_hidden(luck)
    except Exception as error:
        yield f"page {number} of seed {seed}: {type(error).__name__}: {error}"[:300]
    took = spent - start
    if took > most_seconds:
        # Other processes of the machine make a page dear, too, but not each time.
        took = min(took, *(_seconds(number, seed, pages) for _ in range(2)))
    if took > most_seconds:
        yield f"page {number} of seed {seed}: took {took:.1f} s, {len(page)} long"


def _seconds(number: int, seed: int, pages: list[str]) -> float:
    """CPU seconds of pruning a page that nothing else is wrong with."""
    luck = Random(f"{seed} {number}")
    page = as_given(luck, mutated(luck, pages))
    start = time.process_time()
    check_pruned(luck, page, pages)
    return time.process_time() - start


@dataclass(frozen=True)
class Batch:
    """Some of the pages, for one of several processes."""

    numbers: range
    seed: int
    most_seconds: float

    def __call__(self) -> list[str]:
        """What went wrong with them."""
        return [
            line
            for number in self.numbers
            for line in check(number, self.seed, _sources(), self.most_seconds)
        ]


@cache
def _sources() -> list[str]:
    return sources()


def run(pages: int, seed: int, most_seconds: float = MOST_SECONDS) -> list[str]:
    """What went wrong, a line each; the pages are the same for the same seed.

    Args:
        pages: how many.
        seed: of everything that is drawn.
        most_seconds: CPU seconds that a page may take.
    """
    given = sources()
    return [line for number in range(pages) for line in check(number, seed, given, most_seconds)]


def main(said: Sequence[str] | None = None) -> int:
    """The command: 1 if anything is wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pages", type=int, default=10_000)
    parser.add_argument("--first", type=int, default=0, help="number of the first page")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=1)
    options = parser.parse_args(said)
    end = options.first + options.pages
    batches = [
        Batch(range(at, min(at + BATCH, end)), options.seed, MOST_SECONDS)
        for at in range(options.first, end, BATCH)
    ]
    found = done = 0
    with ProcessPoolExecutor(options.workers) as pool:
        for batch, wrong in zip(batches, pool.map(Batch.__call__, batches), strict=True):
            done += len(batch.numbers)
            found += len(wrong)
            for line in wrong:
                print(line, flush=True)
            if done % 1000 < BATCH:
                print(f"{done} pages, {found} wrong", flush=True)
    print(f"{done} pages of seed {options.seed}, {found} wrong")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
