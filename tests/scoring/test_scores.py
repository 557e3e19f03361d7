import anndata
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from stbench.errors import StbenchError
from stbench.methods import Prediction
from stbench.metrics import REGISTRY, Metric
from stbench.scoring.prediction import long
from stbench.scoring.scores import default_metrics, score, score_files

COLUMNS = ["pcc", "ssim", "rmse", "js", "spearman", "rmse_log"]
WITH_COORDINATES = [*COLUMNS[:5], "ssim_grid", "moran_difference", "rmse_log"]
WITH_INTERVALS = [*WITH_COORDINATES, "coverage", "coverage_nonzero", "interval_score"]


def table(values, prefix=""):
    values = np.asarray(values)
    spots = [f"spot{i}" for i in range(values.shape[0])]
    return pd.DataFrame(values, spots, [f"{prefix}gene{i}" for i in range(values.shape[1])])


@pytest.fixture
def pair():
    rng = np.random.default_rng(0)
    truth = table(rng.poisson(1.0, size=(40, 6)).astype(float))
    return truth, truth + rng.normal(size=truth.shape)


@pytest.fixture
def files(pair, tmp_path):
    """Two h5ad files; the prediction has four of the genes, in another order, at shuffled spots."""
    truth, prediction = pair
    prediction = prediction.loc[truth.index[::-1], ["gene4", "gene0", "gene2", "gene5"]]
    write(tmp_path / "truth.h5ad", sparse.csr_matrix(truth.to_numpy()), truth)
    write(tmp_path / "prediction.h5ad", prediction.to_numpy(dtype=np.float32), prediction)
    return tmp_path / "truth.h5ad", tmp_path / "prediction.h5ad"


def write(file, values, names):
    obs, var = pd.DataFrame(index=names.index), pd.DataFrame(index=names.columns)
    anndata.AnnData(values, obs=obs, var=var).write_h5ad(file)


@pytest.fixture
def spatial_metric(monkeypatch):
    """A metric that needs coordinates, registered for one test: it answers x of the fourth spot."""

    def toy_space(truth, prediction, coordinates):
        return np.full(truth.shape[1], coordinates[3, 0])

    REGISTRY.names()
    metric = Metric("toy_space", toy_space, "low", (0, 99), "1", needs_coords=True)
    monkeypatch.setitem(REGISTRY._items, "toy_space", metric)


def test_one_row_per_gene_one_column_per_metric(pair):
    truth, prediction = pair
    scores = score(truth, prediction)
    assert list(scores.columns) == COLUMNS
    assert default_metrics() == WITH_INTERVALS
    assert list(scores.index) == list(truth.columns)
    assert scores.index.name == "gene"
    for name in COLUMNS:
        expected = REGISTRY.get(name).function(truth.to_numpy(), prediction.to_numpy())
        assert scores[name].to_numpy() == pytest.approx(expected, abs=1e-12)


def test_named_metrics_in_the_order_asked_for(pair):
    scores = score(*pair, ["js", "causalged_pcc"])
    assert list(scores.columns) == ["js", "causalged_pcc"]
    assert scores["causalged_pcc"].to_numpy() == pytest.approx(score(*pair)["pcc"].to_numpy(), abs=1e-12)


@pytest.fixture
def whole_metric(monkeypatch):
    """A metric over all genes that needs the visible ones, registered for one test: it answers their sum."""

    def toy_whole(truth, prediction, visible):
        return visible.sum() + truth.shape[1]

    REGISTRY.names()
    metric = Metric("toy_whole", toy_whole, "high", (0, 1e6), "1", needs_visible=True, over_genes=True)
    monkeypatch.setitem(REGISTRY._items, "toy_whole", metric)


@pytest.mark.usefixtures("whole_metric")
def test_a_metric_over_all_genes_has_a_row_of_its_own(pair):
    truth, prediction = pair
    truth["gene2"] = 0.1  # constant, and so left out
    others = anndata.AnnData(np.arange(80.0).reshape(40, 2))
    scores = score(truth, prediction, ["pcc", "toy_whole"], visible=others)
    assert list(scores.index) == [*truth.columns, "all genes"]
    assert scores.loc["all genes", "toy_whole"] == np.arange(80).sum() + 5
    assert np.isnan(scores.loc["all genes", "pcc"])
    assert scores.loc[list(truth.columns), "toy_whole"].isna().all()
    rows = long(scores)
    assert len(rows) == 7  # no empty cells of one kind in the rows of the other
    assert set(rows.loc[rows["metric"] == "toy_whole", "gene"]) == {"all genes"}
    assert list(score(truth, prediction, ["pcc", "toy_whole"]).columns) == ["pcc"]
    with pytest.raises(StbenchError, match="No metric is left"):
        score(truth, prediction, ["toy_whole"])


