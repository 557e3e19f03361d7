"""Pairs made of the raw files of public repositories, from a server in place of the public host."""

import hashlib
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import unquote

import command
import numpy as np
import pandas as pd
import pytest

from stbench.data import download as downloads
from stbench.data.checksums import source
from stbench.data.fetch import fetch
from stbench.data.sources import catalogue, dataset_in, known_cards
from stbench.datasets import Card
from stbench.errors import StbenchError
from stbench.files import read_h5ad

README = Path(__file__).parents[2] / "README.md"
COMMIT = "0123456789abcdef0123456789abcdef01234567"
TABLES = {  # base names repeat, as in the repository that has this layout
    "cells/counts.csv": ',a,b\nGene1,1,2\nNA,0,3\n"Gene3",4,0\n',
    "cells/cell_types.csv": ",x\nb,neuron\na,glia\n",
    "cells/nUMI.csv": ",x\nb,20\na,10\n",
    "spots/counts.csv": ",s1,s2,s3\nNA,1,0,2\nGene1,0,0,5\n",
    "spots/nUMI.csv": ",x\ns1,7\ns2,8\ns3,9\n",
    "spots/a folder/coords.csv": ",x,y\ns3,5,6\ns2,3,4\ns1,1,2\n",
}


def card_of(files):
    entries = {}
    for path, content in files.items():
        side = "reference" if path.startswith("cells") else "spatial"
        digest = hashlib.sha256(content).hexdigest()
        entries[f"{side}_{Path(path).name}"] = {
            "repository": "someone/something",
            "commit": COMMIT,
            "path": path,
            "bytes": len(content),
            "sha256": digest,
        }
    return Card("tiny", recipe="spacexr", files=entries)


def address(path):
    return f"someone/something/{COMMIT}/{path}"


@pytest.fixture
def card(record, monkeypatch):
    """The card of a tiny pair, whose raw files the server has."""
    monkeypatch.setattr(downloads, "PAUSE_S", 0)
    files = {path: text.encode() for path, text in TABLES.items()}
    record.files |= {address(path): content for path, content in files.items()}
    return card_of(files)


def test_the_pair_has_the_values_of_the_raw_files(card, record, cache):
    folder, new = fetch(card, [], record.url)
    reference, spatial = dataset_in(folder, card).load()
    assert (new, folder) == (True, cache / "datasets" / "tiny")
    assert source(folder) == "6 files of someone/something at 0123456789ab"
    np.testing.assert_array_equal(reference.X.toarray(), [[1, 0, 4], [2, 3, 0]])
    np.testing.assert_array_equal(spatial.X.toarray(), [[1, 0], [0, 0], [2, 5]])
    np.testing.assert_array_equal(spatial.obsm["spatial"], [[1, 2], [3, 4], [5, 6]])
    assert list(reference.var_names) == ["Gene1", "NA", "Gene3"]
    assert list(reference.obs["cell_type"]) == ["glia", "neuron"]
    assert list(reference.obs["n_umi_total"]) == [10, 20]
    assert ("/" + address("spots/a%20folder/coords.csv"), None) in record.asked


def test_a_second_run_asks_nothing_with_or_without_the_pair(card, record, cache):
    with pytest.raises(StbenchError, match="is not downloaded. Fetch it once without --offline"):
        fetch(card, [], record.url, offline=True)
    folder, _ = fetch(card, [], record.url)
    record.asked.clear()
    assert fetch(card, [], record.url) == (folder, False)
    (folder / "st.h5ad").write_bytes(b"x")
    assert fetch(card, [], record.url, offline=True) == (folder, True)
    assert record.asked == []


def test_a_redirect_and_a_slow_server(card, record, cache):
    record.redirect, record.chunk_seconds = True, 0.01
    assert fetch(card, [], record.url)[1]


def test_the_proxy_of_the_environment_is_used(card, record, cache, monkeypatch):
    monkeypatch.delenv("NO_PROXY")
    monkeypatch.setenv("http_proxy", record.url)
    with pytest.raises(StbenchError, match="http://raw.invalid/.*answers 404"):
        fetch(card, [], "http://raw.invalid")
    assert record.asked == [(f"http://raw.invalid/{address('cells/counts.csv')}", None)]


