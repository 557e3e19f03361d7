"""How time and memory of a method grow with genes and spots.

Each size is one prediction in a process of its own, on simulated counts; time is CPU seconds of the
prediction, memory the peak above what the data and the packages take. The exponent is the slope between
neighbouring rows on log scales: 1 is linear, 2 quadratic.

    python benchmarks/growth.py causalged-kernel
    python benchmarks/growth.py causalged --set pretrain_steps=10 --set steps=50 --set val_every=25
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
import time
from typing import Any

GENES, SPOTS, CELLS = (100, 300, 1000, 2000), (1000, 5000, 20_000, 50_000), 1000
FEW_GENES, FEW_SPOTS = 100, 1000


def predict_once(name: str, settings: dict[str, str], n_genes: int, n_spots: int) -> dict[str, Any]:
    """CPU seconds and bytes of one prediction; a tenth of the genes are targets."""
    import numpy as np
    import pandas as pd
    from anndata import AnnData
    from scipy import sparse

    from stbench.config.variants import NO_PRESET, configure
    from stbench.methods import REGISTRY, Context, Shape, Task
    from stbench.runs.child import peak_rss_bytes
    from stbench.toolbox.scale import log_normalise

    rng = np.random.default_rng(0)
    loadings, genes = rng.normal(size=(5, n_genes)), [f"gene{i}" for i in range(n_genes)]
    n_targets = n_genes // 10

    def counts(n_rows: int) -> sparse.csr_matrix:
        rates = np.exp(0.5 * rng.normal(size=(n_rows, 5)).astype(np.float32) @ loadings.astype(np.float32))
        return sparse.csr_matrix(rng.poisson(0.5 * rates).astype(np.float32))

    def table(values: sparse.csr_matrix, names: list[str]) -> AnnData:
        adata = AnnData(log_normalise(values), var=pd.DataFrame(index=names))
        adata.layers["counts"] = values
        return adata

    visible = table(counts(n_spots)[:, n_targets:], genes[n_targets:])
    visible.obsm["spatial"] = rng.random((n_spots, 2))
    visible.var["split"] = ["val" if i < 2 * n_targets else "train" for i in range(visible.n_vars)]
    task = Task(table(counts(CELLS), genes), visible, genes[:n_targets])
    cls = REGISTRY.get(name)
    method = configure(cls, "cpu" if cls.presets else NO_PRESET, settings)
    estimate = method.memory_bytes(Shape(CELLS, n_spots, visible.n_vars, n_targets, n_genes))
    small = Task(task.reference, visible[:50, ::3].copy(), task.targets[:1])  # imports the packages
    method.predict(small, Context())
    before = peak_rss_bytes() or 0
    start = time.process_time()
    method.predict(task, Context())
    took = time.process_time() - start
    return {"cpu_s": took, "peak_bytes": (peak_rss_bytes() or 0) - before, "estimate_bytes": estimate}


def main() -> None:
    """Run every size, print a Markdown table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("method")
    parser.add_argument("--set", action="append", default=[], metavar="PARAMETER=VALUE")
    parser.add_argument("--once", nargs=2, type=int, metavar=("GENES", "SPOTS"), help="one size, as JSON")
    options = parser.parse_args()
    if options.once:
        settings = dict(text.split("=", 1) for text in options.set)
        print(json.dumps(predict_once(options.method, settings, *options.once)))
        return
    print("| genes | spots | CPU s | exponent | peak MB | exponent | estimate MB |")
    print("|---|---|---|---|---|---|---|")
    for sizes in ([(n, FEW_SPOTS) for n in GENES], [(FEW_GENES, n) for n in SPOTS]):
        last: tuple[int, dict[str, float]] | None = None
        for n_genes, n_spots in sizes:
            command = [sys.executable, __file__, *sys.argv[1:], "--once", str(n_genes), str(n_spots)]
            found = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
            size = n_genes * n_spots
            slopes = dict.fromkeys(("cpu_s", "peak_bytes"), "")
            if last is not None:
                for key in slopes:
                    rise = math.log(max(found[key], 1e-9) / max(last[1][key], 1e-9))
                    slopes[key] = f"{rise / math.log(size / last[0]):.2f}"
            print(
                f"| {n_genes} | {n_spots} | {found['cpu_s']:.1f} | {slopes['cpu_s']} "
                f"| {found['peak_bytes'] / 1e6:.0f} | {slopes['peak_bytes']} "
                f"| {found['estimate_bytes'] / 1e6:.0f} |",
                flush=True,
            )
            last = size, found


if __name__ == "__main__":
    main()
