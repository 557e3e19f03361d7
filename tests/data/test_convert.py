import anndata
import command
import numpy as np
import pandas as pd
import pytest
from formats import write_10x, write_mex

from stbench.data.cache import load
from stbench.data.convert import Sources, convert
from stbench.data.limit import Limit
from stbench.data.places import read_coordinates
from stbench.data.read import read_table
from stbench.data.sources import catalogue, dataset_called
from stbench.errors import StbenchError


def write(table, folder, name):
    """The table in the format that ``name`` says; the path."""
    path = folder / name
    if name.endswith(".h5ad"):
        table.write_h5ad(path)
    elif name == "mex":
        write_mex(table, path, packed=True)
    elif name.endswith(".h5"):
        write_10x(table, path)
    elif name.endswith(".loom"):
        bare = anndata.AnnData(table.X.copy(), obs=table.obs[[]].copy(), var=table.var.copy())
        bare.obs.index.name, bare.var.index.name = "CellID", "Gene"
        bare.write_loom(path)
    elif name == "plain.zarr":
        table.write_zarr(path)
    elif name == "spatialdata.zarr":
        (path / "tables").mkdir(parents=True)
        table.write_zarr(path / "tables" / "table")
    elif "genes_in_rows" in name:
        table.to_df().astype(int).T.to_csv(path, sep="," if ".csv" in name else "\t")
    else:
        table.to_df().astype(int).to_csv(path, sep="," if ".csv" in name else "\t")
    return path


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "name",
    [
        "t.h5ad", "mex", "t.h5", "t.loom", "plain.zarr", "spatialdata.zarr", "t.csv", "t.csv.gz", "t.tsv",
        "genes_in_rows.csv", "genes_in_rows.txt", "genes_in_rows.txt.gz",
    ],
)  # fmt: skip
@pytest.mark.parametrize("which", ["reference", "spatial"])
def test_every_format_gives_the_same_pair(make_pair, tmp_path, name, which):
    tables = dict(zip(("reference", "spatial"), make_pair(), strict=True))
    paths = {
        side: write(table, tmp_path, name if side == which else f"{side}.h5ad")
        for side, table in tables.items()
    }
    tables["spatial"].obsm.to_df().set_axis(["x", "y"], axis=1).to_csv(tmp_path / "places.csv")
    convert(Sources(**paths, coordinates=tmp_path / "places.csv"), tmp_path / "mine")
    reference, spatial = dataset_called(str(tmp_path / "mine"), catalogue([])).load()
    for made, table in ((reference, tables["reference"]), (spatial, tables["spatial"])):
        assert list(made.var_names) == list(table.var_names)
        assert list(made.obs_names) == list(table.obs_names)
        np.testing.assert_array_equal(made.X.toarray(), table.X.toarray())
    np.testing.assert_allclose(spatial.obsm["spatial"], tables["spatial"].obsm["spatial"], rtol=1e-6)
    assert load(dataset_called(str(tmp_path / "mine"), catalogue([])), Limit()).spatial.n_obs == 50


def test_counts_beside_scaled_values_are_taken_and_logged(make_pair, tmp_path, caplog):
    reference, spatial = make_pair()
    counts = reference.X.copy(), spatial.X.copy()
    reference.layers["counts"] = counts[0]
    reference.X = reference.X.log1p()
    spatial.raw = spatial.copy()
    spatial.X = spatial.X * 0.1
    reference.obs["class"] = reference.obs.pop("cell_type")
    write(reference, tmp_path, "sc.h5ad")
    write(spatial, tmp_path, "st.h5ad")
    caplog.set_level("INFO", logger="stbench")
    paths = tmp_path / "sc.h5ad", tmp_path / "st.h5ad"
    convert(Sources(*paths, cell_type="class"), tmp_path / "mine")
    made = [anndata.read_h5ad(tmp_path / "mine" / name) for name in ("sc.h5ad", "st.h5ad")]
    for table, expected in zip(made, counts, strict=True):
        np.testing.assert_array_equal(table.X.toarray(), expected.toarray())
    assert any("counts in 'counts' are taken" in line for line in caplog.messages)
    assert any("counts in 'raw' are taken" in line for line in caplog.messages)
    assert list(made[0].obs["cell_type"]) == list(reference.obs["class"])
    with pytest.raises(StbenchError, match="Unknown layer 'count'. Did you mean 'counts'"):
        convert(Sources(*paths, reference_layer="count"), tmp_path / "other")
    with pytest.raises(StbenchError, match="Unknown column.*'clas'.*'class'"):
        convert(Sources(*paths, cell_type="clas"), tmp_path / "other")


