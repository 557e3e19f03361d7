"""Formats and platforms: whatever a valid pair is written as, the prepared pair is the same."""

import gzip
import json
import shutil

import anndata
import h5py
import numpy as np
import pandas as pd
import pytest
from formats import write_10x, write_mex
from scipy import sparse

from stbench.data.columns import generated, plain
from stbench.data.convert import Sources, convert
from stbench.data.decisions import Decisions
from stbench.data.features import only_genes
from stbench.data.genenames import gene_names, matched
from stbench.data.places import read_coordinates
from stbench.data.prepare import prepare
from stbench.data.read import read_table
from stbench.data.sources import catalogue, dataset_called
from stbench.data.textmatrix import read_text_matrix
from stbench.dataset import Card
from stbench.errors import StbenchError

pytestmark = pytest.mark.filterwarnings("ignore")


def hash_of(folder, *, coordinates=True):
    reference, spatial = dataset_called(str(folder), catalogue([])).load()
    if not coordinates:
        spatial.obsm.clear()
    reference.obs = reference.obs[[]]
    return prepare(reference, spatial, Card("x")).hash


def write_text(table, path, rng):
    """The table as text, with harmless oddities that the generator draws."""
    frame = table.to_df().astype(int)
    ending = path.suffix
    separators = {".csv": [",", ";"], ".tsv": ["\t"], ".txt": ["\t", " ", ","]}
    separator = rng.choice(separators[ending])
    encoding = rng.choice(["utf-8", "utf-8-sig", "utf-16"])
    if rng.random() < 0.5:
        frame = frame.T
    elif rng.random() < 0.5:
        frame["total_counts"], frame["fov"] = 9, 1  # columns about the spots
    corner = rng.choice(["", "cell_id"]) if frame.shape[0] == table.n_obs else rng.choice(["", "gene"])
    text = frame.to_csv(sep=separator, index_label=corner)
    if rng.random() < 0.5:
        text = text.replace("\n", "\r\n")
    content = text.encode(encoding)
    if rng.random() < 0.5:
        path, content = path.with_name(path.name + ".gz"), gzip.compress(content)
    path.write_bytes(content)
    return path


def write(table, folder, kind, rng):
    """The path of ``table`` in the format ``kind``, in a harmless variation."""
    table = table.copy()
    path = folder / f"t.{kind}"
    values = table.X
    if kind == "h5ad":
        dtype = rng.choice(["int64", "float32", "float64", "uint16"])
        made = [values.astype(dtype), sparse.csc_matrix(values.astype(dtype)), values.toarray().astype(dtype)]
        table.X = made[rng.integers(3)]
        if rng.random() < 0.5:
            table.layers["scaled"] = table.X * 0.5
        table.write_h5ad(path, compression=rng.choice(["gzip", None]))
        if rng.random() < 0.3:
            packed = path.with_name("t.h5ad.gz")
            packed.write_bytes(gzip.compress(path.read_bytes()))
            path.unlink()
            return packed
        return path.rename(folder / "t.h5") if rng.random() < 0.3 else path
    if kind == "layer":
        table.layers["raw_counts"], table.X = values, None
        table.write_h5ad(folder / "layer.h5ad")
        return folder / "layer.h5ad"
    if kind == "10x":
        write_10x(table, folder / "t10.h5")
        return folder / "t10.h5"
    if kind == "mex":
        ways = {"start": rng.choice(["", "GSM1_"]), "packed": bool(rng.random() < 0.5)}
        ways |= {"genes": rng.choice(["features.tsv", "genes.tsv"]), "columns": int(rng.integers(1, 4))}
        return write_mex(table, folder / "mex", **ways)
    if kind == "loom":
        bare = anndata.AnnData(values, obs=table.obs[[]].copy(), var=table.var[[]].copy())
        if rng.random() < 0.5:
            bare.obs.index.name, bare.var.index.name = "CellID", "Gene"
        bare.write_loom(path)
        return path
    if kind == "zarr":
        table.write_zarr(path)
        return path
    if kind == "parquet":
        table.to_df().to_parquet(path)
        return path
    return write_text(table, path, rng)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(
    "kind", ["h5ad", "layer", "10x", "mex", "loom", "zarr", "parquet", "csv", "tsv", "txt"]
)
def test_a_valid_pair_gives_the_same_prepared_pair_however_it_is_written(make_pair, tmp_path, kind, seed):
    reference, spatial = make_pair()
    del reference.obs["cell_type"]
    reference.write_h5ad(tmp_path / "sc.h5ad")
    spatial.write_h5ad(tmp_path / "st.h5ad")
    spatial.obsm.to_df().set_axis(["x", "y"], axis=1).to_csv(tmp_path / "places.csv")
    places = tmp_path / "places.csv"
    convert(Sources(tmp_path / "sc.h5ad", tmp_path / "st.h5ad", places), tmp_path / "plain")
    rng = np.random.default_rng([seed, len(kind), ord(kind[0])])
    shuffled = spatial[:, rng.permutation(spatial.n_vars)].copy()  # another order of columns
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    sources = write(reference, tmp_path / "a", kind, rng), write(shuffled, tmp_path / "b", kind, rng)
    frame = pd.read_csv(places, index_col=0).sample(frac=1, random_state=seed).rename_axis("barcode")
    frame.to_csv(tmp_path / "rows.csv", sep=rng.choice([",", ";"]))
    convert(Sources(*sources, tmp_path / "rows.csv"), tmp_path / "odd")
    assert hash_of(tmp_path / "odd") == hash_of(tmp_path / "plain")


