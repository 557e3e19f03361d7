"""Baseline: a Gaussian process over genes, from the profile of a gene in the reference to its map."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from stbench.methods import Context, Method, Shape, Task, dense, register

if TYPE_CHECKING:
    import numpy as np


@register("kernel", family="baseline", paper="Rasmussen and Williams 2006", version="1")
@dataclass(frozen=True)
class Kernel(Method):
    """Gaussian process whose samples are genes, from profiles over cells to maps over spots.

    The features f of a gene are the leading principal components of its z-scored profile over the cells,
    scaled so that ``f . f'`` is the correlation of two genes in the reference. Its output is its z-scored
    map. The maps at all spots are independent draws with one covariance between genes::

        k(f, f') = linear f.f' + rbf exp(-|f - f'|^2 / (2 length^2)) + constant  (+ noise if f is f'),

    so that all spots share one matrix n_genes x n_genes. The five hyper-parameters maximise the marginal
    likelihood of the visible genes, train and val; none is set by hand. The prediction is the posterior
    mean (Rasmussen and Williams, Eq. 2.25), put on the scale of ``X`` by `from_zscores`.

    The method is a closed form similar to attention between genes: a target is a weighted mean of the maps of
    the visible genes, with weights from the similarity of their profiles.

    The process is our own code: scikit-learn's `GaussianProcessRegressor` gives the same predictions
    (r > 0.999) and is 8 to 60 times slower, depending on the number of genes and spots.

    Parameters
    ----------
    n_components
        Principal components that describe the profile of a gene, at most the number of genes.
    """

    n_components: int = 100

    def predict(self, task: Task, ctx: Context) -> np.ndarray:
        """Posterior mean maps on the scale of ``X``, (n_spots, n_targets)."""
        from stbench.toolbox.scale import from_zscores, zscore

        from .process import fit, gene_features, posterior_mean

        genes = task.varying_genes()
        profiles = zscore(dense(task.reference, genes + task.targets))
        features = gene_features(profiles, self.n_components)
        visible, targets = features[: len(genes)], features[len(genes) :]
        maps = zscore(dense(task.spatial, genes))  # (n_spots, n_genes)
        covariance = fit(visible, maps)
        ctx.log.info("hyper-parameters: %s", covariance)
        return from_zscores(task, posterior_mean(covariance, visible, targets, maps))

    def memory_bytes(self, shape: Shape) -> int:
        """Dense z-scores of both sides and about ten gene x gene matrices."""
        genes = shape.visible + shape.targets
        return 8 * (3 * (shape.cells + shape.spots) * genes + 10 * genes**2)
