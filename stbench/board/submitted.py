"""Rows that were run elsewhere (`stbench submit`): how they are marked, and which of their splits count."""

from __future__ import annotations

import logging

import pandas as pd

from stbench.board.columns import COLUMN

SUBMITTED = "submitted"  # the kind of these rows
ELSEWHERE = "run elsewhere"  # their preset, which every table and figure shows
UNKNOWN = f"{ELSEWHERE}: time, memory and whether the truth was seen are unknown"

log = logging.getLogger(__name__)


def uncounted(runs: pd.DataFrame, *, include_submitted: bool) -> pd.MultiIndex:
    """The splits (dataset, limit, split) without a measured run, which do not count on a board.

    There, the measured methods would miss runs, and lose their ranks. Leaving them out is a warning. With
    ``include_submitted``, or where nothing was measured, all splits count.
    """
    splits = pd.MultiIndex.from_frame(runs[[*COLUMN, "split"]])
    measured = runs["kind"] != SUBMITTED
    if include_submitted or not measured.any():
        return splits[:0]
    alone = ~splits.isin(splits[measured])
    if alone.any():
        log.warning(
            "%d runs elsewhere left out: no measured run has their dataset and split. "
            "--include-submitted shows them.",
            alone.sum(),
        )
    return splits[alone].unique()
