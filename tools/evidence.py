"""Which properties of a tissue go with which method being good: the tables of `docs/evidence.md`.

The scores are those of the published board; the properties are those of its pairs at its limit, read from the
data: python tools/evidence.py [--data FOLDER]
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import false_discovery_control, spearmanr

from stbench.board.pipes import pipe_table
from stbench.board.scoretable import common_cells, read_scores
from stbench.data.cache import load
from stbench.data.limit import Limit
from stbench.data.prepare import Pair
from stbench.data.sources import catalogue, data_folders

SCORES = Path(__file__).resolve().parent.parent / "docs" / "board_scores.parquet"
OURS = "causalged-kernel"


def main() -> None:
    """Print the three tables as markdown."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, action="append", default=[])
    board = common_cells(read_scores(SCORES))
    scores = pcc(board.summary())
    known = catalogue(data_folders(parser.parse_args().data))
    limit = Limit.parse(board.columns[0][1])
    tissues = pd.DataFrame({name: properties(load(known[name], limit)) for name in scores.columns}).T
    tissues["oracle"] = pcc(board.summary(), "control").loc["oracle"]
    show("tissue", tissues.round(2))
    found = associations(scores, tissues)
    few, chance = (found["p"] < 0.05).sum(), 0.05 * len(found)
    left = (false_discovery_control(found["p"]) < 0.05).sum()
    print(f"{len(found)} pairs of method and property: {few} with p < 0.05, by chance {chance:.0f}")
    print(f"At a false discovery rate of 5 %: {left}\n")
    show("", found.nsmallest(8, "p").round(3))
    published = scores.drop(index=[OURS, *pcc(board.summary(), "baseline").index], errors="ignore")
    table = pd.DataFrame({"all": choices(scores, tissues), "published systems": choices(published, tissues)})
    show("choice for a tissue", table.round(3))


def pcc(summary: pd.DataFrame, kind: str | None = None) -> pd.DataFrame:
    """Mean PCC, methods x datasets: of rows of one kind, or of all but controls that are ok everywhere."""
    rows = summary[summary["metric"] == "pcc"]
    rows = rows[rows["kind"] == kind] if kind else rows[rows["kind"] != "control"]
    table = rows.pivot(index="method", columns="dataset", values="mean")
    return table if kind else table.dropna()


def properties(pair: Pair) -> dict[str, float]:
    """What a user knows of a pair beforehand."""
    space, cells = (table.layers.get("counts", table.X) for table in (pair.spatial, pair.reference))
    counts = np.asarray(space.sum(axis=1)) if pair.card.units == "counts" else np.nan
    return {
        "genes": pair.spatial.n_vars,
        "spots": pair.spatial.n_obs,
        "counts per spot": float(np.median(counts)),
        "zeros in space": 1 - space.nnz / np.prod(space.shape),
        "genes of the reference": pair.reference.n_vars,
        "zeros in the reference": 1 - cells.nnz / np.prod(cells.shape),
    }


def associations(scores: pd.DataFrame, tissues: pd.DataFrame) -> pd.DataFrame:
    """Spearman correlation over tissues of each property with each method's lead over the mean method."""
    lead = scores - scores.mean()
    rows = []
    for name in tissues:
        known = tissues.index[tissues[name].notna()]
        for method in lead.index:
            found = spearmanr(tissues.loc[known, name].astype(float), lead.loc[method, known])
            rows.append([method, name, len(known), found.statistic, found.pvalue])
    return pd.DataFrame(rows, columns=["method", "property", "tissues", "correlation", "p"]).set_index(
        "method"
    )


def choices(scores: pd.DataFrame, tissues: pd.DataFrame) -> pd.Series:
    """Mean PCC over tissues of the method that a rule chooses for each of them without its scores."""
    ranks = tissues.astype(float).rank().apply(lambda column: column.fillna(column.mean()))
    rules: dict[str, list[float]] = {"best on the other tissues": [], "best on the most similar tissue": []}
    for name in scores.columns:
        others = scores.columns.drop(name)
        near = ((ranks.loc[others] - ranks.loc[name]) ** 2).sum(axis=1).idxmin()
        rules["best on the other tissues"].append(scores.loc[scores[others].mean(axis=1).idxmax(), name])
        rules["best on the most similar tissue"].append(scores.loc[scores[near].idxmax(), name])
    means = {rule: float(np.mean(values)) for rule, values in rules.items()}
    return pd.Series(means | {"best on the tissue itself (not known beforehand)": scores.max().mean()})


def show(head: str, table: pd.DataFrame) -> None:
    """Print a table as markdown."""
    rows = [
        [str(name), *map(str, values)] for name, values in zip(table.index, table.to_numpy(), strict=True)
    ]
    print("\n".join(pipe_table([head, *map(str, table.columns)], rows)) + "\n")


if __name__ == "__main__":
    main()
