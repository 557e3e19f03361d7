"""Which device a run uses, and what there is: chosen here, never written in."""

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
    """``cpu``, ``cuda`` (any GPU) or ``cuda:i`` for what was asked; an error where there is no such GPU."""
    if device == "auto":
        return "cuda" if gpus() and _torch_sees_cuda() else "cpu"
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
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is None:
        return list({gpu["uuid"]: gpu for gpu in found.values()}.values())
    return [found[part.strip()] for part in visible.split(",") if part.strip() in found]


@cache
def _torch_sees_cuda() -> bool:
    code = "import sys, torch; sys.exit(not torch.cuda.is_available())"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode == 0


def memory_bytes(device: str) -> int:
    """Memory of the machine (or of the container it is for us), or of the GPU; the least one for ``cuda``."""
    if device == "cuda":
        return min(int(gpu["memory_bytes"]) for gpu in gpus())
    if device.startswith("cuda"):
        return int(gpus()[int(device.split(":")[1])]["memory_bytes"])
    return min([int(psutil.virtual_memory().total), *_container_bytes()])


def _container_bytes() -> list[int]:
    """The memory limit of the control group, where there is one."""
    for file in ("memory.max", "memory/memory.limit_in_bytes"):  # version 2, version 1
        with suppress(OSError, ValueError):  # no such file; "max"
            return [int(Path("/sys/fs/cgroup", file).read_text())]
    return []


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
        "gpus": [{key: gpu[key] for key in ("name", "driver", "memory_bytes")} for gpu in gpus()],
    }


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next(
        (line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.machine()
    )
