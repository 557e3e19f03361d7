"""Figures for notebooks: every function takes data and the axes to draw on, and returns the axes.

No function reads files or opens a window. A method has the same colour and marker in all of them.

::

    import matplotlib.pyplot as plt
    from stbench import plot

    ax = plot.spatial_map(coordinates, values, plt.gca(), title="Slc17a6")
"""

from stbench.plot.ablation import ablation_plot, ablations
from stbench.plot.cost import cost_plot, pareto_front
from stbench.plot.distances import clustering_order, distance_heatmap, gene_distances
from stbench.plot.embedding import embed, embedding_plot
from stbench.plot.maps import spatial_map
from stbench.plot.ranks import rank_diagram
from stbench.plot.scores import box_plot, ceiling_plot, score_heatmap, score_trend
from stbench.plot.style import RC, Style, styles

__all__ = [
    "RC",
    "Style",
    "ablation_plot",
    "ablations",
    "box_plot",
    "ceiling_plot",
    "clustering_order",
    "cost_plot",
    "distance_heatmap",
    "embed",
    "embedding_plot",
    "gene_distances",
    "pareto_front",
    "rank_diagram",
    "score_heatmap",
    "score_trend",
    "spatial_map",
    "styles",
]
