"""The commands that need no corpus: select, explain, methods, verify."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from datapruner.cli import options as opt
from datapruner.cli.io import USER_FAULT, listening, say, write_data, write_json
from datapruner.errors import InputError

if TYPE_CHECKING:
    from datapruner.core.scores import Scores
    from datapruner.core.selection import Selection

__all__ = ["explain", "methods", "select", "verify"]


def select(
    scores: Annotated[
        str, typer.Argument(metavar="SCORES", help="A file that `datapruner score` wrote.")
    ],
    budget: opt.BudgetText,
    out: Annotated[
        str | None,
        typer.Option("--out", metavar="OUT.npz", help="The selection, for `explain`."),
    ] = None,
    ids: Annotated[
        str | None,
        typer.Option(
            "--ids", metavar="FILE|-", help="Write the kept ids, one a line, the best first."
        ),
    ] = None,
    pick: opt.Pick = None,
    allocate: opt.Allocate = None,
    fill: opt.Fill = "skip",
    seed: opt.Seed = 0,
    report: opt.ReportFile = None,
    config: opt.Config = None,
    overwrite: opt.Overwrite = False,
    quiet: opt.Quiet = False,
    json: opt.Json = False,
) -> None:
    """Cut scores to a budget; nothing is scored again."""
    from datapruner.core.select import select as choose
    from datapruner.dataset.job import check_seed
    from datapruner.dataset.paths import files_of_options, refuse_overlap
    from datapruner.output import atomic_write_bytes, check_writable

    if out is None and ids is None and report is None and not json:
        raise InputError("nothing to write: name --out OUT.npz, --ids FILE, or both.")
    if json and ids == "-":
        raise InputError("--json and --ids - would both write to stdout; drop one of them.")
    if out == "-":
        raise InputError("a selection is a binary file; give its name, for example kept.npz.")
    if out is not None and not out.endswith(".npz"):
        raise InputError(f"a selection is written to a .npz file, not to {out}.")
    check_seed(seed)
    targets = [Path(target) for target in (out, ids, report) if target is not None]
    refuse_overlap([Path(scores), *files_of_options(config)], targets)
    for target in targets:
        check_writable(target, overwrite)
    chosen = choose(
        _load_scores(scores),
        budget,
        pick=pick,
        allocate=allocate,
        fill=fill,  # type: ignore[arg-type]
        seed=seed,
    )
    if ids is not None:
        lines = "".join(f"{_one_line(name)}\n" for name in chosen.ids.tolist())
        atomic_write_bytes(Path(ids), lines.encode("utf-8", "surrogatepass"), overwrite=overwrite)
    if report is not None:
        from orjson import OPT_APPEND_NEWLINE, OPT_INDENT_2, dumps

        data = dumps(chosen.report().to_dict(), option=OPT_INDENT_2 | OPT_APPEND_NEWLINE)
        atomic_write_bytes(Path(report), data, overwrite=overwrite)
    if out is not None:
        chosen.save(out, overwrite=overwrite)
    if json:
        write_json(chosen.report().to_dict())
    else:
        say(str(chosen.report()), quiet=quiet)
    written = [name for name in (out, ids, report) if name not in (None, "-")]
    if written:
        say("\n".join(["wrote", *(f"  {name}" for name in written)]), quiet=quiet)


def _load_scores(name: str) -> Scores:
    from datapruner.core.scores import Scores

    path = Path(name)
    if path.is_file() and not zipfile.is_zipfile(path):
        raise InputError(f"{name} holds no scores; give the .npz of `datapruner score`.")
    return Scores.load(path)


def _one_line(id: Any) -> str:
    text = str(id)
    if "\n" in text or "\r" in text:
        raise InputError(f"the id {text!r} holds a line break; write the selection with --out.")
    return text


def explain(
    path: Annotated[
        str,
        typer.Argument(
            metavar="OUT|SELECTION",
            help="A pruned file, with its OUT.selection.npz beside it, or a selection file.",
        ),
    ],
    id: Annotated[
        list[str] | None, typer.Option("--id", metavar="ID", help="Of a row; may be repeated.")
    ] = None,
    row: Annotated[
        list[int] | None,
        typer.Option("--row", metavar="N", help="Its number, from 0; may be repeated."),
    ] = None,
    json: opt.Json = False,
) -> None:
    """Why a row was kept or dropped.

    Says its score, its rank, its group, its price and the rule that decided.
    """
    if not id and not row:
        raise InputError("which row? Name it with --id ID, or by its number with --row N.")
    selection = _load_selection(Path(path))
    rows = [selection.row_of(name) for name in id or ()] + list(row or ())
    texts = [selection.explain(number) for number in rows]
    if not json:
        write_data("\n\n".join(texts))
        return
    facts = [_facts(selection, number % selection.scores.items.n) for number in rows]
    write_json(facts[0] if len(facts) == 1 else facts)


def _load_selection(path: Path) -> Selection:
    from datapruner.core.selection import Selection
    from datapruner.dataset.staging import sidecar

    beside = sidecar(path, "selection.npz")
    if beside.is_file():
        return Selection.load(beside)
    if not path.exists():
        raise InputError(f"there is no file {path}.")
    if not zipfile.is_zipfile(path):
        raise InputError(
            f"there is no selection beside {path}: {beside.name} is missing. Give the output of "
            "`datapruner prune`, or cut the .npz of `datapruner score` with `datapruner select`."
        )
    return Selection.load(path)


def _facts(selection: Selection, row: int) -> dict[str, Any]:
    import numpy as np

    from datapruner.core.explain import rule_text
    from datapruner.core.reason import Reason

    scores, items = selection.scores, selection.scores.items
    reason, value = Reason(int(selection.reasons[row])), scores.values[row]
    low = selection.provenance.side == "low"
    better = scores.values < value if low else scores.values > value
    name = items.ids[row]
    return {
        "row": row,
        "id": name if isinstance(name, str) else int(name),
        "kept": reason.is_kept,
        "score": float(value),
        "meaning": f"higher is {scores.meaning}",
        "rank": int(np.count_nonzero(better & selection.scored)) + 1,
        "rows": int(np.count_nonzero(selection.scored)),
        "group": scores.names[int(scores.groups[row])],
        "cost": float(items.cost[row]),
        "unit": items.unit,
        "reason": reason.name.lower(),
        "rule": rule_text(selection, reason),
        **_twin(selection, row),
        **_quality(selection, row),
    }


def _twin(selection: Selection, row: int) -> dict[str, Any]:
    twins, ids = selection.scores.twins, selection.scores.items.ids
    if twins is None or not twins.has_twin[row]:
        return {}
    other, stage = int(twins.row[row]), int(twins.stage[row])
    elsewhere = twins.foreign_id(row)
    if elsewhere is not None:
        return {
            "twin": {
                "id": elsewhere,
                "similarity": float(twins.similarity[row]),
                "duplicate_by": twins.stages[stage - 1] if stage else None,
                "elsewhere": True,
            }
        }
    name = ids[other]
    return {
        "twin": {
            "row": other,
            "id": name if isinstance(name, str) else int(name),
            "similarity": float(twins.similarity[row]),
            "duplicate_by": twins.stages[stage - 1] if stage else None,
            "kept": bool(selection.mask[other]),
        }
    }


def _quality(selection: Selection, row: int) -> dict[str, Any]:
    rulings = selection.scores.rulings
    if rulings is None or rulings.quality is None:
        return {}
    value = float(rulings.quality[row])
    return {"quality": {"column": rulings.column, "value": value, "limit": rulings.limit}}


def methods(json: opt.Json = False) -> None:
    """The methods and picks there are."""
    from dataclasses import asdict

    from datapruner.methods import METHODS, PICKERS

    if json:
        hidden = ("scorer", "target")
        found = {
            "methods": [asdict(entry) for entry in METHODS.values()],
            "picks": [asdict(entry) for entry in PICKERS.values()],
        }
        for entry in (*found["methods"], *found["picks"]):
            for name in hidden:
                entry.pop(name, None)
            if ":" in str(entry.get("pick", "")):
                entry["pick"] = "by the share that is kept"
        write_json(found)
        return
    lines = ["methods (--method)"]
    lines += _rows([(m.name, m.summary, m.paper) for m in METHODS.values()])
    lines += ["", "picks (--pick)"]
    lines += _rows([(p.name, p.summary, "") for p in PICKERS.values()])
    write_data("\n".join(lines))


def _rows(cells: list[tuple[str, str, str]]) -> list[str]:
    first, second = (max(len(row[i]) for row in cells) for i in (0, 1))
    return [f"  {a:<{first}}  {b:<{second}}  {c}".rstrip() for a, b, c in cells]


def verify(
    path: Annotated[
        str, typer.Argument(metavar="MANIFEST|OUT", help="A manifest, or the output beside it.")
    ],
    quiet: opt.Quiet = False,
    json: opt.Json = False,
) -> None:
    """Run a job again and compare with its manifest.

    Exit 0 if the answer is the same, byte for byte; 2 with a list of what differs.
    """
    from datapruner.dataset.verify import find_manifest
    from datapruner.dataset.verify import verify as run_again

    with listening(quiet) as progress:
        differences = run_again(path, progress=progress)
    name = find_manifest(Path(path)).name
    if json:
        write_json({"manifest": name, "same": not differences, "differences": differences})
    elif differences:
        write_data("\n".join(differences))
    elif not quiet:
        write_data(f"same: {name} describes what this run gives, byte for byte")
    if differences:
        count = f"{len(differences)} things differ" if len(differences) > 1 else "1 thing differs"
        say(f"datapruner: error: {name}: {count} from what this run gives.")
        raise typer.Exit(USER_FAULT)
