"""What unfinished runs leave of their training, so that the same command goes on from there."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

NAME = "checkpoint"  # the file in the folder of a run that a method may write, see stbench.methods.Context
DONE = ("ok", "unsupported", "invalid")  # the same run would end alike


class Checkpoints:
    """The checkpoint of each unfinished run in ``folder``, by its key.

    They are copied to and from the run's own folder: a method has no path into the results.
    """

    def __init__(self, folder: Path):
        self.folder = folder

    def hand_in(self, key: str, run: Path) -> None:
        """Put what an earlier try of the run ``key`` left into its new folder."""
        if (self.folder / key).is_file():
            shutil.copy2(self.folder / key, run / NAME)

    def keep(self, key: str, run: Path) -> None:
        """Keep the checkpoint in the folder of a run, where it is newer than the one that is kept."""
        own, kept = run / NAME, self.folder / key
        if own.is_symlink() or not own.is_file():
            return
        if kept.is_file() and kept.stat().st_mtime_ns >= own.stat().st_mtime_ns:
            return
        self.folder.mkdir(exist_ok=True)
        part = self.folder / f".{key}"
        shutil.copy2(own, part)
        os.replace(part, kept)

    def settle(self, key: str, run: Path, status: str) -> None:
        """Keep the checkpoint of a run that ended before it was done, drop that of any other."""
        if status in DONE:
            (self.folder / key).unlink(missing_ok=True)
        else:
            self.keep(key, run)
