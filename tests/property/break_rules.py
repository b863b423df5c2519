"""Break each rule of the ledger once, and show that its property test notices.

Run by hand, not part of the suite: ``python tests/property/break_rules.py``. Every entry below
changes one thing in a copy of the package and runs one test on that copy, which must fail. It exits
with 1 if a test passes on broken code, or if an entry no longer applies to the source.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).parents[2]
LEDGER = "tests/property/test_ledger.py"


@dataclass(frozen=True)
class Break:
    """One change, in words and in source, and the test that must notice it."""

    rule: int
    what: str
    file: str
    before: str
    after: str
    test: str


BREAKS = (
    Break(
        1,
        "one row too many",
        "core/books.py",
        "if self.count + count > self.count_limit:",
        "if self.count + count > self.count_limit + 1:",
        "test_rule_1_no_limit_is_ever_exceeded",
    ),
    Break(
        1,
        "group caps off by one",
        "core/ledger.py",
        "fits = rank < (self._caps",
        "fits = rank <= (self._caps",
        "test_rule_1_no_limit_is_ever_exceeded",
    ),
    Break(
        2,
        "a share is truncated in binary",
        "core/budget.py",
        "* countable + 1e-9)",
        "* countable)",
        "test_rule_2_every_whole_per_cent_of_any_number_of_rows_is_exact",
    ),
    Break(
        2,
        "fractions of groups are lost, not handed out",
        "core/apportion.py",
        "while left > 0:",
        "while False:",
        "test_rule_2_unit_costs_keep_exactly_the_share",
    ),
    Break(
        2,
        "groups count rows that are ruled out",
        "core/select.py",
        "can_stay = scores.contenders if eligible is None",
        "can_stay = items.is_countable if eligible is None",
        "test_rule_2_what_is_ruled_out_is_made_up_for_by_the_others",
    ),
    Break(
        1,
        "rows that are ruled out are offers like any other",
        "core/books.py",
        "            np.copyto(self._reasons, ruled_out, where=ruled_out != 0)\n",
        "            pass\n",
        "test_rule_1_no_limit_is_ever_exceeded",
    ),
    Break(
        3,
        "a row that fits exactly is refused",
        "core/ledger.py",
        "fits = self.cost + prices <= self._cost_stop",
        "fits = self.cost + prices < self._cost_stop",
        "test_rule_3_no_refused_row_would_still_fit",
    ),
    Break(
        3,
        "stop goes on after a price that does not fit",
        "core/books.py",
        '        if self.fill == "stop" and reason != Reason.STOPPED:',
        "        if False:",
        "test_rule_3_stop_keeps_a_prefix_of_the_offers",
    ),
    Break(
        4,
        "pinned rows are offers like any other",
        "core/books.py",
        "        self._admit_pinned()\n",
        "",
        "test_rule_4_pinned_rows_come_first_or_the_budget_is_refused",
    ),
    Break(
        4,
        "pinned rows beyond the budget are let in",
        "core/books.py",
        "        self._check_pinned(len(pinned))\n",
        "",
        "test_rule_4_pinned_rows_come_first_or_the_budget_is_refused",
    ),
    Break(
        5,
        "ancestors come along without being checked for their price",
        "core/books.py",
        "for r in (*chain, row)]",
        "for r in (row,)]",
        "test_rule_5_ancestors_come_along_and_are_paid",
    ),
    Break(
        5,
        "ancestors stay behind",
        "core/books.py",
        "        if self._parents:\n            return self._admit_chain(row)\n",
        "",
        "test_rule_5_ancestors_come_along_and_are_paid",
    ),
    Break(
        6,
        "ties go by position",
        "core/order.py",
        "np.lexsort((rows, tie[rows], run))",
        "np.lexsort((rows, run))",
        "test_rule_6_shuffled_rows_keep_the_same_ids_in_the_same_order",
    ),
    Break(
        6,
        "rows without ids tie by a hash",
        "core/items.py",
        "return np.arange(self.n, dtype=np.uint64)",
        "return mix(np.arange(self.n))",
        "test_rule_6_rows_without_ids_tie_by_row_number",
    ),
    Break(
        6,
        "draws come from the global generator",
        "pickers/sampled.py",
        "salt = int(rng.integers(1, 2**63))",
        "salt = int(np.random.randint(1, 2**31))",
        "test_rule_6_the_same_items_budget_and_seed_give_the_same_bytes",
    ),
    Break(
        7,
        "stop fills the gap with a cheaper row",
        "core/ledger.py",
        'if rows.size and self.fill == "stop":',
        "if False:",
        "test_rule_7_a_larger_budget_keeps_a_superset",
    ),
    Break(
        8,
        "the fast lane is one row short",
        "core/ledger.py",
        "(np.cumsum(free) <= room)",
        "(np.cumsum(free) < room)",
        "test_rule_8_both_lanes_agree_however_the_offers_arrive",
    ),
    Break(
        8,
        "the fast lane gives another reason",
        "core/ledger.py",
        "np.where(at_cap, Reason.GROUP, Reason.FLOOR)",
        "np.where(at_cap, Reason.FLOOR, Reason.GROUP)",
        "test_rule_8_both_lanes_agree_however_the_offers_arrive",
    ),
    Break(
        8,
        "both lanes forget what floors have reserved",
        "core/floors.py",
        "        self.reserved += owed - int(self.need[group])\n",
        "",
        "test_rule_8_the_scalar_lane_follows_the_rules_literally",
    ),
)


def outcome(change: Break, folder: Path) -> str:
    """What the test said of the broken copy: ``noticed``, ``missed`` or what went wrong."""
    shutil.rmtree(folder / "datapruner", ignore_errors=True)
    hide = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "datapruner", folder / "datapruner", ignore=hide)
    path = folder / "datapruner" / change.file
    source = path.read_text(encoding="utf-8")
    if source.count(change.before) != 1:
        return f"does not apply: {change.before!r} occurs {source.count(change.before)} times"
    path.write_text(source.replace(change.before, change.after), encoding="utf-8")
    # "-m pytest" puts the folder first on the path, before an installed copy.
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-x",
            "-p",
            "no:cacheprovider",
            f"{LEDGER}::{change.test}",
        ],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode == 0:
        return "missed"
    return "noticed" if "1 failed" in done.stdout else f"could not run:\n{done.stdout}{done.stderr}"


def main() -> int:
    """Run every break; 0 when all were noticed."""
    missed = 0
    with TemporaryDirectory() as name:
        folder = Path(name)
        shutil.copytree(ROOT / "tests", folder / "tests")
        shutil.copy(ROOT / "pyproject.toml", folder)
        for change in BREAKS:
            said = outcome(change, folder)
            missed += said != "noticed"
            print(f"rule {change.rule}  {change.what:<58}  {said}", flush=True)
    print(f"{len(BREAKS) - missed} of {len(BREAKS)} breaks were noticed")
    return min(missed, 1)


if __name__ == "__main__":
    sys.exit(main())
