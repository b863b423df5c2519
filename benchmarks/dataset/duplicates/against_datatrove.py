"""MinHash beside datatrove: documents a CPU second, file to file, and recall at known Jaccard.

Both read JSON lines, compare five-word shingles and write the documents that stay. datatrove runs
its four stages as its documentation has them (14 buckets of 8 hashes, made for a similarity of
about .72 and up), in the interpreter that ``--python`` names; once as it comes, with spaCy's
tokeniser, and once with that replaced by ``str.split``, which it does not offer. Prints one JSON
line; ``--full`` also writes it to ``benchmarks/results``.
"""

from __future__ import annotations

import argparse
import json
import re
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from common import env, loaders, results

SETS = {
    "near_duplicates": ("near_duplicates/articles_1000", "text"),
    "web_text": ("web_text/docs", "text"),
    "gsm8k": ("gsm8k/train", "question"),
    "banking77": ("banking77/train", "text"),
}
WORDS_FROM = (
    ("near_duplicates/articles_1000", "text"),
    ("web_text/docs", "text"),
    ("domain_text/docs", "text"),
    ("covid_qa/all", "context"),
)
# Jaccard: (words replaced, shingles), so that (s - 5 r) / (s + 5 r) is just that.
LEVELS = {
    0.5: (24, 360),
    0.7: (12, 340),
    0.75: (11, 385),
    0.8: (9, 405),
    0.85: (6, 370),
    0.9: (4, 380),
    0.95: (2, 390),
}
SHINGLE = 5
THRESHOLD = 0.8
MOST = 1000  # documents of a set
LANES = ("ours", "datatrove", "datatrove split")
WARM_UP = [f"{n} a few words to warm up with and no more {n}" for n in range(20)]


def column(name: str, of: str) -> list[str]:
    import polars as pl

    found = pl.read_parquet(loaders.data_folder() / f"{name}.parquet")[of].to_list()
    return [text for text in found if text and text.strip()]


def synthetic(documents: int, words: int, seed: int) -> list[str]:
    """Where the real texts are not there: words by Zipf's law, sentences of ten."""
    rng = np.random.default_rng(seed)
    drawn = np.minimum(rng.zipf(1.2, (documents, words)), 50_000)
    return [" ".join(f"w{n}" + "." * (i % 10 == 9) for i, n in enumerate(row)) for row in drawn]


def corpora() -> tuple[dict[str, list[str]], list[str], str]:
    """Texts for the clock by set, words to plant copies in, and where both are from."""
    try:
        timed = {name: column(*where)[:MOST] for name, where in SETS.items()}
        sources = [dict.fromkeys(column(*where)) for where in WORDS_FROM]
        words = [
            w for texts in sources for text in texts for w in re.findall("[a-z]+", text.lower())
        ]
        return timed, words, "real"
    except (loaders.DataAbsentError, FileNotFoundError):
        timed = {
            "synthetic long": synthetic(1000, 270, 1),
            "synthetic short": synthetic(3000, 40, 2),
        }
        rng = np.random.default_rng(3)
        letters = np.array(list("abcdefghijklmnopqrstuvwxyz"))
        vocabulary = ["".join(w) for w in letters[rng.integers(0, 26, (20_000, 6))]]
        return timed, [vocabulary[n] for n in rng.integers(0, 20_000, 1_000_000)], "synthetic"


def jaccard(left: list[str], right: list[str]) -> float:
    sets = [{tuple(w[i : i + SHINGLE]) for i in range(len(w) - SHINGLE + 1)} for w in (left, right)]
    return len(sets[0] & sets[1]) / len(sets[0] | sets[1])


