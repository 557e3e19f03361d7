"""The commands about plugins: ``list``, ``new``, ``check``, ``env`` and ``doctor``."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Iterable, Sequence
from importlib.metadata import PackageNotFoundError, version
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from stbench import __version__, machine, method, metric
from stbench.errors import StbenchError
from stbench.plugins import load_plugin
from stbench.registry import Registry

if TYPE_CHECKING:
    import pandas as pd

    from stbench.testing.contract import Verdict

Kind = Literal["methods", "datasets", "metrics"]
PACKAGES = ("numpy", "scipy", "anndata", "scanpy", "torch", "distributed", "dask-jobqueue")


def list_plugins(kind: Kind, data: Iterable[str | Path] = ()) -> pd.DataFrame:
    """All methods, datasets or metrics, by name: ``stbench list``. ``data`` are folders of datasets.

    Examples
    --------
    >>> stbench.list_plugins("metrics").loc["pcc", "best"]
    'high'
    """
    import pandas as pd

    return pd.DataFrame(plugin_rows(kind, [Path(folder) for folder in data])).set_index("name")


def plugin_rows(kind: Kind, folders: Sequence[Path] = ()) -> list[dict[str, Any]]:
    """The rows of `list_plugins`; a broken plugin has ``name`` and ``broken``, the reason."""
    if kind == "datasets":
        return _datasets(folders)
    registry: Registry[Any] = method.REGISTRY if kind == "methods" else metric.REGISTRY
    rows = _methods() if kind == "methods" else _metrics()
    return rows + [{"name": name, "broken": reason} for name, reason in registry.broken.items()]


def new(
    kind: Literal["method", "dataset", "metric", "renderer"],
    name: str,
    *,
    external: bool = False,
    language: Literal["python", "r"] = "python",
) -> list[Path]:
    """The files of a new plugin and its test, in this checkout or else in this folder: ``stbench new``.

    Examples
    --------
    >>> files = stbench.new("method", "my_method")
    """
    from stbench.scaffold import Place, new_external, new_plugin

    if external and kind != "method":
        raise StbenchError("--external is for methods only.")
    place = Place.of(kind, Path.cwd())
    return new_external(name, language, place) if external else new_plugin(kind, name, place)


def check(
    name: str, *, fast: bool = False, preset: str | None = None, plugin: Sequence[str | Path] = ()
) -> list[Verdict]:
    """The verdict of every check of a method up to the first that fails: ``stbench check method``.

    ``fast`` leaves out what needs more than ten seconds, see `stbench.testing.contract.check_method`.

    Examples
    --------
    >>> any(verdict.problem for verdict in stbench.check("knn", fast=True))
    False
    """
    from stbench.config.variants import choose_preset, configure
    from stbench.testing.contract import check_method

    for file in plugin:
        load_plugin(Path(file))
    cls = method.REGISTRY.get(name)
    configured = configure(cls, choose_preset(cls, preset, "cpu"), {})
    with tempfile.TemporaryDirectory(prefix="stbench-check-") as scratch:
        return list(check_method(configured, Path(scratch), fast=fast))


def env(name: str, *, plugin: Sequence[str | Path] = ()) -> Path:
    """The environment of an external method, made where there is none: ``stbench env``.

    Examples
    --------
    >>> stbench.env("moscot")  # doctest: +SKIP
    """
    from stbench.exchange.external import External

    for file in plugin:
        load_plugin(Path(file))
    cls = method.REGISTRY.get(name)
    if not issubclass(cls, External):
        needs = cls.missing() or "runs here as it is"
        raise StbenchError(f"Method '{name}' has no environment of its own: it {needs}.")
    return cls.make_environment()


def doctor() -> dict[str, Any]:
    """The environment of this machine, and what each method misses here: ``stbench doctor``.

    Examples
    --------
    >>> stbench.doctor()["missing"]["knn"]
    ''
    """
    missing = {name: cls.missing() for name, cls in method.REGISTRY.items().items()}
    missing |= {name: f"broken: {reason}" for name, reason in method.REGISTRY.broken.items()}
    return {"machine": _environment(), "missing": missing}


def _methods() -> list[dict[str, Any]]:
    wrappers = method.REGISTRY.wrappers.items()
    known = method.REGISTRY.items() | {f"{name}(METHOD)": cls for name, cls in wrappers.items()}
    return [
        {
            "name": name,
            "family": cls.info.family,
            "presets": ", ".join(cls.presets),
            "tuned": ", ".join(cls.info.tuned),
            "source": cls.info.paper,
        }
        for name, cls in known.items()
    ]


def _metrics() -> list[dict[str, Any]]:
    return [
        {
            "name": m.name,
            "best": m.best,
            "bounds": [bound if isfinite(bound) else None for bound in m.bounds],
            "primary": m.primary,
            "definition": m.definition,
        }
        for m in metric.REGISTRY.items().values()
    ]


def _datasets(folders: Sequence[Path]) -> list[dict[str, Any]]:
    from stbench.data.sources import catalogue, data_folders

    known = catalogue(data_folders(folders)).values()
    return [
        {
            "name": d.name,
            "available": d.problem is None,
            "tissue": d.card.tissue,
            "note": d.problem or d.card.title,
        }
        for d in known
    ]


def _environment() -> dict[str, str]:
    """The environment of stbench as text, by subject."""
    from stbench.runs.provenance import git_state

    hardware, git = machine.hardware(), git_state()
    gpus = [f"{gpu['name']}, {_gb(gpu['memory_bytes'])}, driver {gpu['driver']}" for gpu in hardware["gpus"]]
    code = f", commit {git['commit'][:12]}{' with changes' * git['changed']}" if git else ""
    return {
        "stbench": f"{__version__}{code}",
        "python": f"{sys.version.split()[0]} ({sys.executable})",
        "system": hardware["system"],
        "cpu": f"{hardware['cpu']}, {hardware['cores']} cores for this process",
        "memory": _gb(hardware["memory_bytes"]),
        "gpu": "; ".join(gpus) or "none",
        "scratch": f"{tempfile.gettempdir()}, {_gb(shutil.disk_usage(tempfile.gettempdir()).free)} free",
    } | {name: _version(name) for name in PACKAGES}


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _gb(n_bytes: int) -> str:
    return f"{n_bytes / 1e9:.1f} GB"
