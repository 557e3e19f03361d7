from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from scipy import sparse

from stbench.data.limit import Limit
from stbench.data.prepare import prepare
from stbench.datasets import Card
from stbench.errors import StbenchError


def table(values, names, rows="c"):
    values = np.asarray(values, dtype=np.float32)
    return AnnData(
        sparse.csr_matrix(values),
        obs=pd.DataFrame(index=[f"{rows}{i}" for i in range(len(values))]),
        var=pd.DataFrame(index=list(names)),
    )


def test_eq4_runs_over_all_genes_of_each_table():
    reference = table([[1, 3, 0, 4], [2, 0, 2, 0]], "abcz")  # totals 8 and 4, median 6
    spatial = table([[5, 1, 4, 10], [1, 0, 2, 1], [0, 3, 0, 3]], "abcy")  # totals 20, 4, 6, median 6
    pair = prepare(reference, spatial, Card("x", min_genes=1))
    assert pair.genes == ["a", "b", "c"]
    expected = np.log1p(np.array([[5, 1, 4], [1, 0, 2], [0, 3, 0]]) * np.array([[6 / 20], [6 / 4], [1]]))
    np.testing.assert_allclose(pair.spatial.X.toarray(), expected, rtol=1e-6)
    expected = np.log1p(np.array([[1, 3, 0, 4], [2, 0, 2, 0]]) * np.array([[6 / 8], [6 / 4]]))
    np.testing.assert_allclose(pair.reference.X.toarray(), expected, rtol=1e-6)
    assert list(pair.spatial.obs["total"]) == [20, 4, 6]


def test_filters_and_constant_genes_are_counted():
    reference = table([[1, 1, 0, 1], [3, 0, 2, 1], [0, 0, 0, 0]], "abcd")
    spatial = table([[1, 2, 3, 0], [0, 0, 0, 0], [2, 0, 0, 0]], "abcd")
    pair = prepare(reference, spatial, Card("x", min_genes=2))
    assert (pair.report["cells"], pair.report["spots"]) == (2, 2)
    assert pair.report["genes_constant"] == 1  # d is never seen in space
    assert pair.genes == ["a", "b", "c"]


def test_500_gene_rule_holds_for_wide_references_only():
    rng = np.random.default_rng(0)
    genes = [f"g{i}" for i in range(5000)]
    wide = rng.poisson(0.5, (4, 5000))
    wide[0, 400:] = 0
    spatial = table(rng.poisson(2, (5, 30)), genes[:30])
    assert prepare(table(wide, genes), spatial, Card("x")).report["cells"] == 3
    narrow = prepare(table(wide[:, :4999], genes[:4999]), spatial, Card("x"))
    assert narrow.report["cells"] == 4
    assert narrow.report["inferred"]["min_genes"] == 1


def test_whole_transcriptome_keeps_a_quarter_of_the_variable_genes(make_pair):
    reference, spatial = make_pair(n_genes=60, extra=20)
    pair = prepare(reference, spatial, Card("x", panel="transcriptome"))
    assert pair.reference.var["highly_variable"].sum() == 20  # a quarter of 80
    assert len(pair.genes) == 5  # a quarter of 20
    variance = prepare(reference, spatial, Card("x", panel="targeted")).spatial.to_df().var(ddof=0)
    assert set(pair.genes) == set(variance.nlargest(5).index)


def test_intensities_are_log1p_and_have_no_counts(make_pair):
    reference, spatial = make_pair()
    spatial.X = spatial.X * 0.37
    pair = prepare(reference, spatial, Card("x"))
    assert pair.card.units == "intensity"
    assert "counts" not in pair.spatial.layers
    np.testing.assert_allclose(
        pair.spatial.X.toarray(), np.log1p(spatial[:, pair.genes].X.toarray()), rtol=1e-6
    )


def test_limit_is_seeded_and_takes_the_most_variable_genes(make_pair):
    reference, spatial = make_pair()
    limit = Limit.parse("cells=30,spots=20,genes=12")
    first, again = (prepare(*make_pair(), Card("x"), limit) for _ in range(2))
    assert first.reference.n_obs == 30
    assert first.spatial.shape == (20, 12)
    assert first.hash == again.hash
    assert list(first.spatial.obs_names) == list(again.spatial.obs_names)
    assert first.hash != prepare(reference, spatial, Card("x")).hash
    assert str(limit) == "cells=30,spots=20,genes=12"


@pytest.mark.parametrize("text", ["cells", "cells=0", "cells=-1", "cells=x", "rows=3", "cells=1,cells=2"])
def test_bad_limit(text):
    with pytest.raises(ValueError, match="takes cells=N"):
        Limit.parse(text)


