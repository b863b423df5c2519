"""Imports point downwards only, the package is light, and its public names are a promise."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import datapruner

ROOT = Path(datapruner.__file__).parent
TOP = {"errors", "rng", "methods", "output", "tokens"}
LAYERS = (
    {"cli", "integrations", "report"},
    {"dataset", "context", "training"},
    {"engines", "scorers", "pickers", "vectors"},
    {"core"},
)
HEAVY = (
    *("torch", "faiss", "datasets", "transformers", "sentence_transformers", "sklearn", "scipy"),
    *("polars", "pyarrow", "pandas", "typer", "rich", "tokenizers", "safetensors", "orjson"),
)


def layer(part: str) -> int:
    return next(depth for depth, names in enumerate(LAYERS) if part in names)


def imported(path: Path) -> set[str]:
    """The parts of datapruner that a file imports, wherever in the file; and string targets."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            module = node.module or ""
            names = (
                [f"{module}.{alias.name}" for alias in node.names]
                if module == "datapruner"
                else [module]
            )
        found |= {n.split(".")[1] for n in names if n.startswith("datapruner.")}
    return found


FILES = sorted(p for p in ROOT.rglob("*.py") if p.parent != ROOT)


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_point_downwards(path: Path) -> None:
    part = path.relative_to(ROOT).parts[0]
    allowed = {name for names in LAYERS[layer(part) + 1 :] for name in names} | TOP | {part}
    if layer(part) < 3:
        allowed |= LAYERS[layer(part)]
    for name in imported(path):
        assert name in allowed, f"{part} may not import {name}"
    if part == "core":
        assert "tokens" not in imported(path)


@pytest.mark.parametrize("name", sorted(TOP))
def test_the_modules_anybody_may_use_need_only_the_core(name: str) -> None:
    path = ROOT / f"{name}.py"
    assert imported(path) <= TOP | {"core"}


def test_dataset_and_context_never_import_each_other() -> None:
    for part, other in (("dataset", "context"), ("context", "dataset")):
        for path in (ROOT / part).rglob("*.py"):
            assert other not in imported(path), path


def test_every_folder_has_its_place_in_the_layers() -> None:
    parts = {p.relative_to(ROOT).parts[0] for p in FILES}
    assert parts <= set().union(*LAYERS)


def test_the_core_needs_numpy_alone() -> None:
    for path in (ROOT / "core").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            for name in names:
                top = name.split(".")[0]
                assert top in ("numpy", "datapruner") or top in sys.stdlib_module_names, path


@pytest.mark.parametrize(
    "statement", ["import datapruner", "from datapruner import select, Budget"]
)
def test_importing_loads_nothing_heavy(statement: str) -> None:
    code = f"import sys\n{statement}\nprint(*sorted(set(sys.modules) & set({HEAVY!r})))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


PUBLIC = [
    "Budget",
    "BudgetError",
    "Cascade",
    "ContextPruner",
    "DataPrunerError",
    "FormatError",
    "HtmlPruner",
    "InputError",
    "Items",
    "Ledger",
    "MissingColumnError",
    "MissingExtraError",
    "OutputError",
    "PrunedContext",
    "PrunedHtml",
    "Pruner",
    "Reason",
    "Report",
    "Schedule",
    "ScoreError",
    "Scores",
    "Selection",
    "TeacherCache",
    "UnknownMethodError",
    "__version__",
    "blend",
    "calibrate",
    "compare",
    "dedup",
    "kd_loss",
    "kd_subset",
    "prune",
    "prune_chunks",
    "prune_html",
    "recommend",
    "resample",
    "score",
    "select",
    "suggest_alpha",
]


def test_the_public_names_are_frozen() -> None:
    assert sorted(datapruner.__all__) == PUBLIC
    assert sorted(dir(datapruner)) == PUBLIC


@pytest.mark.parametrize("name", PUBLIC)
def test_every_public_name_is_there(name: str) -> None:
    home = datapruner._HOME.get(name)
    if home is not None and not (ROOT / f"{home.replace('.', '/')}.py").exists():
        pytest.skip(f"{home} is not there yet")
    assert getattr(datapruner, name) is not None


def test_an_unknown_public_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match=r"has no attribute 'prunes'"):
        datapruner.prunes  # noqa: B018


def test_the_package_ships_its_types() -> None:
    assert (ROOT / "py.typed").exists()


@pytest.mark.parametrize("path", sorted(ROOT.rglob("*.py")), ids=lambda p: str(p.relative_to(ROOT)))
def test_every_module_lists_its_public_names(path: Path) -> None:
    name = ".".join(("datapruner", *path.relative_to(ROOT).with_suffix("").parts))
    module = importlib.import_module(name.removesuffix(".__init__"))
    for public in getattr(module, "__all__", []):
        assert hasattr(module, public), public
