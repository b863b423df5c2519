"""The example and the guide of comparisons run as they stand, and what they say holds."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def run(script: Path, folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "error", str(script), *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_rs2_beats_the_fixed_subsets_of_digits(tmp_path: Path) -> None:
    said = run(ROOT / "examples" / "compare_digits.py", tmp_path, "--steps", "60", "--seeds", "3")
    flowing = " ".join(said.split())
    assert "At 5 %: rs2 has the highest mean. rs2 beats random" in flowing
    assert "nearest the mean loses to random and rs2" in flowing
    assert max(map(len, said.splitlines())) <= 80


def test_the_python_blocks_of_the_guide_run_as_they_stand(tmp_path: Path) -> None:
    text = (ROOT / "docs" / "compare.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)
    assert len(blocks) == 2
    script = tmp_path / "guide.py"
    script.write_text("\n".join(blocks), encoding="utf-8")
    assert "At 10 %: " in run(script, tmp_path)
