"""``datapruner train sentences`` from a file of pairs to a model, stopped and gone on with."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest
from cli.shell import Shell
from unit.training import tiny

FLAGS = ("--batch-tokens", "256", "--max-length", "64", "--seed", "3")
RUN = ("train", "sentences", "pairs.jsonl", "--out", "model", "--base", "base", *FLAGS)


@pytest.fixture
def pairs(shell: Shell) -> Path:
    tiny.write_base(shell.folder / "base")
    tiny.write_rows(shell.folder / "held.jsonl", tiny.rows(8, seed=7))
    return tiny.write_rows(shell.folder / "pairs.jsonl", tiny.rows(16))


def test_a_model_comes_out(shell: Shell, pairs: Path) -> None:
    done = shell.ok(*RUN, "--validation", "held.jsonl", "--export")
    names = {path.name for path in (shell.folder / "model").iterdir()}
    assert names == {
        *("config.json", "tokenizer.json", "model.safetensors", "model.onnx", "model-int8.onnx"),
        *("log.jsonl", "checkpoint.safetensors"),
    }
    assert not done.out
    assert "trained" in done.err
    assert "recall_30" in done.err
    assert "model-int8.onnx: 0." in done.err
    assert "wrote model/config.json, model/tokenizer.json, model/model.safetensors" in done.err
    assert "WARNING" not in done.err


def test_json_tells_the_figures(shell: Shell, pairs: Path) -> None:
    done = shell.ok(*RUN, "--validation", "held.jsonl", "--steps", "2", "--json", "--quiet")
    told = json.loads(done.out)
    assert (told["step"], told["resumed"], told["exported"]) == (2, 0, {})
    assert 0 <= told["validation"]["token_ap"] <= 1
    assert not done.err


def test_a_stopped_run_goes_on_to_the_same_model(shell: Shell, doomed: Shell, pairs: Path) -> None:
    more = ("--epochs", "40")
    shell.ok(*RUN[:4], "whole", *RUN[5:], *more)
    log = shell.folder / "model" / "log.jsonl"
    process = doomed.start(*RUN, *more)
    while not (log.exists() and b'"step":10,' in log.read_bytes()):
        assert process.poll() is None, process.communicate()
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 143, said
    assert "run the same command to go on" in said
    assert not (shell.folder / "model" / "model.safetensors").exists()
    shell.ok(*RUN, *more)
    model, whole = (shell.folder / name / "model.safetensors" for name in ("model", "whole"))
    assert model.read_bytes() == whole.read_bytes()


def test_flags_may_stand_in_a_file(shell: Shell, pairs: Path) -> None:
    (shell.folder / "train.toml").write_text('base = "base"\nsteps = 1\nmax-length = 64\n')
    shell.ok("train", "sentences", "pairs.jsonl", "--out", "m", "--config", "train.toml")
    config = json.loads((shell.folder / "m" / "config.json").read_text())
    assert config["datapruner"]["max_length"] == 64
    assert config["datapruner"]["trained"]["steps"] == 1


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--epochs", "0"), "epochs=0"),
        (("--max-length", "9"), "max_length=9"),
        (("--threads", "0"), "threads=0"),
        (("--base", "nowhere"), "neither a folder nor an installed package"),
        (("--validation", "none.jsonl"), "none.jsonl is not a file"),
        (("--validation", "pairs.jsonl"), "16 pairs of pairs.jsonl are in pairs.jsonl too"),
        (("--rate", "fast"), "--rate"),
    ],
)
def test_what_cannot_be_is_said_in_one_line(
    shell: Shell, pairs: Path, flags: tuple[str, ...], said: str
) -> None:
    assert said in shell.refused(*RUN, *flags)


def test_another_file_is_refused_in_one_line(shell: Shell, pairs: Path) -> None:
    pairs.write_text('{"text": "a", "label": 1}\n')
    assert "line 1: query, passage, sentences, keep missing" in shell.refused(*RUN)
