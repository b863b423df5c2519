"""From a training loop on real digits, through the log, to scores that find its wrong labels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import datapruner as dp
from datapruner.dataset.loggedrun import open_run, run_items
from datapruner.dataset.runlog import RunLog
from datapruner.pickers.graph import MessagePassing
from datapruner.pickers.strata import Strata

EPOCHS, CLASSES, SHARE = 12, 10, 0.1


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Any]:
    """A logged run of softmax regression, and which of its labels were flipped."""
    from sklearn.datasets import load_digits

    data = load_digits()
    x = np.c_[data.data / 16, np.ones(len(data.data))].astype(np.float32)
    draw = np.random.default_rng(0)
    flipped = draw.random(len(x)) < SHARE
    others = (data.target + draw.integers(1, CLASSES, len(x))) % CLASSES
    labels = np.where(flipped, others, data.target)
    weights = np.zeros((x.shape[1], CLASSES), dtype=np.float32)
    path = tmp_path_factory.mktemp("digits") / "run.log"
    with RunLog(path, n=len(x), classes=CLASSES, features=x.shape[1]) as log:
        for epoch in range(EPOCHS):
            for rows in np.array_split(draw.permutation(len(x)), 30):
                logits = x[rows] @ weights
                log.record(rows, logits, labels[rows], epoch=epoch, features=x[rows])
                p = np.exp(logits - logits.max(axis=1, keepdims=True))
                p /= p.sum(axis=1, keepdims=True)
                p[np.arange(len(rows)), labels[rows]] -= 1
                weights -= 0.5 * x[rows].T @ p / len(rows)
    return open_run(path), flipped


@pytest.mark.parametrize(("method", "found"), [("aum", 0.9), ("el2n", 0.85), ("grand", 0.85)])
def test_flipped_labels_are_at_the_hard_end(run: Any, method: str, found: float) -> None:
    log, flipped = run
    scores = dp.score(log, method=method)
    hardest = dp.select(scores, f"{flipped.sum()} items", pick="high")
    assert flipped[hardest.indices].mean() > found


def test_never_learned_rows_are_mostly_the_flipped_ones(run: Any) -> None:
    log, flipped = run
    scores = dp.score(log, method="forgetting")
    assert flipped[scores.values == EPOCHS].mean() > 0.8
    dropped = dp.score(log, method="forgetting", never_learned="drop").rulings
    assert dropped is not None
    assert dropped.is_out.tolist() == (scores.values == EPOCHS).tolist()


@pytest.mark.parametrize("pick", [Strata(cut=0.15), MessagePassing(cut=0.15)])
def test_a_cut_keeps_nearly_all_of_them_out(run: Any, pick: Any) -> None:
    log, flipped = run
    kept = dp.select(dp.score(log, method="aum"), "30%", pick=pick)
    assert flipped[kept.indices].mean() < 0.2 * flipped.mean()


@pytest.mark.parametrize("pick", ["herding", "facility", "kcentre", "d2"])
def test_the_features_of_a_log_serve_the_pickers(run: Any, pick: str) -> None:
    log, _ = run
    assert len(dp.select(dp.score(log, method="entropy"), "5%", pick=pick)) == 89


def test_the_columns_stay_on_the_disk(run: Any) -> None:
    items = run_items(run[0])
    assert Path(items.features["logits"].sources[0][0].path).exists()
    assert not isinstance(items.features["logits"], np.ndarray)
