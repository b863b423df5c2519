"""What may be said of scores: intervals, verdicts, and the report."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from datapruner.dataset.compare import Cell, Comparison, Versus
from datapruner.dataset.compare.comparison import versus
from datapruner.errors import InputError, OutputError

scores = st.lists(st.integers(0, 1000), min_size=2, max_size=9)


def cell(method: str, *values: float, budget: str = "10%", kept: int = 9) -> Cell:
    return Cell(method=method, budget=budget, kept=kept, scores=values, seconds=0.25)


def made(*cells: Cell, unit: str = "accuracy in per cent", all_rows: float = 99.0) -> Comparison:
    budgets = {one.budget: one.kept for one in cells}
    return Comparison(
        recipe="mlp",
        unit=unit,
        steps=300,
        batch=32,
        seeds=(0, 1, 2),
        train=90,
        test=30,
        held_out=0.25,
        classes=3,
        budgets=tuple(budgets.items()),
        cells=cells,
        reference=cell("all, same steps", all_rows, all_rows, all_rows, budget="all", kept=90),
        notes=("a note.",),
    )


def usual(**more: float) -> Comparison:
    return made(
        cell("random", 80.0, 82.0, 81.0),
        cell("rs2", 90.0, 91.0, 92.0),
        cell("mine", 81.0, 80.0, 82.5),
        cell("mine|worse", 60.0, 61.0, 63.0),
        **more,
    )


@given(scores, st.integers(0, 2**32 - 1))
def test_a_verdict_is_that_of_the_paired_t_interval(ours: list[int], draw: int) -> None:
    theirs = np.random.default_rng(draw).integers(0, 1000, len(ours)).astype(float)
    apart = np.array(ours) - theirs
    found = versus("random", ours, theirs.tolist())
    if np.ptp(apart) == 0:
        assert found.verdict == ("tie" if apart[0] == 0 else "unclear")
        return
    low, high = stats.ttest_rel(ours, theirs).confidence_interval(0.95)
    assert found.difference - found.half == pytest.approx(low)
    assert found.difference + found.half == pytest.approx(high)
    assert found.verdict == ("win" if low > 0 else "lose" if high < 0 else "tie")


@given(scores, st.integers(0, 2**32 - 1))
def test_who_wins_here_loses_there(ours: list[int], draw: int) -> None:
    theirs = np.random.default_rng(draw).integers(0, 1000, len(ours)).tolist()
    mirror = {"win": "lose", "lose": "win"}
    found = versus("rs2", ours, theirs).verdict
    assert versus("random", theirs, ours).verdict == mirror.get(found, found)


def test_a_difference_that_is_the_same_at_every_seed_is_no_win() -> None:
    found = versus("random", [0.3 + 0.1, 0.6 + 0.1], [0.3, 0.6])
    assert found.verdict == "unclear"
    assert found.difference == pytest.approx(0.1)
    assert versus("random", [1.0, 2.0], [1.0, 2.0]).verdict == "tie"
    assert versus("random", [0.0, 0.0], [0.0, 0.0]) == Versus("random", 0.0, 0.0, "tie")


def test_two_scores_far_apart_are_a_tie_while_the_seeds_disagree() -> None:
    assert versus("random", [90.0, 60.0], [50.0, 55.0]).verdict == "tie"


def test_the_mean_has_the_t_interval_of_its_scores() -> None:
    one = cell("random", 80.0, 82.0, 87.0)
    half = stats.t.ppf(0.975, 2) * stats.sem(one.scores)
    assert (one.mean, one.half) == (83.0, pytest.approx(half))


def test_every_difference_is_counted_once() -> None:
    assert usual().differences == 5  # two rivals of two methods, and rs2 against random
    assert made(cell("random", 1, 2), cell("rs2", 1, 2)).differences == 1


def test_the_report_fits_a_terminal_and_says_it_in_words() -> None:
    text = str(usual())
    assert max(map(len, text.splitlines())) <= 80
    assert "\n10 %: 9 of 90 rows\n" in text
    assert "\nall, same steps  99.0 ± 0.0 " in text
    flowing = " ".join(text.split())
    assert "At 10 %: rs2 has the highest mean. rs2 beats random;" in flowing
    assert "mine ties random and loses to rs2; mine|worse loses to random and rs2." in flowing
    assert "5 differences were judged" in flowing
    assert "expect 0.25 of these" in flowing
    assert "unclear" not in text
    assert "- a note." in text
    row = next(line for line in text.splitlines() if line.startswith("mine "))
    assert row.split() == (
        "mine 81.2 ± 3.1 +0.2 ± 4.7 tie -9.8 ± 2.6 lose 0.25 s".split()  # noqa: SIM905
    )


def test_scores_below_ten_have_three_digits() -> None:
    found = made(cell("random", 0.5, 0.7, 0.6), cell("rs2", 0.8, 0.9, 0.7), all_rows=0.9)
    assert "0.600 ± 0.248" in str(found)


def test_a_verdict_without_an_interval_is_explained() -> None:
    text = str(made(cell("random", 80.0, 82.0, 81.0), cell("rs2", 81.0, 83.0, 82.0)))
    assert "+1.0 unclear" in text
    assert "there is no interval" in " ".join(text.split())
    assert "rs2 is unclear against random." in text


def test_plain_data_hold_everything_and_survive_json(tmp_path: Path) -> None:
    found = usual()
    path = tmp_path / "found.json"
    found.save(path)
    plain = json.loads(path.read_text(encoding="utf-8"))
    assert plain == json.loads(json.dumps(found.to_dict()))
    assert plain["cells"][0]["scores"] == [80.0, 82.0, 81.0]
    assert [one["rival"] for one in plain["cells"][2]["against"]] == ["random", "rs2"]
    assert plain["cells"][2]["against"][1]["verdict"] == "lose"
    assert plain["reference"]["against"] == []
    assert plain["budgets"] == [{"budget": "10%", "kept": 9}]
    assert plain["conclusions"] == [found.conclusion("10%")]
    with pytest.raises(OutputError, match="exists"):
        found.save(path)
    found.save(path, overwrite=True)


def test_markdown_marks_wins_and_losses() -> None:
    lines = usual().to_markdown().splitlines()
    row = next(line for line in lines if line.startswith("| rs2 "))
    assert "**+10.0 ± 2.5 win**" in row
    row = next(line for line in lines if line.startswith(r"| mine\|worse "))
    assert row.count("lose_") == 2
    assert all(line.replace(r"\|", "").count("|") == 6 for line in lines if line.startswith("|"))


def test_cells_are_found_by_name_and_others_refused() -> None:
    found = usual()
    assert found.cell("all, same steps", "10%").kept == 90
    assert found.against("mine", "rs2", "10%").verdict == "lose"
    with pytest.raises(InputError, match="no trial of mine at 20%"):
        found.cell("mine", "20%")
    with pytest.raises(InputError, match="no budget '20%'"):
        found.conclusion("20%")
    assert repr(found) == "Comparison(4 methods, 1 budgets, 3 seeds, mlp)"
