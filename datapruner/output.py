"""Files appear whole or not at all.

Everything is written under a temporary name in the target's own folder, brought to the disk, and
only then given its name. A crash leaves at most a ``NAME.tmp-XXXXXXXX`` that nothing ever reads.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import stat
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

from datapruner.errors import OutputError

__all__ = ["AtomicFile", "ByteSink", "atomic_write_bytes", "check_writable", "open_output"]

# zlib's own default; level 9 costs three times the time for one per cent.
_GZIP_LEVEL = 6
_ZSTD_LEVEL = 3
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class ByteSink(Protocol):
    """What the writers need: somewhere to put bytes."""

    def write(self, data: bytes, /) -> int:
        """Take the bytes; returns how many."""
        ...


def check_writable(path: Path, overwrite: bool = False) -> None:
    """Fail now rather than after hours of work.

    Raises:
        OutputError: the target exists, is a folder, or its folder is missing or may not be written.
    """
    if str(path) == "-" or _is_device(path):
        return
    if path.is_dir():
        raise OutputError(f"{path} is a folder; give a file name in it.")
    if not overwrite and (path.exists() or path.is_symlink()):
        raise OutputError(f"{path} exists; pass --overwrite or choose another name.")
    folder = path.parent
    if not folder.is_dir():
        raise OutputError(f"cannot write {path}: there is no folder {folder}; make it first.")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise OutputError(f"cannot write {path}: no permission in folder {folder}.")


def _is_device(path: Path) -> bool:
    """Pipes and devices cannot be replaced by a rename; they are written straight."""
    try:
        mode = path.stat().st_mode
    except OSError:
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


class AtomicFile:
    """A binary file that takes its name when the ``with`` block ends well, and vanishes otherwise.

    ``-`` is standard output, and devices and pipes are written straight.

    Args:
        path: the target.
        overwrite: replace what stands there; its permissions stay.

    Raises:
        OutputError: as ``check_writable``; and on a full disk, with the bytes written so far.
    """

    def __init__(self, path: Path, overwrite: bool = False) -> None:
        check_writable(path, overwrite)
        self.path = path
        self.written = 0
        self._overwrite = overwrite
        self._temporary: Path | None = None
        self._file: Any = None

    def __enter__(self) -> AtomicFile:
        if str(self.path) == "-":
            self._file = sys.stdout.buffer
        elif _is_device(self.path):
            self._file = self._guarded(lambda: self.path.open("wb", buffering=0))
        else:
            target = self.path.resolve()  # a symbolic link stays one
            self._temporary = target.with_name(f"{target.name}.tmp-{secrets.token_hex(4)}")
            self._file = self._guarded(lambda: self._create(target))
        return self

    def _create(self, target: Path) -> Any:
        assert self._temporary is not None
        file = self._temporary.open("xb")
        if target.exists():
            with contextlib.suppress(OSError):
                os.fchmod(file.fileno(), stat.S_IMODE(target.stat().st_mode))
        return file

    @property
    def closed(self) -> bool:
        """Whether nothing more can be written."""
        return self._file is None

    def write(self, data: Any, /) -> int:
        """Append the bytes; returns how many.

        Raises:
            OutputError: the disk is full, or another error of the system.
        """
        view = memoryview(data)
        size = view.nbytes
        self._guarded(lambda: self._file.write(view))
        self.written += size
        return size

    def tell(self) -> int:
        """The number of bytes written."""
        return self.written

    def flush(self) -> None:
        """Hand what is buffered to the system."""
        self._guarded(self._file.flush)

    def _guarded(self, action: Any) -> Any:
        try:
            return action()
        except OSError as error:
            raise self._explain(error) from error

    def _explain(self, error: OSError) -> OutputError:
        if error.errno in _FULL:
            return OutputError(
                f"disk full while writing {self.path} after {self.written} bytes; nothing was left "
                f"behind. The file needs more than that: free space or choose another disk."
            )
        return OutputError(f"cannot write {self.path}: {error.strerror or error}.")

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if kind is None:
                self._finish()
        finally:
            self._discard()

    def _finish(self) -> None:
        self.flush()
        if self._temporary is None:
            return
        self._guarded(lambda: os.fsync(self._file.fileno()))
        self._guarded(self._file.close)
        target = self.path.resolve()
        if self._overwrite:
            self._guarded(lambda: os.replace(str(self._temporary), target))
        else:
            self._place(target)
        _sync_folder(target.parent)

    def _place(self, target: Path) -> None:
        """Give the file its name unless another process was faster."""
        assert self._temporary is not None
        try:
            os.link(self._temporary, target)
        except FileExistsError:
            check_writable(self.path)
        except OSError:  # a file system without hard links
            check_writable(self.path)
            self._guarded(lambda: os.replace(str(self._temporary), target))

    def _discard(self) -> None:
        """Close and forget; errors are of no interest any more."""
        file, self._file = self._file, None
        if file is not None and str(self.path) != "-":
            with contextlib.suppress(OSError):
                file.close()
        if self._temporary is not None:
            with contextlib.suppress(OSError):
                self._temporary.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    """The new name too must survive a power cut; some systems cannot, and that is their promise."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


class _Compressed:
    """Bytes on their way to a file through zlib or Zstandard."""

    def __init__(self, sink: ByteSink, packer: Any) -> None:
        self._sink, self._packer = sink, packer

    def write(self, data: bytes, /) -> int:
        packed = self._packer.compress(data)
        if packed:
            self._sink.write(packed)
        return len(data)

    def finish(self) -> None:
        self._sink.write(self._packer.flush())


@contextlib.contextmanager
def open_output(path: Path, *, overwrite: bool = False) -> Iterator[Any]:
    """An atomic file, compressed if its name ends in ``.gz`` or ``.zst``.

    The gzip header holds no name and no time, so that equal content gives equal bytes.

    Yields:
        An object with ``write(bytes)``; for a plain file the ``AtomicFile`` itself.
    """
    with AtomicFile(path, overwrite) as file:
        suffix = path.suffix.lower()
        if suffix not in (".gz", ".zst"):
            yield file
            return
        sink = _Compressed(file, _packer(suffix))
        yield sink
        sink.finish()


def _packer(suffix: str) -> Any:
    if suffix == ".gz":
        return zlib.compressobj(_GZIP_LEVEL, zlib.DEFLATED, 31)
    import zstandard

    return zstandard.ZstdCompressor(level=_ZSTD_LEVEL, write_checksum=True).compressobj()


def atomic_write_bytes(path: Path, data: bytes, overwrite: bool = False) -> None:
    """Write a small file whole or not at all; errors as ``AtomicFile``."""
    with AtomicFile(path, overwrite) as file:
        file.write(data)
