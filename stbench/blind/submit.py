"""``stbench submit``: scores predictions that were made elsewhere, as rows that are marked as such."""

from __future__ import annotations

import datetime
import re
import tempfile
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from anndata import AnnData

from stbench.blind.manifest import Exported, ExportedTask
from stbench.blind.predictions import Answer, prediction_files, read_prediction_file
from stbench.board.submitted import ELSEWHERE, SUBMITTED, UNKNOWN
from stbench.cards import read_card
from stbench.data.cache import load
from stbench.data.limit import Limit
from stbench.data.prepare import Pair
from stbench.data.sources import catalogue, data_folders, dataset_called
from stbench.data.split import make_splits
from stbench.errors import StbenchError
from stbench.exchange.taskfolder import InvalidPrediction
from stbench.files import disk_errors, sha256
from stbench.method import REGISTRY
from stbench.runs.claims import Claims
from stbench.runs.manifest import OK
from stbench.runs.provenance import environment
from stbench.runs.results import Results, run_manifest
from stbench.runs.spec import RunSpec
from stbench.scoring.controls import CEILING, PERFECT
from stbench.scoring.oracle import ORACLE
from stbench.scoring.prediction import score_prediction

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]{0,49}")
WORDS = (PERFECT, CEILING, ORACLE, "all", "best")  # names with another meaning
MAX_TEXT = 2000


@dataclass(frozen=True)
class Card:
    """The card of a submission, as its authors state it; nothing on it is checked.

    ``version`` changes when predictions change; ``deviations`` are the differences to the published method;
    ``environment`` is where it ran: packages with versions, machine.
    """

    paper: str
    version: str
    summary: str
    doi: str = ""
    deviations: str = ""
    environment: str = ""


@dataclass(frozen=True)
class _Scored:
    """A scored answer that is not stored yet; its prediction is in ``folder``."""

    spec: RunSpec
    pair: Pair
    answer: Answer
    folder: Path
    scores: pd.DataFrame

    @property
    def digest(self) -> str:
        return sha256(self.answer.file)


def submit(
    predictions: Path, *, name: str, card: Path, tasks: Path, out: Path, data: Iterable[Path] = ()
) -> pd.DataFrame:
    """Check and score all predictions, then store each as a run in the results folder ``out``.

    Parameters
    ----------
    predictions
        A folder with ``DATASET/splitK/prediction.csv``, ``.tsv``, ``.parquet`` or ``.h5ad`` for every task.
    name
        The name of the row, which no method has.
    card
        A TOML file with the fields of `Card`.
    tasks
        What `stbench.blind.export.export` wrote.
    data
        Folders of datasets; the truth is read from the dataset itself.

    Returns
    -------
    Mean scores, tasks x metrics. The same submission again changes nothing.

    Raises
    ------
    StbenchError
        For anything that is missing, changed or does not fit. Nothing is stored then.
    """
    about = _card(card)
    exported = Exported.read(tasks)
    exported.check(tasks)
    results = Results(out)
    _check_name(name, results)
    files = prediction_files(predictions, exported)
    pairs = _pairs(exported, data)
    means: dict[str, pd.Series] = {}
    with tempfile.TemporaryDirectory(prefix="stbench-submit-") as work:
        scored = []
        for i, (task_name, task) in enumerate(exported.tasks.items()):
            pair = pairs[task.dataset]
            spec = _spec(task_name, task, exported, pair, name, about.version)
            spots, n_genes = list(pair.spatial.obs_names), pair.reference.n_vars + pair.spatial.n_vars
            answer = read_prediction_file(files[task_name], spots, task.targets, n_genes)
            folder = Path(work, str(i))
            folder.mkdir()
            scored.append(_Scored(spec, pair, answer, folder, _scores(answer, folder, pair.spatial, task)))
            means[task_name] = scored[-1].scores.groupby("metric", sort=False)["value"].mean()
        new = [one for one in scored if _is_new(one, results)]
        _store(new, Results.create(out), asdict(about))
    return pd.DataFrame(means).T


