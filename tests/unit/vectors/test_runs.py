"""Groups cut into batches."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from datapruner.vectors.runs import runs


@given(sizes=st.lists(st.integers(0, 9), max_size=20), room=st.integers(0, 20))
def test_batches_are_runs_that_fit(sizes: list[int], room: int) -> None:
    found = list(runs(sizes, room))
    assert [place for run in found for place in run] == list(range(len(sizes)))
    for run in found:
        held = sum(sizes[place] for place in run)
        assert held <= room or len(run) == 1
        if run.stop < len(sizes):  # nobody waits who would have fitted
            assert held + sizes[run.stop] > room
