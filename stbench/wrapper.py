"""The contract of a wrapper: a method that takes a method, chosen as ``wrapper(method)``.

::

    from dataclasses import dataclass
    from stbench.methods import Context, Task, Wrapper, register_wrapper

    @register_wrapper("sprite", paper="Sun et al. 2024", doi="10.1093/bioinformatics/btae253", version="1")
    @dataclass(frozen=True)
    class Sprite(Wrapper):
        alpha: float = 0.1                 # --set "sprite(knn).alpha=0.2"

        def predict(self, task: Task, ctx: Context) -> np.ndarray:
            return self.smooth(self.fitted(task, ctx))     # values of the method inside

``sprite(knn)`` is a method like any other, with the parameters of both: those of the method inside begin with
`INNER`, as in ``--set "sprite(knn).inner_n_neighbors=20"``.
"""

from __future__ import annotations

import typing
from collections.abc import Callable
from dataclasses import dataclass, field, fields, make_dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, ClassVar, Self

from stbench.method import REGISTRY, Context, Method, MethodInfo, Prediction, Shape
from stbench.task import Task

if TYPE_CHECKING:
    import numpy as np

INNER = "inner_"  # begins the parameters of the method inside


@dataclass(frozen=True)
class Wrapper(Method):
    """Base of the methods that take a method: a frozen dataclass whose fields are its own parameters.

    ``inside`` is the class of the method inside, and `inner` that method with its parameters.
    """

    inside: ClassVar[type[Method]]

    @property
    def inner(self) -> Method:
        """The method inside, with its parameters."""
        return self.inside(**{one.name: getattr(self, INNER + one.name) for one in fields(self.inside)})

    def fitted(self, task: Task, ctx: Context) -> np.ndarray:
        """The values, without intervals, that the method inside predicts, (n_spots, n_targets)."""
        import numpy as np

        # a wrapper fits several times: no fit may find the files of another
        with TemporaryDirectory(dir=ctx.scratch.resolve()) as folder:
            own = replace(ctx, checkpoint=None, scratch=Path(folder))
            answer = self.inner.predict(task, own)
        return np.asarray(answer.mean if isinstance(answer, Prediction) else answer, dtype=float)

    def cross_fitted(self, task: Task, ctx: Context, n_folds: int) -> tuple[np.ndarray, np.ndarray]:
        """Predictions of all visible genes and their true values, (n_spots, n_visible) each.

        Each gene is predicted by the method inside from the genes of the other folds. What it chooses for a
        fold is not reported.
        """
        from stbench.toolbox.conformal import cross_fit

        silent = replace(ctx, chosen=lambda **values: None)
        return cross_fit(task, lambda part: self.fitted(part, silent), n_folds=n_folds, seed=ctx.seed)

    def memory_bytes(self, shape: Shape) -> int:
        """That of the method inside for the largest of its fits, and ten tables of spots x genes."""
        genes = shape.visible + shape.targets
        largest = replace(shape, targets=max(shape.targets, (shape.visible + 1) // 2))
        return self.inner.memory_bytes(largest) + 10 * 8 * shape.spots * genes

    def within(self, shape: Shape, memory: int) -> Self:
        """The wrapper around what the method inside becomes."""
        inner = self.inner.within(shape, memory)
        return replace(self, **{INNER + one.name: getattr(inner, one.name) for one in fields(inner)})

    @classmethod
    def missing(cls) -> str:
        """What is missing for the wrapper, or else for the method inside."""
        return super().missing() or cls.inside.missing()

    @classmethod
    def versions(cls) -> dict[str, str]:
        """Versions of the packages of both."""
        return super().versions() | cls.inside.versions()

    @classmethod
    def around(cls, inside: type[Method]) -> type[Method]:
        """The class of the method ``cls(inside)``."""
        hints = typing.get_type_hints(inside)
        parameters = [(INNER + one.name, hints[one.name], _default(one)) for one in fields(inside)]
        name = f"{cls.info.name}({inside.info.name})"
        presets = {
            preset: {INNER + key: value for key, value in values.items()}
            for preset, values in inside.presets.items()
        }
        content = {"__doc__": cls.__doc__, "__module__": cls.__module__, "inside": inside, "presets": presets}
        made: type[Method] = make_dataclass(name, parameters, bases=(cls,), frozen=True, namespace=content)
        made.info = MethodInfo(
            name=name,
            family=inside.info.family,
            paper=f"{cls.info.paper}; {inside.info.paper}",
            doi=cls.info.doi or inside.info.doi,
            version=f"{cls.info.version}, {inside.info.name} {inside.info.version}",
            packages=tuple(dict.fromkeys(cls.info.packages + inside.info.packages)),
            gpu=inside.info.gpu,
            tuned=cls.info.tuned + inside.info.tuned,
            url=cls.info.url or inside.info.url,
        )
        return made


def register_wrapper(
    name: str,
    *,
    paper: str,
    doi: str = "",
    version: str,
    packages: tuple[str, ...] = (),
    tuned: tuple[str, ...] = (),
) -> Callable[[type[Wrapper]], type[Wrapper]]:
    """Class decorator that registers a wrapper under ``name``; for the options see `stbench.method.register`.

    The family of ``name(method)`` is that of the method, and so is its use of a GPU.
    """

    def add(cls: type[Wrapper]) -> type[Wrapper]:
        cls.info = MethodInfo(name, "wrapper", paper, doi, version, packages, tuned=tuned)
        REGISTRY.add_wrapper(name, cls, cls.__module__)
        return cls

    return add


def _default(one: Any) -> Any:
    """The default of a field, as a new field."""
    return field(default=one.default, default_factory=one.default_factory)
