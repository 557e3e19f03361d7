"""`stbench.join`: predicted genes beside the measured ones in a user's own table."""

import anndata
import numpy as np
import pandas as pd
import pytest

import stbench
from stbench.data.prepare import prepare
from stbench.datasets import Card
from stbench.errors import StbenchError
from stbench.testing.planted import planted_pair

OPTIONS = {"method": "ridge_genes", "splits": 2, "layer": "counts", "quiet": True}


@pytest.fixture(scope="module")
def tables():
    """Two tables as a scanpy user has them: normalised X, counts in a layer, and columns of their own."""
    reference, spatial = planted_pair()
    for table in (reference, spatial):
        table.layers["counts"] = table.X.copy()
        table.X = table.X.log1p()
    spatial.var["panel"] = np.arange(spatial.n_vars) % 2 == 0
    spatial.obs["area"] = pd.Categorical(["a", "b"] * (spatial.n_obs // 2))
    spatial.uns["slide"] = "S1"
    return spatial, reference


@pytest.fixture(scope="module")
def imputed(tables):
    return stbench.predict(*tables, **OPTIONS)


def test_all_genes_are_on_one_scale_with_their_reliability(tables, imputed):
    spatial, reference = tables
    joined = stbench.join(spatial, imputed, layer="counts")
    assert list(joined.var_names) == [*spatial.var_names, *imputed.var_names]
    assert list(joined.var["imputed"]) == [False] * spatial.n_vars + [True] * imputed.n_vars
    raw = [
        anndata.AnnData(table.layers["counts"].copy(), obs=table.obs.copy(), var=table.var.copy())
        for table in (reference, spatial)
    ]
    scaled = prepare(*raw, Card("planted", min_genes=1)).spatial
    np.testing.assert_allclose(joined[:, scaled.var_names].X, scaled.X.toarray(), rtol=1e-6)
    np.testing.assert_array_equal(joined[:, imputed.var_names].X, imputed.X)
    for name in ("lower", "upper"):
        np.testing.assert_array_equal(joined[:, imputed.var_names].layers[name], imputed.layers[name])
        assert np.isnan(joined[:, spatial.var_names].layers[name]).all()
    expected = joined.var["expected_pcc"]
    assert expected[imputed.var_names].equals(imputed.var["expected_pcc"])
    assert expected[spatial.var_names].isna().all()


def test_what_the_user_had_is_kept_and_can_be_written(tables, imputed, tmp_path):
    spatial, _ = tables
    stbench.join(spatial, imputed, layer="counts").write_h5ad(tmp_path / "joined.h5ad")
    joined = anndata.read_h5ad(tmp_path / "joined.h5ad")
    assert joined.obs["area"].equals(spatial.obs["area"])
    assert joined.uns["slide"] == "S1"
    assert joined.uns["stbench"]["method"] == "ridge_genes"
    np.testing.assert_array_equal(joined.obsm["spatial"], spatial.obsm["spatial"])
    measured = joined[:, spatial.var_names]
    np.testing.assert_array_equal(measured.layers["counts"], spatial.layers["counts"].toarray())
    assert list(measured.var["panel"]) == list(spatial.var["panel"])
    assert joined.var["panel"].isna().sum() == imputed.n_vars


def test_spots_are_matched_by_name(tables, imputed):
    spatial = tables[0][::-1]
    joined = stbench.join(spatial, imputed, layer="counts")
    np.testing.assert_array_equal(joined[imputed.obs_names, imputed.var_names].X, imputed.X)


@pytest.mark.parametrize(
    ("change", "layer", "message"),
    [
        (lambda st, im: (st, im), None, r"made from counts, but adata\.X has others\. Give layer="),
        (
            lambda st, im: (st, im[5:]),
            "counts",
            r"^5 of 50 spots of adata are not in imputed \(first:",
        ),
        (lambda st, im: (st, st), "counts", "not a result of stbench.predict"),
        (lambda st, im: (anndata.concat([st, im[:, :1]], axis=1), im), None, "'Gene24' is in both tables"),
        (lambda st, im: (st, im), "spliced", "Unknown layer 'spliced'"),
    ],
)
def test_tables_that_do_not_belong_together_are_one_clear_error(tables, imputed, change, layer, message):
    with pytest.raises(StbenchError, match=message):
        stbench.join(*change(tables[0], imputed), layer=layer)


def test_no_file_is_left_in_the_working_directory_and_the_runs_are_named(tables, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    choice = stbench.choose(*tables, methods=["ridge_genes", "mean"], splits=2, layer="counts", quiet=True)
    assert list(tmp_path.iterdir()) == []
    assert len(list((choice.folder / "runs").iterdir())) == 4
    assert str(choice.folder) in repr(choice)
    assert repr(choice).startswith(choice.verdict)
    assert "<th>ridge_genes</th>" in choice._repr_html_()
    answer = stbench.predict(*tables, **OPTIONS | {"genes": "Gene24"})
    assert not answer.isbacked
    assert answer.uns["stbench"]["runs"] == str(choice.folder)
    assert len(list((choice.folder / "runs").iterdir())) == 4  # the runs of the choice were taken up
