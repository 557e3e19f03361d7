"""Who is making which run: locks in a results folder, so that two grids on it never make one run twice.

A lock ends with the process that holds it, however that ends.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from filelock import FileLock, Timeout


class Claims:
    """The claims in ``folder``; those taken through this object are its own."""

    def __init__(self, folder: Path):
        self.folder = folder
        self._own: dict[str, FileLock] = {}

    def take(self, key: str) -> bool:
        """Whether the run ``key`` is ours to make now; False while another grid makes it."""
        lock = FileLock(self.folder / key)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            return False
        self._own[key] = lock
        return True

    def release(self, key: str) -> None:
        """Give a run up, made or not."""
        lock = self._own.pop(key)
        with suppress(OSError):  # the disk may have failed; the lock ends all the same
            Path(lock.lock_file).unlink(missing_ok=True)  # while held: a waiter sees that its file is gone
        lock.release()

    def release_all(self) -> None:
        """Give up whatever is still claimed."""
        for key in list(self._own):
            self.release(key)

    def held(self, key: str) -> bool:
        """Whether some grid makes the run ``key`` at this moment."""
        if not (self.folder / key).exists():
            return False
        lock = FileLock(self.folder / key)
        try:
            with lock.acquire(timeout=0):
                return False
        except Timeout:
            return True

    def alone(self) -> FileLock:
        """Waits for, and holds, the right to write what all runs share."""
        return FileLock(self.folder / "shared")
