"""The state of a training in one file, so that an interrupted run can continue."""

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
SAVE_SECONDS = 60.0  # an interruption costs at most this, and the updates since the last check


class Checkpoint:
    """The latest state, saved in ``file``; without a file nothing is saved.

    A state is a tree of dicts with tensors, numbers and texts. Nothing else is read: a file cannot hold code.
    """

    def __init__(self, file: Path | None):
        self.file = file
        self.saved_at = time.monotonic()

    def load(self) -> dict[str, Any] | None:
        """The saved state, on the CPU; None where no state can be read."""
        if self.file is None or not self.file.is_file():
            return None
        try:
            if not zipfile.is_zipfile(self.file):  # on other bytes torch.load fails in many ways
                raise UnpicklingError("not written by this class")
            return dict(torch.load(self.file, map_location="cpu", weights_only=True))
        except (RuntimeError, UnpicklingError) as error:
            LOG.warning("The checkpoint cannot be read (%s): the training starts anew.", error)
            return None

    def due(self) -> bool:
        """Whether it is time to save again."""
        return self.file is not None and time.monotonic() - self.saved_at >= SAVE_SECONDS

    def save(self, state: dict[str, Any]) -> None:
        """Replace the file in one step, so that it is complete at every moment."""
        if self.file is None:
            return
        part = self.file.with_suffix(".part")
        torch.save(state, part)
        os.replace(part, self.file)
        self.saved_at = time.monotonic()
