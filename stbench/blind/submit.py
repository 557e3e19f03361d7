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

from stbench.blind.manifest import Exported, ExportedTask
from stbench.blind.predictions import prediction_files, read_prediction_file
from stbench.board.merge import Run, copy_run
from stbench.board.submitted import ELSEWHERE, SUBMITTED, UNKNOWN
from stbench.cards import read_card
from stbench.data.cache import load
from stbench.data.limit import Limit
from stbench.data.prepare import Pair
from stbench.data.sources import Dataset, catalogue, data_folders, dataset_called
from stbench.data.split import make_splits
from stbench.errors import StbenchError
from stbench.exchange.taskfolder import InvalidPrediction
from stbench.files import disk_errors, sha256
from stbench.method import REGISTRY
from stbench.runs.claims import Claims
from stbench.runs.manifest import OK, title
from stbench.runs.provenance import environment
from stbench.runs.results import Results, run_manifest
from stbench.runs.spec import RunSpec, shape_of
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
    _check_name(name, Results(out))
    files = prediction_files(predictions, exported)
    known = catalogue(data_folders(data))
    means: dict[str, pd.Series] = {}
    with tempfile.TemporaryDirectory(prefix="stbench-submit-") as work:
        submission = Results.create(Path(work))  # whole before anything is stored in `out`
        for dataset in dict.fromkeys(task.dataset for task in exported.tasks.values()):
            pair = _pair(dataset, exported, known)
            submission.store_truth(pair)
            for task_name, task in exported.tasks.items():
                if task.dataset == dataset:
                    spec = _spec(task_name, task, exported, pair, name, about.version)
                    scores = _store(spec, files[task_name], pair, about, submission)
                    means[task_name] = scores.groupby("metric", sort=False)["value"].mean()
        _copy_new(submission, out)
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


def _pair(name: str, exported: Exported, known: dict[str, Dataset]) -> Pair:
    """The prepared dataset; `StbenchError` where it is not that of its tasks."""
    rules = exported.rules.model_dump()
    pair = load(dataset_called(name, known).with_rules(**rules), Limit.parse(exported.limit))
    found = pair.hash
    for task in exported.tasks.values():
        if task.dataset == name and task.data_hash != found:
            raise StbenchError(
                f"Dataset '{name}' is not the one of the tasks (hash {found[:12]} here, "
                f"{task.data_hash[:12]} there). Give its folder with --data, or export again."
            )
    return pair


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
        data_hash=task.data_hash,
        units=task.units,
        limit=exported.limit,
        split=split,
        seed=0,
        device="unknown",
        memory_bytes=0,
        scaled={},
        shape=shape_of(pair, split),
    )


def _store(spec: RunSpec, file: Path, pair: Pair, card: Card, submission: Results) -> pd.DataFrame:
    """Score the prediction in ``file`` and store it in ``submission`` as the run ``spec``; the scores."""
    spots, n_genes = list(pair.spatial.obs_names), pair.reference.n_vars + pair.spatial.n_vars
    answer = read_prediction_file(file, spots, list(spec.split.test), n_genes)
    work = submission.folder / "answer"
    work.mkdir(exist_ok=True)
    answer.table.write_h5ad(work / "prediction.h5ad")
    try:
        scores = score_prediction(work / "prediction.h5ad", pair.spatial, spec.split.test)
    except InvalidPrediction as error:
        raise StbenchError(f"'{file}': {error}.") from error
    about = {"card": asdict(card), "file": file.name, "sha256": sha256(file)}
    manifest = run_manifest(
        spec,
        **environment(),
        status=OK,
        reason=UNKNOWN,
        started=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        submitted=about | {"n_other_genes": answer.n_other_genes},
    )
    submission.store_split(spec.split)
    submission.store_run(manifest, work, scores)
    return scores


def _copy_new(submission: Results, out: Path) -> None:
    """Copy the runs that ``out`` does not have; `StbenchError` where it has another prediction of one."""
    results = Results(out)
    new = [manifest for manifest in submission.manifests() if _is_new(manifest, results)]
    Results.create(out)
    with disk_errors(out), Claims(results.claims_folder).alone():
        for manifest in new:
            if results.run_folder(manifest["key"]).exists():  # damaged
                results.remove(f"runs/{manifest['key']}")
            copy_run(Run(submission, manifest), results)


def _is_new(manifest: dict[str, Any], results: Results) -> bool:
    key = manifest["key"]
    if not results.run_folder(key).exists() or results.damage(key) is not None:
        return True
    stored = results.manifest(key) or {}
    if stored["submitted"]["sha256"] != manifest["submitted"]["sha256"]:
        raise StbenchError(
            f"'{results.folder}' has another prediction of '{title(manifest)}' already. "
            "Raise the version on the card."
        )
    return False