def test_a_metric_over_all_genes_is_not_computed_by_default():
    with pytest.raises(StbenchError, match="'wrong': one number for all genes has no column"):
        Metric("wrong", None, "high", (0, 1), "1", column=3, over_genes=True)


@pytest.mark.usefixtures("whole_metric")
def test_the_genes_that_a_prediction_lacks_are_the_visible_ones(files):
    scores = score_files(*files, ["toy_whole"])
    truth = anndata.read_h5ad(files[0])[:, ["gene1", "gene3"]]
    assert scores.loc["all genes", "toy_whole"] == truth.X.sum() + 4


def test_genes_and_spots_are_matched_by_name(pair):
    truth, prediction = pair
    shuffled = prediction.sample(frac=1, random_state=1).sample(frac=1, random_state=2, axis=1)
    assert list(shuffled.index) != list(prediction.index)
    pd.testing.assert_frame_equal(score(truth, shuffled), score(truth, prediction))


def test_gene_constant_in_the_truth_is_not_scored(pair):
    truth, prediction = pair
    expected = score(truth, prediction)
    truth["gene2"] = 0.1
    scores = score(truth, prediction)
    assert scores.loc["gene2"].isna().all()
    pd.testing.assert_frame_equal(scores.drop("gene2"), expected.drop("gene2"))


def test_only_constant_genes():
    scores = score(table(np.zeros((5, 2))), table(np.ones((5, 2))))
    assert scores.shape == (2, 6)
    assert scores.isna().all(axis=None)


def test_constant_prediction_is_scored_by_rule(pair):
    truth, prediction = pair
    scores = score(truth, prediction * 0 + 3)
    assert (scores["pcc"] == 0).all()
    assert (scores["spearman"] == 0).all()
    assert (scores["rmse"] == np.sqrt(2)).all()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_prediction_that_is_not_finite(pair, value):
    truth, prediction = pair
    prediction.iloc[7, 3] = value
    prediction.iloc[9, 3] = value
    with pytest.raises(
        StbenchError, match="prediction of gene 'gene3' is missing or not finite at 2 of 40 spots"
    ):
        score(truth, prediction)


def test_not_finite_where_the_truth_is_constant(pair):
    truth, prediction = pair
    truth["gene3"] = 0.0
    prediction.iloc[7, 3] = np.nan
    with pytest.raises(StbenchError, match="'gene3'"):
        score(truth, prediction)


def test_truth_that_is_not_finite(pair):
    truth, prediction = pair
    truth.iloc[0, 1] = np.nan
    with pytest.raises(StbenchError, match="truth of gene 'gene1'"):
        score(truth, prediction)


def test_names_that_differ(pair):
    truth, prediction = pair
    with pytest.raises(StbenchError, match=r"prediction lacks 1 gene\(s\); the first is 'gene4'"):
        score(truth, prediction.drop(columns="gene4"))
    with pytest.raises(StbenchError, match=r"truth lacks 2 gene\(s\); the first is 'gene1'"):
        score(truth.drop(columns=["gene1", "gene5"]), prediction)
    with pytest.raises(StbenchError, match=r"prediction lacks 1 spot\(s\); the first is 'spot9'"):
        score(truth, prediction.drop(index="spot9"))
    with pytest.raises(StbenchError, match="share no gene"):
        score(truth, prediction.add_prefix("x"))
    with pytest.raises(StbenchError, match="share no spot"):
        score(truth, prediction.add_prefix("x", axis=0))
    with pytest.raises(StbenchError, match="the prediction has the gene 'gene0' more than once"):
        score(truth, prediction.rename(columns={"gene1": "gene0"}))
    with pytest.raises(StbenchError, match="the truth has the spot 'spot3' more than once"):
        score(truth.rename(index={"spot5": "spot3"}), prediction)


def test_empty_tables():
    with pytest.raises(StbenchError, match="share no gene"):
        score(table(np.zeros((5, 0))), table(np.zeros((5, 0))))


def test_unknown_metric(pair):
    with pytest.raises(StbenchError, match=r"Unknown metric 'spearmen'\. Did you mean 'spearman'"):
        score(*pair, ["spearmen"])


def test_metric_that_needs_coordinates(pair, spatial_metric):
    xy = np.arange(80.0).reshape(40, 2)
    assert list(score(*pair, ["pcc", "toy_space"]).columns) == ["pcc"]
    assert (score(*pair, ["pcc", "toy_space"], coordinates=xy)["toy_space"] == 6).all()
    with pytest.raises(StbenchError, match="need coordinates"):
        score(*pair, ["toy_space"])


def test_input_is_left_alone(pair):
    truth, prediction = pair
    before = truth.copy(), prediction.copy()
    score(truth, prediction)
    pd.testing.assert_frame_equal(truth, before[0])
    pd.testing.assert_frame_equal(prediction, before[1])


