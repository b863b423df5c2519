"""Several files that appear together: drafts first, names last, the output's own last of all.

So an output that is there is complete and described, and a run that was killed can simply be
started again: its drafts have fixed names, and the next run throws them away.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import sys
import tempfile
from pathlib import Path
from types import TracebackType

from datapruner.errors import OutputError
from datapruner.output import check_writable

__all__ = ["Staging", "is_stream", "sidecar"]


def sidecar(out: Path, kind: str) -> Path:
    """The file that describes an output: ``kept.parquet`` has ``kept.parquet.manifest.json``."""
    return out.with_name(f"{out.name}.{kind}")


def is_stream(out: Path) -> bool:
    """Whether bytes go straight out: ``-``, a pipe or a device, which no rename may replace."""
    if str(out) == "-":
        return True
    try:
        mode = out.stat().st_mode
    except OSError:
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


class Staging:
    """Drafts beside an output, gone afterwards unless ``commit`` gave them their names.

    Args:
        out: the output; ``-``, pipes and devices get its bytes and no sidecars.
        overwrite: replace what stands there.

    Raises:
        OutputError: the output exists or cannot be written; found out here, before any work.
    """

    def __init__(self, out: Path, overwrite: bool) -> None:
        check_writable(out, overwrite)
        self.out = out
        self.is_stream = is_stream(out)
        self._overwrite = overwrite
        self._target = out if self.is_stream else out.resolve()
        self._folder: Path | None = None
        self._drafts: dict[Path, Path] = {}
        self._stale: list[Path] = []

    def __enter__(self) -> Staging:
        if self.is_stream:
            self._folder = Path(tempfile.mkdtemp(prefix="datapruner-"))
        else:
            self._sweep()
        return self

    def _sweep(self) -> None:
        """Throw away what a killed run left: its drafts, and the drafts' own temporary files."""
        for folder in {self._target.parent, self.out.parent}:
            for leftover in folder.glob(f".partial.{_escaped(self.out.name)}*"):
                with contextlib.suppress(OSError):
                    leftover.unlink()

    def draft(self, kind: str = "") -> Path:
        """Where to write the output, or its sidecar of that kind; the suffix stays the same."""
        if self._folder is not None:
            return self._folder / (kind or "kept.jsonl")
        final = sidecar(self.out, kind) if kind else self._target
        name = final.name if kind else self.out.name
        draft = final.with_name(f".partial.{name}")
        self._drafts[draft] = final
        return draft

    def draft_of(self, path: Path) -> Path:
        """Where to write a file of a name of its own, which appears with the output.

        Raises:
            OutputError: it exists or cannot be written.
        """
        check_writable(path, self._overwrite)
        final = path.resolve()
        draft = final.with_name(f".partial.{path.name}.report")
        for leftover in (draft, *draft.parent.glob(f"{_escaped(draft.name)}.tmp-*")):
            with contextlib.suppress(OSError):
                leftover.unlink()
        self._drafts[draft] = final
        return draft

    def remove(self, kind: str) -> None:
        """Take away, when the drafts get their names, what an earlier run left of that kind."""
        self._stale.append(sidecar(self.out, kind))

    def commit(self) -> None:
        """Give every draft its name, the output last; a stream gets the output's bytes.

        Raises:
            OutputError: another process made the output meanwhile, or the system refused.
        """
        try:
            output = self._target.with_name(f".partial.{self.out.name}")
            if self.is_stream:
                self._copy_out()
            elif self._overwrite:
                with contextlib.suppress(OSError):
                    output.chmod(stat.S_IMODE(self._target.stat().st_mode))
            else:
                check_writable(self.out)
            for stale in self._stale:
                stale.unlink(missing_ok=True)
            for draft, final in self._drafts.items():
                if draft != output:
                    os.replace(draft, final)
            if not self.is_stream:
                self._place(output)
        except BrokenPipeError:
            raise
        except OutputError:
            raise
        except OSError as error:
            raise OutputError(f"cannot write {self.out}: {error.strerror or error}.") from error

    def _place(self, output: Path) -> None:
        if self._overwrite:
            os.replace(output, self._target)
            return
        try:
            os.link(output, self._target)  # unlike a rename, this replaces nothing
        except FileExistsError:
            check_writable(self.out)
        except OSError:  # a file system without hard links
            os.replace(output, self._target)

    def _copy_out(self) -> None:
        with self.draft().open("rb") as kept:
            if str(self.out) == "-":
                shutil.copyfileobj(kept, sys.stdout.buffer)
                sys.stdout.buffer.flush()
            else:
                with self.out.open("wb") as sink:
                    shutil.copyfileobj(kept, sink)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for draft in self._drafts:
            with contextlib.suppress(OSError):
                draft.unlink(missing_ok=True)
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)


def _escaped(name: str) -> str:
    return "".join(f"[{c}]" if c in "*?[" else c for c in name)
