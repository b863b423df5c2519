"""Files that appear whole or not at all; see ``datapruner.dataset.output``."""

from datapruner.dataset.output import (
    AtomicFile,
    ByteSink,
    atomic_write_bytes,
    check_writable,
    open_output,
)

__all__ = ["AtomicFile", "ByteSink", "atomic_write_bytes", "check_writable", "open_output"]
