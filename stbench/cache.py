"""Where stbench keeps what it downloads and prepares: ``$STBENCH_CACHE``, or the user's cache folder.

::

    downloads/<record>/   the files of a public record, as they came
    datasets/<name>/      one dataset, taken out of them, with ``lock.json``
    prepared/<key>/       prepared pairs
"""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs


def cache_folder(part: str) -> Path:
    """The folder of ``downloads``, ``datasets`` or ``prepared``; it may not exist yet."""
    chosen = os.environ.get("STBENCH_CACHE")
    return (Path(chosen) if chosen else platformdirs.user_cache_path("stbench", appauthor=False)) / part
