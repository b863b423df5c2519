"""The documents are executed and compared with the code, so that they cannot drift."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from datapruner.core.allocate import ALLOCATORS
from datapruner.methods import METHODS, PICKERS

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("benchmarks/**/*.md")])


def table_names(page: str, head: str) -> list[str]:
    """First cells of the table whose header starts with ``head``, in order."""
    lines = (ROOT / "docs" / page).read_text(encoding="utf-8").splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith(f"| {head} |"))
    rows = []
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        rows.append(line.split("|")[1].strip().strip("`"))
    return rows


@pytest.mark.parametrize(
    ("head", "registered"),
    [("method", METHODS), ("pick", PICKERS), ("allocate", ALLOCATORS)],
)
def test_the_tables_of_methods_md_name_exactly_what_is_registered(head, registered):
    assert table_names("methods.md", head) == list(registered)


def test_the_method_table_tells_the_paper_and_the_allocator_of_each_method():
    page = (ROOT / "docs" / "methods.md").read_text(encoding="utf-8")
    for method in METHODS.values():
        row = next(line for line in page.splitlines() if line.startswith(f"| `{method.name}` |"))
        assert method.paper in row
        assert f"| {method.allocate} |" in row


def test_the_python_blocks_of_the_readme_run_as_they_stand(tmp_path):
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)
    assert len(blocks) >= 3
    script = tmp_path / "readme.py"
    script.write_text("\n".join(blocks), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-W", "error", str(script)], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "kept 30 of 100 rows" in done.stdout


def test_every_flag_in_a_documented_command_exists():
    # architecture.md is the plan of the whole house, with rooms that are still to come.
    built = [page for page in PAGES if page.name != "architecture.md"]
    text = "\n".join(page.read_text(encoding="utf-8") for page in built)
    commands = re.findall(r"^    datapruner ((?:train )?\w+)(.*)$", text, flags=re.MULTILINE)
    assert commands
    helps: dict[str, str] = {}
    for name, rest in commands:
        if name not in helps:
            done = subprocess.run(
                [sys.executable, "-m", "datapruner", *name.split(), "--help"],
                capture_output=True,
                text=True,
            )
            assert done.returncode == 0, f"there is no command {name}"
            helps[name] = done.stdout
        for flag in re.findall(r"--[a-z][a-z-]*", rest.split("#")[0]):
            assert flag in helps[name], f"datapruner {name} has no {flag}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_between_the_documents_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
        if not target.startswith("http"):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_the_demo_runs_on_a_small_corpus(tmp_path):
    done = subprocess.run(
        [
            sys.executable,
            str(ROOT / "examples" / "demo.py"),
            "--limit",
            "300",
            "--out",
            str(tmp_path / "out"),
        ],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out" / "kept.parquet").exists()
    assert ": kept" in done.stdout
    assert ": dropped" in done.stdout


def test_the_changelog_speaks_of_the_version_in_pyproject():
    version = re.search(r'^version = "(.+)"', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert version is not None
    assert f"## [{version.group(1)}]" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
