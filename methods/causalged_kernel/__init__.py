"""CausalGeD with a kernel instead of networks: targets attend to the maps of known genes in closed form."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from stbench.methods import Context, Method, Prediction, Shape, Task, dense, register

if TYPE_CHECKING:
    import numpy as np

    from .process import Fitted


@register(
    "causalged-kernel",
    family="kernel",
    paper="this project, after Sadia, Ahamed and Cheng 2025",
    doi="10.48550/arXiv.2502.07751",
    version="4",
    packages=("torch",),
)
@dataclass(frozen=True)
class CausalGeDKernel(Method):
    """An extension of CausalGeD by this project; the paper has no such method.

    In CausalGeD a target gene attends to the clean spatial latents of the known genes, matched by their
    scRNA latents. Few genes are known, so here the attention is not trained but has closed forms:

    1. *Genes attend to genes.* A Gaussian process over genes maps the profile of a gene in the reference to
       its map in space; its kernel gives the weights of the known maps, see `process.GeneFeatures`.
    2. *Spots attend to cells.* Softmax attention by the similarity of visible expression gives a second map
       of every gene, see `attention.attend`. Unlike the process it is not linear in the maps.
    3. *Neighbours in space.* The sum of both is averaged with the neighbouring spots.

    The map of a target is ``smooth(process + weight attention)``, with an sd between that of least squares
    and that of a measured map. Kernel, weight and smoothing are fitted together on the visible genes: they
    maximise the mean Pearson correlation of each gene with its prediction from the others (the process
    left-one-out, the attention cross-fitted), see `process.fit`.

    The process is our own code, like that of the method `kernel`, for which scikit-learn's
    `GaussianProcessRegressor` gives the same predictions (r > 0.999) and is 8 to 60 times slower.
    scikit-learn also cannot fit a kernel to the correlation of left-out genes.

    Parameters
    ----------
    temperature
        Of the attention to cells, in units of the cosine similarity.
    neighbours
        Sizes of the neighbourhoods for smoothing; their shares are fitted. Unused without coordinates.
    fit_genes
        Largest number of visible genes, drawn at random, for the fit of kernel, weight and smoothing, whose
        cost grows with its cube. All visible genes are used in the prediction.
    fit_spots
        Largest number of spots, in random tiles of the tissue, for the same fit and for the errors behind the
        intervals. All spots are predicted.
    attended_cells
        Largest number of cells, drawn at random, that spots attend to. The process uses all.
    n_folds
        Folds of visible genes for the cross-fitted attention and for the intervals.
    level
        Nominal level of the intervals; None: no intervals, in less time.
    texture
        Whether the maps are a draw instead of the mean: a random combination of the errors of left-out
        visible genes is added to each, see `process.Fitted.errors`, so that it is as grainy as a measured
        map. Every seed is another draw. A draw has a lower correlation than the mean, and no intervals.

    Deviations
    ----------
    - From CausalGeD remains only attention between genes with clean context: no network, no diffusion and no
      autoregression.
    - The defaults were chosen by cross-fitting over the visible genes of one rotation of eight real pairs.
    """

    temperature: float = 0.07
    neighbours: tuple[int, ...] = (6, 30)
    fit_genes: int = 500
    fit_spots: int = 10_000
    attended_cells: int = 12_000
    n_folds: int = 5
    level: float | None = 0.9
    texture: bool = False

    def predict(self, task: Task, ctx: Context) -> np.ndarray | Prediction:
        """Maps on the scale of ``X``, (n_spots, n_targets), with intervals unless ``level`` is None.

        The errors behind the intervals are those of maps with the same kernel, weight and smoothing: some
        fifteen numbers, fitted on all visible genes once.
        """
        from stbench.toolbox.conformal import conformal
        from stbench.toolbox.tiles import part_of_tissue

        fitted = self.fitted(task, ctx)
        if self.level is None or self.texture:
            return self.maps(task, fitted, ctx)
        return conformal(
            task,
            lambda inner: self.maps(inner, fitted, ctx),
            level=self.level,
            n_folds=self.n_folds,
            seed=ctx.seed,
            measured_on=part_of_tissue(task, self.fit_spots, ctx.seed),
        )

    def fitted(self, task: Task, ctx: Context) -> Fitted:
        """Kernel, weight of the attention and smoothing, from the visible genes."""
        import numpy as np

        from stbench.toolbox.scale import zscore
        from stbench.toolbox.smoothing import smoothers
        from stbench.toolbox.tiles import part_of_tissue

        from .process import GeneFeatures, fit

        varying, genes = task.varying_genes(), self.fit_names(task, ctx)
        features = GeneFeatures.of(dense(task.reference, varying + task.targets))  # as in the prediction
        part = part_of_tissue(task, self.fit_spots, ctx.seed)
        smooth = smoothers(part, self.neighbours)
        maps, attended = zscore(dense(part.spatial, genes)), self.left_out_attention(part, genes, ctx)
        observed = features.rows(np.array([varying.index(gene) for gene in genes]))
        fitted = fit(observed, [s(maps) for s in smooth], [s(attended) for s in smooth])
        found = fitted.correlation, fitted.attention, np.round(fitted.shares, 2)
        ctx.log.info("left-out correlation %.3f, attention %.2f, smoothing %s", *found)
        return fitted

    def maps(self, task: Task, fitted: Fitted, ctx: Context) -> np.ndarray:
        """Predicted values alone, (n_spots, n_targets)."""
        import numpy as np

        from stbench.toolbox.scale import from_zscores, zscore
        from stbench.toolbox.smoothing import smoothers
        from stbench.toolbox.tiles import part_of_reference

        from .attention import attend
        from .process import GeneFeatures

        genes = task.varying_genes()
        features = GeneFeatures.of(dense(task.reference, genes + task.targets))
        smooth = smoothers(task, self.neighbours)
        raw = zscore(dense(task.spatial, genes)) @ fitted.gene_weights(features, len(genes))
        few = part_of_reference(task, self.attended_cells, ctx.seed)
        mixed = fitted.smoothed(raw + fitted.attention * attend(few, genes, self.temperature), smooth)
        shrunk = np.clip(fitted.scale * mixed.std(axis=0), 0, 1)
        if not self.texture:
            # Least squares shrinks a map to sd r, which costs ssim; sd 1 costs js. Their geometric mean.
            return from_zscores(task, np.sqrt(shrunk) * zscore(mixed))
        known = self.fit_names(task, ctx)
        columns = [genes.index(gene) for gene in known]
        left_out = zscore(dense(task.spatial, known)), self.left_out_attention(task, known, ctx)
        errors = fitted.errors(features.rows(np.array(columns)), *left_out, smooth)
        draws = np.random.default_rng([ctx.seed, 1]).normal(size=(len(known), len(task.targets)))
        return from_zscores(task, shrunk * zscore(mixed) + np.sqrt(1 - shrunk**2) * zscore(errors @ draws))

    def fit_names(self, task: Task, ctx: Context) -> list[str]:
        """Names of at most ``fit_genes`` visible genes, in their order."""
        import numpy as np

        genes = task.varying_genes()
        chosen = np.random.default_rng(ctx.seed).permutation(len(genes))[: self.fit_genes]
        return [genes[i] for i in np.sort(chosen)]

    def left_out_attention(self, task: Task, genes: list[str], ctx: Context) -> np.ndarray:
        """Maps of visible genes by the attention to cells, each without the genes of its fold."""
        from stbench.toolbox.tiles import part_of_reference

        from .attention import cross_attend

        few = part_of_reference(task, self.attended_cells, ctx.seed)
        return cross_attend(few, genes, self.temperature, self.n_folds, ctx.seed)

    def memory_bytes(self, shape: Shape) -> int:
        """Smoothed maps and their moments for the fit, gene x gene matrices, blocks of the attention."""
        genes, fitted = shape.visible + shape.targets, min(shape.visible, self.fit_genes)
        n, spots = len(self.neighbours) + 1, min(shape.spots, self.fit_spots)
        fit = (6 * n + 3) * spots * fitted + (2 * n * n + 60) * fitted**2
        if self.texture:
            fit += 4 * shape.spots * fitted
        maps = (6 * shape.spots + 3 * shape.cells + 10 * genes) * genes
        return 8 * (fit + maps + 4 * 1024 * shape.cells)
