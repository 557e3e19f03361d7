"""``stbench choose``: the best method for a pair, its expected accuracy, and the best one by gene."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from stbench.applied.crossval import ACCURACY, CHOICE, CrossValidation, cross_validate, inner_split
from stbench.applied.reliability import MIN_GENES, Reliability, expected_columns, expected_scores
from stbench.board.statistics import bootstrap_intervals
from stbench.config.options import ChooseOptions, Options
from stbench.config.variants import Variant, select_methods, variants
from stbench.data.prepare import Pair
from stbench.data.split import Split
from stbench.errors import StbenchError
from stbench.method import REGISTRY, Method
from stbench.metric import headline
from stbench.notebooks import sentence_and_table
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


@dataclass(frozen=True, repr=False)
class Choice:
    """The result of nested cross-validation over the measured genes.

    Attributes
    ----------
    best
        The method with the highest mean PCC, baselines included.
    expected
        Mean PCC to expect for unmeasured genes that are like the measured ones, of a method chosen in this
        way. Unbiased: in each rotation the method was chosen without its test genes.
    chosen
        The method chosen in this way, by rotation.
    methods
        Per method, best first: ``kind``, ``pcc``, ``low``, ``high`` (90 % interval of the mean) and
        ``n_genes``. The largest ``pcc`` is optimistic; ``expected`` is not.
    genes
        Per measured gene: ``similarity`` to its nearest visible gene (correlation over the cells of the
        reference), ``group``, the PCC of every method, and of the method chosen without the gene the PCC
        ``found`` and that stated beforehand, ``expected_pcc`` with the bounds ``_low`` and ``_high``. They
        are NaN where fewer than five genes were known.
    groups
        Per group of similarity: ``from``, ``to``, ``n_genes``, the ``best`` method there and its ``pcc``.
    beats_baselines
        Whether the 90 % interval of the difference to the best baseline lies above 0; None where the best
        method is a baseline or there is no baseline.
    reliability
        How far the stated PCC of the genes was right.
    validation
        The runs and their scores.
    """

    best: str
    expected: Estimate
    chosen: dict[int, str]
    methods: pd.DataFrame
    genes: pd.DataFrame
    groups: pd.DataFrame
    beats_baselines: bool | None
    reliability: Reliability
    validation: CrossValidation

    def __repr__(self) -> str:
        return f"{self.verdict} Runs: '{self.folder}'"

    def _repr_html_(self) -> str:
        return sentence_and_table(repr(self), self.methods)

    @property
    def folder(self) -> Path:
        """The folder of the runs."""
        return self.validation.results.folder

    @property
    def verdict(self) -> str:
        """The recommendation in a sentence or two, with what was compared."""
        text = f"Use {self.best}: expected mean PCC {self.expected} over genes like the measured ones."
        if self.expected.low <= 0:
            return f"Trust none: {text[0].lower()}{text[1:]} That is not better than no prediction at all."
        baselines, others = (
            [str(name) for name in self.methods.index[self.methods["kind"] == kind]]
            for kind in ("baseline", "method")
        )
        if not others:
            return f"{text} Only baselines were compared: {', '.join(baselines)}."
        if not baselines:
            return f"{text} No baseline was compared: {', '.join(others)}."
        if self.best in baselines:
            return f"{text} It is a baseline, and it was compared with {', '.join(others)}."
        if self.beats_baselines is False:
            return f"{text} It does not clearly beat the baseline {baselines[0]}."
        return f"{text} It beats the best baseline, {baselines[0]}."


def shortlist() -> list[type[Method]]:
    """The methods to choose from by default: the controls and the methods without training.

    A method with training has presets, or it uses the GPU and its packages are not listed or include torch
    (those of optimal transport do not).
    """

    def trains(cls: type[Method]) -> bool:
        info = cls.info
        return bool(cls.presets) or (info.gpu and (not info.packages or "torch" in info.packages))

    return [cls for cls in REGISTRY.items().values() if not trains(cls)]


def candidates(options: Options, names: Sequence[str]) -> list[Variant]:
    """The methods called ``names`` with their parameters; without names those of `shortlist`."""
    for plugin in options.plugin:
        load_plugin(plugin)
    return variants(select_methods(names) if names else shortlist(), options.set)


def choose(options: ChooseOptions, pair: Pair, reporter: Reporter) -> Choice:
    """The best method for ``pair`` by nested cross-validation over its measured genes, see `conclude`.

    ``options.out`` keeps the runs, and the same call resumes from there; None: a folder in the cache.
    """
    methods = candidates(options, options.methods)
    reporter.stages([CHOICE, ACCURACY])
    return conclude(cross_validate(pair, methods, options, options.out, reporter, nested=True))


def conclude(validation: CrossValidation) -> Choice:
    """The choice that follows from a nested cross-validation.

    Raises `StbenchError` where only controls gave a prediction in every rotation.
    """
    outer = validation.outer
    table = outer.pivot(index="gene", columns="method", values=headline())
    rotations = outer.drop_duplicates("gene").set_index("gene")["rotation"].reindex(table.index)
    kinds = outer.drop_duplicates("method").set_index("method")["kind"]
    candidates = [name for name in table if kinds[name] != "control"]
    if not candidates:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in validation.failures.items())
        raise StbenchError(f"No method gave a prediction in every rotation ({reasons or 'controls only'}).")
    intervals = bootstrap_intervals(table, list(rotations), level=LEVEL, seed=SEED)
    means = pd.DataFrame({"kind": kinds, headline(): table.mean(), "n_genes": table.count()})
    means = means.join(intervals).sort_values(headline(), ascending=False)
    best = str(means.index[means.index.isin(candidates)][0])
    baselines = means.index[means["kind"] == "baseline"]
    beats_baselines = None
    if best not in baselines and len(baselines):
        beats_baselines = estimate(table[best] - table[baselines[0]], rotations).low > 0
    inner = validation.inner.pivot_table(headline(), "rotation", "method")[candidates]
    chosen = {int(rotation): str(method) for rotation, method in inner.idxmax(axis=1).items()}
    of_chosen = [table.loc[gene, chosen[rotation]] for gene, rotation in rotations.items()]
    splits = {spec.split.rotation: spec.split for spec in validation.specs}.values()
    stated = pd.concat([_stated(validation, split, chosen[split.rotation]) for split in splits])
    genes = table.join(stated["similarity"])
    genes["group"] = pd.qcut(genes["similarity"].rank(method="first"), len(GROUPS), labels=list(GROUPS))
    genes = genes.join(stated[expected_columns()]).assign(found=of_chosen)
    return Choice(
        best=best,
        expected=estimate(pd.Series(of_chosen, index=table.index), rotations),
        chosen=chosen,
        methods=means[["kind", headline(), "low", "high", "n_genes"]],
        genes=genes,
        groups=_groups(genes, candidates),
        beats_baselines=beats_baselines,
        reliability=Reliability.of(genes, LEVEL),
        validation=validation,
    )


def _stated(validation: CrossValidation, split: Split, method: str) -> pd.DataFrame:
    """The test genes of a rotation: their ``similarity`` and the PCC stated for ``method`` without them."""
    pair, train = validation.pair, inner_split(split).train + inner_split(split).val
    similarities = similarity(pair, split.train + split.val, split.test)
    inner = validation.inner.query("method == @method and rotation == @split.rotation")
    known = inner.set_index("gene")[[headline()]].join(
        similarity(pair, train, split.val).rename("similarity")
    )
    if len(known) < MIN_GENES:
        stated = pd.DataFrame(np.nan, index=similarities.index, columns=expected_columns())
    else:
        stated = expected_scores(known, similarities, LEVEL)
    return stated.assign(similarity=similarities)


def estimate(values: pd.Series, rotations: Iterable[object]) -> Estimate:
    """The mean of ``values`` over genes with its 90 % interval; ``rotations`` are those of the genes."""
    frame = values.to_frame("mean")
    low, high = bootstrap_intervals(frame, list(rotations), level=LEVEL, seed=SEED).loc["mean"]
    return Estimate(float(values.mean()), float(low), float(high))


def similarity(pair: Pair, visible: Sequence[str], genes: Sequence[str]) -> pd.Series:
    """Correlation of each gene with the most similar visible gene other than itself, over the cells."""
    cells = pair.reference
    if cells.n_obs > MAX_CELLS:
        draw = np.random.default_rng(SEED).choice(cells.n_obs, MAX_CELLS, replace=False)
        cells = cells[np.sort(draw)]
    correlation = zscore(dense(cells, visible)).T @ zscore(dense(cells, genes)) / cells.n_obs
    place = {gene: i for i, gene in enumerate(visible)}
    for column, gene in enumerate(genes):
        if gene in place:
            correlation[place[gene], column] = -1
    return pd.Series(correlation.max(axis=0), index=list(genes))


def _groups(genes: pd.DataFrame, candidates: list[str]) -> pd.DataFrame:
    """The range of similarity, the number of genes and the best method of every group."""
    grouped = genes.groupby("group", observed=True)
    means = grouped[candidates].mean()
    found = grouped["similarity"].agg(**{"from": "min", "to": "max", "n_genes": "size"})
    return found.assign(best=means.idxmax(axis=1), **{headline(): means.max(axis=1)})
