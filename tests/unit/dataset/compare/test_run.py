"""compare(): who runs, on which rows, for how many steps, and what decides the numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from unit.dataset.compare.recipes import Spy, blobs, nearest_mean

import datapruner as dp
from datapruner.dataset import compare as package
from datapruner.dataset.compare import MLP, Comparison, Pool, Trial
from datapruner.dataset.compare.recipes import named_recipe
from datapruner.errors import BudgetError, InputError, UnknownMethodError

X, Y = blobs()
TEST = blobs(60, seed=1)
QUICK: dict[str, Any] = {"steps": 6, "batch": 8, "seeds": 3, "recipe": nearest_mean}


def run(**more: Any) -> Comparison:
    return dp.compare(X, **{"label": Y, "budgets": "25%", "methods": [], **QUICK, **more})


def values(found: Comparison) -> dict[tuple[str, str], tuple[float, ...]]:
    return {(one.method, one.budget): one.scores for one in (*found.cells, found.reference)}


def test_random_rs2_and_all_rows_run_unasked_and_first() -> None:
    names = [cell.method for cell in run(methods="prototypes").cells]
    assert names == ["random", "rs2", "prototypes"]
    assert run().reference.kept == 90
    for asked in (["random"], ["rs2", "random"], ["all, same steps"]):
        assert [cell.method for cell in run(methods=asked).cells] == ["random", "rs2"]


def test_every_trial_takes_the_same_steps_of_the_same_size() -> None:
    spy = Spy()
    run(recipe=spy, methods=["prototypes", "concepts:uniform"], budgets=["4 items", "50%"])
    assert len(spy.trials) == 3 * (2 * 4 + 1)
    for batches in spy.batches:
        assert [rows.size for rows in batches] == [8] * 6


def test_subsets_have_exactly_the_budget_and_rounds_are_those_of_resample() -> None:
    spy = Spy()
    run(recipe=spy, methods=["prototypes"], budgets=["10%", "25%"], test=TEST, seed=5)
    for budget, k in (("10%", 12), ("25%", 30)):
        for method in ("random", "prototypes"):
            trial, batches = spy.of(method, budget, 6)
            assert trial.rows is not None
            assert trial.rows.size == k
            assert set(np.concatenate(batches).tolist()) <= set(trial.rows.tolist())
        trial, batches = spy.of("rs2", budget, 6)
        assert trial.rows is None
        schedule = dp.resample(X, budget=budget, rounds=4, seed=6)
        rounds = np.concatenate([this.rows for this in schedule])
        assert np.array_equal(np.concatenate(batches), rounds[: 6 * 8])


def test_rows_are_those_that_prune_keeps_with_the_same_seed() -> None:
    spy = Spy()
    run(recipe=spy, methods=["prototypes", "prototypes:high", "concepts"], test=TEST, seed=2)
    for name, pick in (("random", None), ("prototypes", None), ("concepts", None)):
        kept = dp.prune(X, label=Y, method=name, budget="25%", pick=pick, seed=3)
        assert np.array_equal(spy.of(name, "25%", 3)[0].rows, kept.indices)
    kept = dp.prune(X, label=Y, budget="25%", pick="high", seed=3)
    assert np.array_equal(spy.of("prototypes:high", "25%", 3)[0].rows, kept.indices)


def test_held_out_rows_are_never_trained_on_and_all_methods_share_the_split() -> None:
    spy = Spy()
    found = run(recipe=spy, methods=["prototypes"], held_out=0.2)
    assert (found.train, found.test, found.held_out) == (96, 24, 0.2)
    tests = {}
    for trial, batches in zip(spy.trials, spy.batches, strict=True):
        seen = set(np.concatenate(batches).tolist())
        held = set(range(120)) - set(trial.train.tolist())
        assert not seen & held
        assert np.bincount(Y[sorted(held)]).tolist() == [8, 8, 8]
        key = trial.test_x.tobytes()
        assert tests.setdefault(trial.seed, key) == key
        assert {tuple(row) for row in trial.test_x} == {tuple(X[row]) for row in held}
    assert len(set(tests.values())) == 3


def test_a_test_set_that_is_given_is_the_same_for_every_seed() -> None:
    spy = Spy()
    found = run(recipe=spy, test=TEST)
    assert (found.train, found.test, found.held_out) == (120, 60, None)
    assert "all seeds share the test rows" in " ".join(found.notes)
    assert {trial.test_x.tobytes() for trial in spy.trials} == {spy.trials[0].test_x.tobytes()}
    assert sorted(map(tuple, spy.trials[0].test_x)) == sorted(map(tuple, TEST[0]))


def test_the_same_call_gives_the_same_numbers_and_another_seed_others() -> None:
    first = values(run(methods=["prototypes"]))
    assert values(run(methods=["prototypes"])) == first
    assert values(run(methods=["prototypes"], seed=9)) != first
    shifted = values(run(methods=["prototypes"], seed=1))
    assert shifted["rs2", "25%"][:2] == first["rs2", "25%"][1:]


def test_the_order_of_methods_and_budgets_changes_no_number() -> None:
    one = run(methods=["prototypes", "concepts"], budgets=["10%", "30%"])
    two = run(methods=["concepts", "prototypes"], budgets=["30%", "10%"])
    assert values(one) == values(two)
    assert [text for text, _ in two.budgets] == ["30%", "10%"]
    assert [cell.method for cell in two.cells[:4]] == ["random", "rs2", "concepts", "prototypes"]


@pytest.mark.parametrize("recipe", ["linear", nearest_mean])
@pytest.mark.parametrize("test", [None, TEST])
def test_the_order_of_the_rows_changes_no_number(recipe: Any, test: Any) -> None:
    order = np.random.default_rng(0).permutation(len(X))
    options = {**QUICK, "budgets": "25%", "recipe": recipe, "methods": ["prototypes"]}
    plain = dp.compare(X, label=Y, test=test, **options)
    again = dp.compare(X[order], label=Y[order], test=test, **options)
    assert values(again) == values(plain)
    if test is not None:
        turned = (test[0][::-1], test[1][::-1])
        assert values(dp.compare(X, label=Y, test=turned, **options)) == values(plain)


def test_a_table_and_arrays_give_the_same_shape_of_answer(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    table = pl.DataFrame({"id": [f"r{i}" for i in range(120)], "label": Y, "v": X.tolist()})
    table.write_parquet(path)
    options = {**QUICK, "budgets": 0.25, "methods": ["prototypes"], "label": "label"}
    plain = dp.compare(path, embedding="v", id="id", **options)
    shuffled = table.sample(fraction=1, shuffle=True, seed=1)
    assert values(dp.compare(shuffled, embedding="v", id="id", **options)) == values(plain)
    spy = Spy()
    dp.compare(path, embedding="v", id="id", test=table.head(10), **{**options, "recipe": spy})
    schedule = dp.resample(path, budget=0.25, id="id", rounds=2, seed=1)
    batches = spy.of("rs2", "25%", 1)[1]
    assert np.array_equal(
        np.concatenate(batches)[:48], np.concatenate([r.rows for r in schedule])[:48]
    )


def test_a_real_difference_is_a_win_and_none_is_a_tie() -> None:
    """A planted subset of one class against fair ones; and random against itself under a name."""
    found = dp.compare(
        *blobs(600, spread=0.2)[:1],
        label=blobs(600)[1],
        budgets="60 items",
        methods={
            "one class": lambda pool, k: pool.rows[pool.y[pool.rows] == 0][:k],
            "random again": "random",
        },
        recipe=nearest_mean,
        steps=10,
        seeds=5,
    )
    assert found.against("one class", "random", "60 items").verdict == "lose"
    assert found.against("one class", "rs2", "60 items").verdict == "lose"
    assert found.against("random again", "random", "60 items").verdict == "tie"
    assert "one class loses to random and rs2" in found.conclusion("60 items")


def test_steps_default_to_ten_passes_within_bounds() -> None:
    assert run(steps=None, seeds=2).steps == 200
    assert run(steps=None, seeds=2, batch=2).steps == 450
    assert run(steps=None, seeds=2, batch=1, budgets="50%").steps == 900


def test_budgets_that_come_to_the_same_are_one() -> None:
    assert run(budgets=["10%", "9 items", dp.Budget(count=9)]).budgets == (("10%", 9),)


def test_selection_time_is_told_and_progress_counts_trials() -> None:
    told: list[tuple[str, int, int]] = []
    found = run(methods=["prototypes"], progress=lambda *one: told.append(one))
    assert found.cell("prototypes", "25%").seconds > 0
    assert found.cell("rs2", "25%").seconds == 0
    assert [one for one in told if one[0] == "trials"] == [
        ("trials", done, 12) for done in range(1, 13)
    ]


def test_recipes_may_be_named_configured_or_lie_in_a_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(
        "def score(trial):\n    return float(sum(len(rows) for rows in trial.batches))\n"
        "score.unit = 'rows'\n"
    )
    found = run(recipe=f"{path}:score")
    assert found.reference.scores == (48.0, 48.0, 48.0)
    assert (found.recipe, found.unit) == (f"{path}:score", "rows")
    assert run(recipe=nearest_mean, unit="points").unit == "points"
    assert run(recipe=Spy()).unit == "score"
    assert run(recipe=Spy()).recipe == "Spy"
    assert run(recipe=MLP(hidden=4), seeds=2).recipe.startswith("MLP(rate=0.003")


@pytest.mark.parametrize(
    ("wrong", "error", "why"),
    [
        ({"seeds": 1}, InputError, "seeds is 1; give a whole number, 2 or more: one run shows"),
        ({"steps": 0}, InputError, "steps is 0"),
        ({"batch": 2.5}, InputError, "batch is 2.5"),
        ({"held_out": 0}, InputError, "held_out is 0"),
        ({"held_out": 0.001}, InputError, "holding out 0.1 % of every class leaves no row"),
        ({"seed": 2**63 - 2}, InputError, "must fit into 64 bits"),
        ({"budgets": []}, BudgetError, "there is no budget"),
        ({"budgets": "91 items"}, BudgetError, "91 items is above the 90 training rows"),
        ({"budgets": "1%"}, BudgetError, "keeps none"),
        ({"budgets": "20%, floor 2"}, BudgetError, "is no number of rows"),
        ({"budgets": "everything"}, BudgetError, "everything"),
        ({"methods": ["protypes"]}, UnknownMethodError, 'Did you mean "prototypes"'),
        ({"methods": ["prototypes:hihg"]}, UnknownMethodError, 'Did you mean "high"'),
        ({"recipe": 3}, InputError, "recipe is 3"),
        ({"recipe": "mpl"}, InputError, 'Did you mean "mlp"'),
        ({"recipe": "cnn"}, InputError, "a CNN needs images"),
        ({"label": "label"}, InputError, "the data are an array, which has no columns"),
        ({"label": None}, InputError, "label is None"),
        ({"label": Y[:9]}, InputError, "9 labels for 120 rows"),
        ({"label": np.zeros(120)}, InputError, "are of 1 class"),
        ({"label": [None, *Y[1:]]}, InputError, r"1 rows of the data have no label \(rows 0\)"),
        ({"text": "text"}, InputError, "text is 'text'"),
        ({"test": (X[:0], Y[:0])}, InputError, "not one test row"),
        ({"test": (X[:5, :2], Y[:5])}, InputError, r"shape \(2,\), those of a training row of"),
        ({"test": "rows.parquet"}, InputError, "test is rows, but label is no column"),
        ({"test_features": X}, InputError, "no test rows"),
        ({"device": "gpu"}, InputError, "device is 'gpu'"),
    ],
)
def test_what_cannot_be_compared_is_refused(wrong: Any, error: Any, why: str) -> None:
    with pytest.raises(error, match=why):
        run(**wrong)


def test_features_that_are_not_finite_are_refused_or_left_out() -> None:
    x = X.copy()
    x[[3, 7], 1] = np.nan
    with pytest.raises(InputError, match=r"2 rows of the data have features .* \(rows 3, 7\)"):
        dp.compare(x, label=Y, budgets="25%", **QUICK)
    labels = [None if row == 5 else one for row, one in enumerate(Y.tolist())]
    spy = Spy()
    found = dp.compare(
        x, label=labels, budgets="25%", on_bad="drop", methods=["concepts"], test=TEST,
        **{**QUICK, "recipe": spy},
    )  # fmt: skip
    assert found.train == 117
    assert "3 of 120 rows could not be used" in found.notes[0]
    assert not {3, 5, 7} & {int(row) for rows in spy.batches for row in np.concatenate(rows)}
    with pytest.raises(InputError, match="1 rows of the test set"):
        run(test=(np.full((1, 4), np.inf), [0]))
    spoilt = (np.vstack([TEST[0], x[3:4]]), [*TEST[1], 0])
    assert "1 of 61 test rows" in run(test=spoilt, on_bad="drop").notes[0]


def test_a_class_that_only_the_test_rows_have_is_allowed_and_told() -> None:
    found = run(test=(TEST[0], [*TEST[1][:-2], 7, 9]))
    assert found.classes == 5
    assert "2 of 60 test rows are of classes that no training row has (7, 9)" in found.notes[0]


def test_a_class_of_one_row_is_trained_on_and_not_held_out() -> None:
    spy = Spy()
    run(recipe=spy, label=[*Y[:-1], 11])
    assert spy.trials[0].ground.classes == ("0", "1", "2", "11")
    assert 119 in spy.trials[0].train


def mine(pool: Pool, k: int) -> np.ndarray:
    return pool.rows[:k]


def test_own_subsets_compete_as_rows_ids_selections_and_functions() -> None:
    ids = [f"r{row}" for row in range(120)]
    kept = dp.prune(X, label=Y, id=ids, budget="25%", seed=4)
    spy = Spy()
    run(
        recipe=spy,
        id=ids,
        test=TEST,
        budgets=["25%", "10%"],
        methods={
            "rows": np.arange(30),
            "ids": [f"r{row}" for row in range(90, 120)],
            "selection": kept,
            "function": mine,
            "high": "prototypes:high",
        },
    )
    at = {(trial.method, trial.budget): trial.rows for trial in spy.trials if trial.seed == 1}
    assert at["rows", "25%"].tolist() == list(range(30))
    assert at["ids", "25%"].tolist() == list(range(90, 120))
    assert np.array_equal(at["selection", "25%"], kept.indices)
    assert at["function", "10%"].tolist() == list(range(12))
    assert ("rows", "10%") not in at
    assert ("high", "10%") in at


@pytest.mark.parametrize(
    ("given", "error", "why"),
    [
        (np.arange(29), BudgetError, "own keeps 29 rows, and no budget comes to that: 25% is 30"),
        (np.arange(100, 130), InputError, r"10 rows that cannot be trained on.*rows 120, 121"),
        (np.r_[0, 0:29], InputError, "some rows twice"),
        (np.arange(30.0), InputError, "dtype float64"),
        (["r1", "nobody"], InputError, "1 ids that the data do not have"),
        ([], BudgetError, "own keeps 0 rows, and no budget"),
        (dp.prune(X[:60], budget="50%"), InputError, "a selection of 60 rows"),
        (lambda pool, k: pool.rows[: k - 1], BudgetError, "keeps 29 rows where the budget is 30"),
        (lambda pool, k: np.zeros((2, 2), int), InputError, r"shape \(2, 2\)"),
        ("nobody", UnknownMethodError, "no method 'nobody'"),
        ("lexical", UnknownMethodError, "'lexical' is for contexts.*`datapruner chunks`"),
    ],
)
def test_own_subsets_that_cannot_compete_are_refused(given: Any, error: Any, why: str) -> None:
    with pytest.raises(error, match=why):
        run(methods={"own": given}, test=TEST, id=[f"r{row}" for row in range(120)])


def test_fixed_rows_and_a_split_do_not_go_together() -> None:
    with pytest.raises(InputError, match=r"Fixed rows need a test set of their own"):
        run(methods={"own": np.arange(30)}, budgets="30 items")


def test_the_names_that_always_run_are_taken() -> None:
    for name in ("random", "rs2", "all, same steps"):
        with pytest.raises(InputError, match="always runs"):
            run(methods={name: mine})


def test_a_method_that_cannot_fill_the_budget_is_refused() -> None:
    x = np.repeat(X[:30], 4, axis=0)
    options = {**QUICK, "test": TEST, "methods": ["duplicates"], "budgets": "50%"}
    with pytest.raises(BudgetError, match=r"duplicates keeps \d+ rows where the budget is 60"):
        dp.compare(x, label=np.repeat(Y[:30], 4), **options)


class Bomb:
    """Fails at one trial, as a machine might."""

    def __init__(self, left: int) -> None:
        self.left = left

    def __call__(self, trial: Trial) -> float:
        if not self.left:
            raise KeyboardInterrupt
        self.left -= 1
        return nearest_mean(trial)


def test_a_stopped_comparison_goes_on_with_what_is_left(tmp_path: Path) -> None:
    journal = tmp_path / "journal"
    options = {"methods": ["prototypes"], "journal": journal}
    plain = run(recipe=Bomb(99), methods=["prototypes"])
    bomb = Bomb(5)
    with pytest.raises(KeyboardInterrupt):
        run(recipe=bomb, **options)
    assert len(list(journal.iterdir())) == 5
    rest = Bomb(7)
    assert values(run(recipe=rest, **options)) == values(plain)
    assert rest.left == 0
    nothing = Bomb(0)
    assert values(run(recipe=nothing, **options)) == values(plain)
    # What is asked for more is run, and nothing else.
    more = Bomb(3)
    run(recipe=more, methods=["prototypes", "concepts"], journal=journal)
    assert more.left == 0


@pytest.mark.parametrize(
    "other",
    [{"steps": 7}, {"batch": 9}, {"seed": 3}, {"label": (Y + 1) % 3}, {"recipe": Spy()}],
)
def test_another_comparison_finds_nothing_in_the_journal(tmp_path: Path, other: Any) -> None:
    journal = tmp_path / "journal"
    run(journal=journal)
    found = run(journal=journal, **other)
    assert values(found) == values(run(**other))
    assert len(list(journal.iterdir())) > 9


def test_a_record_cut_short_is_run_again(tmp_path: Path, caplog: Any) -> None:
    journal = tmp_path / "journal"
    plain = values(run(journal=journal))
    for path in journal.iterdir():
        path.write_bytes(path.read_bytes()[:50])
    assert values(run(journal=journal)) == plain
    assert "passed over" in caplog.text


def test_a_recipes_file_that_cannot_be_used_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text("def score(trial):\n    return 1.0\nvalue = 3\n")
    with pytest.raises(InputError, match=r'no function \'scor\'. Did you mean "score"'):
        run(recipe=f"{path}:scor")
    with pytest.raises(InputError, match="has no function 'value'"):
        run(recipe=f"{path}:value")
    with pytest.raises(InputError, match="cannot be read"):
        run(recipe=f"{path.with_name('other.py')}:score")
    path.write_text("1 / 0")
    with pytest.raises(InputError, match="failed to load: ZeroDivisionError"):
        run(recipe=f"{path}:score")


def test_a_function_without_source_is_known_by_its_name() -> None:
    scope: dict[str, Any] = {}
    exec("def score(trial):\n    return float(len(list(trial.batches)))", scope)
    assert named_recipe(scope["score"]).mark.endswith("score")
    assert run(recipe=scope["score"]).reference.mean == 6


def test_the_package_has_its_names_and_no_others() -> None:
    for name in package.__all__:
        assert getattr(package, name) is not None
    with pytest.raises(AttributeError, match="has no attribute 'comparison_of'"):
        package.comparison_of  # noqa: B018
