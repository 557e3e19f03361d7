"""Speed of SpaGE, SpaOTsc, stPlus and novoSpaRc, as ratios from one run, against the way they were published.

The published way of each is written out here from its formulas: SpaGE writes a table spot by spot; SpaOTsc
correlates all stacked rows and sweeps over dense potentials; stPlus pads and masks whole rows, loads them
through a `DataLoader`, keeps its epochs on disk and weighs cells spot by spot. novoSpaRc is the package
`novosparc`, at one setting and with the choice of the setting; its other rows compare with our cold starts.
Both ways get the same data, start and settings, and their predictions must agree.

    python benchmarks/classical_methods.py --cells 1000 --spots 800
"""

from __future__ import annotations

import argparse
import contextlib
import io
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pandas as pd
import torch
from anndata import AnnData
from scipy.linalg import orth
from scipy.stats import spearmanr, zscore
from sklearn.decomposition import PCA
from sklearn.neighbors import NearestNeighbors
from torch.nn.functional import linear
from torch.utils.data import DataLoader, TensorDataset

from stbench.methods import REGISTRY, Context, Method, Task
from stbench.methods.novosparc import ALPHAS, EPSILONS, coupling, graph_genes
from stbench.methods.stplus.autoencoder import Autoencoder
from stbench.tables import dense
from stbench.toolbox.scale import log_normalise
from stbench.toolbox.tuning import choose


def simulated(n_cells: int, n_spots: int, n_visible: int, n_targets: int, n_others: int) -> Task:
    """Cells of ten types, spots that mix them smoothly, and ``n_others`` genes of the reference alone."""
    rng = np.random.default_rng(0)
    n_types, n_genes = 10, n_visible + n_targets + n_others
    profiles = rng.gamma(0.3, 4.0, (n_types, n_genes))
    coordinates = rng.random((n_spots, 2))
    near = np.exp(-((coordinates[:, None] - rng.random((n_types, 2))) ** 2).sum(-1) / 0.02)
    cells = rng.poisson(profiles[rng.integers(n_types, size=n_cells)])
    spots = rng.poisson(near / near.sum(axis=1, keepdims=True) @ profiles[:, :n_visible])
    genes = [f"gene{i:05d}" for i in range(n_genes)]
    space = AnnData(log_normalise(spots), var=pd.DataFrame(index=genes[:n_visible]))
    space.layers["counts"], space.obsm["spatial"] = spots, coordinates
    space.var["split"] = np.where(np.arange(n_visible) % 9 == 8, "val", "train")
    reference = AnnData(log_normalise(cells), var=pd.DataFrame(index=genes))
    return Task(reference, space, genes[n_visible : n_visible + n_targets])


def weighted_spot_by_spot(
    cells: np.ndarray, spots: np.ndarray, reference: pd.DataFrame, targets: list[str]
) -> pd.DataFrame:
    """SpaGE's weights of 50 neighbours, one spot after another, written into a growing table."""
    search = NearestNeighbors(n_neighbors=50, algorithm="brute", metric="cosine").fit(cells)
    distances, neighbors = search.kneighbors(spots)
    predicted = pd.DataFrame(np.zeros((len(spots), len(targets))), columns=targets)
    for spot in range(len(spots)):
        near = distances[spot] < 1
        distance = distances[spot][near]
        weights = (1 - distance / distance.sum()) / (len(distance) - 1)
        predicted.iloc[spot, :] = weights @ reference[targets].iloc[neighbors[spot][near]]
    return predicted


