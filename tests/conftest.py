"""Shared fixtures: a small planted tissue as raw tables, as files, and the real data where it is."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from anndata import AnnData

from stbench.files import cache_folder
from stbench.testing.planted import planted_pair

ROOT = Path(__file__).resolve().parent.parent
SLOW = Path(__file__).parent / "slow.txt"  # tests and files, slowest first; see CONTRIBUTING.md


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--quick", action="store_true", help=f"Leave out the tests in tests/{SLOW.name}.")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Start with the slowest files, so that no worker ends with one; or leave out the slow tests."""
    places = {name: place for place, name in enumerate(SLOW.read_text().splitlines())}
    if config.getoption("--quick"):
        slow = [item for item in items if places.keys() & {item.nodeid, item.nodeid.split("::")[0]}]
        config.hook.pytest_deselected(items=slow)
        items[:] = [item for item in items if item not in set(slow)]
        return
    files: dict[str, int] = {}
    for name, place in places.items():
        files.setdefault(name.split("::")[0], place)
    items.sort(key=lambda item: files.get(item.nodeid.split("::")[0], len(places)))  # stable


@pytest.fixture(scope="session")
def make_pair() -> Callable[..., tuple[AnnData, AnnData]]:
    """The function that makes planted pairs."""
    return planted_pair


@pytest.fixture(scope="session")
def write_data() -> Callable[[Path], Path]:
    """A function that writes a ``--data`` folder with one dataset called ``planted``."""

    def write(parent: Path) -> Path:
        folder = parent / "data" / "planted"
        folder.mkdir(parents=True)
        reference, spatial = planted_pair()
        reference.write_h5ad(folder / "sc.h5ad")
        spatial.write_h5ad(folder / "st.h5ad")
        return folder.parent

    return write


@pytest.fixture
def data_folder(tmp_path: Path, write_data: Callable[[Path], Path]) -> Path:
    """A ``--data`` folder with one dataset called ``planted``."""
    return write_data(tmp_path)


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of the ten real pairs; skips where it is absent."""
    folder = Path(os.environ.get("STBENCH_DATA") or ROOT.parent / "shared" / "data")
    if not (folder / "merfish_hypothalamus" / "st.h5ad").is_file():
        pytest.skip("the real pairs are not here (set STBENCH_DATA to their folder)")
    return folder


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Tests neither see nor fill the user's cache, but for the environments of external methods."""
    environments, cache = cache_folder("environments"), tmp_path_factory.mktemp("cache")
    if environments.is_dir():
        (cache / "environments").symlink_to(environments.resolve())
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STBENCH_CACHE", str(cache))
        yield


@pytest.fixture(autouse=True)
def _no_data_from_outside(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """Tests see only the data they ask for."""
    if "real_data" not in request.fixturenames:
        monkeypatch.delenv("STBENCH_DATA", raising=False)
