import numpy as np
import pytest

from stbench.data.tables import raw_tables
from stbench.errors import StbenchError


def test_raw_tables_are_what_a_loader_gives_and_copies(make_pair):
    sc, sp = make_pair()
    counts = sc.X.copy(), sp.X.copy()
    for table in (sc, sp):
        table.layers["counts"] = table.X.copy()
        table.X = table.X.log1p()
    sc.obs["class"] = sc.obs.pop("cell_type")
    sp.obsm["places"] = sp.obsm.pop("spatial")
    reference, spatial = raw_tables(sp, sc, layer="counts", spatial_key="places", cell_type_key="class")
    for made, expected in zip((reference, spatial), counts, strict=True):
        np.testing.assert_array_equal(made.X.toarray(), expected.toarray())
        made.X.data[:] = -1
    np.testing.assert_array_equal(sc.layers["counts"].toarray(), counts[0].toarray())
    assert list(reference.obs["cell_type"]) == list(sc.obs["class"])
    np.testing.assert_array_equal(spatial.obsm["spatial"], sp.obsm["places"])
    assert (list(reference.var_names), list(spatial.obs_names)) == (list(sc.var_names), list(sp.obs_names))


def test_raw_tables_without_coordinates_and_labels_and_from_raw(make_pair):
    sc, sp = make_pair()
    del sc.obs["cell_type"], sp.obsm["spatial"]
    reference, spatial = raw_tables(sp, sc)
    assert list(reference.obs.columns) == []
    assert "spatial" not in spatial.obsm
    sc.raw, sp.raw = sc.copy(), sp.copy()
    sp.X = sp.X * 0.5
    np.testing.assert_array_equal(raw_tables(sp, sc, layer="raw")[1].X.toarray(), sp.raw.X.toarray())


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"layer": "both"}, r"adata_sp: Unknown layer 'both'\. Known: counts"),
        ({"layer": "counts"}, r"adata_sc: Unknown layer 'counts'\. Known: both"),
        ({"layer": "raw"}, "adata_sc: Unknown layer 'raw'"),
        ({"spatial_key": "spatail"}, "key of adata_sp.obsm 'spatail'. Did you mean 'spatial'"),
        ({"cell_type_key": "cell_typ"}, "obs 'cell_typ'. Did you mean 'cell_type'"),
    ],
)
def test_raw_tables_list_what_exists(make_pair, keys, message):
    sc, sp = make_pair()
    sc.layers["both"], sp.layers["counts"] = sc.X, sp.X
    with pytest.raises(StbenchError, match=message):
        raw_tables(sp, sc, **keys)
