"""Peak memory on a large tissue, a tenth of the size of `benchmarks/big_tissue.py`, by step."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from stbench.method import REGISTRY, Shape

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "big_tissue.py"
N_SPOTS, N_IMPUTED, MEMORY = 30_000, 100, "2GB"
# enough to hold what the full run holds; the memory does not depend on them
SETTINGS = ("tangram.num_epochs=2", "causalged-kernel.fit_spots=1000", "causalged-kernel.level=none")
PACKAGES = 0.35e9  # an interpreter with what it imports; PyTorch is twice that
TIMES_INPUT = {
    "prepare and split": 8,
    "ridge_genes": 12,
    "ridge": 12,
    "kernel": 12,
    "knn": 12,
    "spage": 12,
    "causalged-kernel": 16,
    "tangram": 16,
    "grid, with ceiling and scoring": 10,
    "board": 10,
    f"predict {N_IMPUTED} genes": 16,
}


@pytest.fixture(scope="module")
def peaks(tmp_path_factory):
    """Bytes of the raw pair, and the peak bytes of each step."""
    if not SCRIPT.is_file():
        pytest.skip("needs the benchmarks folder of the checkout")
    spec = importlib.util.spec_from_file_location("big_tissue", SCRIPT)
    big_tissue = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(big_tissue)
    big_tissue.N_IMPUTED = N_IMPUTED
    work = tmp_path_factory.mktemp("big")
    found = {}
    for step, _, peak in big_tissue.steps(work, N_SPOTS, big_tissue.METHODS, MEMORY, SETTINGS):
        found[step] = peak
    return sum(file.stat().st_size for file in (work / "tissue").glob("*.h5ad")), found


def test_every_step_holds_a_multiple_of_its_input(peaks):
    size, found = peaks
    for step, peak in found.items():
        name = step.split(" (")[0]
        assert peak < 2 * PACKAGES + TIMES_INPUT[name] * size, f"{step}: {peak / size:.1f} times the input"
    assert {step.split(" (")[0] for step in found} == set(TIMES_INPUT)


def test_every_method_ran_and_tangram_was_scaled(peaks):
    _, found = peaks
    assert sum("(ok" in step for step in found) == 7
    assert "tangram (ok, scaled: {'mode': 'clusters'})" in found


def test_estimates_are_neither_too_low_nor_far_too_high(peaks):
    size, found = peaks
    shape = Shape(cells=N_SPOTS // 10, spots=N_SPOTS, visible=360, targets=40, reference_genes=5000)
    for step, peak in found.items():
        name = step.split(" (")[0]
        if name in REGISTRY.names() and name != "tangram":
            estimate = REGISTRY.get(name)().memory_bytes(shape)
            assert peak < 2 * PACKAGES + size + estimate, f"{name} needs more than it says"