def spage(task: Task, reference: pd.DataFrame, space: pd.DataFrame, method: Method) -> np.ndarray:
    """SpaGE on data frames."""
    cells, spots = zscore(reference[task.visible].to_numpy()), zscore(space.to_numpy())
    n_pv = min(50, len(task.visible) // 2)
    source, target = (orth(PCA(n_pv, svd_solver="full").fit(x).components_.T).T for x in (cells, spots))
    u, similarity, _ = np.linalg.svd(source @ target.T)
    vectors = (u.T @ source)[similarity > 0.3]
    return weighted_spot_by_spot(cells @ vectors.T, spots @ vectors.T, reference, task.targets).to_numpy()


def spaotsc(task: Task, reference: pd.DataFrame, space: pd.DataFrame, method: Method) -> np.ndarray:
    """SpaOTsc by the correlation of all stacked rows and fifty sweeps at eps = rho = 1."""
    stacked = np.concatenate([reference[task.visible].to_numpy(), space.to_numpy()])
    n_cells = len(reference)
    correlation = np.nan_to_num(spearmanr(stacked, axis=1).statistic[:n_cells, n_cells:])
    cost, mass = np.exp(1 - correlation) ** 2, np.exp(correlation)
    a, b = mass.sum(axis=1) / mass.sum(), mass.sum(axis=0) / mass.sum()
    power, relaxation = 0.5, -0.5
    u, v = np.zeros_like(a), np.zeros_like(b)
    for _ in range(50):
        rows = np.log(np.exp(u[:, None] + v[None, :] - cost).sum(axis=1))
        u = relaxation * u + (1 - relaxation) * power * (np.log(a) - rows + u)
        columns = np.log(np.exp(u[:, None] + v[None, :] - cost).sum(axis=0))
        v = relaxation * v + (1 - relaxation) * power * (np.log(b) - columns + v)
    plan = np.exp(u[:, None] + v[None, :] - cost)
    return (plan / plan.sum(axis=0)).T @ reference[task.targets].to_numpy()


def stplus(task: Task, reference: pd.DataFrame, space: pd.DataFrame, method: Method) -> np.ndarray:
    """stPlus on whole rows: undivided layers, padded spots, masked cells, epochs on disk."""
    others = [gene for gene in reference.columns if gene not in (*task.visible, *task.targets)]
    cells = torch.tensor(reference[[*task.visible, *task.targets, *others]].to_numpy(np.float32))
    n_spots, n_seen = space.shape
    padded = torch.zeros((n_spots, cells.shape[1]))
    padded[:, :n_seen] = torch.tensor(space.to_numpy(np.float32))
    nonzero = (cells != 0).float().mean()
    ratio = n_seen / (cells.shape[1] - n_seen) * n_spots / len(cells)

    generator = torch.Generator().manual_seed(0)
    net = Autoencoder(n_seen, cells.shape[1] - n_seen, method.n_hidden, generator)  # for the same start
    encoder, decoders = net.encoder, (net.spot_decoder, net.cell_decoder)
    w1, b1 = torch.cat([encoder.seen, encoder.unseen], dim=1), encoder.bias
    w2, b2 = torch.cat([d.weight for d in decoders]), torch.cat([d.bias for d in decoders])
    weights = [w.detach().clone().requires_grad_() for w in (w1, b1, w2, b2)]
    optimizer = torch.optim.Adam(weights, lr=4e-3, weight_decay=2e-4)

    rows = TensorDataset(torch.cat([padded, cells]), torch.arange(n_spots + len(cells)) < n_spots)
    saved: dict[int, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(method.max_epochs):
            batches = torch.randperm(len(rows), generator=generator).split(512)  # the same batches
            total = 0.0
            for row, is_spot in DataLoader(rows, batch_sampler=[batch.tolist() for batch in batches]):
                masked = row.clone()
                masked[:, n_seen:] = 0
                decoded = linear(linear(masked, weights[0], weights[1]).relu(), weights[2], weights[3]).relu()
                error = (decoded - row) ** 2
                spot_loss = error[is_spot][:, :n_seen].sum()
                missing = torch.where(row[~is_spot] == 0, nonzero * error[~is_spot], error[~is_spot])
                loss = spot_loss + ratio * missing[:, n_seen:].sum()
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                total += loss.item()
            slot = len(saved) if len(saved) < 5 else max(saved, key=lambda slot: saved[slot])
            if slot not in saved or total < saved[slot]:
                saved[slot] = total
                torch.save(weights, Path(folder) / f"{slot}.pt")
        predicted = []
        for slot in saved:
            w1, b1, _, _ = torch.load(Path(folder) / f"{slot}.pt")
            hidden = [linear(x, w1, b1).relu().detach().numpy() for x in (cells, padded)]
            predicted.append(weighted_spot_by_spot(*hidden, reference, task.targets).to_numpy())
    return np.mean(predicted, axis=0)


def novosparc(task: Task, reference: pd.DataFrame, space: pd.DataFrame, method: Method) -> np.ndarray:
    """The package, at the same weights."""
    import novosparc as package

    genes = graph_genes(task, method.n_graph_genes)
    tissue = package.cm.Tissue(AnnData(reference.to_numpy()), task.coordinates())
    tissue.setup_linear_cost(reference.columns.get_indexer(task.visible), space.to_numpy())
    tissue.setup_smooth_costs(dge_rep=reference[genes].to_numpy(), verbose=False)
    with contextlib.redirect_stdout(io.StringIO()):
        tissue.reconstruct(method.alpha, method.eps, verbose=False)
    return len(space) * tissue.sdge[reference.columns.get_indexer(task.targets)].T


def novosparc_tuned(task: Task, reference: pd.DataFrame, space: pd.DataFrame, method: Method) -> np.ndarray:
    """The package with the choice of `alpha` and `eps` that ours makes, one fit after another."""

    def fits(part: Task, settings: Sequence[tuple[float, float]]) -> Iterator[np.ndarray]:
        for alpha, eps in settings:
            yield novosparc(part, reference, tables(part)[1], replace(method, alpha=alpha, eps=eps))

    settings = list(product(ALPHAS, EPSILONS))
    return next(fits(task, [choose(task, settings, fits)]))


def novosparc_cold(task: Task, reference: pd.DataFrame, space: pd.DataFrame, method: Method) -> np.ndarray:
    """Ours, with every transport plan from a cold start."""
    with mock.patch.object(coupling, "couple", partial(coupling.couple, warm=False)):
        return np.asarray(method.predict(task, Context()))


# by row: method, published way, the settings of ours, largest difference relative to the largest prediction
NOVOSPARC = {"alpha": 0.5, "eps": 0.005}
CASES: dict[str, tuple[str, Callable[..., np.ndarray], dict[str, Any], float]] = {
    "spage": ("spage", spage, {"n_pv": 50, "n_neighbors": 50}, 1e-5),
    "spaotsc": ("spaotsc", spaotsc, {"eps": 1.0}, 1e-8),
    # few epochs and a wide tolerance: by float32 rounding a 50th and a 51st neighbour may change places
    "stplus": ("stplus", stplus, {"max_epochs": 3, "tolerance": 0.0}, 1e-2),
    "novosparc": ("novosparc", novosparc, NOVOSPARC, 1e-5),
    "novosparc-from-cold-starts": ("novosparc", novosparc_cold, NOVOSPARC, 1e-5),
    "novosparc-tuned": ("novosparc", novosparc_tuned, {}, 1e-5),
    "novosparc-tuned-from-cold-starts": ("novosparc", novosparc_cold, {}, 1e-5),
}


def tables(task: Task) -> list[pd.DataFrame]:
    """Dense reference and space."""
    return [
        pd.DataFrame(dense(table, table.var_names), columns=table.var_names)
        for table in (task.reference, task.spatial)
    ]


def compare(name: str, task: Task) -> tuple[float, float, float]:
    """Seconds of the published way and of ours, and the largest relative difference of the predictions."""
    plugin, published, settings, _ = CASES[name]
    method = REGISTRY.get(plugin)(**settings)
    reference, space = tables(task)  # outside of the time of the published ways
    start = time.perf_counter()
    theirs = published(task, reference, space, method)
    middle = time.perf_counter()
    ours = np.asarray(method.predict(task, Context()))
    end = time.perf_counter()
    return middle - start, end - middle, np.abs(ours - theirs).max() / np.abs(theirs).max()


def main() -> None:
    """Time both ways of every method on the same task, check that they agree, print a Markdown table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--methods", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--cells", type=int, default=1000)
    parser.add_argument("--spots", type=int, default=800)
    parser.add_argument("--visible", type=int, default=200, help="genes measured in space")
    parser.add_argument("--targets", type=int, default=100)
    parser.add_argument("--others", type=int, default=1000, help="genes of the reference alone")
    options = parser.parse_args()

    sizes = (options.cells, options.spots, options.visible, options.targets, options.others)
    task = simulated(*sizes)
    print("{} cells, {} spots, {} visible genes, {} targets, {} others\n".format(*sizes))
    print("| method | published way (s) | stbench (s) | times faster | largest relative difference |")
    print("|---|---|---|---|---|")
    for name in options.methods:
        compare(name, simulated(60, 60, 20, 5, 20))  # imports are not the method
        published, ours, difference = compare(name, task)
        print(
            f"| {name} | {published:.2f} | {ours:.2f} | {published / ours:.1f} | {difference:.0e} |",
            flush=True,
        )
        if difference > CASES[name][3]:
            raise SystemExit(f"{name}: the two ways differ by {difference:.1e}")


if __name__ == "__main__":
    warnings.simplefilter("ignore")  # of the packages, on settings that are published
    main()
