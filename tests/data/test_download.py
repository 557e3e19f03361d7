import hashlib

import pytest

from stbench.data import download as downloads
from stbench.data.download import download
from stbench.data.record import ZENODO, NoRecordError, read_record, server
from stbench.errors import StbenchError

NUMBER = "12792074"


@pytest.fixture(autouse=True)
def _small_and_quick(monkeypatch):
    monkeypatch.setattr(downloads, "PAUSE_S", 0)
    monkeypatch.setattr(downloads, "CHUNK_BYTES", 100)


def remote(record, name="dataset-MG.zip"):
    return next(file for file in read_record(NUMBER, record.url).files if file.name == name)


@pytest.mark.parametrize("api", ["legacy", "new"])
def test_the_record_says_what_it_has(record, cache, archives, api):
    record.api = api
    found = read_record(NUMBER, record.url)
    assert found.license == "cc-by-4.0"
    assert {file.name: file.size for file in found.files} == {n: len(c) for n, c in archives.items()}
    file = remote(record)
    assert file.checksum == f"md5:{hashlib.md5(archives['dataset-MG.zip']).hexdigest()}"
    assert file.url.startswith(record.url)  # the mirror's, not the one it copied from Zenodo
    assert download(file, cache).read_bytes() == archives["dataset-MG.zip"]


def test_server(monkeypatch):
    assert server(ZENODO) == "https://zenodo.org"
    monkeypatch.setenv("STBENCH_MIRROR", "http://here/")
    assert server(ZENODO) == "http://here"
    assert server(ZENODO, "http://there") == "http://there"


def test_a_second_download_asks_nothing(record, cache, archives):
    file = remote(record)
    path = download(file, cache)
    assert path.read_bytes() == archives["dataset-MG.zip"]
    record.asked.clear()
    assert download(file, cache) == path
    assert record.asked == []


def test_a_broken_transfer_goes_on_where_it_stopped(record, cache, archives):
    record.break_after = [1000, 500]
    seen = []
    path = download(remote(record), cache, lambda name, done, size: seen.append(done))
    assert path.read_bytes() == archives["dataset-MG.zip"]
    assert [part for _, part in record.downloads] == [None, "bytes=1000-", "bytes=1500-"]
    assert seen[-1] == len(archives["dataset-MG.zip"])
    assert not list(cache.glob("*.part"))


def test_after_too_many_breaks_the_part_is_kept_for_the_next_time(record, cache, archives):
    record.break_after = [100] * downloads.ATTEMPTS
    with pytest.raises(StbenchError, match="broke off.*The same command resumes it"):
        download(remote(record), cache)
    assert (cache / "dataset-MG.zip.part").stat().st_size == 100 * downloads.ATTEMPTS
    assert not (cache / "dataset-MG.zip").exists()
    path = download(remote(record), cache)
    assert path.read_bytes() == archives["dataset-MG.zip"]
    assert record.downloads[-1][1] == f"bytes={100 * downloads.ATTEMPTS}-"


def test_a_wrong_checksum_names_both_and_leaves_nothing(record, cache, archives):
    record.files["dataset-MG.zip"] = b"X" + archives["dataset-MG.zip"][1:]
    record.checksums["dataset-MG.zip"] = f"md5:{hashlib.md5(archives['dataset-MG.zip']).hexdigest()}"
    with pytest.raises(StbenchError) as caught:
        download(remote(record), cache)
    for content in (archives["dataset-MG.zip"], record.files["dataset-MG.zip"]):
        assert hashlib.md5(content).hexdigest() in str(caught.value)
    assert [path.name for path in cache.iterdir() if not path.name.endswith(".lock")] == []
    assert len(record.downloads) == 1


def test_a_damaged_file_is_downloaded_again(record, cache, archives):
    path = download(remote(record), cache)
    path.write_bytes(b"X" + archives["dataset-MG.zip"][1:])
    assert download(remote(record), cache).read_bytes() == archives["dataset-MG.zip"]


def test_redirect_and_slow_server(record, cache, archives):
    record.redirect, record.chunk_seconds = True, 0.01
    assert download(remote(record), cache).read_bytes() == archives["dataset-MG.zip"]
    assert any(path.startswith("/moved") for path, _ in record.asked)


@pytest.mark.parametrize(("status", "asked"), [(404, 1), (503, downloads.ATTEMPTS)])
def test_refusals(record, cache, status, asked):
    record.status["dataset-MG.zip"] = status
    with pytest.raises(StbenchError, match=f"{status}"):
        download(remote(record), cache)
    assert len(record.downloads) == asked


def test_no_server_and_no_record(record, cache):
    with pytest.raises(NoRecordError, match="cannot be read.*404"):
        read_record("1", record.url)
    with pytest.raises(StbenchError, match="Check the connection and HTTPS_PROXY"):
        read_record(NUMBER, "http://127.0.0.1:9")


@pytest.mark.parametrize("name", ["../evil.zip", ".hidden", "a\\b"])
def test_file_names_stay_in_the_folder(record, name):
    record.files[name] = b"x"
    with pytest.raises(StbenchError, match="has no list of files in Zenodo's format"):
        read_record(NUMBER, record.url)


def test_the_proxy_of_the_environment_is_used(record, cache, monkeypatch):
    monkeypatch.delenv("NO_PROXY")
    monkeypatch.setenv("http_proxy", record.url)
    with pytest.raises(StbenchError, match="404"):
        read_record(NUMBER, "http://zenodo.invalid")
    assert record.asked == [(f"http://zenodo.invalid/api/records/{NUMBER}", None)]
