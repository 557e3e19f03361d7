import io
import os
import signal
import subprocess
import sys
import time
import zipfile

import command
import pytest

from stbench.data import download as downloads
from stbench.data.cache import load
from stbench.data.checksums import source
from stbench.data.fetch import fetch, requested, verify
from stbench.data.limit import Limit
from stbench.data.prepare import prepare
from stbench.data.sources import catalogue, dataset_called
from stbench.datasets import Card
from stbench.errors import StbenchError

NEEDS_SPACE = """
from dataclasses import dataclass
from stbench.methods import Method, register

@register("space", family="baseline", paper="a test", version="1")
@dataclass(frozen=True)
class Space(Method):
    def predict(self, task, ctx):
        return task.coordinates()[:, :1].repeat(len(task.targets), axis=1)
"""


def cards():
    return {name: dataset.card for name, dataset in catalogue([]).items() if dataset.card.fetchable}


def get(name, record, **options):
    known = cards()
    return fetch(known[name], [c for c in known.values() if c.name != name], record.url, **options)


def stbench(*arguments, **environment):
    """The command line in a process of its own, as a user has it."""
    return command.stbench(*arguments, env=os.environ | environment)


def test_the_archive_of_its_own_name_is_enough(record, cache):
    folder, new = get("MG", record)
    assert new
    assert {file.name for file in folder.iterdir()} == {"scRNA_count.txt", "Spatial_count.txt", "lock.json"}
    assert {path for path, _ in record.downloads} == {"/api/records/12792074/files/dataset-MG.zip/content"}
    assert source(folder) == ("folder 'dataset-MG', found by its name, in dataset-MG.zip of record 12792074")
    reference, spatial = dataset_called("MG", catalogue([])).load()
    assert (reference.shape, spatial.shape) == ((40, 800), (60, 40))


def test_a_folder_inside_a_common_archive_is_found(record, cache):
    folder, _ = get("HBC", record)
    assert (folder / "Locations.txt").is_file()
    assert len(record.downloads) == 1
    get("MC", record)
    assert len(record.downloads) == 1  # the same archive serves both


def test_a_second_fetch_asks_nothing_at_all(record, cache):
    get("MG", record)
    record.asked.clear()
    folder, new = get("MG", record)
    assert not new
    assert record.asked == []
    assert folder == cache / "datasets" / "MG"


def test_offline(record, cache):
    with pytest.raises(StbenchError, match="Fetch it once without --offline"):
        get("MG", record, offline=True)
    get("HBC", record)
    record.asked.clear()
    get("ME", record, offline=True)
    with pytest.raises(StbenchError, match="in the downloads of record 12792074"):
        get("MG", record, offline=True)
    assert record.asked == []


def test_a_damaged_dataset_is_refused_removed_and_restored(record, cache):
    folder, _ = get("MG", record)
    dataset = dataset_called("MG", catalogue([]))
    file = folder / "Spatial_count.txt"
    content = bytearray(file.read_bytes())
    content[-2] ^= 1
    file.write_bytes(bytes(content))
    with pytest.raises(StbenchError, match=r"'MG' is damaged: Spatial_count.txt: expected .*, found \w+"):
        load(dataset, Limit())
    (line,) = verify(folder)
    assert line.startswith("Spatial_count.txt: expected sha256")
    assert not folder.exists()
    record.asked.clear()
    assert get("MG", record) == (folder, True)
    assert record.downloads == []  # the archive was still whole
    assert verify(folder) == []


def test_a_record_that_changed_is_refused(record, cache):
    get("MG", record)
    record.checksums["all-others.tar.gz"] = "md5:0"
    with pytest.raises(StbenchError, match="has changed: expected md5:.*found md5:0"):
        get("HBC", record)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["readme.txt"], r"^no folder 'dataset-MG' in the record 12792074: data.zip \(no such folder\);"),
        (["dataset-MG/notes.txt"], "'dataset-MG' holds no dataset in a format that stbench reads"),
        (["dataset-MG/../../evil/scRNA_count.txt"], "no such folder"),
    ],
)
def test_archives_without_the_dataset(record, cache, names, message):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as file:
        for name in [*names, "more/other.txt"]:
            file.writestr(name, "x")
    record.files.clear()
    record.files["data.zip"] = packed.getvalue()
    with pytest.raises(StbenchError, match=message):
        get("MG", record)
    assert not (cache / "datasets" / "MG").exists()
    assert not (cache.parent / "evil").exists()


def zipped(archives, place):
    """The archive of MG with its files at another place."""
    packed = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(archives["dataset-MG.zip"])) as old, zipfile.ZipFile(packed, "w") as new:
        for name in ("scRNA_count.txt", "Spatial_count.txt"):
            new.writestr(place + name, old.read(f"dataset-MG/{name}"))
    return packed.getvalue()


def test_records_are_searched_in_order_and_by_sizes(record, cache, archives):
    record.files.clear()
    record.files["other.zip"] = zipped(archives, "x/Dataset7/")
    record.files["notes.pdf"] = b"no archive"
    sizes = {"cells_raw": 40, "reference_genes_raw": 800, "spots_raw": 60, "spatial_genes_raw": 40}
    card = Card("found", records={"1": "dataset-found", "12792074": "dataset-found"}, expected=sizes)
    folder, _ = fetch(card, [], record.url)
    assert source(folder) == "folder 'x/Dataset7', found by its sizes, in other.zip of record 12792074"
    assert load(dataset_called(str(folder), {}), Limit()).reference.shape == (40, 800)
    assert not any("notes.pdf" in path for path, _ in record.asked)
    other = Card("missing", records=card.records, expected=sizes | {"spots_raw": 61})
    with pytest.raises(
        StbenchError, match=r"^record 1: .*404.*; no folder 'dataset-found' in the record 127"
    ):
        fetch(other, [], record.url)