def test_a_transfer_that_breaks_off_resumes(card, record, cache, monkeypatch):
    monkeypatch.setattr(downloads, "CHUNK_BYTES", 2)
    record.break_after = [4]
    assert fetch(card, [], record.url)[1]
    assert record.downloads[1] == ("/" + address("cells/counts.csv"), "bytes=4-")


def test_a_file_that_changed_or_is_gone_is_one_line_with_address_and_hash(card, record, cache):
    path, digest = address("spots/counts.csv"), card.files["spatial_counts.csv"]["sha256"]
    content = bytearray(record.files[path])
    content[-2] ^= 1
    record.files[path] = bytes(content)
    for expected in (digest, "answers 404: the file is gone"):
        with pytest.raises(StbenchError, match=expected) as caught:
            fetch(card, [], record.url)
        message = str(caught.value)
        assert f"{record.url}/{path}" in message
        assert digest in message
        assert "\n" not in message
        assert not (cache / "datasets" / "tiny").exists()
        record.files.pop(path, None)


def test_a_card_with_other_files_makes_the_pair_anew(card, record, cache):
    fetch(card, [], record.url)
    changed = record.files[address("spots/counts.csv")].replace(b",5", b",6")
    record.files[address("spots/counts.csv")] = changed
    files = {path: record.files[address(path)] for path in TABLES}
    folder, new = fetch(card_of(files), [], record.url)
    assert new
    assert read_h5ad(folder / "st.h5ad").X.toarray()[2, 1] == 6


@pytest.fixture(scope="module")
def public_host(real_data):
    """A server that has the raw files of the real pairs, at the addresses of the public host."""
    raw = real_data.parent / "sources" / "raw"
    if not raw.is_dir():
        pytest.skip("the raw files of the real pairs are not here")

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, *arguments):
            pass

        def translate_path(self, path):
            owner, repository, _, *rest = unquote(path).strip("/").split("/")
            return str(raw / f"{owner}+{repository}" / "/".join(rest))

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


@pytest.mark.real
@pytest.mark.parametrize("name", [n for n, dataset in catalogue([]).items() if dataset.card.files])
def test_the_real_pairs_equal_those_of_the_project(name, public_host, real_data, cache):
    folder, _ = fetch(catalogue([])[name].card, [], public_host)
    for file in ("sc.h5ad", "st.h5ad"):
        made, known = read_h5ad(folder / file), read_h5ad(real_data / name / file)
        assert list(made.obs_names) == list(known.obs_names)
        assert list(made.var_names) == list(known.var_names)
        assert made.X.dtype == known.X.dtype
        assert (made.X != known.X).nnz == 0
        assert set(made.obsm) == set(known.obsm)
        for key, values in known.obsm.items():
            np.testing.assert_array_equal(made.obsm[key], values)
        assert list(made.obs) == list(known.obs)
        for column in known.obs:
            assert made.obs[column].dtype == known.obs[column].dtype
            assert list(made.obs[column]) == list(known.obs[column])


@pytest.mark.real
def test_the_commands_under_the_table_of_the_readme(public_host, cache, tmp_path):
    """As they stand there, from an empty cache, but for the size: two of the pairs, two methods, a split."""
    text = README.read_text().split("## A real table")[1].split("\n## ")[0]
    fetch, run, board = [line.split()[1:] for line in text.splitlines() if line.startswith("    stbench ")]
    assert fetch == ["data", "fetch", "small"]
    options = dict(zip(run[1::2], run[2::2], strict=True))
    small = {name for name, card in known_cards().items() if "small" in card.groups}
    assert set(options["--datasets"].split(",")) == small
    names = ["merfish_hypothalamus", "visium_hippocampus"]
    done = command.stbench(*fetch[:2], *names, "--mirror", public_host)
    assert done.returncode == 0, done.stderr
    options |= {"--datasets": ",".join(names), "--methods": "mean,knn", "--splits": "1"}
    words = [word for option in options.items() for word in option]
    grid = command.stbench(run[0], *words, cwd=tmp_path)
    assert grid.returncode == 0, grid.stdout + grid.stderr
    for name in names:
        assert f"knn · {name} · split 0 · seed 0: ok" in grid.stdout
    shown = command.stbench(*board, "--only", "csv", cwd=tmp_path)
    assert shown.returncode == 0, shown.stderr
    assert set(pd.read_csv(tmp_path / "board" / "leaderboard.csv")["dataset"]) == set(names)
