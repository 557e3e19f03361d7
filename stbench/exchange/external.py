"""Methods in other languages and environments: a card (TOML) with a command.

The command gets a task folder and writes its prediction there; ``docs/external-methods.md`` and
``stbench/exchange/task.schema.json`` describe the folder. ``stbench new method NAME --external`` writes an
example. In a command such as ``["Rscript", "{here}/predict.R", "{task}"]``, ``{here}`` is the folder of the
card, ``{task}`` the task folder, and ``{env}`` the folder of the method's own environment. That is
``environments/NAME`` in the cache, made from a ``requirements.txt`` beside the card.
"""

from __future__ import annotations

import logging
import os
import shlex
import shutil
import subprocess
import sys
from collections import deque
from dataclasses import asdict, dataclass, field, make_dataclass
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp
from typing import ClassVar, Literal

from stbench.cards import read_card
from stbench.errors import StbenchError, Unsupported
from stbench.files import cache_folder
from stbench.method import Context, Method, Prediction, register
from stbench.plugins import PLUGIN_PREFIX
from stbench.task import Task

log = logging.getLogger(__name__)

KEPT = ("PATH", "LANG", "LC_ALL", "CUDA_VISIBLE_DEVICES", "LD_LIBRARY_PATH")
KEPT_ENDING = "_NUM_THREADS"
LAST_LINES = 3

_environments: Path | None = None
Value = bool | int | float | str


@dataclass(frozen=True)
class Card:
    """The fields of a card: those of `stbench.methods.register`, and how to start the program.

    ``deviations`` are the differences to the authors' code; ``needs`` is what the task must have; ``format``
    is that of the tables; ``versions`` is a command that prints a name and a version per line, for the
    manifest.
    """

    name: str
    family: str
    paper: str
    version: str
    command: list[str]
    summary: str
    doi: str = ""
    url: str = ""
    deviations: str = ""
    format: Literal["h5ad", "text"] = "h5ad"
    versions: list[str] = field(default_factory=list)
    needs: list[Literal["counts", "coordinates", "cell_type"]] = field(default_factory=list)
    gpu: bool = False
    parameters: dict[str, Value] = field(default_factory=dict)
    presets: dict[str, dict[str, Value]] = field(default_factory=dict)


