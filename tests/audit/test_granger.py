from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from scipy.stats import kstest

from stbench.audit.granger import ORDERS, granger, granger_tables, pseudotime


@pytest.fixture(scope="module")
def series():
    """``a`` drives ``b`` one step later; ``c`` is apart."""
    rng = np.random.default_rng(0)
    a, noise, c = rng.normal(size=(3, 200))
    return pd.DataFrame({"a": a, "b": np.roll(a, 1) + 0.5 * noise, "c": c})


def test_a_cause_is_found_in_its_direction_only(series):
    found = granger(series, [("a", "b"), ("b", "a"), ("a", "c")], lag=1, draws=19)
    assert found["p"][0] < 1e-10
    assert (found["p"][1:] > 0.05).all()
    assert found["p_null"][0] == pytest.approx(1 / 20)
    assert (found["null_low"] > 1e-4).all()


def test_without_order_p_values_are_uniform():
    values = pd.DataFrame(
        np.random.default_rng(1).normal(size=(60, 20)), columns=list("abcdefghijklmnopqrst")
    )
    pairs = [(a, b) for a in values for b in values if a != b][:150]
    found = granger(values, pairs, lag=1, draws=1)
    assert kstest(found["p"], "uniform").pvalue > 0.01


def test_two_smooth_series_seem_causal_and_the_shifted_null_says_so():
    """Independent random walks: small p-values, which shifting one of them gives as well."""
    rng = np.random.default_rng(3)
    walks = pd.DataFrame(np.cumsum(rng.normal(size=(300, 12)), axis=0)).rename(columns=str)
    pairs = [(str(2 * i), str(2 * i + 1)) for i in range(6)]
    shifted = granger(walks, pairs, null="shifted", draws=39)
    assert (shifted["null_low"] < 0.02).sum() >= 3  # the null, too, is far from uniform
    assert (shifted["p_null"] < 0.05).sum() <= 1


def test_pseudotime_follows_a_line_of_cells():
    rng = np.random.default_rng(0)
    place = np.linspace(0, 1, 80)
    centres = np.linspace(0, 1, 15)
    values = np.exp(-((place[:, None] - centres) ** 2) / 0.05) + 0.02 * rng.normal(size=(80, 15))
    cells = AnnData(values.astype(np.float32))
    time = pseudotime(cells)
    assert abs(np.corrcoef(time, place)[0, 1]) > 0.95
    assert "dpt_pseudotime" not in cells.obs


def test_both_orders_have_every_pair_of_the_most_variable_genes():
    rng = np.random.default_rng(0)
    values = rng.normal(size=(60, 6)) * np.arange(1, 7)
    cells = AnnData(values.astype(np.float32))
    tables = granger_tables(cells, cells.var_names)
    assert list(tables) == list(ORDERS)
    for table in tables.values():
        assert len(table) == 12
        assert set(table["cause"]) == {"2", "3", "4", "5"}
        assert table["p"].between(0, 1).all()
