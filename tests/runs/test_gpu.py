"""The CUDA path of every method that has one; skipped without a GPU."""

import importlib.util
import shutil
from pathlib import Path

import numpy as np
import pytest

from stbench.config.options import RunOptions
from stbench.exchange.taskfolder import read_prediction
from stbench.methods import REGISTRY
from stbench.runs.benchmark import run
from stbench.runs.results import Results

HERE = Path(__file__).parent
GPU_METHODS = [name for name, cls in REGISTRY.items().items() if cls.info.gpu]


def sees_cuda() -> bool:
    if shutil.which("nvidia-smi") is None:
        return False
    import torch

    return torch.cuda.is_available()


pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not sees_cuda(), reason="needs an NVIDIA GPU and a CUDA torch"),
]


def settings(name):
    spec = importlib.util.spec_from_file_location("contract", HERE.parent / "testing" / "test_contract.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return tuple(f"{name}.{key}={value}" for key, value in module.TINY.get(name, {}).items())


@pytest.mark.parametrize("name", GPU_METHODS)
def test_runs_on_cuda_and_uses_it(name, data_folder, tmp_path):
    config = RunOptions(
        methods=(name,),
        datasets=("planted",),
        data=(data_folder,),
        out=tmp_path / "r",
        device="cuda",
        preset="cpu" if REGISTRY.get(name).presets else None,
        set=settings(name),
        jobs=1,
    )
    (record,) = run(config).records.values()
    assert record["status"] == "ok", record["reason"]
    assert record["device"] == "cuda"
    assert record["gpu"]["peak_allocated_bytes"] > 0
    results = Results(tmp_path / "r")
    truth = results.truth("planted", record["data_hash"])
    targets = list(results.split(record["split"]["hash"]).test)
    file = results.run_folder(record["key"]) / "prediction.h5ad"
    answer = read_prediction(file, list(truth.obs_names), targets)
    assert np.isfinite(answer.mean).all()