@pytest.fixture
def tissue(make_pair):
    """A reference and a spatial table without coordinates, and the coordinates."""
    reference, spatial = make_pair()
    return reference, spatial, spatial.obsm.pop("spatial")


def with_controls(table):
    """The table with ten control features, as platforms write them; the kinds of all features."""
    names = [f"NegControlProbe_{i:05d}" for i in range(10)]
    values = sparse.hstack([table.X, sparse.csr_matrix(np.ones((table.n_obs, 10), np.float32))]).tocsr()
    made = anndata.AnnData(values, obs=table.obs.copy(), var=pd.DataFrame(index=[*table.var_names, *names]))
    return made, ["Gene Expression"] * table.n_vars + ["Negative Control Probe"] * 10


def xenium(folder, spatial, xy):
    write_10x(*(lambda made: (made[0], folder / "cell_feature_matrix.h5", made[1]))(with_controls(spatial)))
    frame = pd.DataFrame({"cell_id": spatial.obs_names, "x_centroid": xy[:, 0], "y_centroid": xy[:, 1]})
    frame.sample(frac=1, random_state=0).to_parquet(folder / "cells.parquet")


def cosmx(folder, spatial, xy):
    n = spatial.n_obs
    fov, cell = np.arange(n) % 2 + 1, np.arange(n) // 2 + 1
    frame = spatial.to_df().astype(int).assign(NegPrb1=3)
    frame.insert(0, "fov", fov)
    frame.insert(1, "cell_ID", cell)
    outside = pd.DataFrame([[1, 0, *[7] * (frame.shape[1] - 2)]], columns=frame.columns)
    pd.concat([outside, frame]).to_csv(folder / "S0_exprMat_file.csv", index=False)
    places = {
        "CenterX_local_px": 1,
        "CenterY_local_px": 1,
        "CenterX_global_px": xy[:, 0],
        "CenterY_global_px": xy[:, 1],
    }
    about = pd.DataFrame({"fov": fov, "cell_ID": cell, **places})
    about.sample(frac=1, random_state=0).to_csv(folder / "S0_metadata_file.csv", index=False)
    return [f"{a}_{b}" for a, b in zip(cell, fov, strict=True)]


