"""The state of a training in one file, so that an interrupted run goes on where it was."""

from __future__ import annotations

import logging
import os
import time
import zipfile
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch

LOG = logging.getLogger("stbench.method")
SAVE_SECONDS = 60.0  # lost at most, apart from the updates between two checks


class Checkpoint:
    """The latest state saved in ``file``; without a file nothing is kept.

    States are trees of dicts of tensors, numbers and texts; nothing else is read, so a file can hold no code.
    """

    def __init__(self, file: Path | None):
        self.file = file
        self.saved_at = time.monotonic()

    def load(self) -> dict[str, Any] | None:
        """The saved state, on the CPU; None where there is none that can be read."""
        if self.file is None or not self.file.is_file():
            return None
        try:
            if not zipfile.is_zipfile(self.file):  # on other bytes torch.load fails in many ways
                raise UnpicklingError("not written by this class")
            state: dict[str, Any] = torch.load(self.file, map_location="cpu", weights_only=True)
            return state
        except (RuntimeError, UnpicklingError) as error:
            LOG.warning("The checkpoint cannot be read (%s): the training starts anew.", error)
            return None

    def due(self) -> bool:
        """Whether it is time to save again."""
        return self.file is not None and time.monotonic() - self.saved_at >= SAVE_SECONDS

    def save(self, state: dict[str, Any]) -> None:
        """Replace the file; it is whole at every moment."""
        if self.file is None:
            return
        part = self.file.with_suffix(".part")
        torch.save(state, part)
        os.replace(part, self.file)
        self.saved_at = time.monotonic()
