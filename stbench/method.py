"""The contract of a method. The methods are the files of ``methods/``.

::

    from dataclasses import dataclass
    from stbench.methods import Context, Method, Prediction, Task, register

    @register("spage", family="alignment", paper="Abdelaal 2020", doi="10.1093/nar/gkaa740", version="1")
    @dataclass(frozen=True)
    class SpaGE(Method):
        n_pv: int = 50                     # a field is a parameter: --set spage.n_pv=30

        def predict(self, task: Task, ctx: Context) -> np.ndarray: ...   # (n_spots, n_targets)
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

from stbench.errors import StbenchError
from stbench.registry import Registry
from stbench.task import Task

if TYPE_CHECKING:
    import numpy as np

FAMILIES = ("control", "baseline", "alignment", "transport", "generative", "kernel")


@dataclass(frozen=True)
class Context:
    """What a method gets besides the task.

    Everything random derives from ``seed``; ``device`` is ``cpu`` or ``cuda:i``; ``scratch`` is a temporary
    folder; ``checkpoint`` is a file that is still there when an interrupted run starts again (None: nothing
    is kept); ``progress(done, total, **info)`` reports progress, for example
    ``ctx.progress(epoch, n_epochs, loss=0.3)``; ``chosen(**values)`` puts what was chosen on the validation
    genes into the manifest of the run, for example ``ctx.chosen(alpha=0.5)``.
    """

    seed: int = 0
    device: str = "cpu"
    threads: int = 1
    scratch: Path = Path()
    checkpoint: Path | None = None
    log: logging.Logger = field(default_factory=lambda: logging.getLogger("stbench.method"))
    progress: Callable[..., None] = lambda done, total, **info: None
    chosen: Callable[..., None] = lambda **values: None


@dataclass(frozen=True)
class Prediction:
    """Predicted values (n_spots, n_targets) on the scale of ``task.spatial.X``, with optional intervals.

    ``lower`` and ``upper`` are the bounds of intervals that contain the truth with probability ``level``.
    """

    mean: np.ndarray
    lower: np.ndarray | None = None
    upper: np.ndarray | None = None
    level: float = 0.9


@dataclass(frozen=True)
class Shape:
    """The sizes of a task, for estimates of memory."""

    cells: int
    spots: int
    visible: int
    targets: int
    reference_genes: int


@dataclass(frozen=True)
class MethodInfo:
    """The description of a method, from `register`."""

    name: str
    family: str
    paper: str
    doi: str
    version: str
    packages: tuple[str, ...] = ()
    gpu: bool = False
    tuned: tuple[str, ...] = ()
    url: str = ""

    @property
    def kind(self) -> str:
        """``control`` (unranked), ``baseline`` or ``method``."""
        return self.family if self.family in ("control", "baseline") else "method"

    @property
    def link(self) -> str:
        """The address of the paper, or of a package that has none; empty where neither is known."""
        return f"https://doi.org/{self.doi}" if self.doi else self.url


@dataclass(frozen=True)
class Method:
    """Base of all methods: a frozen dataclass whose fields are the parameters.

    ``presets`` are named sets of parameters. Without ``--preset`` the device decides: ``cpu`` or ``paper``.
    ``paper`` is the authors' setting, ``cpu`` a reduced one, which tables and figures mark.
    """

    info: ClassVar[MethodInfo]
    presets: ClassVar[dict[str, dict[str, Any]]] = {}

    def predict(self, task: Task, ctx: Context) -> np.ndarray | Prediction:
        """Values of the targets at every spot, (n_spots, n_targets), finite, scale of ``task.spatial.X``."""
        raise NotImplementedError

    def memory_bytes(self, shape: Shape) -> int:
        """Peak memory of a run beyond reading the task, in bytes; a run that cannot fit is skipped.

        The default is four dense copies of the cells and spots with all genes of the spatial file.
        """
        seen = (shape.cells + shape.spots) * (shape.visible + shape.targets)
        return 4 * 8 * seen

    def within(self, shape: Shape, memory: int) -> Self:
        """This method with the parameters that scale it to ``memory`` bytes; itself where it has no such way.

        Asked only where `memory_bytes` is more than ``memory``. The parameters that differ are named in the
        manifest of the run and on the board.
        """
        return self

    @classmethod
    def missing(cls) -> str:
        """The packages that are missing on this machine, with the remedy; empty where none is missing."""
        installed = cls.versions()
        lacking = [package for package in cls.info.packages if package not in installed]
        return f"needs {', '.join(lacking)}: pip install {' '.join(lacking)}" if lacking else ""

    @classmethod
    def versions(cls) -> dict[str, str]:
        """Versions of the packages that the method needs beyond the core, for the manifest of a run."""
        installed = {}
        for package in cls.info.packages:
            with suppress(PackageNotFoundError):
                installed[package] = version(package)
        return installed


class Methods(Registry[type[Method]]):
    """The methods by name. ``wrapper(method)`` is a method too, made when it is requested.

    The wrappers are not among `names` and `items`: by themselves they predict nothing.
    """

    def __init__(self) -> None:
        super().__init__("methods", "method")
        self._wrappers: Registry[type[Any]] = Registry("methods", "wrapper")
        self._wrappers._loaded = True  # by the files of the methods
        self._wrapped: dict[tuple[type[Any], type[Method]], type[Method]] = {}

    @property
    def wrappers(self) -> Registry[type[Any]]:
        """The wrappers by name, see `stbench.wrapper`."""
        self._load()
        return self._wrappers

    def add_wrapper(self, name: str, wrapper: type[Any], module: str) -> None:
        """Register a `stbench.wrapper.Wrapper` under ``name``."""
        self._wrappers.add(name, wrapper, module)

    def get(self, name: str) -> type[Method]:
        """The method called ``name``, also ``wrapper(method)``; `StbenchError` for one unknown or broken."""
        outer, bracket, rest = (part.strip() for part in name.partition("("))
        wrappers = self.wrappers.names()
        if not bracket and outer in wrappers:
            raise StbenchError(f"'{outer}' is a wrapper: give it a method, as in {outer}(method).")
        if not bracket:
            return super().get(outer)
        if outer in self.names():
            raise StbenchError(f"'{outer}' takes no method. Set parameters by --set {outer}.parameter=value.")
        wrapper = self.wrappers.get(outer)
        if not rest.endswith(")"):
            raise StbenchError(f"'{name}' lacks its closing bracket: write {outer}(method).")
        pair = wrapper, self.get(rest.removesuffix(")"))
        if pair not in self._wrapped:
            self._wrapped[pair] = wrapper.around(pair[1])
        return self._wrapped[pair]


REGISTRY = Methods()


def register(
    name: str,
    *,
    family: str,
    paper: str,
    doi: str = "",
    version: str,
    packages: tuple[str, ...] = (),
    gpu: bool = False,
    tuned: tuple[str, ...] = (),
    url: str = "",
) -> Callable[[type[Method]], type[Method]]:
    """Class decorator that registers a method under ``name``.

    ``family`` is one of `FAMILIES`; ``paper`` a short citation; ``version`` changes when predictions
    change (runs of the old version are then run again); ``packages`` are the distributions it needs beyond
    the core, recorded with every run; ``gpu`` is whether it can use CUDA; ``tuned`` names what the method
    chooses on the validation genes, and reports with ``ctx.chosen``, unless a parameter fixes it; ``url`` is
    the page of a package that has no paper, in place of a doi.
    """
    if family not in FAMILIES:
        raise StbenchError(f"Method '{name}': unknown family '{family}'. Known: {', '.join(FAMILIES)}.")

    def add(cls: type[Method]) -> type[Method]:
        cls.info = MethodInfo(name, family, paper, doi, version, packages, gpu, tuned, url)
        REGISTRY.add(name, cls, cls.__module__)
        return cls

    return add
