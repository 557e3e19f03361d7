"""CellPin: a variational autoencoder of cells whose second encoder, of the visible genes, reads the spots."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from stbench.errors import require_package
from stbench.methods import Context, Method, Shape, Task, dense, register

if TYPE_CHECKING:
    import numpy as np
    from anndata import AnnData

BATCH_SIZE = 256  # of CellPin.fit
TRAIN_SIZE = 0.8  # of CellPin.fit; the other cells stop the training
N_PASSES = 50  # of CellPin.impute


@register(
    "cellpin",
    family="generative",
    paper="Putze et al. 2026",
    doi="10.64898/2026.06.02.729566",
    version="1",
    packages=("cellpin", "torch"),
    gpu=True,
)
@dataclass(frozen=True)
class CellPin(Method):
    """CellPin (Putze, Lucarelli et al. 2026, bioRxiv), by its package cellpin 0.3.0 (MIT licence).

    1. A variational autoencoder of the counts of the cells, with negative binomial errors, on the genes of
       the reference.
    2. A second encoder sees the visible genes alone. It is trained to give the latent of the first one (mean
       square and soft nearest neighbours), with the counts thinned and mixed, together with the decoder.
    3. A spot is encoded by the second encoder. The decoded means are averaged over 50 passes; in each of them
       a random fifth of its visible genes is set to 0.

    The prediction on the scale of ``X`` is log(N share + 1) with the decoded share in the sum of the visible
    genes, and the median measured sum N.

    Parameters
    ----------
    n_latent, n_hidden, encoder_layers
        Sizes of the network (package, 192, 1024 and 16). Preset ``cpu`` has the sizes that the code of the
        package falls back to (32, 128 and 4).
    pretrain_epochs, train_epochs
        Largest number of epochs of the two steps; both stop after 10 epochs without a better loss on a fifth
        of the cells. Preset ``paper`` has those of the package (50 and 60), meant for atlases. Preset ``cpu``
        has 400: 500 cells are two steps per epoch, and then the loss is what ends the training.
    n_extra
        Most variable genes of the reference that the network also has, beside visible genes and targets. None
        takes all, as the package. Preset ``cpu`` has 1000.
    precision
        Of the training. Preset ``paper`` has ``bf16-mixed`` as the package, ``cpu`` has ``32-true``, because
        many CPUs emulate the former.

    Deviations
    ----------
    - Data are loaded in the process of the run; the package starts four workers.
    - The batch size is 256 or the next smaller one without a batch of one cell, on which the package fails.
    - On a machine with a GPU the package predicts on it also where the CPU was chosen; here it does not.
    - The package returns counts at the depth of the reference.
    """

    n_latent: int = 192
    n_hidden: int = 1024
    encoder_layers: int = 16
    pretrain_epochs: int = 50
    train_epochs: int = 60
    n_extra: int | None = None
    precision: Literal["32-true", "bf16-mixed"] = "bf16-mixed"
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "cpu": {
            "n_latent": 32,
            "n_hidden": 128,
            "encoder_layers": 4,
            "pretrain_epochs": 400,
            "train_epochs": 400,
            "n_extra": 1000,
            "precision": "32-true",
        },
        "paper": {
            "n_latent": 192,
            "n_hidden": 1024,
            "encoder_layers": 16,
            "pretrain_epochs": 50,
            "train_epochs": 60,
            "n_extra": None,
            "precision": "bf16-mixed",
        },
    }

    def predict(self, task: Task, ctx: Context) -> np.ndarray:
        """Decoded values on the scale of ``X``, (n_spots, n_targets)."""
        import numpy as np

        from stbench.toolbox.genes import extra_genes

        task.require_counts()
        require_package("cellpin", "cellpin", "cellpin", "cellpin")
        genes, n_extra = sorted(task.visible), self.n_extra
        others = extra_genes(task, task.reference.n_vars if n_extra is None else n_extra)
        everything = task.reference[:, sorted([*genes, *task.targets, *others])]
        spots = dense(task.spatial, genes, "counts")
        rates = self.decode(everything, spots, genes, ctx)  # (n_spots, n_genes)

        seen, new = (everything.var_names.get_indexer(names) for names in (genes, task.targets))
        total = rates[:, seen].sum(axis=1, keepdims=True)
        share = rates[:, new] / np.maximum(total, np.finfo(np.float32).tiny)
        depth = spots.sum(axis=1)
        known = dense(task.reference, task.targets, "counts").any(axis=0)
        return np.log1p(np.median(depth[depth > 0]) * share * known)

    def decode(self, cells: AnnData, spots: np.ndarray, genes: list[str], ctx: Context) -> np.ndarray:
        """Expected counts of all genes at the spots, at the depth of the reference, (n_spots, n_genes)."""
        from stbench.toolbox.sandbox import bare_table, no_traces

        kind, _, index = ctx.device.partition(":")
        with no_traces(ctx.device), _silent():
            import torch
            from cellpin import CellPin as Package
            from cellpin.pp import setup_data
            from pytorch_lightning.callbacks import LambdaCallback
            from torch.utils.data import DataLoader

            torch.manual_seed(ctx.seed)
            done, n_epochs = count(1), self.pretrain_epochs + self.train_epochs
            reference, space = setup_data(
                bare_table(cells.layers["counts"], list(cells.var_names)), bare_table(spots, genes)
            )
            sizes = {name: getattr(self, name) for name in ("n_latent", "n_hidden", "encoder_layers")}
            model = Package(reference, config=sizes)
            model.fit(
                reference,
                pretrain_epochs=self.pretrain_epochs,
                train_epochs=self.train_epochs,
                batch_size=_batch_size(round(TRAIN_SIZE * cells.n_obs)),
                train_size=TRAIN_SIZE,
                output_dir=str(ctx.scratch / "cellpin"),
                num_workers=0,
                precision=self.precision,
                accelerator="gpu" if kind == "cuda" else kind,
                devices=[int(index or 0)] if kind == "cuda" else 1,
                enable_progress_bar=False,
                custom_callbacks=[
                    LambdaCallback(on_train_epoch_end=lambda *_: ctx.progress(next(done), n_epochs))
                ],
            )
            model = model.to(ctx.device)
            model.cuda = lambda: model  # the package moves a model on the CPU to a GPU that it sees
            loader = DataLoader(space, batch_size=BATCH_SIZE)
            _, rates, _ = model.embed_and_impute(loader, mc_impute=True, mc_samples=N_PASSES)
        return rates

    def memory_bytes(self, shape: Shape) -> int:
        """The tables, four copies of the weights, and the passes of a batch, in float32."""
        genes = shape.reference_genes
        if self.n_extra is not None:
            genes = min(genes, shape.visible + shape.targets + self.n_extra)
        blocks = 2 * self.encoder_layers * 4 * self.n_hidden**2  # each: to twice the width and back
        weights = blocks + (3 * genes + 2 * shape.visible) * self.n_hidden
        tables = 3 * shape.cells * genes + shape.spots * (3 * genes + 3 * shape.visible)
        return 4 * (tables + 4 * weights + (N_PASSES + 20) * min(BATCH_SIZE, shape.spots) * genes)


@contextmanager
def _silent() -> Iterator[None]:
    """Hide what the package prints and Lightning logs, and put back the precision of torch that it sets."""
    import torch

    lightning = logging.getLogger("pytorch_lightning")
    level, precision = lightning.level, torch.get_float32_matmul_precision()
    lightning.setLevel(logging.ERROR)
    try:
        with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            yield
    finally:
        lightning.setLevel(level)
        torch.set_float32_matmul_precision(precision)


def _batch_size(n_cells: int) -> int:
    """Largest batch size without a batch of one cell."""
    return next(size for size in range(BATCH_SIZE, 1, -1) if n_cells % size != 1)
