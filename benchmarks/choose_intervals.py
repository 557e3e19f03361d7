"""Whether the interval that ``stbench choose`` states holds the accuracy on genes it never saw.

For each of ten rotations a tenth of the measured genes is taken away; `stbench.applied.choosing.conclude`
states an expected mean PCC with a 90 % interval from nested cross-validation over the others; the chosen
method then predicts the genes that were taken away. The methods run in this process: only cheap ones, on a
small limit.

    python benchmarks/choose_intervals.py --data DATA osmfish_ssp merfish_hypothalamus starmap_visp_mop10x
"""

from __future__ import annotations

import argparse
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from anndata import AnnData

from stbench.applied.choosing import conclude
from stbench.applied.crossval import CrossValidation, inner_split
from stbench.config.variants import select_methods, variants
from stbench.data.limit import Limit
from stbench.data.prepare import Pair, prepare
from stbench.data.sources import catalogue, data_folders, dataset_called
from stbench.data.split import Split, make_splits
from stbench.data.visible import visible_spatial
from stbench.methods import REGISTRY, Context, Task
from stbench.metric import headline
from stbench.metrics import REGISTRY as METRICS
from stbench.runs.results import Results
from stbench.runs.spec import plan
from stbench.tables import dense

METHODS = ("ridge_genes", "kernel", "spage", "mean")


def task_of(pair: Pair, split: Split) -> Task:
    """The task of ``split``, as a child process gets it."""
    units = pair.card.units or "counts"
    visible = visible_spatial(pair.spatial, split, units)
    return Task(pair.reference, visible, list(split.test), units)


def pccs(truth: np.ndarray, prediction: np.ndarray) -> np.ndarray:
    """PCC per gene; NaN for one that is constant in the truth."""
    scored = np.ptp(truth, axis=0) > 0
    values = np.full(truth.shape[1], np.nan)
    values[scored] = METRICS.get(headline()).function(truth[:, scored], prediction[:, scored])
    return values


def score(pair: Pair, split: Split, name: str) -> pd.DataFrame:
    """Scores of the test genes of ``split``."""
    cls = REGISTRY.get(name)
    values = pccs(dense(pair.spatial, split.test), cls().predict(task_of(pair, split), Context()))
    columns = {"method": name, "kind": cls.info.kind, "rotation": split.rotation}
    return pd.DataFrame({"gene": split.test, headline(): values}).dropna().assign(**columns)


def validate(pair: Pair) -> CrossValidation:
    """What `stbench.applied.crossval.cross_validate` finds, without processes and files."""
    options = {"preset": None, "device": "cpu", "memory": None, "n_splits": 10, "split_seed": 0, "n_seeds": 1}
    specs = plan(pair, variants(select_methods(METHODS), {}), **options)
    outer = pd.concat([score(pair, spec.split, spec.method) for spec in specs])
    inner = pd.concat([score(pair, inner_split(spec.split), spec.method) for spec in specs])
    return CrossValidation(pair, Results(Path()), specs, outer, inner, {})


def without(pair: Pair, genes: tuple[str, ...]) -> Pair:
    """The pair as if ``genes`` had not been measured: raw values, prepared anew."""
    raw = {}
    for side, table in (("reference", pair.reference), ("spatial", pair.spatial)):
        kept = table[:, ~table.var_names.isin(genes)] if side == "spatial" else table
        values = kept.layers["counts"] if "counts" in kept.layers else np.expm1(kept.X.toarray())
        raw[side] = AnnData(values.copy(), obs=kept.obs.copy(), var=kept.var[[]].copy(), obsm=dict(kept.obsm))
    return prepare(raw["reference"], raw["spatial"], pair.card)


def rotation(pair: Pair, split: Split) -> dict[str, float | str]:
    """What was stated without the test genes of ``split``, and what came of it."""
    visible = without(pair, split.test)
    choice = conclude(validate(visible))
    spots, genes = list(visible.spatial.obs_names), list(split.test)
    first = make_splits(visible.genes)[0]
    final = Split(0, 0, first.train + first.test, first.val, split.test)
    predicted = REGISTRY.get(choice.best)().predict(task_of(visible, final), Context())
    held_out = np.nanmean(pccs(dense(pair.spatial[spots], genes), predicted))
    expected = choice.expected
    stated = {"expected": expected.mean, "low": expected.low, "high": expected.high}
    return {"best": choice.best} | stated | {"held_out": float(held_out)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("datasets", nargs="+")
    parser.add_argument("--data", type=Path, action="append", default=[])
    parser.add_argument("--limit", default="cells=500,spots=400,genes=100")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    known = catalogue(data_folders(options.data))
    for name in options.datasets:
        dataset = dataset_called(name, known)
        pair = prepare(*dataset.load(), dataset.card, Limit.parse(options.limit))
        table = pd.DataFrame([rotation(pair, split) for split in make_splits(pair.genes, 10)])
        mean = table[["expected", "low", "high", "held_out"]].mean()
        inside = mean["low"] <= mean["held_out"] <= mean["high"]
        print(f"{name} ({len(pair.genes)} genes; {', '.join(table['best'].unique())})")
        print(mean.round(3).to_string(), f"inside the interval: {inside}", sep="\n", flush=True)


if __name__ == "__main__":
    main()