@pytest.mark.filterwarnings("ignore")
def test_repeated_names_get_a_suffix_and_are_counted(make_pair, tmp_path, caplog):
    reference, spatial = make_pair()
    reference.var_names = ["Gene01", *reference.var_names[1:]]
    paths = write(reference, tmp_path, "sc.h5ad"), write(spatial, tmp_path, "st.h5ad")
    caplog.set_level("INFO", logger="stbench")
    convert(Sources(*paths), tmp_path / "mine")
    assert "reference: 1 repeated gene names got a suffix" in caplog.messages
    assert anndata.read_h5ad(tmp_path / "mine" / "sc.h5ad").var_names[1] == "Gene01-1"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("tissue_positions_list.csv", "b,1,0,0,2,1\na,1,0,0,4,3\nz,0,9,9,9,9\n"),
        (
            "tissue_positions.csv",
            "barcode,in_tissue,pxl_row_in_fullres,pxl_col_in_fullres\na,1,4,3\nb,1,2,1\n",
        ),
        ("cells.csv", "cell_id,x_centroid,y_centroid\nb,1,2\na,3,4\n"),
        ("cell_metadata.csv", ",center_x,center_y\na,3,4\nb,1,2\n"),
        ("Locations.txt", "X\tY\n3\t4\n1\t2\n"),
    ],
)
def test_coordinates_as_the_platforms_write_them(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    found = read_coordinates(tmp_path / name, pd.Index(["a", "b"]))
    np.testing.assert_array_equal(found, [[3, 4], [1, 2]])


def test_coordinates_in_parquet_and_in_obs(make_pair, tmp_path):
    reference, spatial = make_pair()
    places = spatial.obsm.pop("spatial")
    spatial.obs["X_centroid"], spatial.obs["Y_centroid"] = places.T
    paths = write(reference, tmp_path, "sc.h5ad"), write(spatial, tmp_path, "st.h5ad")
    convert(Sources(*paths), tmp_path / "mine")
    np.testing.assert_array_equal(anndata.read_h5ad(tmp_path / "mine" / "st.h5ad").obsm["spatial"], places)
    frame = pd.DataFrame({"cell": spatial.obs_names, "x": places[:, 0], "y": places[:, 1]})
    frame.sample(frac=1, random_state=0).to_parquet(tmp_path / "places.parquet")
    found = read_coordinates(tmp_path / "places.parquet", spatial.obs_names)
    np.testing.assert_array_equal(found, places)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b\n1,2\n", "no columns of coordinates"),
        ("x,y\n1,2\n", "1 rows for 2 spots"),
        ("x,y\n1,2\n3,4\n5,6\n", "3 rows for 2 spots"),
    ],
)
def test_coordinates_that_do_not_fit(tmp_path, text, message):
    (tmp_path / "p.csv").write_text(text)
    with pytest.raises(StbenchError, match=message):
        read_coordinates(tmp_path / "p.csv", pd.Index(["a", "b"]))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("t.rds", b"x", "R objects"),
        ("t.xyz", b"x", "Known: .h5ad, 10x .h5"),
        ("t.h5", b"no hdf", "cannot be read"),
        ("t.loom", b"no hdf", "cannot be read"),
        ("t.h5ad", b"no hdf", "cannot be read"),
    ],
)
def test_what_cannot_be_read(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(StbenchError, match=message):
        read_table(tmp_path / name)
    with pytest.raises(StbenchError, match="does not exist"):
        read_table(tmp_path / f"no-{name}")


def test_tables_without_a_common_gene_and_folders_that_exist(make_pair, tmp_path):
    reference, spatial = make_pair()
    spatial.var_names = [f"other{i}" for i in range(24)]
    paths = write(reference, tmp_path, "sc.csv"), write(spatial, tmp_path, "st.h5ad")
    with pytest.raises(StbenchError, match="'Gene00' and 'other0'"):
        convert(Sources(*paths), tmp_path / "mine")
    assert not (tmp_path / "mine").exists()
    with pytest.raises(StbenchError, match="exists"):
        convert(Sources(*paths), tmp_path)


def test_from_text_to_a_leaderboard_as_the_readme_says(make_pair, tmp_path):
    """The literal commands of "Use your own data"."""
    reference, spatial = make_pair(n_cells=300, n_spots=300, n_genes=60, extra=10)
    write(reference, tmp_path, "cells.h5ad")
    spatial.to_df().astype(int).to_csv(tmp_path / "spots.csv")
    spatial.obsm.to_df().set_axis(["x", "y"], axis=1).to_csv(tmp_path / "places.csv")

    def stbench(text):
        done = command.stbench(*text.split(), cwd=tmp_path)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    said = stbench(
        "data convert --reference cells.h5ad --spatial spots.csv --coordinates places.csv --out my_tissue"
    )
    assert "Next: stbench data check my_tissue" in said
    assert stbench("data check my_tissue").endswith("FIT\n")
    said = stbench("run --methods kernel,spage --datasets ./my_tissue --out results")
    assert "my_tissue" in said
    stbench("leaderboard results --out board --only csv,markdown")
    board = pd.read_csv(tmp_path / "board" / "leaderboard.csv")
    assert set(board["dataset"]) == {"my_tissue"}
    assert {"kernel", "spage"} <= set(board["method"])
