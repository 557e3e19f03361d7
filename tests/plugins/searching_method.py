"""A method that searches the memory of its own process for a value."""

from dataclasses import dataclass

import numpy as np

from stbench.methods import Context, Method, Task, register

MASK = 0x5A5A5A5A  # the value itself must not be in this module


@register("searches", family="baseline", paper="stbench tests", version="1")
@dataclass(frozen=True)
class Searches(Method):
    """Prints how often the 32 bits ``masked`` ^ `MASK` stand in the writable memory of the process."""

    masked: int = 0

    def predict(self, task: Task, ctx: Context) -> np.ndarray:
        print("found", occurrences(self.masked), flush=True)
        return np.ones((task.spatial.n_obs, len(task.targets)))


def occurrences(masked: int) -> int:
    found = 0
    with open("/proc/self/maps") as maps, open("/proc/self/mem", "rb", 0) as memory:
        for line in maps.read().splitlines():
            span, rights, *rest = line.split()
            if not rights.startswith("rw") or rest[-1] in ("[vvar]", "[vsyscall]"):
                continue
            start, end = (int(part, 16) for part in span.split("-"))
            memory.seek(start)
            while start < end:
                try:
                    block = memory.read(min(1 << 20, end - start))
                except OSError:
                    break
                words = np.frombuffer(block[: len(block) // 4 * 4], np.uint32)
                found += int(((words ^ np.uint32(MASK)) == np.uint32(masked)).sum())
                start += len(block)
    return found
