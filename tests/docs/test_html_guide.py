"""The guide to pruning web pages runs as it stands, and prints what it says."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "html.md"


def test_the_python_blocks_of_the_guide_print_what_their_comments_say(tmp_path: Path) -> None:
    blocks = re.findall(r"```python\n(.*?)```", GUIDE.read_text(encoding="utf-8"), flags=re.DOTALL)
    assert len(blocks) == 2
    script = tmp_path / "guide.py"
    script.write_text("\n".join(blocks), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-W", "error", str(script)], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert (
        "<h1>Shop</h1><h2>Prices</h2><table><thead><tr><th>Item</th><th>Price</th></tr></thead>"
        "<tr><td>Toaster</td><td>21 euros</td></tr></table>\n"
    ) in done.stdout
    assert "\n/html/body/table/tr[2]\n" in done.stdout
    assert (
        '<section data-source="https://dogs.example/"><p>Dogs bark at cats. They do it a lot.</p>'
        "</section>\n"
    ) in done.stdout
    assert "praise" not in done.stdout.split("hidden: ")[0]