def test_the_layout_of_spaim_is_found_by_its_sizes(record, cache, make_pair, tmp_path):
    reference, spatial = make_pair(n_cells=9, n_spots=7, n_genes=20, extra=0)
    spatial.obs[["x", "y"]] = spatial.obsm.pop("spatial")
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as file:
        for name, table in (("scRNA_count_cluster.h5ad", reference), ("Insitu_count.h5ad", spatial)):
            table.write_h5ad(tmp_path / name)
            file.write(tmp_path / name, f"dataset/Dataset9/{name}")
    record.files["all.zip"] = packed.getvalue()
    sizes = {"cells_raw": 9, "reference_genes_raw": 20, "spots_raw": 7, "spatial_genes_raw": 20}
    folder, _ = fetch(Card("found", records={"12792074": "Dataset8"}, expected=sizes), [], record.url)
    assert "'dataset/Dataset9', found by its sizes" in source(folder)
    pair = prepare(*dataset_called(str(folder), {}).load(), Card("found", min_genes=1))
    assert pair.spatial.obsm["spatial"].shape == (7, 2)  # from the columns of obs


def test_groups_stand_for_their_datasets():
    known = {"a": Card("a", groups=["small"]), "b": Card("b", groups=["small", "paper"]), "c": Card("c")}
    assert requested(["small"], known) == ["a", "b"]
    assert requested(["c", "paper", "b"], known) == ["c", "b"]
    assert requested(["all"], known) == ["a", "b", "c"]
    with pytest.raises(StbenchError, match="'smal'. Did you mean 'small'"):
        requested(["smal"], known)


@pytest.mark.parametrize("place", ["", "anything/", "a/Dataset_mg/", "dataset-MG/dataset-MG/"])
def test_where_the_files_may_lie(record, cache, archives, place):
    record.files["dataset-MG.zip"] = zipped(archives, place)
    folder, _ = get("MG", record)
    assert (folder / "Spatial_count.txt").stat().st_size > 1000


def test_an_archive_that_cannot_be_unpacked(record, cache, archives):
    record.files["dataset-MG.zip"] = archives["dataset-MG.zip"][:2000] + archives["dataset-MG.zip"][3000:]
    with pytest.raises(StbenchError, match=r"dataset-MG.zip"):
        get("MG", record)


def test_a_kill_in_the_middle_is_taken_up_again(record, cache, archives):
    record.chunk_seconds = 0.4
    command = [sys.executable, "-c", "from stbench.cli import main; main()", "data", "fetch", "MG"]
    process = subprocess.Popen([*command, "--mirror", record.url], env=os.environ, start_new_session=True)
    part = cache / "downloads" / "12792074" / "dataset-MG.zip.part"
    deadline = time.monotonic() + 60
    while not (part.is_file() and part.stat().st_size) and time.monotonic() < deadline:
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    had = part.stat().st_size
    assert 0 < had < len(archives["dataset-MG.zip"])
    record.chunk_seconds = 0
    get("MG", record)
    assert record.downloads[-1][1] == f"bytes={had}-"


def test_fetch_the_paper_then_run_from_an_empty_cache(record, cache, tmp_path):
    done = stbench("data", "fetch", "paper", "--mirror", record.url)
    assert done.returncode == 0, done.stderr
    assert "MC: 40 of 40 cells" in done.stdout
    assert "WARNING: spots_raw is 60, the card expects 41674" in done.stdout
    assert len(record.downloads) == 2
    record.asked.clear()
    again = stbench("data", "fetch", "paper", STBENCH_MIRROR=record.url)
    assert again.stdout.count("already here") == 10
    assert record.asked == []
    (tmp_path / "space.py").write_text(NEEDS_SPACE)
    grid = ["--methods", "kernel,spage,space", "--datasets", "MG,HBC", "--plugin", tmp_path / "space.py"]
    run = stbench("run", *grid, "--out", tmp_path / "results")
    assert run.returncode == 0, run.stdout + run.stderr
    for cell in ("kernel · MG", "spage · MG", "kernel · HBC", "spage · HBC", "space · HBC"):
        assert f"{cell} · split 0 · seed 0: ok" in run.stdout
    assert "space · MG · split 0 · seed 0: unsupported: needs coordinates in obsm['spatial']" in run.stdout


def test_verify_and_list_on_the_command_line(record, cache):
    get("MG", record)
    assert stbench("data", "verify").stdout == "MG: ok\n"
    (cache / "datasets" / "MG" / "scRNA_count.txt").write_text("x")
    done = stbench("data", "verify", "MG")
    assert done.returncode == 1
    assert "expected sha256" in done.stdout
    assert "stbench data fetch MG" in done.stdout
    listed = stbench("data", "list").stdout
    assert "MG" in listed
    assert "fetchable, unverified" in listed
    missing = stbench("data", "verify", "HBC")
    assert missing.returncode == 1
    assert missing.stderr == "Error: Dataset 'HBC' is not downloaded. Run: stbench data fetch HBC\n"


def test_unknown_names_and_servers_that_are_not_there(cache, monkeypatch):
    done = stbench("data", "fetch", "MG", "MX", "--mirror", "http://127.0.0.1:9")
    assert done.returncode == 1
    assert "Unknown downloadable dataset or group 'MX'." in done.stderr
    done = stbench("data", "fetch", "MG", "--mirror", "http://127.0.0.1:9")
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "Check the connection and HTTPS_PROXY" in done.stderr


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr(downloads, "PAUSE_S", 0)
