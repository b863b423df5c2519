"""Writes the card of the sentence model: ``python -m benchmarks.rag.card FOLDER [--result FILE]``.

The card lies beside the weights and ships with them. Every figure in it comes from the model's
config.json (training, validation, weights of the evidence) or from a full result of
``benchmarks.rag.run`` (test parts).
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from benchmarks.common import results
from benchmarks.common.tables import markdown
from benchmarks.rag.targets import SETS, at

TRAINING = Path(__file__).parent / "training"
"""Commands and logs of the training, and the words of the card."""


def main(arguments: list[str] | None = None) -> int:
    """The command line; returns 0."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--training", type=Path, default=TRAINING)
    given = parser.parse_args(arguments)
    config = json.loads((given.folder / "config.json").read_text("utf-8"))["datapruner"]
    size = (given.folder / "model.onnx").stat().st_size / 1e6
    text = (
        (given.training / "card.md")
        .read_text("utf-8")
        .format(
            megabytes=size,
            weights="8 bits, dynamic" if size < 50 else "float32",
            max_length=config["max_length"],
            threshold=config["threshold"],
            commands=f"```bash\n{(given.training / 'commands.sh').read_text('utf-8').strip()}\n```",
            validation=_validation(config["trained"]["validation"]),
            together=markdown(
                ["weight", "value"], [[k, f"{v:g}"] for k, v in config["together"].items()]
            ),
            tests=_tests(results.latest("rag-full")),
        )
    )
    (given.folder / "MODEL_CARD.md").write_text(text, "utf-8")
    return 0


def _validation(made: dict[str, Any]) -> str:
    names = ("token_ap", "token_f1", "recall_30", "sentence_top", "rank_accuracy")
    rows = [
        [name, *(f"{figures[one]:.3f}" if one in figures else "-" for one in names)]
        for name, figures in [*made["groups"].items(), ("all", made)]
    ]
    return markdown(["set", *names], rows)


def _tests(result: dict[str, Any]) -> str:
    curves = [one for one in result["curves"] if one["method"] == "sentences"]
    parts = [
        f"`{result['environment']['command']}`, commit {result['environment']['commit']}. Per "
        "cent of questions whose answer / all of whose gold sentences are kept, at these shares of "
        "the words; the column before the last: the answer at 30 % on average over the questions, "
        "by one price a token."
    ]
    shares = ("0.1", "0.25", "0.3", "0.5")
    rows = []
    for name in SETS:
        found = {one["limit"]: one for one in curves if one["dataset"] == name}
        if not found:
            continue
        priced = [one for limit, one in found.items() if limit[0] == "p" and "answer" in one]
        rows.append(
            [
                name,
                *(_pair(found[share]) for share in shares),
                f"{at(priced, 30):.1f}" if priced else "-",
                f"{result['calibration_error'][name]:.3f}",
            ]
        )
    head = ["set", *(f"{float(share):.0%}" for share in shares), "30 %, priced", "ECE"]
    parts.append(markdown(head, rows))
    limits = [
        one["limit"] for one in curves if one["dataset"] == SETS[0] and one["limit"][0] == "t"
    ]
    rows = [
        [name, *(_kept(curves, name, limit) for limit in limits)]
        for name in SETS
        if any(one["dataset"] == name for one in curves)
    ]
    parts.append(
        "What a threshold keeps: per cent of the words, and of the answers.\n\n"
        + markdown(["threshold", *(limit[1:] for limit in limits)], rows)
    )
    return "\n\n".join(parts)


def _kept(curves: list[dict[str, Any]], name: str, limit: str) -> str:
    (one,) = (e for e in curves if (e["dataset"], e["limit"]) == (name, limit))
    return f"{one['kept']:.0f}: {one['answer']:.0f}" if "answer" in one else f"{one['kept']:.0f}: -"


def _pair(entry: dict[str, Any]) -> str:
    return " / ".join(f"{entry[what]:.0f}" if what in entry else "-" for what in ("answer", "gold"))


if __name__ == "__main__":
    raise SystemExit(main())