def visium(folder, spatial, xy):
    write_10x(spatial, folder / "filtered_feature_bc_matrix.h5")
    (folder / "spatial").mkdir()
    columns = {"in_tissue": 1, "array_row": 0, "array_col": 0}
    frame = pd.DataFrame({"barcode": spatial.obs_names, **columns})
    frame["pxl_row_in_fullres"], frame["pxl_col_in_fullres"] = xy[:, 1], xy[:, 0]
    more = frame.iloc[:5].assign(barcode=[f"off{i}" for i in range(5)], in_tissue=0)
    pd.concat([more, frame]).to_csv(
        folder / "spatial" / "tissue_positions_list.csv", index=False, header=False
    )


def visium_hd(folder, spatial, xy):
    for size in ("002", "008"):
        binned = folder / "binned_outputs" / f"square_{size}um"
        binned.mkdir(parents=True)
        visium(binned, spatial, xy)
        positions = binned / "spatial" / "tissue_positions_list.csv"
        names = ["barcode", "in_tissue", "array_row", "array_col", "pxl_row_in_fullres", "pxl_col_in_fullres"]
        pd.read_csv(positions, names=names).to_parquet(binned / "spatial" / "tissue_positions.parquet")
        positions.unlink()


@pytest.mark.parametrize("platform", [xenium, cosmx, visium, visium_hd])
def test_output_folders_of_platforms(tissue, tmp_path, platform):
    reference, spatial, xy = tissue
    (tmp_path / "run").mkdir()
    names = platform(tmp_path / "run", spatial, xy) or list(spatial.obs_names)
    reference.write_h5ad(tmp_path / "sc.h5ad")
    convert(Sources(tmp_path / "sc.h5ad", tmp_path / "run"), tmp_path / "mine")
    made = anndata.read_h5ad(tmp_path / "mine" / "st.h5ad")
    assert list(made.obs_names) == names
    assert list(made.var_names) == list(spatial.var_names)
    np.testing.assert_array_equal(made.X.toarray(), spatial.X.toarray())
    np.testing.assert_allclose(made.obsm["spatial"], xy, rtol=1e-5)


def test_a_platform_folder_without_its_coordinates_is_one_line(tissue, tmp_path):
    _, spatial, xy = tissue
    xenium(tmp_path, spatial, xy)
    (tmp_path / "cells.parquet").unlink()
    with pytest.raises(StbenchError, match=r"of Xenium has 'cell_feature_matrix.h5' but no coordinates"):
        read_table(tmp_path)


def test_two_matrices_in_a_folder_are_one_line(tissue, tmp_path):
    _, spatial, _ = tissue
    write_mex(spatial, tmp_path / "geo", start="GSM1_")
    for file in list((tmp_path / "geo").iterdir()):
        shutil.copy(file, file.with_name(file.name.replace("GSM1", "GSM2")))
    with pytest.raises(StbenchError, match="more than one matrix: GSM1_matrix.mtx, GSM2_matrix.mtx"):
        read_table(tmp_path / "geo")
    assert read_table(tmp_path / "geo" / "GSM2_matrix.mtx").shape == spatial.shape


def test_loom_of_seurat(tissue, tmp_path):
    _, spatial, _ = tissue
    with h5py.File(tmp_path / "t.loom", "w") as file:
        file["matrix"] = spatial.X.T.toarray()
        file.create_group("layers")
        file.create_group("col_graphs")
        file.create_group("row_graphs")
        file["col_attrs/CellID"] = np.array(list(spatial.obs_names), dtype="S")
        file["row_attrs/Gene"] = np.array(list(spatial.var_names), dtype="S")
        file.attrs["LOOM_SPEC_VERSION"] = "2.0.1"
    made = read_table(tmp_path / "t.loom")
    assert list(made.obs_names) == list(spatial.obs_names)
    assert list(made.var_names) == list(spatial.var_names)


