import numpy as np
import pytest

from stbench.metrics.moran import moran_difference
from stbench.toolbox.moran import morans_i, spot_graph
from stbench.toolbox.scale import zscore


def test_difference_is_absolute_and_constant_has_none():
    rng = np.random.default_rng(0)
    places = rng.uniform(0, 10, size=(300, 2))
    truth = np.sin(places)
    own = morans_i(zscore(truth), spot_graph(places))
    assert moran_difference(truth, np.ones((300, 2)), places) == pytest.approx(own)
    assert moran_difference(truth, -3 * truth + 1, places) == pytest.approx([0, 0])
    noise = rng.normal(size=(300, 2))
    assert (moran_difference(truth, noise, places) > 0.8).all()
    assert moran_difference(noise, truth, places) == pytest.approx(moran_difference(truth, noise, places))
