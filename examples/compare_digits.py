"""Which rows to keep of the digits of scikit-learn? Measured, at equal steps.

    python examples/compare_digits.py

Random, RS2 and training on all rows run in any case; the three contenders here are a method of the
registry, the same with another pick, and a function of one's own.
"""

from __future__ import annotations

import argparse

import numpy as np
from sklearn.datasets import load_digits

import datapruner as dp
from datapruner.dataset.compare import Pool


def nearest_the_mean(pool: Pool, k: int) -> np.ndarray:
    """The k training rows nearest to the mean of their class: every class's most ordinary ones."""
    rows = pool.rows
    away = np.empty(rows.size)
    for code in np.unique(pool.y[rows]):
        of_class = pool.y[rows] == code
        x = pool.embedding[rows[of_class]]
        away[of_class] = np.linalg.norm(x - x.mean(axis=0), axis=1)
    return rows[np.argsort(away, kind="stable")[:k]]


def main() -> None:
    """Compare, and print the report."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=200)
    options = parser.parse_args()
    pixels, labels = load_digits(return_X_y=True)
    found = dp.compare(
        pixels,
        label=labels,
        budgets=["5%", "20%"],
        methods={
            "prototypes": "prototypes",
            "cover": "prototypes:kcentre",
            "nearest the mean": nearest_the_mean,
        },
        recipe="mlp",
        steps=options.steps,
        seeds=options.seeds,
    )
    print(found)


if __name__ == "__main__":
    main()
