"""The examples of RS2 run as they stand, and what they say holds."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def run(name: str, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, str(ROOT / "examples" / name), *arguments],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_fresh_tenth_beats_a_fixed_one_at_equal_steps() -> None:
    said = run("rs2_torch.py")
    fresh, fixed = (float(value) for value in re.findall(r"accuracy ([0-9.]+) %", said))
    assert len(set(re.findall(r"(\d+) steps", said))) == 1
    assert fresh > fixed


def test_a_run_from_a_finished_checkpoint_has_nothing_left_to_do(tmp_path: Path) -> None:
    path = str(tmp_path / "state.pt")
    assert run("rs2_torch.py", "--checkpoint", path) == run("rs2_torch.py", "--checkpoint", path)


def test_the_trainer_takes_the_steps_of_the_rounds() -> None:
    if importlib.util.find_spec("accelerate") is None:
        pytest.skip("the Trainer needs accelerate")
    said = run("rs2_trainer.py")
    assert "steps: 200 of 200 planned" in said
    assert "rows seen: 2000 of 2000" in said
    accuracy = re.search(r"test accuracy: ([0-9.]+) %", said)
    assert accuracy is not None
    assert float(accuracy.group(1)) > 90


def test_the_python_blocks_of_the_guide_run_as_they_stand(tmp_path: Path) -> None:
    text = (ROOT / "docs" / "resample.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)
    assert len(blocks) >= 3
    script = tmp_path / "guide.py"
    script.write_text("\n".join(blocks), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-W", "error", str(script)], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
