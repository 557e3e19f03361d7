"""The ablations of the paper and ours: each file beside the method is a grid that runs."""

from dataclasses import replace
from pathlib import Path

import pytest

from stbench import methods
from stbench.config.options import RunOptions
from stbench.config.variants import configure, label, variants
from stbench.methods import REGISTRY
from stbench.runs.benchmark import run

FOLDER = next(
    Path(p) / "causalged" / "ablations" for p in methods.__path__ if (Path(p) / "causalged").is_dir()
)
TINY = {
    "hidden": 16, "latent": 4, "width": 8, "heads": 2, "pretrain_steps": 3, "steps": 4, "val_every": 2,
    "n_samples": 2, "sample_steps": 3, "val_steps": 2, "val_samples": 1,
}  # fmt: skip
FILES = {
    "decoder_training": ("decoder", ["joint", "pretrained_frozen"]),  # Fig. 6
    "encoder": ("variational", [True, False]),  # Fig. 7
    "ar_step_decay": ("ar_step_decay", [0.7, 0.8, 0.9, 1.0]),  # Fig. 8
    "blocks": ("depth", [1, 2, 3, 4, 5]),  # Fig. 9
    "time_sampling": ("t_sampling", ["full", "1/2", "1/3", "1/4", "1/20"]),  # Table II
    "condition": ("cond", ["own", "none"]),
    "context": ("context", ["clean", "none"]),
    "autoregression": ("ar_steps", ["random", "one"]),
    "diffusion": ("generation", ["diffusion", "direct"]),
}


def test_every_ablation_has_a_file():
    assert {file.stem for file in FOLDER.glob("*.toml")} == set(FILES)


@pytest.mark.parametrize("preset", ["cpu", "paper"])
@pytest.mark.parametrize("name", FILES)
def test_a_file_varies_one_parameter_and_holds_the_standard(name, preset):
    options = RunOptions.of(RunOptions.in_file(FOLDER / f"{name}.toml"))
    assert options.methods == ("causalged",)
    found = variants([REGISTRY.get("causalged")], options.set, options.sweep)
    configured = [configure(one.cls, preset, one.parameters) for one in found]
    parameter, values = FILES[name]
    assert [getattr(method, parameter) for method in configured] == values
    assert len({replace(method, **{parameter: values[0]}) for method in configured}) == 1
    if (name, preset) != ("diffusion", "paper"):  # its control needs align_weight, in both of its runs
        assert [label(method, preset) for method in configured].count("causalged") == 1


def test_a_file_is_run_by_its_name(tmp_path):
    source = RunOptions.in_file(FOLDER / "autoregression.toml")
    overrides = {"datasets": "simulated", "out": tmp_path, "limit": "cells=60,spots=40,genes=20", "jobs": 1}
    tiny = [f"causalged.{key}={value}" for key, value in TINY.items()]
    summary = run(RunOptions.of(source, overrides | {"set": tiny}))
    found = {record["parameters"]["ar_steps"]: record["status"] for record in summary.records.values()}
    assert found == {"random": "ok", "one": "ok"}
