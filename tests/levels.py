"""Boards of made-up methods that differ in their level."""

import numpy as np
import pandas as pd

from stbench.board.board import Board
from stbench.board.columns import RUNS, SCORES
from stbench.metrics import Metric

METRICS = {
    "pcc": Metric("pcc", None, "high", (-1, 1), "1", primary=True, column=1, headline=True),
    "moran_difference": Metric("moran_difference", None, "low", (0, 9), "1", column=2),
}


def board_of(levels, n_datasets=3, n_genes=60, noise=0.1, moran=None):
    """Methods with a mean level each; all share the difficulty of a gene."""
    rng = np.random.default_rng(0)
    runs, scores = [], []
    for d in range(n_datasets):
        difficulty = rng.normal(0, 0.2, n_genes)
        for name, level in levels.items():
            keys = {"dataset": f"d{d}", "limit": "", "method": name, "kind": "method", "preset": "default"}
            keys |= {"family": "f", "split_seed": 0, "seed": 0}
            for rotation in range(3):
                cell = keys | {"split": f"s{rotation}", "rotation": rotation}
                runs.append(cell | {"status": "ok", "reason": "", "predict_s": 1.0, "peak_rss_bytes": 1})
                for gene in range(rotation, n_genes, 3):
                    own = {"gene": f"g{gene}"}
                    value = level + difficulty[gene] + rng.normal(0, noise)
                    scores.append(cell | own | {"metric": "pcc", "value": value})
                    if moran:
                        scores.append(cell | own | {"metric": "moran_difference", "value": moran[name]})
    metrics = METRICS if moran else {"pcc": METRICS["pcc"]}
    return Board(pd.DataFrame(scores, columns=SCORES), pd.DataFrame(runs, columns=RUNS), metrics)


def row(name):
    return name, "method", "default"
