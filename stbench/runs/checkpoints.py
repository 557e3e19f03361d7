"""The checkpoints of unfinished runs, so that the same command goes on from there."""

from __future__ import annotations

import shutil
from pathlib import Path

from stbench.files import whole_file

CHECKPOINT = "checkpoint"  # the file in the folder of a run that a method may write, see Context
DONE = ("ok", "unsupported", "invalid")  # the same run would end in the same way


class Checkpoints:
    """The checkpoint of each unfinished run in ``folder``, a file called by its key.

    A method has no path into the results: its checkpoint is copied from and to the folder of its run.
    """

    def __init__(self, folder: Path):
        self.folder = folder

    def file(self, key: str) -> Path:
        """The checkpoint that an earlier try of the run ``key`` has left; it may not exist."""
        return self.folder / key

    def keep(self, key: str, run: Path) -> None:
        """Keep the checkpoint in the folder of a run where it is newer than the one that is kept."""
        own, kept = run / CHECKPOINT, self.file(key)
        if own.is_symlink() or not own.is_file():
            return
        if kept.is_file() and kept.stat().st_mtime_ns >= own.stat().st_mtime_ns:
            return
        self.folder.mkdir(exist_ok=True)
        with whole_file(kept) as part:
            shutil.copy2(own, part)

    def keep_content(self, key: str, content: bytes) -> None:
        """Keep the ``content`` of the checkpoint of a run elsewhere."""
        self.folder.mkdir(exist_ok=True)
        with whole_file(self.file(key)) as part:
            part.write_bytes(content)

    def settle(self, key: str, run: Path, status: str) -> None:
        """Keep the checkpoint of a run that ended before it was done, remove that of any other."""
        if status in DONE:
            self.file(key).unlink(missing_ok=True)
        else:
            self.keep(key, run)