@dataclass(frozen=True)
class External(Method):
    """Base of the methods that cards describe; it runs the command of the card on a task folder."""

    card: ClassVar[Card]
    here: ClassVar[Path]

    def predict(self, task: Task, ctx: Context) -> Prediction:
        """The prediction that the program wrote, (n_spots, n_targets).

        Raises `Unsupported` where the program or something that it needs is missing, `InvalidPrediction`
        where it wrote no prediction or one that does not fit the task, `StbenchError` where it fails.
        """
        from stbench.exchange.taskfolder import read_prediction
        from stbench.exchange.textfolder import collect_prediction

        if missing := self.missing():
            raise Unsupported(missing)
        if "counts" in self.card.needs:
            task.require_counts()
        if "coordinates" in self.card.needs:
            task.coordinates()
        if "cell_type" in self.card.needs and "cell_type" not in task.reference.obs:
            raise Unsupported("needs obs['cell_type'] in the reference")
        folder = Path(mkdtemp(dir=ctx.scratch.resolve()))
        self._write_task(folder, task, ctx)
        self._run(folder, ctx)
        if self.card.format == "text":
            collect_prediction(folder)
        prediction = read_prediction(folder / "prediction.h5ad", list(task.spatial.obs_names), task.targets)
        shutil.rmtree(folder)
        return prediction

    @classmethod
    def missing(cls) -> str:
        """The program if it is missing on this machine, with the remedy; otherwise empty."""
        program = cls._filled(cls.card.command)[0]
        if shutil.which(program):
            return ""
        requirements = cls.here / "requirements.txt"
        remedy = f"install '{program}'"
        if requirements.is_file():
            own = f" --plugin {cls._file()}" if cls.__module__.startswith(PLUGIN_PREFIX) else ""
            remedy = f"stbench env {cls.card.name}{own}"
        return f"needs a program that is not here ({program}): {remedy}"

    @classmethod
    def make_environment(cls) -> Path:
        """The folder of the method's environment, made from its ``requirements.txt`` where it is missing.

        Raises `StbenchError` without such a file, and where a package cannot be installed; the folder is then
        removed.
        """
        folder, requirements = environments_folder() / cls.card.name, cls.here / "requirements.txt"
        if not requirements.is_file():
            raise StbenchError(f"Method '{cls.card.name}' has no '{requirements}' that lists packages.")
        if not cls.missing():
            return folder
        steps = [[sys.executable, "-m", "venv", "--clear", str(folder)]]
        steps += [[str(folder / "bin" / "python"), "-m", "pip", "install", "-r", str(requirements)]]
        for step in steps:
            log.info("%s", shlex.join(step))
            done = subprocess.run(step, capture_output=True, text=True, check=False)
            if done.returncode != 0:
                shutil.rmtree(folder, ignore_errors=True)
                last = ([line for line in done.stderr.splitlines() if line.strip()] or ["no message"])[-1]
                raise StbenchError(f"The environment of '{cls.card.name}' cannot be made ({last.strip()}).")
        return folder

    @classmethod
    def _file(cls) -> Path:
        """The card of a method that a plugin file defines."""
        return Path(str(sys.modules[cls.__module__].__file__))

    @classmethod
    def versions(cls) -> dict[str, str]:
        """The output of the card's ``versions`` command; empty without one, or without the program."""
        if not cls.card.versions or cls.missing():
            return {}
        command = cls._filled(cls.card.versions)
        with TemporaryDirectory() as folder:
            clean = _environment(Path(folder), threads=1)
            done = subprocess.run(command, cwd=folder, env=clean, capture_output=True, text=True, check=False)
        lines = [line.split() for line in done.stdout.splitlines() if line.strip()]
        if done.returncode != 0 or any(len(words) != 2 for words in lines):
            printed = (done.stderr or done.stdout).strip().splitlines()[-1:] or ["nothing"]
            raise StbenchError(
                f"Card of '{cls.card.name}': its versions command should print a name and a version per "
                f"line, but printed: {printed[0]}"
            )
        return dict(lines)

    @classmethod
    def _filled(cls, command: list[str], task: Path = Path()) -> list[str]:
        """The words of a command with ``{here}``, ``{task}`` and ``{env}`` replaced."""
        places = {"{here}": cls.here, "{task}": task, "{env}": environments_folder() / cls.card.name}
        for place, path in places.items():
            command = [word.replace(place, str(path)) for word in command]
        return command

    def _write_task(self, folder: Path, task: Task, ctx: Context) -> None:
        from anndata import AnnData

        from stbench.exchange.taskfolder import TaskFile
        from stbench.exchange.textfolder import write_settings, write_table

        file = TaskFile(
            method=self.card.name,
            parameters=asdict(self),
            targets=task.targets,
            units=task.units,  # type: ignore[arg-type]  # checked by the model
            seed=ctx.seed,
            threads=ctx.threads,
            device=ctx.device,
        )
        file.write(folder)
        if self.card.format == "text":
            write_settings(folder, file)
        for name, table in (("reference", task.reference), ("spatial", task.spatial)):
            if self.card.format == "text":
                write_table(folder / name, table)
            else:
                AnnData(table).write_h5ad(folder / f"{name}.h5ad")  # plain: a task holds a subclass

    def _run(self, folder: Path, ctx: Context) -> None:
        """Run the program without a shell, in a clean environment, with its output in the log."""
        command = self._filled(self.card.command, folder)
        ctx.log.info("%s", command)
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=_environment(folder, ctx.threads),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
        last: deque[str] = deque(maxlen=LAST_LINES)
        for line in process.stdout or ():
            ctx.log.info("%s", line.rstrip())
            last.append(line.strip())
        if process.wait() != 0:
            printed = " / ".join(line for line in last if line) or "nothing"
            code = process.returncode
            raise StbenchError(f"'{command[0]}' ended with exit code {code}. Its last lines: {printed}")


def environments_folder() -> Path:
    """The folder of the environments of external methods, of which each is an ``{env}`` on a card."""
    return _environments or cache_folder("environments")


def use_environments(folder: Path) -> None:
    """Find the environments in ``folder``; a run cannot know the cache, because that holds data too."""
    global _environments
    _environments = folder


def register_card(file: Path, module: str) -> type[Method]:
    """The class of the method that a card describes, registered; ``module`` is the card's module."""
    card = read_card(file, Card)
    parameters = [(name, type(value), field(default=value)) for name, value in card.parameters.items()]
    text = f"{card.summary.strip()}\n\nDeviations\n----------\n{card.deviations.strip() or 'None known.'}"
    cls = make_dataclass(
        card.name,
        parameters,
        bases=(External,),
        frozen=True,
        namespace={"__doc__": text, "card": card, "here": file.parent, "presets": card.presets},
    )
    cls.__module__ = module
    return register(
        card.name,
        family=card.family,
        paper=card.paper,
        doi=card.doi,
        version=card.version,
        gpu=card.gpu,
        url=card.url,
    )(cls)


def _environment(folder: Path, threads: int) -> dict[str, str]:
    """The environment variables of a program: a few of ours, its own home, the number of threads."""
    kept = {key: value for key, value in os.environ.items() if key in KEPT or key.endswith(KEPT_ENDING)}
    own = {"HOME": str(folder), "TMPDIR": str(folder), "OMP_NUM_THREADS": str(threads)}
    # a fixed hash seed: otherwise sets of names have another order in every process (moscot's shared genes)
    return kept | own | {"PYTHONNOUSERSITE": "1", "PYTHONHASHSEED": "0"}
