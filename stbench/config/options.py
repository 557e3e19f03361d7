"""What a run is asked to do: the options of ``stbench run``, also as a TOML file."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal

from stbench.errors import StbenchError, unknown_name

UNITS = {"s": 1, "m": 60, "h": 3600}
BYTES = {"M": 10**6, "G": 10**9, "T": 10**12}


@dataclass(frozen=True)
class RunConfig:
    """Every option of ``stbench run``; the names are those of the flags."""

    methods: tuple[str, ...] = ()
    datasets: tuple[str, ...] = ("all",)
    data: tuple[Path, ...] = ()
    out: Path = Path("results")
    splits: int = 1
    split_seed: int = 0
    seeds: int = 1
    jobs: int | None = None
    device: str = "auto"
    preset: Literal["cpu", "paper"] | None = None
    set: tuple[str, ...] = ()
    sweep: tuple[str, ...] = ()
    limit: str = ""
    timeout: str | None = None
    executor: Literal["local", "dask"] = "local"
    scheduler: str | None = None
    cluster: Path | None = None
    shared: Path | None = None
    threads: int | None = None
    memory_limit: str | None = None
    memory_budget: str | None = None
    disk_limit: str | None = None
    overwrite: Literal["missing", "failed", "all"] = "missing"
    plugin: tuple[Path, ...] = ()
    emit: Literal["slurm"] | None = None
    dry_run: bool = False


def read_config(file: Path) -> dict[str, Any]:
    """The options in a TOML file, checked against `RunConfig`; lists may be written as ``"a,b"``."""
    try:
        content = tomllib.loads(file.read_text())
    except FileNotFoundError:
        raise StbenchError(f"Config file '{file}' does not exist.") from None
    except (OSError, ValueError) as error:
        raise StbenchError(f"Config file '{file}' is not readable TOML ({error}).") from error
    content = {key.replace("-", "_"): value for key, value in content.items()}
    known = [field.name for field in fields(RunConfig)]
    for key in content:
        if key not in known:
            raise StbenchError(f"Config file '{file}': {unknown_name('option', key, known)}")
    for option in ("set", "sweep"):  # [set.spage] n_pv = 30 reads better than a list of texts
        if isinstance(content.get(option), dict):
            content[option] = list(_settings(file, option, content[option]))
    return content


def _settings(file: Path, option: str, table: dict[str, Any]) -> Iterator[str]:
    """``{"spage": {"n_pv": [30, 50]}}`` as ``spage.n_pv=30,50``."""
    for method, values in table.items():
        if not isinstance(values, dict):
            raise StbenchError(f"Config file '{file}': [{option}.{method}] takes parameter = value.")
        for parameter, value in values.items():
            text = ",".join(map(str, value)) if isinstance(value, list) else value
            yield f"{method}.{parameter}={text}"


def make_config(*sources: dict[str, Any]) -> RunConfig:
    """A checked `RunConfig`; later sources win."""
    from pydantic import TypeAdapter, ValidationError

    merged: dict[str, Any] = {}
    for source in sources:
        merged |= source
    lists = ("methods", "datasets", "data", "set", "plugin")
    values = {key: _listed(value) if key in lists else value for key, value in merged.items()}
    try:
        return TypeAdapter(RunConfig).validate_python(values)
    except ValidationError as error:
        first = error.errors()[0]
        option = str(first["loc"][0]).replace("_", "-")
        raise StbenchError(f"--{option}: {first['msg']}, not '{merged[str(first['loc'][0])]}'.") from error


def seconds(text: str | None) -> float | None:
    """``90s``, ``30m`` or ``2h`` in seconds; None stays None."""
    if text is None:
        return None
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smh])", text.strip())
    if match is None or float(match.group(1)) == 0:
        raise StbenchError(f"--timeout takes a time such as 90s, 30m or 2h, not '{text}'.")
    return float(match.group(1)) * UNITS[match.group(2)]


def bytes_of(text: str | None, option: str) -> int | None:
    """``500MB`` or ``8GB`` in bytes; None stays None."""
    if text is None:
        return None
    match = re.fullmatch(r"(\d+(?:\.\d+)?) ?([MGT])B", text.strip())
    if match is None or float(match.group(1)) == 0:
        raise StbenchError(f"{option} takes a size such as 500MB, 8GB or 1.5TB, not '{text}'.")
    return int(float(match.group(1)) * BYTES[match.group(2)])


def _listed(value: Any) -> list[Any]:
    """A list from a list, or from a text with commas."""
    items = value if isinstance(value, list | tuple) else [value]
    return [part.strip() if isinstance(part, str) else part for item in items for part in _parts(item)]


def _parts(item: Any) -> list[Any]:
    return [part for part in item.split(",") if part.strip()] if isinstance(item, str) else [item]
