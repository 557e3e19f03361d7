"""Claims of runs: locks in a results folder, so that two grids never do the same run.

A lock ends with the process that holds it, also when that process is killed.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from filelock import FileLock, Timeout


class Claims:
    """The claims in ``folder``."""

    def __init__(self, folder: Path):
        self.folder = folder
        self._own: dict[str, FileLock] = {}

    def take(self, key: str) -> bool:
        """Claim the run ``key``; False while another grid holds it."""
        lock = FileLock(self.folder / key)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            return False
        self._own[key] = lock
        return True

    def release(self, key: str) -> None:
        """Give up the claim of a run, whether the run is done or not."""
        lock = self._own.pop(key)
        with suppress(OSError):  # the lock ends also if the disk has failed
            # before the release, so that a process that waits sees that its file is gone
            Path(lock.lock_file).unlink(missing_ok=True)
        lock.release()

    def release_all(self) -> None:
        """Give up all claims that are left."""
        for key in list(self._own):
            self.release(key)

    def held(self, key: str) -> bool:
        """Whether a grid holds the run ``key`` now."""
        if not (self.folder / key).exists():
            return False
        free = self.take(key)
        if free:
            self.release(key)
        return not free

    def alone(self) -> FileLock:
        """The lock for writing what all runs share; entering it waits for other grids."""
        return FileLock(self.folder / "shared")
