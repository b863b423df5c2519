"""EL2N, GraNd, AUM and the three measures of uncertainty: formulas, signs, and bad input."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import difficulty_oracle as oracle

from datapruner.core.items import Items
from datapruner.core.pruner import Pruner
from datapruner.errors import InputError, MissingColumnError, ScoreError
from datapruner.scorers import logged
from datapruner.scorers.difficulty import AUM, EL2N, GraNd
from datapruner.scorers.uncertainty import Confidence, Entropy, Margin
from datapruner.vectors.store import open_vectors

WORKED = [[2.0, 1.0, 0.0]]
UNCERTAIN = (Margin, Entropy, Confidence)
ALL = (EL2N, GraNd, AUM, *UNCERTAIN)


def items(logits: Any, labels: Any = None, **columns: Any) -> Items:
    logits = np.asarray(logits)
    n = len(logits)
    labels = np.zeros(n, dtype=np.int64) if labels is None else np.asarray(labels)
    columns = {"features": np.zeros((n, 1)), **columns}
    return Items.of(n, logits=logits, label_codes=labels, **columns)


def values(scorer: Any, *given_items: Any, **columns: Any) -> list[float]:
    return scorer(items(*given_items, **columns)).values.tolist()


@pytest.mark.parametrize(
    ("scorer", "expected"),
    [
        (EL2N(), 1.010488),
        (GraNd(), 5.152498),
        (Margin(), -0.420512),
        (Entropy(), 0.832396),
        (Confidence(), 0.334759),
        (AUM(), 0.420512),
    ],
)
def test_the_worked_example(scorer: Any, expected: float) -> None:
    found = values(scorer, WORKED, [1], features=np.array([[3.0, 4.0]]))
    assert found == pytest.approx([expected], abs=1e-6)


@settings(max_examples=50)
@given(
    n=st.integers(1, 8), snapshots=st.integers(1, 4), classes=st.integers(2, 6),
    scale=st.sampled_from([0.1, 1.0, 30.0, 800.0]), seed=st.integers(0, 10**6),
)  # fmt: skip
def test_every_score_is_the_mean_of_its_formula(
    n: int, snapshots: int, classes: int, scale: float, seed: int
) -> None:
    draw = np.random.default_rng(seed)
    z = draw.normal(size=(n, snapshots, classes)) * scale
    y, h = draw.integers(0, classes, n), draw.normal(size=(n, snapshots, 3))
    rows, when = range(n), range(snapshots)
    formulas = {
        EL2N(): lambda r, s: oracle.el2n(z[r, s], y[r]),
        GraNd(): lambda r, s: oracle.grand(z[r, s], y[r], h[r, s]),
        AUM(): lambda r, s: -oracle.aum_term(z[r, s], y[r]),
        Margin(snapshots=None): lambda r, s: -oracle.margin(z[r, s]),
        Entropy(snapshots=None): lambda r, s: oracle.entropy(z[r, s]),
        Confidence(snapshots=None): lambda r, s: oracle.confidence(z[r, s]),
    }
    for scorer, term in formulas.items():
        expected = [np.mean([term(r, s) for s in when]) for r in rows]
        assert values(scorer, z, y, features=h) == pytest.approx(expected, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("scorer", [one() for one in ALL], ids=lambda s: s.method)
def test_adding_a_constant_to_the_logits_changes_nothing(scorer: Any) -> None:
    z = np.random.default_rng(0).normal(size=(20, 5))
    y = np.arange(20) % 5
    assert values(scorer, z + 1000, y) == pytest.approx(values(scorer, z, y), abs=1e-9)


def test_scores_stay_in_their_ranges_at_the_extremes() -> None:
    z = np.array([[1e4, 0.0], [0.0, 1e4], [0.0, 0.0]])
    assert values(EL2N(), z) == pytest.approx([0, np.sqrt(2), np.sqrt(0.5)])
    assert values(AUM(), z) == pytest.approx([-1, 1, 0])


@pytest.mark.parametrize("scorer", [one() for one in UNCERTAIN], ids=lambda s: s.method)
def test_uniform_is_the_highest_and_a_sure_answer_the_lowest(scorer: Any) -> None:
    # The convention that a well-known library has upside down in one of its two modes.
    z = np.random.default_rng(1).normal(size=(50, 4)) * 2
    z[7], z[11] = 0, [900, 0, 0, 0]
    found = values(scorer, z)
    assert int(np.argmax(found)) == 7
    assert int(np.argmin(found)) == 11
    assert scorer.meaning == "harder"


@pytest.mark.parametrize("method", ["margin", "entropy", "confidence"])
@pytest.mark.parametrize("allocate", ["whole", "equal"])
def test_high_keeps_the_uncertain_with_and_without_balance(method: str, allocate: str) -> None:
    z = np.zeros((40, 2))
    z[:, 0] = np.linspace(0, 5, 40)  # row 0 is the least certain
    group = np.arange(40) % 2
    given_items = items(z, group=group, group_names=["a", "b"])
    kept = Pruner(method, allocate=allocate, pick="high")(given_items, "10 items")
    assert sorted(kept.order.tolist()) == list(range(10))


def test_least_confidence_reads_probabilities_not_logits() -> None:
    # The larger top logit belongs to the less certain row.
    found = values(Confidence(), [[10.0, 9.9, 9.8], [3.0, -3.0, -3.0]])
    assert found[0] > found[1]


def test_mislabelled_rows_stand_out_by_aum_and_el2n() -> None:
    z = np.tile([4.0, 0.0, 0.0], (10, 1))
    y = np.array([0] * 9 + [1])
    for scorer in (AUM(), EL2N(), GraNd()):
        assert int(np.argmax(values(scorer, z, y))) == 9


def test_the_last_layer_gradient_is_the_one_that_a_framework_computes() -> None:
    torch = pytest.importorskip("torch")
    draw = np.random.default_rng(2)
    h, y = draw.normal(size=(6, 4)), draw.integers(0, 3, 6)
    layer = torch.nn.Linear(4, 3).double()
    z = layer(torch.tensor(h))
    expected = []
    for row in range(6):
        loss = torch.nn.functional.cross_entropy(z[row : row + 1], torch.tensor(y[row : row + 1]))
        grads = torch.autograd.grad(loss, list(layer.parameters()), retain_graph=True)
        expected.append(float(torch.sqrt(sum((g * g).sum() for g in grads))))
    found = values(GraNd(), z.detach().numpy(), y, features=h)
    assert found == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(
    ("wanted", "used"),
    [(2, [0, 1]), (-1, [3]), (-2, [2, 3]), (None, [0, 1, 2, 3]), (9, [0, 1, 2, 3])],
)
def test_snapshots_are_the_first_the_last_or_all(wanted: int | None, used: list[int]) -> None:
    z = np.random.default_rng(3).normal(size=(5, 4, 3))
    scores = Entropy(snapshots=wanted)(items(z))
    assert scores.values.tolist() == values(Entropy(snapshots=None), z[:, used])
    assert scores.details["snapshots"] == len(used)


def test_features_logged_once_serve_every_snapshot() -> None:
    z, h = np.random.default_rng(4).normal(size=(5, 3, 3)), np.ones((5, 2))
    repeated = np.repeat(h[:, None], 3, axis=1)
    assert values(GraNd(), z, features=h) == values(GraNd(), z, features=repeated)


def test_few_snapshots_are_advised_against() -> None:
    z = np.zeros((2, 10, 3))
    assert EL2N()(items(z)).notes == ()
    assert "the mean of 1 snapshot;" in EL2N()(items(z[:, 0])).notes[0]
    assert "the mean of 9 snapshots;" in GraNd()(items(z[:, 1:])).notes[0]


def test_blocks_and_dtypes_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    z = np.round(np.random.default_rng(5).normal(size=(40, 2, 4)) * 16) / 16
    whole = values(EL2N(), z)
    monkeypatch.setattr(logged, "BLOCK_VALUES", 12)
    assert values(EL2N(), z) == whole
    assert values(EL2N(), np.asfortranarray(z.astype(np.float16))) == whole
    assert values(Margin(), z[:, 1].astype(np.float32)) == values(Margin(), z)


class Gaps:
    """Snapshots in which some rows were not logged; what stands there is no number."""

    def __init__(self, z: np.ndarray, seen: np.ndarray) -> None:
        self.z, self.seen = z, seen
        self.count, self.width = z.shape[1:]

    def __len__(self) -> int:
        return len(self.z)

    def snapshot(self, number: int, start: int, stop: int) -> Any:
        seen = self.seen[start:stop, number]
        return np.where(seen[:, None], self.z[start:stop, number], np.nan), seen


def gaps(seen: Any) -> Items:
    seen = np.asarray(seen)
    z = np.random.default_rng(6).normal(size=(*seen.shape, 3))
    labels = np.zeros(len(seen), dtype=np.int64)
    return Items.of(len(seen), logits=Gaps(z, seen), label_codes=labels, features=np.ones((3, 2)))


def test_rows_are_judged_by_the_snapshots_that_logged_them() -> None:
    given_items = gaps([[True, True], [False, True], [True, False]])
    z = given_items.features["logits"].z
    scores = EL2N()(given_items)
    expected = [
        (oracle.el2n(z[0, 0], 0) + oracle.el2n(z[0, 1], 0)) / 2,
        oracle.el2n(z[1, 1], 0),
        oracle.el2n(z[2, 0], 0),
    ]
    assert scores.values == pytest.approx(expected)
    assert "2 of 3 rows were logged in fewer than all 2 snapshots" in scores.notes[-1]


def test_rows_that_were_never_logged_are_an_error_or_barred() -> None:
    given_items = gaps([[True, True], [False, False], [True, False]])
    with pytest.raises(ScoreError, match=r'el2n: 1 of 3 rows were never logged \(rows 1\).*"drop"'):
        EL2N()(given_items)
    scores = EL2N(on_bad="drop")(given_items)
    assert scores.items.barred.tolist() == [False, True, False]
    assert scores.values[1] == 0
    barred = gaps([[True, True], [False, False], [True, False]]).bar(np.arange(3) == 1)
    assert EL2N()(barred).items.countable == 2


def test_what_barred_rows_hold_is_not_looked_at() -> None:
    z = np.zeros((3, 2))
    z[1] = np.nan
    given_items = items(z, [0, 99, 1]).bar(np.arange(3) == 1)
    assert EL2N()(given_items).values.tolist() == pytest.approx([np.sqrt(0.5), 0, np.sqrt(0.5)])


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_logits_that_are_not_finite_are_named(bad: float) -> None:
    z = np.zeros((9, 2, 3))
    z[4:, 1, 0] = bad
    message = r"el2n: the logits of 5 rows are NaN or infinite in snapshot 1 \(rows 4, 5, 6, 7, 8\)"
    with pytest.raises(ScoreError, match=message):
        EL2N()(items(z))
    with pytest.raises(ScoreError, match="the features of 9 rows"):
        GraNd()(items(z[:, 0], features=np.full((9, 2), bad)))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"logits": np.zeros(4)}, r"logits are float64 of shape \(4,\).*rows come first"),
        ({"logits": np.array([["a", "b"]] * 4)}, "expected numbers"),
        ({"logits": np.zeros((4, 1))}, "1 classes; a score needs 2 or more"),
        ({"label_codes": np.zeros(4)}, "label_codes are float64"),
        ({"label_codes": np.array([0, 1, 2, 3])}, r"1 labels are outside 0 to 2 \(row 3: 3\)"),
        ({"label_codes": np.array([0, 1, 2, -2])}, r"1 labels are outside 0 to 2 \(row 3: -2\)"),
        ({"features": np.zeros((4, 2, 5))}, "2 snapshots of features do not fit 1 of logits"),
    ],
)
def test_columns_that_do_not_fit_are_refused(change: dict[str, Any], message: str) -> None:
    fine = {
        "logits": np.zeros((4, 3)),
        "label_codes": np.zeros(4, int),
        "features": np.ones((4, 2)),
    }
    with pytest.raises(InputError, match=message):
        GraNd()(Items.of(4, **fine | change))


def test_the_label_of_a_row_that_was_never_logged_says_so() -> None:
    with pytest.raises(ScoreError, match=r"never logged \(rows 1\)"):
        AUM()(items(np.zeros((2, 3)), [0, -1]))


@pytest.mark.parametrize("scorer", ALL)
def test_a_mean_of_nothing_is_refused(scorer: Any) -> None:
    with pytest.raises(InputError, match=f"{scorer.method}: snapshots is 0"):
        scorer(snapshots=0)


def test_a_missing_column_is_named_before_any_work() -> None:
    with pytest.raises(MissingColumnError, match="grand needs the column 'features'"):
        GraNd()(Items.of(1, logits=np.zeros((1, 2)), label_codes=np.zeros(1, int)))


def test_vectors_are_no_logits_but_an_array_of_them_is() -> None:
    with pytest.raises(InputError, match="expected numbers"):
        Margin()(Items.of(2, logits=open_vectors(np.zeros((2, 3), np.float32))))
