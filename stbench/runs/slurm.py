"""Writes a SLURM job array over ``stbench run-one``, for sites where jobs are submitted as scripts."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from stbench.config.options import RunOptions
from stbench.errors import StbenchError
from stbench.files import read_json, write_json
from stbench.runs.local_executor import BASE_BYTES
from stbench.runs.results import Results
from stbench.runs.spec import RunSpec

FORMAT = 1
MAX_ARRAY = 1000  # SLURM's own default is 1001
MEMORY_FACTOR = 2  # times the method's estimate, without --memory-limit
EXTRA_MINUTES = 10  # for reading, scoring and storing, beyond --timeout
OPTIONS = ("timeout", "memory_limit", "disk_limit", "threads", "plugin")  # of the grid, stored with each run


def folder(results: Results) -> Path:
    """The folder of the job files of a results folder, and of the references that its jobs read."""
    return results.folder / "slurm"


def emit(specs: Sequence[RunSpec], results: Results, options: RunOptions) -> list[Path]:
    """Write a file per run and a job script per array, with separate arrays for CPU and GPU runs.

    Returns the scripts.
    """
    target = folder(results).resolve()
    kept = {name: getattr(options, name) for name in OPTIONS}
    kept["plugin"] = [str(path.resolve()) for path in options.plugin]
    shared = {"format": FORMAT, "results": str(results.folder.resolve()), "options": kept}
    scripts = []
    for kind in ("cpu", "gpu"):
        chosen = [spec for spec in specs if spec.device.startswith("cuda") == (kind == "gpu")]
        for start in range(0, len(chosen), MAX_ARRAY):
            part = chosen[start : start + MAX_ARRAY]
            name = f"{kind}-{start // MAX_ARRAY}"
            (target / name).mkdir(parents=True, exist_ok=True)
            for i, spec in enumerate(part):
                write_json(target / name / f"{i}.json", shared | {"spec": asdict(spec)})
            script = target / f"{name}.sh"
            script.write_text(_script(target / name, part, options, gpu=kind == "gpu"))
            scripts.append(script)
    return scripts


def read_spec(file: Path) -> tuple[RunSpec, Path, dict[str, Any]]:
    """The run in a file, its results folder, and the values of its `OPTIONS`."""
    content = read_json(file)
    try:
        if content["format"] != FORMAT:
            raise ValueError(f"format {content['format']}")
        spec = TypeAdapter(RunSpec).validate_python(content["spec"])
        return spec, Path(content["results"]), dict(content["options"])
    except (KeyError, TypeError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise StbenchError(
            f"File '{file}' is not a run of this stbench ({reason}). Write it again with --emit slurm."
        ) from error


def _script(specs: Path, runs: Sequence[RunSpec], options: RunOptions, *, gpu: bool) -> str:
    memory = options.memory_limit or MEMORY_FACTOR * (
        2 * BASE_BYTES + max(0 if gpu else run.memory_bytes for run in runs)
    )  # twice the base: for run-one and for the process of the run
    lines = [
        "#!/bin/bash",
        "#SBATCH --job-name=stbench",
        f"#SBATCH --array=0-{len(runs) - 1}",
        f"#SBATCH --cpus-per-task={options.threads or 1}",
        f"#SBATCH --mem={memory // 10**6 + 1}M",
        f"#SBATCH --output={json.dumps(str(specs / '%a.out'))}",
    ]
    if options.timeout is not None:
        lines.append(f"#SBATCH --time={int(options.timeout // 60) + 1 + EXTRA_MINUTES}")
    if gpu:
        lines.append("#SBATCH --gres=gpu:1")
    command = f"{shlex.quote(sys.executable)} -m stbench run-one {shlex.quote(str(specs))}"
    return "\n".join([*lines, "", f'{command}/"$SLURM_ARRAY_TASK_ID".json', ""])
