"""The command line for end-to-end tests: as a process, or called in this one."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from datapruner.cli import main

SYLLABLES = ("al", "be", "cor", "du", "en", "fi", "gor", "hal", "in", "jo")
WORDS = [first + last for first in SYLLABLES for last in SYLLABLES[:4]]


def make_rows(n: int, seed: int = 0) -> list[dict[str, Any]]:
    """Rows with an id, a text of 3 to 20 words and one of three labels."""
    draw = random.Random(seed)
    return [
        {
            "id": f"r{i}",
            "text": " ".join(draw.choices(WORDS, k=draw.randint(3, 20))),
            "label": draw.choice("abc"),
        }
        for i in range(n)
    ]


def write_jsonl(path: Path, rows: list[dict[str, Any]]) -> Path:
    """The rows as JSON lines."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def read_jsonl(path: Path) -> list[dict[str, Any]]:
    """The rows of a file of JSON lines."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@dataclass(frozen=True)
class Done:
    """A finished process."""

    code: int
    out: str
    err: str


@dataclass(frozen=True)
class Shell:
    """Runs ``python -m datapruner`` in a folder of its own, as a process."""

    folder: Path
    environment: dict[str, str]

    def command(self, *arguments: str) -> list[str]:
        """What is run."""
        return [sys.executable, "-m", "datapruner", *arguments]

    def __call__(self, *arguments: str, stdin: str | None = None, **more: Any) -> Done:
        """Run it to its end."""
        more.setdefault("cwd", self.folder)
        done = subprocess.run(
            self.command(*arguments),
            input=stdin,
            capture_output=True,
            text=True,
            timeout=120,
            env=self.environment,
            **more,
        )
        return Done(done.returncode, done.stdout, done.stderr)

    def start(self, *arguments: str, **more: Any) -> subprocess.Popen[str]:
        """Start it, and leave it running."""
        more.setdefault("cwd", self.folder)
        return subprocess.Popen(
            self.command(*arguments),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=self.environment,
            **more,
        )

    def ok(self, *arguments: str, **more: Any) -> Done:
        """Run it; it must succeed."""
        done = self(*arguments, **more)
        assert done.code == 0, done.err
        return done

    def refused(self, *arguments: str, **more: Any) -> str:
        """Run it; it must end with exit 2, one line of error and no data. Gives that line."""
        done = self(*arguments, **more)
        assert done.code == 2, (done.code, done.err)
        assert "Traceback" not in done.err
        lines = [line for line in done.err.splitlines() if line.startswith("datapruner: error: ")]
        assert len(lines) == 1, done.err
        assert done.err.splitlines()[-1] == lines[0]
        assert done.out == ""
        return lines[0]


@dataclass(frozen=True)
class Inside(Shell):
    """Calls ``main()`` in this process: the same words and exit codes, much sooner."""

    captured: pytest.CaptureFixture[str]

    def __call__(self, *arguments: str, stdin: str | None = None, **more: Any) -> Done:
        """Run it to its end; there is no standard input."""
        assert stdin is None
        assert not more
        self.captured.readouterr()
        code = main(list(arguments))
        said = self.captured.readouterr()
        return Done(code, said.out, said.err)