def planted(words: list[str], pairs: int) -> tuple[list[str], list[float]]:
    """Documents, each followed by its copy, and the Jaccard similarity of each pair.

    Letters alone, so that no tool's idea of a word or of a sign makes it another pair. A stretch
    that repeats itself, whose pair would not be where it should, is passed over.
    """
    rng = np.random.default_rng(11)
    texts: list[str] = []
    levels: list[float] = []
    place = 0
    for level, (replaced, shingles) in LEVELS.items():
        made, size = 0, shingles + SHINGLE - 1
        while made < pairs and place + size <= len(words):
            base = words[place : place + size]
            place += size
            copy = list(base)
            spots = np.arange(replaced) * ((size - 2 * SHINGLE) // replaced) + SHINGLE
            for spot in spots.tolist():
                copy[spot] = "q" + "".join(chr(97 + n) for n in rng.integers(0, 26, 9))
            if abs(jaccard(base, copy) - level) < 0.003:
                texts += [" ".join(base), " ".join(copy)]
                levels.append(level)
                made += 1
    return texts, levels


def cpu() -> float:
    """CPU seconds of this process and of its children that have ended."""
    both = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in both)


def ours(source: Path, out: Path) -> None:
    """Exact copies and MinHash by ``dedup``, without the semantic stage; kept lines are copied."""
    import datapruner as dp

    kept = dp.dedup(str(source), text="text", id="id", eps=0, jaccard=THRESHOLD)
    with source.open("rb") as lines, out.open("wb") as file:
        file.writelines(
            line for line, stays in zip(lines, kept.mask.tolist(), strict=True) if stays
        )


class Split:
    """The leanest tokeniser there is, in the place of datatrove's."""

    def word_tokenize(self, text: str) -> list[str]:
        return text.split()


def datatrove(source: Path, out: Path, *, tokenizer: Any = None) -> None:
    """The four stages one after the other in this process."""
    from datatrove.executor import LocalPipelineExecutor
    from datatrove.pipeline.dedup import MinhashDedupSignature
    from datatrove.pipeline.dedup.minhash import (
        MinhashConfig,
        MinhashDedupBuckets,
        MinhashDedupCluster,
        MinhashDedupFilter,
    )
    from datatrove.pipeline.readers import JsonlReader
    from datatrove.pipeline.writers import JsonlWriter

    work = out.with_suffix(".work")
    config = MinhashConfig(n_grams=SHINGLE)
    sign = MinhashDedupSignature(output_folder=str(work / "signed"), config=config)
    if tokenizer is not None:
        sign.word_tokenizer = tokenizer
    reader = JsonlReader(str(source.parent), glob_pattern=source.name, doc_progress=False)
    buckets = MinhashDedupBuckets(str(work / "signed"), str(work / "buckets"), config=config)
    cluster = MinhashDedupCluster(str(work / "buckets"), str(work / "gone"), config=config)
    writer = JsonlWriter(str(work / "kept"), output_filename="kept.jsonl", compression=None)
    steps = [[reader, sign], [buckets], [cluster]]
    steps += [[reader, MinhashDedupFilter(str(work / "gone")), writer]]
    for number, step in enumerate(steps):
        LocalPipelineExecutor(
            step,
            tasks=config.num_buckets if step == [buckets] else 1,
            workers=1,
            logging_dir=str(work / f"log{number}"),
            skip_completed=False,
        ).run()
    shutil.move(work / "kept" / "kept.jsonl", out)
    shutil.rmtree(work)


def lane(name: str) -> Callable[[Path, Path], None]:
    if name == "ours":
        return ours
    from loguru import logger

    logger.remove()
    if name == "datatrove":
        return datatrove
    return lambda source, out: datatrove(source, out, tokenizer=Split())


def child(name: str, folder: Path) -> dict[str, Any]:
    """One lane over every file of a folder: CPU seconds and the ids that stay."""
    run = lane(name)
    answer: dict[str, Any] = {}
    warm, *sources = sorted(folder.glob("*.jsonl"), key=lambda path: path.stem != "warm-up")
    with tempfile.TemporaryDirectory() as scratch:
        run(warm, Path(scratch) / "warm-up.out")
        for source in sources:
            begun = cpu()
            out = Path(scratch) / f"{source.stem}.out"
            run(source, out)
            spent = cpu() - begun
            ids = [json.loads(line)["id"] for line in out.read_text(encoding="utf-8").splitlines()]
            answer[source.stem] = {"cpu_s": spent, "kept": [int(one) for one in ids]}
    packages = ("rensa", "numpy") if name == "ours" else ("datatrove", "spacy", "numpy")
    versions = {package: metadata.version(package) for package in packages}
    return {"files": answer, "versions": versions}