def test_downsampling_is_a_seeded_rule_of_the_card(make_pair):
    whole = prepare(*make_pair(), Card("x"))
    first, again = (prepare(*make_pair(), Card("x", downsample=0.25)) for _ in range(2))
    assert first.hash == again.hash != whole.hash
    for side in ("reference", "spatial"):
        thin = getattr(first, side)
        full = getattr(whole, side)[thin.obs_names, thin.var_names]
        thin, full = thin.layers["counts"], full.layers["counts"]
        assert thin.sum() / full.sum() == pytest.approx(0.25, abs=0.02)
        assert (thin > full).nnz == 0
    assert whole.report["spatial_zeros_raw"] == first.report["spatial_zeros_raw"]


@pytest.mark.parametrize("share", [0, 1, -0.5])
def test_bad_downsampling(make_pair, share):
    with pytest.raises(StbenchError, match="between 0 and 1"):
        prepare(*make_pair(), Card("x", downsample=share))


def test_intensities_are_not_downsampled(make_pair):
    with pytest.raises(StbenchError, match="counts and intensity"):
        prepare(*make_pair(), Card("x", downsample=0.5, units="intensity"))


def test_figures_that_differ_from_the_card_are_reported(make_pair):
    card = Card("x", expected={"cells_raw": 60, "spots_raw": 51, "spatial_zeros_raw": 0.9, "genes": 24})
    report = prepare(*make_pair(), card).report
    assert report["unexpected"][0] == "spots_raw is 50, the card expects 51"
    assert report["unexpected"][1].startswith("spatial_zeros_raw is 0.")
    assert len(report["unexpected"]) == 2
    assert prepare(*make_pair(), card, Limit(cells=30)).report["unexpected"] == []
    with pytest.raises(StbenchError, match="Did you mean 'cells_raw'"):
        prepare(*make_pair(), Card("x", expected={"cell_raw": 60}))


def test_hash_does_not_depend_on_gene_order_in_space(make_pair):
    reference, spatial = make_pair()
    shuffled = spatial[:, ::-1].copy()
    assert prepare(reference, spatial, Card("x")).hash == prepare(make_pair()[0], shuffled, Card("x")).hash


def test_all_measured_genes_are_named_and_do_not_change_the_hash(make_pair):
    reference, spatial = make_pair()
    names = list(spatial.var_names)
    limited = prepare(reference, spatial, Card("x"), Limit(genes=12))
    assert limited.measured == tuple(names)
    assert len(limited.genes) == 12
    assert replace(limited, measured=()).hash == limited.hash


def test_genes_differing_in_case_are_reported_not_matched(make_pair):
    reference, spatial = make_pair()
    spatial.var_names = ["GENE00", *spatial.var_names[1:]]
    pair = prepare(reference, spatial, Card("x"))
    assert (
        "23 of 24 measured genes are in the reference. 1 differs by upper and lower case"
        in pair.report["notes"][0]
    )
    assert {"Gene00", "GENE00"}.isdisjoint(pair.genes)
    matched = prepare(make_pair()[0], spatial, Card("x", match_genes=True))
    assert matched.genes == prepare(*make_pair(), Card("x")).genes


def _no_shared(reference, spatial):
    spatial.var_names = [f"other{i}" for i in range(spatial.n_vars)]


def _other_case(reference, spatial):
    spatial.var_names = spatial.var_names.str.upper()


def _repeated(reference, spatial):
    spatial.var_names = ["Gene01", *spatial.var_names[1:]]


def _negative(reference, spatial):
    spatial.X.data[3] = -1


def _nan(reference, spatial):
    reference.X.data[0] = np.nan


def _no_counts(reference, spatial):
    reference.X = sparse.csr_matrix(reference.shape, dtype=np.float32)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (_no_shared, "share no gene names"),
        (_other_case, r"24 differ by upper and lower case \(GENE00/Gene00.*--match-genes"),
        (_repeated, "'Gene01' more than once"),
        (_negative, "negative"),
        (_nan, "NaN"),
        (_no_counts, "No cell"),
    ],
)
def test_bad_pairs(make_pair, spoil, message):
    reference, spatial = make_pair()
    spoil(reference, spatial)
    with pytest.raises(StbenchError, match=message):
        prepare(reference, spatial, Card("planted"))


def test_empty_reference(make_pair):
    reference, spatial = make_pair()
    with pytest.raises(StbenchError, match=r"reference of 'planted' is empty \(0 x 30\)"):
        prepare(reference[:0].copy(), spatial, Card("planted"))


@pytest.mark.real
def test_real_pairs_have_the_sizes_of_their_readme(real_data):
    from stbench.data.sources import catalogue

    known = catalogue([real_data])
    sizes = {
        "drosophila_embryo_bdtnp": (1297, 3039, 84),
        "osmfish_ssp": (5613, 3405, 33),
        "merfish_hypothalamus": (1308, 750, 134),
        "visium_hippocampus": (510, 313, 124),
        "slideseq_cerebellum_mini": (475, 100, 378),
    }
    for name, (cells, spots, shared) in sizes.items():
        reference, spatial = known[name].load()
        report = prepare(reference, spatial, known[name].card).report
        assert (report["cells_raw"], report["spots_raw"], report["genes_shared"]) == (cells, spots, shared)
        assert report["inferred"] == {}
