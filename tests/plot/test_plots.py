"""The drawing functions: what they compute, and that what they draw is the data."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from stbench import plot


@pytest.fixture
def ax():
    return Figure().subplots()


def test_a_map_shows_z_scores_at_the_spots(ax):
    places = np.array([[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]])
    plot.spatial_map(places, np.array([1.0, 2.0, 3.0]), ax, title="g")
    dots = ax.collections[0]
    assert np.array_equal(dots.get_offsets(), places)
    assert dots.get_array().tolist() == pytest.approx([-(1.5**0.5), 0, 1.5**0.5])
    assert dots.get_clim() == (-2, 3)


def test_a_map_of_a_constant_is_even(ax):
    plot.spatial_map(np.zeros((2, 2)), np.array([7.0, 7.0]), ax)
    assert ax.collections[0].get_array().tolist() == [0, 0]


def test_gene_distances_are_one_less_pearson():
    values = pd.DataFrame({"a": [1.0, 2, 3, 4], "b": [2.0, 4, 6, 8], "c": [4.0, 3, 2, 1], "flat": [5.0] * 4})
    distance = plot.gene_distances(values)
    assert distance.loc["a", "b"] == pytest.approx(0)
    assert distance.loc["a", "c"] == pytest.approx(2)
    assert distance.loc["a", "flat"] == 1
    assert (np.diag(distance) == 0).all()


def test_the_clustering_order_parts_two_groups():
    rng = np.random.default_rng(0)
    one, two = rng.normal(size=(2, 50))
    values = pd.DataFrame(
        {
            f"{name}{i}": base + 0.1 * rng.normal(size=50)
            for i in range(4)
            for name, base in {"x": one, "y": two}.items()
        }
    )
    order = plot.clustering_order(plot.gene_distances(values))
    assert sorted(order) == sorted(values)
    assert len({name[0] for name in order[:4]}) == len({name[0] for name in order[4:]}) == 1


def test_a_heatmap_of_distances_keeps_the_order(ax):
    distance = pd.DataFrame([[0, 1.5], [1.5, 0]], index=["a", "b"], columns=["a", "b"])
    (image,) = plot.distance_heatmap(distance, ["b", "a"], ax).images
    assert image.get_array().tolist() == [[0, 1.5], [1.5, 0]]
    assert image.get_clim() == (0, 2)


def test_the_front_holds_what_nothing_beats():
    cost = np.array([1.0, 2, 2, 3, 4])
    score = np.array([0.5, 0.7, 0.6, 0.7, 0.9])
    assert plot.pareto_front(cost, score).tolist() == [True, True, False, False, True]


def test_equal_entries_are_both_on_the_front():
    assert plot.pareto_front(np.array([1.0, 1]), np.array([0.5, 0.5])).tolist() == [True, True]


def test_cost_plot_joins_the_front_and_names_all(ax):
    table = pd.DataFrame({"name": ["a", "b", "c"], "cost": [1.0, 2, 3], "score": [0.1, 0.3, 0.2]})
    plot.cost_plot(table, ax, xlabel="Seconds", ylabel="pcc")
    assert ax.lines[0].get_xdata().tolist() == [1, 2]
    assert [text.get_text() for text in ax.texts if text.get_text()] == ["a", "b", "c"]
    assert ax.get_xscale() == "log"


def test_no_name_of_the_cost_plot_covers_another():
    figure = Figure()
    canvas = FigureCanvasAgg(figure)
    names = [f"method {i}" for i in range(9)]
    table = pd.DataFrame(
        {"name": names, "cost": 2 + 0.01 * np.arange(9), "score": 0.3 + 0.001 * np.arange(9)}
    )
    ends = pd.DataFrame({"name": ["cheap", "costly"], "cost": [1, 10], "score": [0.1, 0.5]})
    ax = plot.cost_plot(pd.concat([table, ends]), figure.subplots(), xlabel="Seconds", ylabel="pcc")
    places = [text.get_window_extent(canvas.get_renderer()) for text in ax.texts if text.get_text()]
    assert len(places) == 11
    assert not any(one.overlaps(other) for one, other in combinations(places, 2))


def test_boxes_count_the_genes_that_have_a_score(ax):
    plot.box_plot({"a": [0.1, 0.2, np.nan], "b": [0.3, 0.4, 0.5]}, ax, xlabel="pcc")
    assert [label.get_text() for label in ax.get_yticklabels()] == ["a (n = 2)", "b (n = 3)"]
    assert ax.get_yticks().tolist() == [1, 0]  # the first on top
    medians = [line.get_xdata()[0] for line in ax.lines if line.get_linewidth() == 1.2]
    assert medians == pytest.approx([0.15, 0.4])


@pytest.mark.parametrize(
    ("best", "colours"), [("high", "cividis"), ("low", "cividis_r"), ("level", "cividis")]
)
def test_a_missing_cell_is_crossed(ax, best, colours):
    table = pd.DataFrame({"d1": [0.25, 0.5], "d2": [np.nan, 0.75]}, index=["a", "b"])
    (image,) = plot.score_heatmap(table, ax, best=best).images
    assert image.get_cmap().name == colours
    assert len(ax.lines) == 2  # one cross
    assert [text.get_text() for text in ax.texts] == ["0.25", "0.50", "0.75"]


def test_every_column_may_have_a_scale_of_its_own(ax):
    table = pd.DataFrame({"hard": [0.1, 0.2, np.nan], "easy": [0.9, 0.5, 0.7], "flat": [0.3, 0.3, 0.3]})
    (image,) = plot.score_heatmap(table, ax, by_column=True).images
    expected = [[0, 1, 0.5], [1, 0, 0.5], [np.nan, 0.5, 0.5]]
    np.testing.assert_allclose(image.get_array().filled(np.nan), expected)
    assert [text.get_text() for text in ax.texts][:3] == ["0.10", "0.90", "0.30"]


def test_a_trend_averages_groups_of_genes(ax):
    genes = [f"g{i}" for i in range(10)]
    table = pd.DataFrame({"name": "a", "gene": genes, "x": range(10), "value": [0.0] * 5 + [1.0] * 5})
    plot.score_trend(table, ax, xlabel="x", ylabel="pcc", bins=2)
    assert ax.lines[0].get_xydata().tolist() == [[2, 0], [7, 1]]
    assert len(ax.collections[0].get_offsets()) == 10


def test_the_ceiling_lies_over_its_dataset(ax):
    means = pd.DataFrame({"low": [0.1], "high": [0.2], "none": [0.3]}, index=["a"])
    bounds = pd.DataFrame({"ceiling": {"low": 0.5, "high": 0.9}, "oracle": {"low": 0.4}})
    plot.ceiling_plot(means, bounds, ax, ylabel="pcc")
    assert [label.get_text() for label in ax.get_xticklabels()] == ["high", "low", "none"]
    bars = [c.get_segments() for c in ax.collections if hasattr(c, "get_segments")]
    assert [[tuple(ends.mean(axis=0)) for ends in bar] for bar in bars] == [[(0, 0.9), (1, 0.5)], [(1, 0.4)]]


def test_the_diagram_joins_what_the_test_does_not_part(ax):
    ranks = pd.Series({"a": 1.0, "b": 1.5, "c": 3.0})
    p_values = pd.DataFrame(1.0, index=ranks.index, columns=ranks.index)
    p_values.loc["c", ["a", "b"]] = p_values.loc[["a", "b"], "c"] = 0.01
    plot.rank_diagram(ranks, p_values, ax, difference=1.2)
    assert ax.get_xticks().tolist() == [1, 2, 3]  # from 1 to N
    scale = next(line for line in ax.lines if line.get_marker() == "|")
    assert np.diff(scale.get_xdata()).item() == pytest.approx(1.2)
    assert "critical difference 1.20" in [text.get_text() for text in ax.texts]
    bars = [
        line.get_xdata() for line in ax.lines if line.get_linewidth() > 1.5 and len(line.get_xdata()) == 2
    ]
    assert [1.0, 1.5] in [sorted(map(float, bar)) for bar in bars]
    assert not any(3.0 in bar and (1.0 in bar or 1.5 in bar) for bar in bars)


def test_umap_puts_equal_predictions_on_the_truth():
    rng = np.random.default_rng(0)
    truth = pd.DataFrame(rng.normal(size=(60, 5)) + 6 * np.repeat([0, 1], 30)[:, None])
    table = plot.embed(truth, {"same": 2 * truth + 1}, max_spots=40)
    assert table["source"].value_counts().to_dict() == {"truth": 40, "same": 40}
    places = {name: part[["x", "y"]].to_numpy() for name, part in table.groupby("source")}
    apart = np.linalg.norm(places["truth"] - places["same"], axis=1).mean()
    assert apart < 0.2 * np.ptp(places["truth"], axis=0).max()
    again = plot.embed(truth, {"same": 2 * truth + 1}, max_spots=40)
    pd.testing.assert_frame_equal(table, again)


def test_ablations_are_the_sets_that_differ_in_one_parameter():
    runs = {
        "base": {"depth": 4, "decay": 0.8},
        "shallow": {"depth": 1, "decay": 0.8},
        "slow": {"depth": 4, "decay": 1.0},
        "both": {"depth": 1, "decay": 0.5},
    }
    found = [(one.parameter, one.values) for one in plot.ablations(runs)]
    assert found == [
        ("decay", {"base": 0.8, "slow": 1.0}),
        ("decay", {"shallow": 0.8, "both": 0.5}),
        ("depth", {"base": 4, "shallow": 1}),
    ]
    assert plot.ablations({"base": {"depth": 4}}) == []


def test_an_ablation_orders_numbers_and_averages_whole_datasets(ax):
    table = pd.DataFrame(
        [("d1", 10, 0.3), ("d1", 2, 0.1), ("d2", 2, 0.2), ("d2", 10, 0.4), ("d3", 2, 0.9)],
        columns=["dataset", "value", "score"],
    )
    plot.ablation_plot(table, ax, parameter="depth", ylabel="pcc")
    assert [label.get_text() for label in ax.get_xticklabels()] == ["2", "10"]
    lines = {line.get_label(): line.get_ydata() for line in ax.lines}
    assert lines["mean"] == pytest.approx([0.15, 0.35])  # d3 has no run at 10
    assert lines["d1"] == pytest.approx([0.1, 0.3])
