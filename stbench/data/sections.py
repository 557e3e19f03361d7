"""Several sections in one table: found by a column or by coinciding places, and shifted apart.

Apart, no spot has a neighbour in another section: Moran's I and smoothing do not cross them.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.spatial import KDTree

from stbench.data.columns import plain
from stbench.data.decisions import Decisions
from stbench.errors import StbenchError, unknown_name

ONE = "one"  # instead of a column: all spots are one section
COLUMNS = (
    *(
        "section",
        "sectionid",
        "libraryid",
        "library",
        "slice",
        "sliceid",
        "slide",
        "slideid",
        "puck",
        "puckid",
    ),
    *("capturearea", "tissuesection", "brainsectionlabel", "sample", "sampleid", "origident", "batch"),
)
MANY_ON_ONE_PLACE = 0.5  # share of the spots
FAR = 10  # times the median distance of neighbours: sections so far from each other are apart
MIN_SPOTS = 2


def apart(
    places: np.ndarray, obs: pd.DataFrame, sections: str | None, decisions: Decisions
) -> tuple[np.ndarray, str | None]:
    """Coordinates (n_spots, 2 or 3) with the sections apart, and the column of the sections, if there is one.

    Sections that are not apart are shifted along x.

    ``sections`` is the column of ``obs`` with the section of every spot, ``one`` to treat all spots as one
    section, or None to look for a column. The first section stays where it is.

    Raises `StbenchError` for a column that does not exist, and where half of the spots lie on another one
    and nothing says which section they are in.
    """
    if sections == ONE:
        return places, None
    if sections is not None and sections not in obs:
        raise unknown_name("column of obs with sections", sections, [*map(str, obs.columns), ONE])
    column = sections or _column(obs)
    if column is None:
        on_another = _on_another(places)
        if on_another >= MANY_ON_ONE_PLACE:
            number = round(on_another * len(places))
            raise StbenchError(
                f"{number} of {len(places)} spots lie exactly on another spot, as several sections on one "
                "place do. Give --sections: the column of obs with the section of each spot, or 'one'."
            )
        return places, None
    labels = obs[column].astype(str).to_numpy()
    names = list(dict.fromkeys(labels))
    if len(names) < 2 or _are_apart(places, labels, names):
        return places, column
    moved = places.astype(np.float64)
    extent = max(float(np.ptp(places[labels == name, :2], axis=0).max()) for name in names) or 1.0
    right = moved[labels == names[0], 0].max()
    for name in names[1:]:
        own = labels == name
        moved[own, 0] += right + extent - moved[own, 0].min()
        right = moved[own, 0].max()
    line = f"spatial table: {len(names)} sections (obs column '{column}') are shifted apart along x"
    if sections is None:
        decisions.guess(line, f"--sections {column}, or --sections {ONE} to treat them as one")
    else:
        decisions.say(line)
    return moved.astype(places.dtype), column


def _column(obs: pd.DataFrame) -> str | None:
    """The first column that names sections: a known name, and several spots of each."""
    by_name = {plain(column): str(column) for column in obs.columns}
    for name in COLUMNS:
        if name in by_name:
            counts = obs[by_name[name]].value_counts()
            counts = counts[counts > 0]
            if len(counts) > 1 and counts.min() >= MIN_SPOTS:
                return by_name[name]
    return None


def _are_apart(places: np.ndarray, labels: np.ndarray, names: list[str]) -> bool:
    """Whether spots of different sections are far from each other."""
    trees = [KDTree(places[labels == name]) for name in names]
    near = np.median(np.concatenate([_nearest(tree) for tree in trees]))
    for i, tree in enumerate(trees):
        for other in trees[i + 1 :]:
            if tree.query(other.data)[0].min() < FAR * near:
                return False
    return True


def _nearest(tree: KDTree) -> np.ndarray:
    """The distance of every spot to its nearest neighbour; zero for a spot alone."""
    if tree.n < 2:
        return np.zeros(tree.n)
    return np.asarray(tree.query(tree.data, k=2)[0][:, 1])


def _on_another(places: np.ndarray) -> float:
    """The share of the spots that lie exactly on another spot."""
    return float(pd.DataFrame(places).duplicated(keep=False).mean())
