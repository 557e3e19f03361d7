"""The fast metrics against a slow transcription of the definitions, one gene and one formula at a time."""

import os
from pathlib import Path

import numpy as np
import pytest

from stbench.metrics import REGISTRY

NAMES = ("pcc", "ssim", "rmse", "js", "spearman")
DATA = Path(os.environ.get("STBENCH_DATA", Path(__file__).parents[2].parent / "shared" / "data"))


def literal(name, truth, prediction):
    """The score of one gene, two lists of numbers over the spots."""
    return {"pcc": pcc, "ssim": ssim, "rmse": rmse, "js": js, "spearman": spearman}[name](truth, prediction)


def mean(values):
    return sum(values) / len(values)


def sd(values):
    return mean([(value - mean(values)) ** 2 for value in values]) ** 0.5


def pcc(truth, prediction):
    if min(prediction) == max(prediction):
        return 0
    mt, mp = mean(truth), mean(prediction)
    covariance = mean([(t - mt) * (p - mp) for t, p in zip(truth, prediction, strict=True)])
    return covariance / (sd(truth) * sd(prediction))


def rmse(truth, prediction):
    if min(prediction) == max(prediction):
        return 2**0.5
    mt, st, mp, sp = mean(truth), sd(truth), mean(prediction), sd(prediction)
    z = [((t - mt) / st, (p - mp) / sp) for t, p in zip(truth, prediction, strict=True)]
    return mean([(t - p) ** 2 for t, p in z]) ** 0.5


def by_maximum(values):
    values = [max(value, 0) for value in values]
    return [value / max(values) for value in values] if max(values) > 0 else values


def ssim(truth, prediction):
    truth, prediction = by_maximum(truth), by_maximum(prediction)
    largest = 1
    c1, c2 = (0.01 * largest) ** 2, (0.03 * largest) ** 2
    c3 = c2 / 2
    mt, st, mp, sp = mean(truth), sd(truth), mean(prediction), sd(prediction)
    covariance = mean([(t - mt) * (p - mp) for t, p in zip(truth, prediction, strict=True)])
    luminance = (2 * mt * mp + c1) / (mt**2 + mp**2 + c1)
    contrast = (2 * st * sp + c2) / (st**2 + sp**2 + c2)
    structure = (covariance + c3) / (st * sp + c3)
    return luminance * contrast * structure


def distribution(values):
    values = [max(value, 0) for value in values]
    return [value / sum(values) if sum(values) > 0 else 1 / len(values) for value in values]


def js(truth, prediction):
    divergence = 0.0
    for p, q in zip(distribution(truth), distribution(prediction), strict=True):
        middle = (p + q) / 2
        divergence += sum(0.5 * share * np.log(share / middle) for share in (p, q) if share > 0)
    return divergence


def ranks(values):
    ordered = sorted(values)
    first, last = {}, {}
    for place, value in enumerate(ordered):
        first.setdefault(value, place)
        last[value] = place
    return [(first[value] + last[value]) / 2 for value in values]


def spearman(truth, prediction):
    return pcc(ranks(truth), ranks(prediction))


def odd_columns(n_spots=60):
    """Truths that vary, and beside each a prediction of a kind that needs a rule."""
    rng = np.random.default_rng(3)
    counts = rng.poisson(0.4, size=n_spots).astype(float)
    noise = rng.normal(size=n_spots)
    predictions = {
        "zero": np.zeros(n_spots),
        "constant": np.full(n_spots, 0.1),
        "negative constant": np.full(n_spots, -7.3),
        "all negative": -1 - np.abs(noise),
        "some negative": counts + noise,
        "one spot": np.eye(n_spots)[0],
        "binary": (noise > 0).astype(float),
        "same": counts,
        "opposite": counts.max() - counts,
    }
    return np.column_stack([counts] * len(predictions)), np.column_stack(list(predictions.values()))


def random_columns():
    rng = np.random.default_rng(4)
    counts = rng.poisson(rng.gamma(0.5, 2, size=20), size=(80, 20))
    truth = np.log1p(counts * rng.uniform(0.5, 2, size=(80, 1)))
    truth = truth[:, np.ptp(truth, axis=0) > 0]
    return truth, 0.5 * truth + 0.3 * rng.normal(size=truth.shape)


def real_columns():
    """A real pair: every other gene, predicted from the rest by a ridge fitted on every other spot."""
    import anndata
    from sklearn.linear_model import Ridge

    from stbench.toolbox.scale import log_normalise

    file = DATA / "merfish_hypothalamus" / "st.h5ad"
    if not file.is_file():
        pytest.skip(f"no real data at {DATA}")
    values = log_normalise(anndata.read_h5ad(file).X).toarray().astype(float)
    seen, hidden = values[:, ::2], values[:, 1::2]
    prediction = Ridge(alpha=10.0).fit(seen[::2], hidden[::2]).predict(seen)
    varies = np.ptp(hidden, axis=0) > 0
    return hidden[:, varies], prediction[:, varies]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "columns", [random_columns, odd_columns, pytest.param(real_columns, marks=pytest.mark.real)]
)
def test_fast_metric_is_the_definition(name, columns):
    truth, prediction = columns()
    pairs = zip(truth.T.tolist(), prediction.T.tolist(), strict=True)
    expected = [literal(name, t, p) for t, p in pairs]
    assert REGISTRY.get(name).function(truth, prediction) == pytest.approx(expected, abs=1e-10)
    if columns is real_columns and name == "pcc":
        assert truth.shape == (750, 67)
        assert 0.2 < np.mean(expected) < 0.9  # a prediction worth scoring
        assert (prediction < 0).any()