@pytest.mark.parametrize(
    ("text", "rows", "columns"),
    [
        ("a,b\n,1\n2,3\n4,5\n", ["row0", "row1", "row2"], ["a", "b"]),  # a missing value in the first line
        ("cell,a\n160638840000309990,1\n16063884000031,2\n", ["160638840000309990", "16063884000031"], ["a"]),
        ("cell_type,a\nx,1\ny,2\n", ["x", "y"], ["a"]),
        ("c,kind,a\nr,T,1\ns,B,2\n", ["r", "s"], ["a"]),  # text beside the numbers
        ("c;a;b\nr;0,5;1\ns;1;2,25\n", ["r", "s"], ["a", "b"]),  # decimal commas
        ("a,b\n1\t2\n3\t4\n", ["row0", "row1"], ["a", "b"]),  # header and lines with other separators
    ],
)  # fmt: skip
def test_names_and_separators_of_text(tmp_path, text, rows, columns):
    (tmp_path / "t.csv").write_text(text)
    table = read_text_matrix(tmp_path / "t.csv")
    assert (list(table.obs_names), list(table.var_names)) == (rows, columns)


def test_a_byte_order_mark_is_no_part_of_a_gene(tmp_path):
    (tmp_path / "t.csv").write_bytes("\ufeffa,b\n1,2\n3,4\n".encode())
    assert list(read_text_matrix(tmp_path / "t.csv").var_names) == ["a", "b"]


def test_row_is_a_gene_where_its_values_are_counts(tmp_path):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.poisson(1, (60, 3)), columns=["row", "y", "w"])  # genes of Drosophila
    frame.to_csv(tmp_path / "t.csv", index=False)
    table = read_text_matrix(tmp_path / "t.csv")
    assert list(table.var_names) == ["row", "y", "w"]
    assert list(only_genes(table, "table", Decisions(quiet=True)).var_names) == ["row", "y", "w"]


def test_identifiers_and_coordinates_among_the_columns(make_pair):
    _, spatial = make_pair()
    xy = spatial.obsm.pop("spatial")
    frame = spatial.to_df()
    frame["EntityID"], frame["x"], frame["y"], frame["volume"] = (
        np.arange(50) + 10**6,
        xy[:, 0],
        xy[:, 1],
        500.0,
    )
    known = Decisions(quiet=True)
    made = only_genes(anndata.AnnData(frame), "spatial table", known)
    assert list(made.var_names) == list(spatial.var_names)
    np.testing.assert_allclose(made.obs[["x", "y"]], xy, rtol=1e-6)
    assert "columns 'x', 'y', 'volume', 'EntityID' are no genes" in known.lines[0]


@pytest.mark.parametrize(
    "name",
    ["NegControlCodeword_0500", "BLANK_0006", "Blank-14", "SystemControl12", "antisense_PROKR2", "NegPrb3",
     "UnassignedCodeword_0001", "DeprecatedCodeword_0300", "Negative5", "CD3_TotalSeqB", "ADT_CD4"],
)  # fmt: skip
def test_names_of_controls(make_pair, name):
    _, spatial = make_pair()
    spatial.var_names = [name, *spatial.var_names[1:]]
    known = Decisions(quiet=True)
    removed = only_genes(spatial, "spatial table", known)
    assert list(removed.var_names) == list(spatial.var_names[1:])
    assert "1 features are no genes" in known.lines[0]


@pytest.mark.parametrize("name", ["NEGR1", "BLNK", "NEAT1", "SYS1", "ADTRP", "HTR1A", "BLANKA", "Antxr1"])
def test_genes_that_look_like_controls_stay(make_pair, name):
    _, spatial = make_pair()
    spatial.var_names = [name, *spatial.var_names[1:]]
    assert only_genes(spatial, "spatial table", Decisions(quiet=True)).n_vars == spatial.n_vars


