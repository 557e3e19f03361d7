"""Structural similarity in windows of the tissue, on a raster."""

from __future__ import annotations

import numpy as np

from stbench.metrics import register
from stbench.toolbox.scale import by_maximum

WINDOW = 7  # pixels, the default of scikit-image


@register("ssim_grid", best="high", bounds=(-1, 1), definition="1", needs_coords=True, column=6)
def ssim_grid(truth: np.ndarray, prediction: np.ndarray, coordinates: np.ndarray) -> np.ndarray:
    """Mean structural similarity over 7 x 7 windows of the tissue raster, per gene, (n_genes,).

    Negatives are clipped to 0 and each column is divided by its maximum, as in ``ssim``. The raster has
    square pixels over the bounding box of the spots, about as many as spots. A pixel is the mean of its
    spots; a pixel without spots has the value of the nearest pixel with spots. Of three coordinates the two
    with the largest range count. The similarity is that of scikit-image with uniform windows, population
    moments, K1 = 0.01, K2 = 0.03 and data range 1; its map is averaged over the pixels with spots. Unlike
    ``ssim`` it depends on where in the tissue the expression is.

    Source: Wang et al. 2004, IEEE Trans. Image Process., doi 10.1109/TIP.2003.819861.
    """
    from skimage.metrics import structural_similarity

    raster = Raster(coordinates)
    images = [raster.image(by_maximum(np.asarray(values, dtype=float))) for values in (truth, prediction)]
    _, similarity = structural_similarity(
        *images, win_size=WINDOW, data_range=1, channel_axis=2, use_sample_covariance=False, full=True
    )
    return np.asarray(similarity[raster.filled].mean(axis=0))


class Raster:
    """Square pixels over the spots, see `ssim_grid`; ``filled`` (rows, columns) marks those with spots."""

    def __init__(self, coordinates: np.ndarray):
        from scipy.ndimage import distance_transform_edt

        places = np.asarray(coordinates, dtype=float)
        widest = np.sort(np.argsort(-np.ptp(places, axis=0), kind="stable")[:2])
        places = places[:, widest] - places[:, widest].min(axis=0)
        extent = places.max(axis=0)
        # spots (nearly) on a line: the line is divided by the number of spots
        side = max(np.sqrt(extent.prod() / len(places)), extent.max() / len(places)) or 1.0
        rows, columns = np.maximum(np.ceil(extent / side).astype(int), WINDOW)
        pixel = np.minimum((places / side).astype(int), [rows - 1, columns - 1])
        self._index = pixel[:, 0] * columns + pixel[:, 1]
        self._count = np.bincount(self._index, minlength=rows * columns)
        self.filled = self._count.reshape(rows, columns) > 0
        self._nearest = distance_transform_edt(~self.filled, return_distances=False, return_indices=True)

    def image(self, values: np.ndarray) -> np.ndarray:
        """The raster of every gene, (rows, columns, n_genes), from values (n_spots, n_genes)."""
        from scipy.sparse import csr_matrix

        n_spots = len(values)
        ones = np.ones(n_spots), (self._index, np.arange(n_spots))
        spots = csr_matrix(ones, shape=(len(self._count), n_spots))
        means = (spots @ values) / np.maximum(self._count, 1)[:, None]
        return means.reshape(*self.filled.shape, -1)[tuple(self._nearest)]