def write_jsonl(folder: Path, files: dict[str, list[str]]) -> None:
    folder.mkdir()
    for name, texts in {**files, "warm-up": WARM_UP}.items():
        lines = [json.dumps({"id": str(i), "text": text}) for i, text in enumerate(texts)]
        (folder / f"{name}.jsonl").write_text("\n".join([*lines, ""]), encoding="utf-8")


def recall(kept: list[int], levels: list[float]) -> dict[str, float]:
    """Of the pairs of each level, the share of which one is gone."""
    stays = np.zeros(2 * len(levels), dtype=bool)
    stays[kept] = True
    broken = ~stays.reshape(-1, 2).all(axis=1)
    at = np.array(levels)
    return {str(level): round(float(broken[at == level].mean()), 4) for level in LEVELS}


def measured(folder: Path, python: str, repeats: int) -> dict[str, list[dict[str, Any]]]:
    """Answers of every lane, run in turn so that all see the same machine."""
    answers: dict[str, list[dict[str, Any]]] = {name: [] for name in LANES}
    for _ in range(repeats):
        for name in LANES:
            command = [sys.executable if name == "ours" else python, __file__]
            command += ["--lane", name, "--folder", str(folder)]
            done = subprocess.run(command, capture_output=True, text=True)
            if done.returncode:
                raise SystemExit(f"{name} failed: {done.stderr[-2000:]}")
            answers[name].append(json.loads(done.stdout.splitlines()[-1]))
    return answers


def table(answers: dict[str, list[dict[str, Any]]], name: str, documents: int) -> dict[str, Any]:
    """Documents a CPU second of every lane on one file, and ours over each of theirs."""
    rate = {
        which: documents / statistics.median(one["files"][name]["cpu_s"] for one in runs)
        for which, runs in answers.items()
    }
    times = {f"times {which}": round(rate["ours"] / rate[which], 1) for which in LANES[1:]}
    return {"documents": documents, **{k: round(v) for k, v in rate.items()}, **times}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--python", help="interpreter with datatrove, spacy, orjson and xxhash<4")
    parser.add_argument("--full", action="store_true", help="five runs, 300 pairs a level")
    parser.add_argument("--lane", choices=LANES, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.lane:
        print(json.dumps(child(given.lane, given.folder)))
        return
    if given.python is None:
        parser.error("name an interpreter that has datatrove: --python /path/to/venv/bin/python")
    timed, words, origin = corpora()
    copies, levels = planted(words, 300 if given.full else 60)
    if not given.full:
        timed = {name: texts[:300] for name, texts in timed.items()}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        write_jsonl(folder / "timed", timed)
        answers = measured(folder / "timed", given.python, 5 if given.full else 1)
        write_jsonl(folder / "planted", {"planted": copies})
        found = measured(folder / "planted", given.python, 1)
    answer = {
        "texts": origin,
        "fingerprint": loaders.fingerprint(*timed.values(), copies),
        "pairs": len(levels),
        "speed": {name: table(answers, name, len(texts)) for name, texts in timed.items()},
        "recall": {
            name: recall(runs[0]["files"]["planted"]["kept"], levels)
            for name, runs in found.items()
        },
        "kept": {
            name: {which: len(runs[0]["files"][name]["kept"]) for which, runs in answers.items()}
            for name in timed
        },
        "versions": {name: runs[0]["versions"] for name, runs in answers.items()},
        "environment": env.stamp("benchmarks/dataset/duplicates/against_datatrove.py --full"),
    }
    if given.full:
        results.write("dataset-duplicates-datatrove-full", answer)
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