def test_biotypes_are_genes_and_a_table_of_antibodies_is_no_reference(make_pair):
    reference, spatial = make_pair()
    reference.var["gene_type"] = ["protein_coding", "lncRNA"] * (reference.n_vars // 2)
    assert only_genes(reference, "reference", Decisions(quiet=True)).n_vars == reference.n_vars
    reference.var["feature_types"] = "Antibody Capture"
    del reference.var["gene_type"]
    with pytest.raises(StbenchError, match=r"reference has no genes.*30 Antibody Capture"):
        prepare(reference, spatial, Card("x"))


@pytest.mark.parametrize(
    ("of_reference", "of_spatial", "reason"),
    [
        ("Gene{i}", "GENE{i}", "upper and lower case"),
        ("ENSMUSG{i:011d}.3", "ENSMUSG{i:011d}", "the version at the end"),
        ("mm10___Gene{i}", "Gene{i}", "the genome before the name"),
        ("H2-K{i}", "H2.K{i}", "dots for other signs"),
        ("{i}Rik", "X{i}Rik", "dots for other signs"),
        ("Gene {i}", "Gene{i}", "spaces"),
        ("Marchf{i}", "March{i}", "a renamed gene"),
        ("GRCh38_HLA-D{i}", "hla.d{i}", "several of these"),
    ],
)
def test_reasons_why_names_differ_and_their_remedy(make_pair, of_reference, of_spatial, reason):
    reference, spatial = make_pair()
    reference.var_names = [of_reference.format(i=i) for i in range(reference.n_vars)]
    spatial.var_names = [of_spatial.format(i=i) for i in range(spatial.n_vars)]
    found = gene_names(reference, spatial)
    assert found.shared == 0
    assert f"24 differ by {reason}" in str(found)
    again = gene_names(*matched(reference, spatial, found))
    assert (again.shared, again.reasons) == (24, ())


def test_two_names_for_one_gene_are_not_matched(make_pair):
    reference, spatial = make_pair()
    reference.var_names = ["actb", "ACTB", *reference.var_names[2:]]
    spatial.var_names = ["Actb", *spatial.var_names[1:]]
    found = gene_names(reference, spatial)
    assert not found.renamed  # which of the two it is cannot be known


def test_genes_without_a_counterpart_are_counted(make_pair):
    reference, spatial = make_pair()
    spatial.var_names = ["one", "two", "three", *spatial.var_names[3:]]
    found = str(gene_names(reference, spatial))
    assert found == "21 of 24 measured genes are in the reference. 3 have no counterpart (one, two)"


def test_dates_are_named_and_not_matched(make_pair):
    reference, spatial = make_pair()
    spatial.var_names = ["1-Mar", *spatial.var_names[1:]]
    found = gene_names(reference, spatial)
    assert "1 is a date made by a spreadsheet (1-Mar)" in str(found)
    assert not found.explained


def test_labels_in_a_file(make_pair, tmp_path):
    reference, spatial = make_pair()
    types = reference.obs.pop("cell_type")
    reference.to_df().astype(int).to_csv(tmp_path / "cells.csv")
    spatial.write_h5ad(tmp_path / "st.h5ad")
    frame = pd.DataFrame({"barcode": reference.obs_names, "n": 1, "celltype": list(types)})
    frame.sample(frac=1, random_state=0).iloc[:-5].to_csv(tmp_path / "labels.csv", index=False)
    convert(
        Sources(tmp_path / "cells.csv", tmp_path / "st.h5ad", labels=tmp_path / "labels.csv"),
        tmp_path / "mine",
    )
    made = anndata.read_h5ad(tmp_path / "mine" / "sc.h5ad").obs["cell_type"]
    assert made.isna().sum() == 5
    known = made.notna()
    assert list(made[known]) == list(types[known.to_numpy()])
    assert "nan" not in made.cat.categories


def test_one_fraction_among_counts_is_named(make_pair):
    reference, spatial = make_pair()
    spatial.X.data = spatial.X.data.astype(np.float32)
    spatial.X.data[10] = 2.5
    notes = prepare(reference, spatial, Card("x")).report["notes"]
    values = spatial.X.tocsr()
    row = int(np.searchsorted(values.indptr, 10, side="right") - 1)
    gene, spot = spatial.var_names[values.indices[10]], spatial.obs_names[row]
    assert f"1 of {values.nnz} values are not whole numbers" in notes[0]
    assert f"2.5 of gene '{gene}' in '{spot}'" in notes[0]


@pytest.mark.parametrize(
    ("places", "message"),
    [
        (np.zeros((50, 1)), r"shape \(50, 1\)"),
        (np.ones((50, 2)), "All 50 spots have the same coordinates"),
        (np.array([["a", "b"]] * 50), "not all numbers"),
        (np.full((50, 2), np.nan), "50 of 50 spots have no coordinates"),
    ],
)
def test_coordinates_that_are_none(make_pair, places, message):
    reference, spatial = make_pair()
    spatial.obsm["spatial"] = places
    with pytest.raises(StbenchError, match=message):
        prepare(reference, spatial, Card("x"))


def test_rows_are_matched_by_order_only_without_names(tmp_path, make_pair):
    _, spatial = make_pair()
    pd.DataFrame({"x": range(50), "y": range(50)}).to_csv(tmp_path / "p.csv", index=False)
    known = Decisions(quiet=True)
    assert read_coordinates(tmp_path / "p.csv", spatial.obs_names, known).shape == (50, 2)
    assert "matched to spots by their order" in known.warnings[0]
    with pytest.raises(StbenchError, match="--strict allows none"):
        read_coordinates(tmp_path / "p.csv", spatial.obs_names, Decisions(strict=True))


@pytest.mark.parametrize("named", [True, False])
def test_cells_and_spots_with_the_same_names_do_not_turn_the_tables(make_pair, tmp_path, named):
    """More names of rows than genes are shared, and yet the genes are in the columns."""
    reference, spatial = make_pair(n_cells=60, n_spots=50)
    reference.obs_names, spatial.obs_names = (
        [f"cell{i}" if named else str(i) for i in range(table.n_obs)] for table in (reference, spatial)
    )
    reference.write_h5ad(tmp_path / "sc.h5ad")
    spatial.write_h5ad(tmp_path / "st.h5ad")
    convert(Sources(tmp_path / "sc.h5ad", tmp_path / "st.h5ad"), tmp_path / "mine")
    made = anndata.read_h5ad(tmp_path / "mine" / "st.h5ad")
    assert list(made.var_names) == list(spatial.var_names)
    for table, name in ((reference, "sc.csv"), (spatial, "st.csv")):
        table.to_df().astype(int).to_csv(tmp_path / name)
    sources = tmp_path / "sc.csv", tmp_path / "st.csv"
    convert(Sources(*sources), tmp_path / "of_text")
    assert hash_of(tmp_path / "of_text", coordinates=False) == hash_of(tmp_path / "mine", coordinates=False)
    if named:
        with pytest.raises(StbenchError, match="genes are taken to be in columns.*--strict"):
            convert(Sources(*sources, strict=True), tmp_path / "strict")


def test_generated_names_name_nothing():
    assert generated(pd.Index([f"row{i}" for i in range(5)]))
    assert generated(pd.Index(map(str, range(1, 6))))
    assert not generated(pd.Index([f"s{i}" for i in range(5)]))
    assert plain("pxl_row_in_fullres") == plain("PXL row.in-fullres")


def test_a_converted_pair_with_controls_equals_one_without(make_pair, tmp_path):
    reference, spatial = make_pair()
    spatial.write_h5ad(tmp_path / "st.h5ad")
    noisy = with_controls(spatial)[0]
    noisy.obsm["spatial"] = spatial.obsm["spatial"]
    noisy.write_h5ad(tmp_path / "noisy.h5ad")
    reference.write_h5ad(tmp_path / "sc.h5ad")
    for name in ("st", "noisy"):
        convert(Sources(tmp_path / "sc.h5ad", tmp_path / f"{name}.h5ad"), tmp_path / name)
    assert hash_of(tmp_path / "noisy") == hash_of(tmp_path / "st")
    assert json.dumps(prepare(reference, noisy, Card("x")).report["notes"]).count("no genes") == 1
