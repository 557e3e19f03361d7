"""``stbench choose``: which method to trust on a pair, for which genes, and how far."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from stbench.applied.crossval import CrossValidation, cross_validate
from stbench.board.statistics import bootstrap_intervals
from stbench.config.options import ChooseOptions, Options
from stbench.config.variants import Variant, select_methods, variants
from stbench.data.prepare import Pair
from stbench.errors import StbenchError
from stbench.files import kept_folder
from stbench.method import REGISTRY, Method
from stbench.metric import headline
from stbench.plugins import load_plugin
from stbench.runs.events import Reporter
from stbench.tables import dense
from stbench.toolbox.scale import zscore

LEVEL = 0.9
GROUPS = ("least similar", "middle", "most similar")
MAX_CELLS = 2000  # enough for a correlation to .02
SEED = 0


@dataclass(frozen=True)
class Estimate:
    """A mean PCC over genes with its 90 % interval."""

    mean: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.mean:.3f} ({self.low:.3f} to {self.high:.3f})"


@dataclass(frozen=True)
class Choice:
    """What nested cross-validation over the measured genes says.

    Attributes
    ----------
    best
        The method with the highest mean PCC, baselines included.
    expected
        Mean PCC to expect for unmeasured genes that are like the measured ones, of a method chosen in this
        way. Unbiased: in each rotation the method was chosen without its test genes.
    chosen
        The method that was chosen so, by rotation.
    methods
        Per method, best first: ``kind``, ``pcc``, ``low``, ``high`` (90 % interval of the mean) and
        ``n_genes``. The maximum of this column is optimistic; ``expected`` is not.
    genes
        Per measured gene: ``similarity`` to its nearest visible gene (correlation over the cells of the
        reference), ``group``, and the PCC of every method.
    groups
        Per group of similarity: ``from``, ``to``, ``n_genes``, the ``best`` method there and its ``pcc``.
    beats_baselines
        Whether the 90 % interval of the difference to the best baseline lies above 0; None where the best
        method is a baseline or there is none to compare with.
    validation
        The runs behind it.
    """

    best: str
    expected: Estimate
    chosen: dict[int, str]
    methods: pd.DataFrame
    genes: pd.DataFrame
    groups: pd.DataFrame
    beats_baselines: bool | None
    validation: CrossValidation

    @property
    def verdict(self) -> str:
        """The recommendation in a sentence or two."""
        text = f"Use {self.best}: expected mean PCC {self.expected} over genes like the measured ones."
        if self.expected.low <= 0:
            return f"Trust none: {text[0].lower()}{text[1:]} That is not better than no prediction at all."
        if self.methods.loc[self.best, "kind"] == "baseline":
            return f"{text} No published method beats this baseline here."
        if self.beats_baselines is False:
            baseline = self.methods.index[self.methods["kind"] == "baseline"][0]
            return f"{text} It does not clearly beat the baseline {baseline}."
        return text


def shortlist() -> list[type[Method]]:
    """The methods to choose from by default: the controls, and all that need no training.

    A method with presets comes in sizes because it trains. A method for the GPU trains too, unless it names
    its packages and torch is not one of them, as those of optimal transport.
    """

    def trains(cls: type[Method]) -> bool:
        info = cls.info
        return bool(cls.presets) or (info.gpu and (not info.packages or "torch" in info.packages))

    return [cls for cls in REGISTRY.items().values() if not trains(cls)]


def candidates(options: Options, names: Sequence[str]) -> list[Variant]:
    """The methods called ``names`` with their parameters; without names all that need no training."""
    for plugin in options.plugin:
        load_plugin(plugin)
    return variants(select_methods(names) if names else shortlist(), options.set)


def choose(options: ChooseOptions, pair: Pair, reporter: Reporter) -> Choice:
    """Cross-validate methods over the measured genes of ``pair`` and say which to use.

    Each rotation has an inner one to choose in. ``options.out`` keeps the runs, and the same call again goes
    on from there; None keeps nothing. Raises `StbenchError` as `conclude` does.
    """
    methods = candidates(options, options.methods)
    with kept_folder(options.out) as folder:
        return conclude(cross_validate(pair, methods, options, folder, reporter, nested=True))


def conclude(validation: CrossValidation) -> Choice:
    """The choice that a nested cross-validation leads to.

    Raises `StbenchError` when no method but controls gave a prediction everywhere.
    """
    outer = validation.outer
    table = outer.pivot(index="gene", columns="method", values=headline())
    rotations = outer.drop_duplicates("gene").set_index("gene")["rotation"].reindex(table.index)
    kinds = outer.drop_duplicates("method").set_index("method")["kind"]
    candidates = [name for name in table if kinds[name] != "control"]
    if not candidates:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in validation.failures.items())
        raise StbenchError(f"No method gave a prediction in every rotation ({reasons or 'controls only'}).")
    intervals = _intervals(table, rotations)
    means = pd.DataFrame({"kind": kinds, headline(): table.mean(), "n_genes": table.count()})
    means = means.join(intervals).sort_values(headline(), ascending=False)
    best = str(means.index[means.index.isin(candidates)][0])
    genes = table.assign(similarity=_similarities(validation))
    genes["group"] = pd.qcut(genes["similarity"].rank(method="first"), len(GROUPS), labels=list(GROUPS))
    chosen = _chosen(validation.inner, candidates)
    return Choice(
        best=best,
        expected=_estimate(table, rotations, chosen),
        chosen=chosen,
        methods=means[["kind", headline(), "low", "high", "n_genes"]],
        genes=genes,
        groups=_groups(genes, candidates),
        beats_baselines=_beats_baselines(table, rotations, means, best),
        validation=validation,
    )


def similarity(pair: Pair, visible: Sequence[str], genes: Sequence[str]) -> pd.Series:
    """Correlation of each gene with the most similar visible gene other than itself, over the cells."""
    n_cells = pair.reference.n_obs
    rows = np.arange(n_cells)
    if n_cells > MAX_CELLS:
        rows = np.sort(np.random.default_rng(SEED).choice(n_cells, MAX_CELLS, replace=False))
    cells = pair.reference[rows]
    correlation = zscore(dense(cells, visible)).T @ zscore(dense(cells, genes)) / len(rows)
    place = {gene: i for i, gene in enumerate(visible)}
    for column, gene in enumerate(genes):
        if gene in place:
            correlation[place[gene], column] = -1
    return pd.Series(correlation.max(axis=0), index=list(genes))


def _intervals(table: pd.DataFrame, rotations: pd.Series) -> pd.DataFrame:
    return bootstrap_intervals(table, list(rotations), level=LEVEL, seed=SEED)


def _chosen(inner: pd.DataFrame, candidates: list[str]) -> dict[int, str]:
    """The method that was best on the validation genes, by rotation."""
    means = inner.groupby(["rotation", "method"])[headline()].mean().unstack()[candidates]
    return {int(rotation): str(method) for rotation, method in means.idxmax(axis=1).items()}


def _estimate(table: pd.DataFrame, rotations: pd.Series, chosen: dict[int, str]) -> Estimate:
    """Mean PCC of the test genes by the method ``chosen`` in their rotation."""
    values = pd.Series(
        [table.loc[gene, chosen[rotation]] for gene, rotation in rotations.items()], index=table.index
    )
    low, high = _intervals(values.to_frame("chosen"), rotations).loc["chosen", ["low", "high"]]
    return Estimate(float(values.mean()), float(low), float(high))


def _similarities(validation: CrossValidation) -> pd.Series:
    """Similarity of every tested gene to the genes that were visible when it was."""
    splits = {spec.split.rotation: spec.split for spec in validation.specs}.values()
    return pd.concat([similarity(validation.pair, split.train + split.val, split.test) for split in splits])


def _groups(genes: pd.DataFrame, candidates: list[str]) -> pd.DataFrame:
    grouped = genes.groupby("group", observed=True)
    means = grouped[candidates].mean()
    return pd.DataFrame(
        {
            "from": grouped["similarity"].min(),
            "to": grouped["similarity"].max(),
            "n_genes": grouped.size(),
            "best": means.idxmax(axis=1),
            headline(): means.max(axis=1),
        }
    )


def _beats_baselines(
    table: pd.DataFrame, rotations: pd.Series, means: pd.DataFrame, best: str
) -> bool | None:
    baselines = means.index[means["kind"] == "baseline"]
    if best in baselines or not len(baselines):
        return None
    difference = (table[best] - table[baselines[0]]).to_frame("difference")
    return bool(_intervals(difference, rotations).loc["difference", "low"] > 0)
