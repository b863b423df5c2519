"""The distillation example runs as it stands, on the small set and for few steps."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "kd_fashion.py"


def test_the_student_with_a_teacher_ends_above_the_one_without():
    done = subprocess.run(
        [sys.executable, "-W", "error", str(EXAMPLE), "--digits", "--steps", "300"],
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
    alone, taught = (
        float(re.search(rf"{words}: +([0-9.]+)%", done.stdout)[1])
        for words in ("labels alone", "with the teacher")
    )
    assert taught > alone


def test_the_python_block_of_the_guide_runs_as_it_stands(tmp_path):
    text = (EXAMPLE.parents[1] / "docs" / "distill.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)
    script = tmp_path / "guide.py"
    script.write_text(block + "\nprint(len(kept), (student(x).argmax(1) == y).float().mean())\n")
    done = subprocess.run(
        [sys.executable, "-W", "error", str(script)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("179 tensor(0.9")
