"""Which device a run uses, and what there is: chosen here, never written in."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

from stbench.errors import StbenchError


def resolve(device: str) -> str:
    """``auto``, ``cpu`` or ``cuda[:i]`` as ``cpu`` or ``cuda:i``; an error where there is no such GPU."""
    if device == "auto":
        return "cuda:0" if gpus() and _torch_sees_cuda() else "cpu"
    if device == "cpu":
        return "cpu"
    match = re.fullmatch(r"cuda(?::(\d+))?", device)
    if match is None:
        raise StbenchError(f"--device takes auto, cpu, cuda or cuda:i, not '{device}'.")
    index = int(match.group(1) or 0)
    if index >= len(gpus()):
        raise StbenchError(
            f"--device {device}: this machine has {len(gpus())} NVIDIA GPUs. Use --device cpu."
        )
    if not _torch_sees_cuda():
        raise StbenchError(
            f"--device {device}: the installed torch has no CUDA. Install a CUDA build of torch."
        )
    return f"cuda:{index}"


@cache
def gpus() -> list[dict[str, Any]]:
    """Name, driver and memory of every NVIDIA GPU, without importing torch."""
    if shutil.which("nvidia-smi") is None:
        return []
    query = ["nvidia-smi", "--query-gpu=name,driver_version,memory.total", "--format=csv,noheader,nounits"]
    answer = subprocess.run(query, capture_output=True, text=True, check=False)
    if answer.returncode != 0:
        return []
    rows = [line.split(", ") for line in answer.stdout.strip().splitlines()]
    return [{"name": name, "driver": driver, "memory_bytes": int(mib) << 20} for name, driver, mib in rows]


@cache
def _torch_sees_cuda() -> bool:
    code = "import sys, torch; sys.exit(not torch.cuda.is_available())"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode == 0


def memory_bytes(device: str) -> int:
    """Memory of the machine, or of the GPU."""
    if device.startswith("cuda"):
        return gpus()[int(device.split(":")[1])]["memory_bytes"]
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@cache
def hardware() -> dict[str, Any]:
    """What the manifest says about the machine."""
    return {
        "system": platform.platform(),
        "cpu": _cpu_model(),
        "cores": cores(),
        "memory_bytes": memory_bytes("cpu"),
        "gpus": gpus(),
    }


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next(
        (line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.machine()
    )
