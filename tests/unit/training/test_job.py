"""A run of the training: it learns, it goes on to the same weights, it says what is wrong."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer
from unit.training import tiny

from datapruner.errors import FormatError, InputError, OutputError
from datapruner.training import checkpoint
from datapruner.training.job import SentenceJob, read_tokenizer
from datapruner.training.recipe import Recipe
from datapruner.training.watch import LOG, Trained

RECIPE = Recipe(epochs=2, batch_tokens=256, max_length=64, rate=2e-3, head_rate=2e-3)


@pytest.fixture
def job(tmp_path: Path) -> SentenceJob:
    return SentenceJob(
        data=tiny.write_rows(tmp_path / "pairs.jsonl", tiny.rows(32)),
        out=tmp_path / "out",
        base=str(tiny.write_base(tmp_path / "base", hidden=64)),
        recipe=RECIPE,
    )


def log_of(job: SentenceJob) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (job.out / LOG).read_text().splitlines()]


def stop_at(step: int, number: int = signal.SIGTERM) -> Any:
    """A progress that sends this process a signal after so many steps."""

    def progress(stage: str, done: int, total: int) -> None:
        if done == step:
            os.kill(os.getpid(), number)

    return progress


def weights(done: Trained) -> bytes:
    return (done.folder / "model.safetensors").read_bytes()


def test_it_learns_thirty_two_pairs_by_heart(job: SentenceJob, tmp_path: Path) -> None:
    held = tiny.write_rows(tmp_path / "held.jsonl", tiny.rows(64, seed=1))
    done = replace(job, recipe=replace(RECIPE, epochs=60)).run()
    # Measured by a run on other pairs that starts from the model and changes next to nothing.
    learnt = SentenceJob(
        data=held,
        out=tmp_path / "measured",
        base=str(done.folder),
        validation=job.data,
        recipe=replace(RECIPE, steps=1, rate=1e-9, head_rate=1e-9),
    ).run()
    assert learnt.metrics["token_f1"] > 0.95
    assert learnt.metrics["rank_accuracy"] > 0.95
    assert learnt.metrics["sentence_top"] > 0.95
    assert set(learnt.metrics["groups"]) == {"a", "b"}


def test_a_stopped_run_goes_on_to_the_same_weights(job: SentenceJob, tmp_path: Path) -> None:
    whole = replace(job, out=tmp_path / "whole").run()
    first = job.run(stop_at(3))
    assert (first.signal, first.step, first.files) == (signal.SIGTERM, 3, [])
    second = job.run(stop_at(5, signal.SIGINT))
    assert (second.signal, second.resumed, second.step) == (signal.SIGINT, 3, 5)
    third = job.run()
    assert (third.resumed, third.step, third.signal) == (5, whole.total, None)
    assert weights(third) == weights(whole)
    left, right = (load_file(done.folder / checkpoint.NAME) for done in (third, whole))
    assert left.keys() == right.keys()
    assert all(torch.equal(left[name], right[name]) for name in left)
    events = [row["event"] for row in log_of(job)]
    assert events.count("stopped") == 2
    assert events.count("resume") == 2


def test_a_killed_run_goes_on_from_its_last_checkpoint(job: SentenceJob, tmp_path: Path) -> None:
    whole = replace(job, out=tmp_path / "whole").run()

    class Killed(BaseException):
        pass

    def kill(stage: str, done: int, total: int) -> None:
        if done == 4:
            raise Killed

    with pytest.raises(Killed):
        replace(job, save_minutes=0.0).run(kill)
    done = job.run()
    assert done.resumed == 3
    assert weights(done) == weights(whole)


def test_the_order_of_the_file_does_not_matter(job: SentenceJob, tmp_path: Path) -> None:
    turned = tiny.write_rows(tmp_path / "turned.jsonl", tiny.rows(32)[::-1])
    other = replace(job, data=turned, out=tmp_path / "other").run()
    assert weights(other) == weights(job.run())


def test_seeds_differ(job: SentenceJob, tmp_path: Path) -> None:
    other = replace(job, out=tmp_path / "other", recipe=replace(RECIPE, seed=1))
    assert weights(other.run()) != weights(job.run())


def test_more_passes_go_on_from_the_end(job: SentenceJob) -> None:
    first = job.run()
    second = replace(job, recipe=replace(RECIPE, epochs=3)).run()
    assert (second.resumed, first.step) == (first.total, first.total)
    assert second.total > first.total


def test_a_run_that_is_done_writes_its_model_again(job: SentenceJob) -> None:
    before = weights(job.run())
    (job.out / "model.safetensors").unlink()
    done = job.run()
    assert done.resumed == done.step == done.total
    assert weights(done) == before


def test_frozen_layers_stay_as_they_are(job: SentenceJob) -> None:
    done = replace(job, recipe=replace(RECIPE, frozen_layers=1)).run()
    base = load_file(Path(str(job.base)) / "model.safetensors")
    after = load_file(done.folder / "model.safetensors")
    for name, value in base.items():
        is_frozen = name.startswith(("embeddings", "encoder.layer.0"))
        assert torch.equal(value, after[f"encoder.{name}"]) == is_frozen
    names = {name.split("/")[1] for name in load_file(job.out / checkpoint.NAME) if "adam" in name}
    assert not any("layer.0" in name or "embeddings" in name for name in names)
    assert any("layer.1" in name for name in names)


def test_the_global_generator_of_torch_stays_where_it_was(job: SentenceJob) -> None:
    before = torch.get_rng_state()
    threads = torch.get_num_threads()
    replace(job, recipe=replace(RECIPE, steps=2), threads=threads + 1).run()
    assert torch.equal(before, torch.get_rng_state())
    assert torch.get_num_threads() == threads


def test_the_log_tells_the_course(job: SentenceJob, tmp_path: Path) -> None:
    held = tiny.write_rows(tmp_path / "held.jsonl", tiny.rows(8, seed=5))
    calls: list[tuple[str, int, int]] = []
    done = replace(job, validation=held, validate_steps=3, validate_pairs=4).run(
        lambda *seen: calls.append(seen)
    )
    rows = log_of(job)
    assert calls == [("training", n, done.total) for n in range(1, done.total + 1)]
    assert rows[0]["event"] == "start"
    assert rows[0]["recipe"] == RECIPE.to_dict()
    looked = [row["step"] for row in rows if row["event"] == "validation"]
    assert looked == list(range(3, done.total, 3))
    steps = [row for row in rows if row["event"] == "step"]
    assert [row["step"] for row in steps] == sorted({*range(10, done.total, 10), done.total})
    for row in steps:
        assert row["loss"] == pytest.approx(row["token_loss"] + 0.1 * row["rank_loss"], abs=1e-5)
        assert row["tokens_per_cpu_second"] > 0
    assert rows[-1]["event"] == "done"
    assert rows[-1]["token_ap"] == done.metrics["token_ap"]


def test_the_model_is_in_our_format(job: SentenceJob) -> None:
    done = job.run()
    config = json.loads((done.folder / "config.json").read_text())
    assert config["backbone"]["model_type"] == "bert"
    ours = config["datapruner"]
    assert (ours["family"], ours["version"], ours["packing"]) == ("datapruner", 1, "pair")
    assert (ours["rounding"], ours["max_length"]) == ("probability", 64)
    assert ours["trained"]["steps"] == done.total
    tensors = load_file(done.folder / "model.safetensors")
    heads = {name: tuple(v.shape) for name, v in tensors.items() if "encoder." not in name}
    assert heads == {
        "tokens.weight": (2, 64),
        "tokens.bias": (2,),
        "rank.dense.weight": (64, 64),
        "rank.dense.bias": (64,),
        "rank.out.weight": (1, 64),
        "rank.out.bias": (1,),
    }
    assert not any("pooler" in name for name in tensors)
    assert Tokenizer.from_file(str(done.folder / "tokenizer.json")).get_vocab_size() == 30


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"recipe": replace(RECIPE, rate=1.0)}, "another rate"),
        ({"recipe": replace(RECIPE, seed=3, max_length=50)}, "another max_length, seed"),
    ],
)
def test_another_recipe_does_not_go_on(job: SentenceJob, change: dict[str, Any], said: str) -> None:
    job.run(stop_at(1))
    with pytest.raises(FormatError, match=said):
        replace(job, **change).run()


def test_other_data_or_another_encoder_do_not_go_on(job: SentenceJob, tmp_path: Path) -> None:
    job.run(stop_at(1))
    other = tiny.write_rows(tmp_path / "other.jsonl", tiny.rows(31))
    with pytest.raises(FormatError, match="another data"):
        replace(job, data=other).run()
    wide = str(tiny.write_base(tmp_path / "wide", hidden=32))
    with pytest.raises(FormatError, match="another backbone"):
        replace(job, base=wide).run()


def test_what_is_validated_is_not_trained_on(job: SentenceJob, tmp_path: Path) -> None:
    held = tiny.write_rows(tmp_path / "held.jsonl", [{**row, "id": "x"} for row in tiny.rows(1)])
    with pytest.raises(InputError, match=r"1 pairs of .*held.jsonl are in"):
        replace(job, validation=held).run()


def test_one_run_at_a_time_writes_to_a_folder(job: SentenceJob) -> None:
    faults: list[Exception] = []

    def second(stage: str, done: int, total: int) -> None:
        if done == 1:
            try:
                job.run()
            except OutputError as error:
                faults.append(error)

    job.run(second)
    assert "another run is writing" in str(faults[0])


def test_a_folder_that_cannot_be_made_is_named(job: SentenceJob, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot write to"):
        replace(job, out=tmp_path / "file" / "out").run()


def test_it_runs_outside_the_main_thread(job: SentenceJob) -> None:
    done: list[Trained] = []
    thread = threading.Thread(target=lambda: done.append(job.run()))
    thread.start()
    thread.join()
    assert done[0].signal is None


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"threads": 0}, "threads=0"),
        ({"validate_steps": 0}, "validate_steps=0"),
        ({"validate_pairs": 0}, "validate_pairs=0"),
        ({"save_minutes": -1.0}, "save_minutes=-1.0"),
        ({"save_minutes": float("nan")}, "save_minutes=nan"),
    ],
)
def test_a_number_out_of_its_range_is_refused(
    job: SentenceJob, change: dict[str, Any], said: str
) -> None:
    with pytest.raises(InputError, match=said):
        replace(job, **change)


def test_a_base_needs_a_tokenizer(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match=r"tokenizer.json cannot be read"):
        read_tokenizer(tmp_path)
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(FormatError, match=r"tokenizer.json cannot be read"):
        read_tokenizer(tmp_path)


def test_without_torch_the_way_to_get_it_is_said(
    job: SentenceJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(ImportError, match=r"datapruner\[train\]"):
        job.run()