def _card(file: Path) -> Card:
    card = read_card(file, Card)
    for field, text in asdict(card).items():
        if len(text) > MAX_TEXT:
            raise StbenchError(f"Card '{file}': '{field}' has more than {MAX_TEXT} characters.")
    return card


def _check_name(name: str, results: Results) -> None:
    """Raise `StbenchError` for a name that a table could not show, or that a method has."""
    if not NAME.fullmatch(name):
        raise StbenchError(
            f"--name takes up to 50 letters, digits and _.+-, the first a letter or digit, not '{name}'."
        )
    taken = {*REGISTRY.names(), *REGISTRY.broken, *WORDS}
    taken |= {run["method"] for run in results.manifests() if run["kind"] != SUBMITTED}
    if name.casefold() in {one.casefold() for one in taken}:
        raise StbenchError(f"The name '{name}' is taken by a method of stbench. Give another with --name.")


def _pairs(exported: Exported, data: Iterable[Path]) -> dict[str, Pair]:
    """The prepared datasets by name; `StbenchError` where one is not that of the tasks."""
    known = catalogue(data_folders(data))
    rules = exported.rules.model_dump()
    pairs = {}
    for task in exported.tasks.values():
        if task.dataset not in pairs:
            dataset = dataset_called(task.dataset, known).with_rules(**rules)
            pairs[task.dataset] = load(dataset, Limit.parse(exported.limit))
        found = pairs[task.dataset].hash
        if found != task.data_hash:
            raise StbenchError(
                f"Dataset '{task.dataset}' is not the one of the tasks (hash {found[:12]} here, "
                f"{task.data_hash[:12]} there). Give its folder with --data, or export again."
            )
    return pairs


def _spec(
    task_name: str, task: ExportedTask, exported: Exported, pair: Pair, name: str, version: str
) -> RunSpec:
    """The run that a prediction becomes; `StbenchError` where the task has another split than here."""
    split = make_splits(pair.genes, task.rotation + 1, exported.split_seed)[-1]
    if (split.hash, list(split.test)) != (task.split, task.targets):
        raise StbenchError(
            f"Task '{task_name}' of the manifest has another split than rotation {task.rotation} of "
            f"'{task.dataset}' here. Export again."
        )
    return RunSpec(
        method=name,
        label=name,
        family=SUBMITTED,
        kind=SUBMITTED,
        version=version,
        preset=ELSEWHERE,
        parameters={},
        dataset=pair.name,
        data_hash=pair.hash,
        units=task.units,
        limit=exported.limit,
        split=split,
        seed=0,
        device="unknown",
        memory_bytes=0,
        scaled={},
    )


def _scores(answer: Answer, folder: Path, truth: AnnData, task: ExportedTask) -> pd.DataFrame:
    """The scores of an answer, whose prediction file is written into ``folder``."""
    answer.table.write_h5ad(folder / "prediction.h5ad")
    try:
        return score_prediction(folder / "prediction.h5ad", truth, task.targets)
    except InvalidPrediction as error:
        raise StbenchError(f"'{answer.file}': {error}.") from error


def _is_new(one: _Scored, results: Results) -> bool:
    """Whether a run is not stored yet; `StbenchError` where its version has another prediction."""
    key = one.spec.key
    if not results.run_folder(key).exists() or results.damage(key) is not None:
        return True
    stored: dict[str, Any] = results.manifest(key) or {}
    if stored.get("submitted", {}).get("sha256") != one.digest:
        raise StbenchError(
            f"'{one.spec.label}' has another prediction of {one.spec.title} in '{results.folder}' already. "
            "Raise the version on its card."
        )
    return False


def _store(scored: list[_Scored], results: Results, card: dict[str, str]) -> None:
    claims = Claims(results.claims_folder)
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    with disk_errors(results.folder), claims.alone():
        for one in scored:
            results.store_truth(one.pair)
            results.store_split(one.spec.split)
            about: dict[str, Any] = {"card": card, "file": one.answer.file.name, "sha256": one.digest}
            about["n_other_genes"] = one.answer.n_other_genes
            manifest = run_manifest(
                one.spec, **environment(), status=OK, reason=UNKNOWN, started=now, submitted=about
            )
            results.store_run(manifest, one.folder, one.scores)