def test_files_score_the_genes_of_the_prediction(pair, files):
    truth, prediction = pair
    scores = score_files(*files)
    assert list(scores.index) == ["gene4", "gene0", "gene2", "gene5"]
    expected = score(truth, prediction.astype(np.float32)).loc[scores.index]
    pd.testing.assert_frame_equal(scores, expected, atol=1e-12)
    assert scores.to_csv().splitlines()[0] == "gene,pcc,ssim,rmse,js,spearman,rmse_log"


def test_files_sparse_or_dense(pair, files, tmp_path):
    truth, _ = pair
    write(tmp_path / "dense.h5ad", truth.to_numpy(), truth)
    pd.testing.assert_frame_equal(score_files(tmp_path / "dense.h5ad", files[1]), score_files(*files))


def test_file_brings_coordinates(files, spatial_metric):
    table = anndata.read_h5ad(files[0])
    table.obsm["spatial"] = np.arange(80.0).reshape(40, 2)
    table.write_h5ad(files[0])
    assert (score_files(*files, ["toy_space"])["toy_space"] == 6).all()


def test_missing_and_damaged_files(files, tmp_path):
    with pytest.raises(StbenchError, match=r"nowhere.h5ad' does not exist"):
        score_files(tmp_path / "nowhere.h5ad", files[1])
    (tmp_path / "bad.h5ad").write_bytes(files[1].read_bytes()[:900])
    with pytest.raises(StbenchError, match=r"bad.h5ad' cannot be read"):
        score_files(files[0], tmp_path / "bad.h5ad")
    anndata.AnnData(obs=pd.DataFrame(index=["spot0"])).write_h5ad(tmp_path / "none.h5ad")
    with pytest.raises(StbenchError, match=r"none.h5ad' has no X"):
        score_files(files[0], tmp_path / "none.h5ad")


@pytest.mark.filterwarnings("ignore:.*names are not unique")
def test_files_whose_names_do_not_fit(pair, files, tmp_path):
    _, prediction = pair
    file = tmp_path / "other.h5ad"
    for names, message in (
        (prediction.rename(columns={"gene1": "gene0"}), r"other.h5ad' has the gene 'gene0' more than once"),
        (prediction.rename(index={"spot5": "spot3"}), r"other.h5ad' has the spot 'spot3' more than once"),
        (prediction.rename(columns={"gene1": "Gad1"}), r"truth.h5ad' lacks 1 gene.*first is 'Gad1'"),
        (prediction.add_prefix("x"), r"other.h5ad' shares no gene with '.*truth.h5ad'"),
        (prediction.iloc[:-1], r"prediction lacks 1 spot\(s\); the first is 'spot39'"),
        (prediction.add_prefix("x", axis=0), "share no spot"),
    ):
        write(file, names.to_numpy(), names)
        with pytest.raises(StbenchError, match=message):
            score_files(files[0], file)


def test_file_with_a_missing_value(pair, files, tmp_path):
    _, prediction = pair
    prediction.loc["spot1", "gene5"] = np.nan
    write(tmp_path / "nan.h5ad", prediction.to_numpy(), prediction)
    with pytest.raises(StbenchError, match="prediction of gene 'gene5' is missing or not finite at 1 of 40"):
        score_files(files[0], tmp_path / "nan.h5ad")


def test_bounds_follow_the_names_of_the_prediction(pair):
    truth, prediction = pair
    shuffled = prediction.iloc[::-1, [3, 1, 0, 2, 5, 4]]
    lower, upper = shuffled.to_numpy() - 0.5, shuffled.to_numpy() + 1
    bounds = Prediction(shuffled.to_numpy(), lower, upper, level=0.8)
    scores = score(truth, shuffled, intervals=bounds)
    assert list(scores.columns) == [*COLUMNS, "coverage", "coverage_nonzero", "interval_score"]
    error = truth - prediction  # covered from -0.5 to 1
    inside = (error >= -0.5) & (error <= 1)
    assert scores["coverage"].to_numpy() == pytest.approx(inside.mean().to_numpy())
    covered = inside[truth > 0].sum() / (truth > 0).sum()
    assert scores["coverage_nonzero"].to_numpy() == pytest.approx(covered.to_numpy(dtype=float))
    outside = (-0.5 - error).clip(lower=0) + (error - 1).clip(lower=0)
    assert scores["interval_score"].to_numpy() == pytest.approx((1.5 + 10 * outside).mean().to_numpy())


def test_files_bring_their_bounds_and_coordinates(files):
    truth, prediction = (anndata.read_h5ad(file) for file in files)
    truth.obsm["spatial"] = np.random.default_rng(0).uniform(size=(40, 2))
    truth.write_h5ad(files[0])
    prediction.layers["lower"], prediction.layers["upper"] = prediction.X - 9, prediction.X + 9
    prediction.write_h5ad(files[1])
    scores = score_files(*files)
    assert list(scores.columns) == WITH_INTERVALS
    assert (scores["coverage"] == 1).all()
    assert scores["interval_score"].to_numpy() == pytest.approx([18] * 4)
