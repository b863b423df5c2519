"""``--config FILE.toml``: the same names as the flags; a flag beats the file."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import typer

from datapruner.errors import InputError, nearest

__all__ = ["as_share", "bad_limit", "read_config"]

_NOT_IN_FILES = ("config", "help")


def read_config(ctx: typer.Context, value: str | None) -> str | None:
    """Take the defaults of this command from a TOML file.

    Raises:
        InputError: no such file, not TOML, an unknown key, or a value of the wrong type.
    """
    if value is None:
        return None
    path = Path(value)
    if not path.is_file():
        raise InputError(f"there is no file {path} (--config).")
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is not TOML: {error}.") from error
    flags = {
        str(p.name): bool(getattr(p, "is_flag", False))
        for p in ctx.command.params
        if p.name not in _NOT_IN_FILES
    }
    several = {p.name for p in ctx.command.params if getattr(p, "multiple", False)}
    found: dict[str, Any] = {}
    for key, given in table.items():
        name = key.replace("-", "_")
        if name not in flags:
            raise InputError(
                f"{path} has an unknown key {key!r} for `datapruner {ctx.command.name}`. "
                f"{nearest(name, flags)}"
            )
        if name == "cache" and isinstance(given, bool):
            name, given = "no_cache", not given
        if flags[name]:
            found[name] = _as_flag(given, path, key)
        elif name in several or name == "inputs":
            values = given if isinstance(given, list) else [given]
            found[name] = [_as_text(one, path, key) for one in values]
        else:
            found[name] = _as_text(given, path, key)
    ctx.default_map = {**(ctx.default_map or {}), **found}
    return value


def _as_flag(value: Any, path: Path, key: str) -> bool:
    if not isinstance(value, bool):
        raise InputError(f"{path}: {key} is {value!r}; it must be true or false.")
    return value


def _as_text(value: Any, path: Path, key: str) -> str:
    """As it would stand on the command line, so that both are read by the same rules."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise InputError(f"{path}: {key} is {value!r}; it must be a text or a number.")
    return str(value)


def bad_limit(text: str | None) -> int | float | None:
    """How many bad rows are borne: ``"100"`` rows, or ``"5%"`` or ``"0.05"`` of all.

    Raises:
        InputError: anything else.
    """
    if text is None:
        return None
    if text.isdecimal():
        return int(text)
    share = as_share(text)
    if share is None:
        raise InputError(
            f"bad_limit is {text!r}; give a number of rows, as 100, or a share, as 5%."
        )
    return share


def as_share(text: str) -> float | None:
    """A share in [0, 1] from ``"30%"`` or ``"0.3"``; None if it is neither."""
    stripped = text.strip()
    try:
        share = float(stripped[:-1]) / 100 if stripped.endswith("%") else float(stripped)
    except ValueError:
        return None
    return share if 0 <= share <= 1 else None
