"""The board: all runs and scores of a results folder, and the numbers that every leaderboard shows.

A column of the board is a dataset with its limit: limited runs are kept apart from whole ones. A row is a
method with its preset. Renderers do no arithmetic of their own.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from math import inf
from typing import TYPE_CHECKING, Any

import pandas as pd

from stbench.board.columns import (
    BOOTSTRAP,
    CELL,
    COLUMN,
    REDUCED,
    ROW,
    RUNS,
    SCORES,
    SUMMARY,
    check_table,
    column_name,
    keys_of,
)
from stbench.board.statistics import DIGITS, bootstrap_intervals
from stbench.board.statuses import FAILURES, statuses
from stbench.board.submitted import ELSEWHERE, SUBMITTED, UNKNOWN
from stbench.errors import StbenchError
from stbench.metric import ALL_GENES, Metric, headline
from stbench.notebooks import sentence_and_table
from stbench.scoring.controls import CEILING
from stbench.scoring.oracle import ORACLE

if TYPE_CHECKING:
    from stbench.board.archive import Archive

MIN_CONTROL = 0.1  # a share of a lower control is mostly noise
SHARES = {"share": CEILING, "share_of_oracle": ORACLE}  # columns of tables, and the control of each


@dataclass(frozen=True, eq=False, repr=False)
class Board:
    """All runs and scores of a results folder.

    Attributes
    ----------
    scores
        One row per dataset, method, preset, limit, split, seed, gene and metric (columns `SCORES`); ``value``
        is NaN for a gene that is constant in the truth. The controls of the scorer have scores only.
    runs
        One row per run (columns `RUNS`); ``status`` is ``ok`` or one of `FAILURES`.
    metrics
        The metrics in ``scores``, by name.
    archive
        The results folder behind the board, None for a board of scores alone.
    origin
        The file that scores were imported from, empty for scores that stbench computed.
    include_submitted
        Whether rows that were run elsewhere compete with the measured ones, in ranks and in tests.

    Raises
    ------
    StbenchError
        For a missing column, an empty key, an unknown metric or status, and a repeated run or score.
    """

    scores: pd.DataFrame
    runs: pd.DataFrame
    metrics: Mapping[str, Metric]
    archive: Archive | None = None
    origin: str = ""
    include_submitted: bool = False

    def __post_init__(self) -> None:
        if self.runs.empty:
            raise StbenchError("There are no runs to show. Run `stbench run` first.")
        check_table(self.runs, "runs", RUNS, [*COLUMN, *ROW, *CELL])
        check_table(self.scores, "scores", SCORES, [*COLUMN, *ROW, *CELL, "gene", "metric"])
        for name in self.scores["metric"].unique():
            if name not in self.metrics:
                raise StbenchError(f"The scores have the metric '{name}', which is not defined. Score again.")
        for status in self.runs["status"].unique():
            if status not in ("ok", *FAILURES):
                raise StbenchError(f"Unknown status '{status}' of a run. Known: ok, {', '.join(FAILURES)}.")

    def __repr__(self) -> str:
        n_rows, n_columns = len(set(keys_of(self.runs, ROW))), len(self.columns)
        bad = int((self.runs["status"] != "ok").sum())
        where = f", in '{self.archive.results.folder}'" if self.archive else ""
        runs = f"{len(self.runs)} runs" + (f", {bad} of them not ok" if bad else "")
        return f"Board of {n_rows} methods on {n_columns} dataset{'s' * (n_columns > 1)}: {runs}{where}"

    def _repr_html_(self) -> str:
        shown = ["method", "preset", "AS", *self.without_redundant, self.headline, "reason"]
        return sentence_and_table(repr(self), self.ranks()[shown])

    @property
    def outside(self) -> tuple[str, ...]:
        """The kinds of rows that do not compete: they have no rank, no test and no mark of the best."""
        return ("control",) if self.include_submitted else ("control", SUBMITTED)

    @cached_property
    def columns(self) -> list[tuple[str, str]]:
        """Sorted pairs (dataset, limit): the columns of every table."""
        return sorted(set(keys_of(self.runs, COLUMN)))

    @cached_property
    def column_names(self) -> dict[tuple[str, str], str]:
        """The head of each column: the dataset, with its limit unless all have the same one."""
        same = len({limit for _, limit in self.columns}) == 1
        return {column: column[0] if same else column_name(*column) for column in self.columns}

    @cached_property
    def names(self) -> dict[tuple[str, str, str], str]:
        """The name of each row (method, kind, preset), with a preset that is marked or one of several."""
        rows = set(keys_of(self.runs, ROW)) | set(keys_of(self.scores, ROW))
        methods = [method for method, _, _ in rows]
        marked = {row for row in rows if methods.count(row[0]) > 1 or row[2] in (REDUCED, ELSEWHERE)}
        return {row: f"{row[0]} [{row[2]}]" if row in marked else row[0] for row in sorted(rows)}

    def names_of(self, table: pd.DataFrame) -> list[str]:
        """The name of each row of a table with the columns method, kind and preset."""
        return [self.names[row] for row in keys_of(table, ROW)]

    @property
    def manifests(self) -> list[dict[str, Any]]:
        """The manifests of the runs; none without an archive."""
        return self.archive.manifests if self.archive else []

    @cached_property
    def metric_order(self) -> list[str]:
        """Names of the metrics: primary ones first, then by their ``column``, then by name."""
        places = {name: inf if m.column is None else m.column for name, m in self.metrics.items()}
        return sorted(places, key=lambda name: (not self.metrics[name].primary, places[name], name))

    @property
    def primary(self) -> list[str]:
        """Names of the metrics in the rank, in table order."""
        return [name for name in self.metric_order if self.metrics[name].primary]

    @cached_property
    def headline(self) -> str:
        """Name of the metric that heads tables and figures."""
        return headline(self.metrics.values())

    @property
    def redundant(self) -> list[str]:
        """Names of the primary metrics that follow from another one."""
        return [name for name in self.primary if self.metrics[name].redundant]

    @property
    def without_redundant(self) -> dict[str, str]:
        """The column of `ranks` without the `redundant` metrics, and its head; empty if there are none."""
        names = self.redundant
        return {f"AS_without_{'_'.join(names)}": f"AS without {', '.join(names)}"} if names else {}

    @cached_property
    def gene_scores(self) -> pd.DataFrame:
        """One value per column, row, metric and gene: the mean over seeds, then over splits.

        The second mean matters only with several split seeds: each of them tests a gene in one rotation.
        """
        keys = [*COLUMN, *ROW, "metric", "gene"]
        over_seeds = self.scores.groupby([*keys, "split"], sort=False)["value"].mean()
        return over_seeds.groupby(keys, sort=False).mean().reset_index()

    @cached_property
    def tested(self) -> pd.Series:
        """The split that tested a gene, the first of several, by dataset, limit and gene."""
        first = self.scores.drop_duplicates([*COLUMN, "gene"]).set_index([*COLUMN, "gene"])
        return first["split"].sort_index()

    @cached_property
    def statuses(self) -> pd.DataFrame:
        """One row per column and row with its ``status`` and ``n_cells``, the number of cells it should have.

        The cells of a column are all (split, seed) with a run of any method. The status is ``ok`` when the
        row is ok in all of them. Otherwise it is the worst failure with a count, ``partial (2 of 3)`` when
        runs are absent, or ``not run``. ``failed`` is true where every cell was run and some failed.
        ``by_scorer`` marks the controls that have scores and no runs.
        """
        return statuses(self.runs, self.scores)

    @cached_property
    def _summary(self) -> pd.DataFrame:
        keys = [*COLUMN, *ROW, "metric"]
        values = self.gene_scores.groupby(keys)["value"]
        table = values.agg(mean="mean", sd="std", n_genes="count", n_all="size")  # pandas: ddof = 1
        cells = self.scores.drop_duplicates([*keys, *CELL]).groupby(keys)
        table = table.join(cells[CELL].nunique().set_axis(["n_splits", "n_seeds"], axis=1))
        table = table.join(cells.size().rename("n_scored"))

        # Every row has the primary metrics and those scored in its column: a failure is a row too.
        primary = [(*column, metric) for column in self.columns for metric in self.primary]
        rows = pd.DataFrame(primary, columns=[*COLUMN, "metric"])
        rows = pd.concat([rows, self.scores[[*COLUMN, "metric"]]]).drop_duplicates()
        table = self.statuses.merge(rows, on=COLUMN).merge(table.reset_index(), how="left", on=keys)
        # Most metrics of the ceiling, and intervals of most methods, cannot have a value: no row for them.
        optional = [name for name, metric in self.metrics.items() if metric.needs_intervals]
        table = table[~(table["by_scorer"] | table["metric"].isin(optional)) | table["n_all"].notna()]
        counts = ["n_genes", "n_all", "n_splits", "n_seeds", "n_scored"]
        table[counts] = table[counts].fillna(0).astype(int)
        table["n_genes_unscored"] = table["n_all"] - table["n_genes"]
        unscored = (table["status"] == "ok") & (table["n_scored"] < table["n_cells"])
        missing = [(row.n_cells - row.n_scored, row.n_cells) for row in table[unscored].itertuples()]
        table.loc[unscored, "status"] = [f"not scored ({n} of {n_cells})" for n, n_cells in missing]
        for name, control in SHARES.items():
            share = self.share_of(control).rename(name).reset_index().assign(metric=self.headline)
            table = table.merge(share, how="left", on=keys)
        table = table.astype(dict.fromkeys(["mean", "sd", *SHARES], float))
        place = {name: i for i, name in enumerate(self.metric_order)}
        table = table.assign(control=table["kind"] == "control", place=table["metric"].map(place))
        return table.sort_values([*COLUMN, "control", "method", "preset", "place"], ignore_index=True)

    def summary(self) -> pd.DataFrame:
        """The table of ``leaderboard.csv`` (columns `SUMMARY`): one row per column, row and metric.

        ``mean`` and ``sd`` (n - 1) are over `gene_scores`, from ``n_splits`` and ``n_seeds``. Failed runs
        have rows with an empty mean. Rows of the headline metric have their ``share`` of the ceiling and
        their ``share_of_oracle``, see `share_of`.
        """
        return self._summary[SUMMARY].copy()

    @cached_property
    def bootstrap_means(self) -> pd.DataFrame:
        """Mean, sd, median and the 95 % interval ``low`` to ``high`` of the mean (columns `BOOTSTRAP`).

        One row per column, row and metric, in the order of `summary`. The interval is that of
        `stbench.board.statistics.bootstrap_intervals`; with several split seeds, the rotation of a gene is
        the first split that tested it. One gene has no interval, nor has a metric over all genes.
        """
        keys = [*COLUMN, *ROW, "metric"]
        frames = []
        per_gene = self.gene_scores[self.gene_scores["gene"] != ALL_GENES]
        for column, scores in per_gene.groupby(COLUMN):
            wide = scores.pivot(index="gene", columns=[*ROW, "metric"], values="value")
            table = bootstrap_intervals(wide, self.tested.loc[column].loc[wide.index])
            table = table.assign(median=wide.median()).reset_index()
            frames.append(table.assign(**dict(zip(COLUMN, column, strict=True))))
        if not frames:
            frames = [pd.DataFrame(columns=[*keys, "median", "low", "high"])]
        table = self._summary.merge(pd.concat(frames), how="left", on=keys)
        return table.astype({"median": float, "low": float, "high": float})[BOOTSTRAP]

    def gene_table(self, dataset: str, limit: str, metric: str) -> pd.DataFrame:
        """Scores of one metric, genes x (method, kind, preset), of rows that are ``ok`` and compete."""
        here = "dataset == @dataset and limit == @limit and metric == @metric"
        ok = self._summary.query(f"{here} and status == 'ok' and kind not in @self.outside")
        scores = self.gene_scores.query(here)
        wide = scores.pivot(index="gene", columns=ROW, values="value").dropna(how="all")
        return wide.reindex(columns=pd.MultiIndex.from_frame(ok[ROW]))

    def accuracy(self, *, without: Collection[str] = (), failures_last: bool = False) -> pd.DataFrame:
        """``AS`` of every ranked row in every column, as a table rows x columns.

        AS is the mean over the primary metrics of rank / N, where the best of N rows gets rank N and ties
        share their mean rank. Baselines and methods that are ``ok`` in every column are ranked.

        Parameters
        ----------
        without
            Primary metrics that do not count.
        failures_last
            Also rank the rows that were run on every cell and failed on some. Where they failed, they share
            the last ranks. A row that was not run everywhere is never ranked.
        """
        failed = self._summary["failed"] if failures_last else False
        ranked = self._everywhere((self._summary["status"] == "ok") | failed)
        table = self._summary.set_index(ROW)
        table = table[table["metric"].isin(self.primary) & table.index.isin(ranked)].reset_index()
        table["mean"] = table["mean"].round(DIGITS).where(table["status"] == "ok")
        fractions = {}
        for name in self.primary:
            if name not in without:
                high = self.metrics[name].best == "high"
                means = table[table["metric"] == name].pivot(index=ROW, columns=COLUMN, values="mean")
                ranks = means.fillna(-inf if high else inf).rank(ascending=high)
                fractions[name] = ranks / ranks.count()
        means = pd.concat(fractions).groupby(level=ROW).mean()
        return means.reindex(columns=pd.MultiIndex.from_tuples(self.columns, names=COLUMN))

    @cached_property
    def ranked(self) -> pd.MultiIndex:
        """The ranked rows (method, kind, preset): ok in every column for every primary metric."""
        return self._everywhere(self._summary["status"] == "ok")

    def _everywhere(self, valid: pd.Series) -> pd.MultiIndex:
        """The rows that compete and are ``valid`` in every column for every primary metric."""
        table = self._summary.assign(valid=valid)
        table = table[table["metric"].isin(self.primary) & ~table["kind"].isin(self.outside)]
        valid = table.groupby(ROW)["valid"].all()
        return valid.index[valid]

    def share_of(self, control: str) -> pd.Series:
        """Mean headline score over the mean of a control (ceiling, oracle) on the same genes.

        By column and row. There is no entry for controls, for a column without the control (intensities have
        no ceiling, few spots no oracle), and for a mean of the control under `MIN_CONTROL`.
        """
        scores = self.gene_scores
        scores = scores[(scores["metric"] == self.headline) & scores["value"].notna()]
        is_control = scores["kind"] == "control"
        bound = scores[is_control & (scores["method"] == control)].rename(columns={"value": "bound"})
        both = scores[~is_control].merge(bound[[*COLUMN, "gene", "bound"]].dropna(), on=[*COLUMN, "gene"])
        means = both.groupby([*COLUMN, *ROW])[["value", "bound"]].mean()
        means = means[means["bound"] >= MIN_CONTROL]
        return means["value"] / means["bound"]

    @cached_property
    def _ranks(self) -> pd.DataFrame:
        table = self.statuses[ROW].drop_duplicates().set_index(ROW)
        table["AS"] = self.accuracy().mean(axis=1)
        for column in self.without_redundant:
            table[column] = self.accuracy(without=self.redundant).mean(axis=1)
        table["AS_failures_last"] = self.accuracy(failures_last=True).mean(axis=1)

        headline = self._summary[self._summary["metric"] == self.headline]
        n_ok = headline[headline["status"] == "ok"].groupby(ROW).size().reindex(table.index, fill_value=0)
        everywhere = n_ok == len(self.columns)
        table[self.headline] = headline.groupby(ROW)["mean"].mean().where(everywhere)
        for name, control in SHARES.items():
            table[name] = self.share_of(control).groupby(level=ROW).mean().where(everywhere)
        table["n_ok"] = n_ok
        table["n_columns"] = len(self.columns)
        table = table.join(self._reasons()).reset_index()
        control = table["kind"] == "control"
        table["reason"] = table["reason"].fillna("").mask(control, "control")
        submitted = table["kind"] == SUBMITTED
        why = table["reason"].radd("; ").where(table["reason"] != "", "")
        table.loc[submitted, "reason"] = UNKNOWN + why[submitted]
        order = ["control", "AS", "method", "preset"]
        table = table.assign(control=control).sort_values(order, ascending=[True, False, True, True])
        return table.drop(columns="control").reset_index(drop=True)

    def ranks(self) -> pd.DataFrame:
        """One row per method and preset: the ranked ones, best first, then the others, then the controls.

        ``AS``, ``AS_without_rmse`` (see `without_redundant`) and ``AS_failures_last`` (see `accuracy`) are
        means over the columns. So are the headline metric and the shares of ceiling and oracle. Only rows
        that are ok in every column have these: means over different datasets do not compare. ``n_ok`` counts
        the columns that are ok; ``reason`` states why a row has no rank, and what is unknown of
        one that was run elsewhere.
        """
        return self._ranks.copy()

    def named_values(self, key: str) -> dict[tuple[str, str, str], dict[str, Counter[str]]]:
        """What runs stored under ``key`` (``chosen`` or ``scaled``), for the rows that have any.

        For every name: the values as text, and in how many runs.
        """
        found: dict[tuple[str, str, str], dict[str, Counter[str]]] = {}
        stored = self.runs[key].fillna("{}") if key in self.runs else ()
        for row, text in zip(keys_of(self.runs, ROW), stored, strict=False):
            for name, value in sorted(json.loads(text).items()):
                shown = f"{value:.4g}" if isinstance(value, float) else str(value)
                found.setdefault(row, {}).setdefault(name, Counter())[shown] += 1
        return found

    def _reasons(self) -> pd.Series:
        """For each row that is not ok everywhere: the first such column, and the number of others."""
        bad = self._summary[(self._summary["status"] != "ok") & self._summary["metric"].isin(self.primary)]
        bad = bad.drop_duplicates([*COLUMN, *ROW])
        first = bad.groupby(ROW)[[*COLUMN, "status"]].first()
        more = bad.groupby(ROW).size() - 1
        reasons = [
            f"{row.status} on {self.column_names[row.dataset, row.limit]}" + (f", and {n} more" if n else "")
            for row, n in zip(first.itertuples(index=False), more, strict=True)
        ]
        return pd.Series(reasons, index=first.index, name="reason", dtype=object)

    def failures(self) -> pd.DataFrame:
        """Every status that is not ok, with its reason and its number of runs."""
        bad = self.runs[self.runs["status"] != "ok"].fillna({"reason": ""})
        keys = [*COLUMN, *ROW, "status", "reason"]
        return bad.groupby(keys).size().rename("n_runs").reset_index()
