"""The hardware of this machine, and the device that a run uses."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import psutil

from stbench.errors import StbenchError


def resolve(device: str) -> str:
    """``cpu``, ``cuda`` (any GPU) or ``cuda:i`` for a requested ``device``; an error without such a GPU."""
    if device == "auto":
        return "cuda" if gpus() and _torch_sees_cuda() else "cpu"
    if device == "cpu":
        return "cpu"
    match = re.fullmatch(r"cuda(?::(\d+))?", device)
    if match is None:
        raise StbenchError(f"--device takes auto, cpu, cuda or cuda:i, not '{device}'.")
    problem = ""
    if int(match.group(1) or 0) >= len(gpus()):
        problem = f"this machine has {len(gpus())} NVIDIA GPUs. Use --device cpu."
    elif not _torch_sees_cuda():
        problem = "the installed torch has no CUDA. Install a CUDA build of torch."
    if problem:
        raise StbenchError(f"--device {device}: {problem}")
    return device


@cache
def gpus() -> list[dict[str, Any]]:
    """Name, driver, memory and identifier of every NVIDIA GPU that this process may use, without torch."""
    if shutil.which("nvidia-smi") is None:
        return []
    query = ["nvidia-smi", "--query-gpu=index,uuid,name,driver_version,memory.total"]
    answer = subprocess.run(
        [*query, "--format=csv,noheader,nounits"], capture_output=True, text=True, check=False
    )
    if answer.returncode != 0:
        return []
    found = {}
    for line in answer.stdout.strip().splitlines():
        index, uuid, name, driver, mib = line.split(", ")
        gpu = {"name": name, "driver": driver, "memory_bytes": int(mib) << 20, "uuid": uuid}
        found[index] = found[uuid] = gpu
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", ",".join(str(gpu["uuid"]) for gpu in found.values()))
    names = dict.fromkeys(part.strip() for part in visible.split(","))
    return [found[name] for name in names if name in found]


@cache
def _torch_sees_cuda() -> bool:
    code = "import sys, torch; sys.exit(not torch.cuda.is_available())"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode == 0


def memory_bytes(device: str) -> int:
    """Memory of the machine (or container) or of the GPU; for ``cuda`` that of the smallest GPU."""
    if device == "cuda":
        return min(int(gpu["memory_bytes"]) for gpu in gpus())
    if device.startswith("cuda"):
        return int(gpus()[int(device.split(":")[1])]["memory_bytes"])
    sizes = [int(psutil.virtual_memory().total)]
    for file in ("memory.max", "memory/memory.limit_in_bytes"):  # of the container: control groups 2 and 1
        with suppress(OSError, ValueError):  # no such file; "max"
            sizes.append(int(Path("/sys/fs/cgroup", file).read_text()))
    return min(sizes)


def cores() -> int:
    """The number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@cache
def hardware() -> dict[str, Any]:
    """The description of the machine for a manifest."""
    return {
        "system": platform.platform(),
        "cpu": _cpu_model(),
        "cores": cores(),
        "memory_bytes": memory_bytes("cpu"),
        "gpus": [{key: gpu[key] for key in ("name", "driver", "memory_bytes")} for gpu in gpus()],
    }


def _cpu_model() -> str:
    with suppress(OSError):  # Linux only
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":")[1].strip()
    return platform.processor() or platform.machine()
