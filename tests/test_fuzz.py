"""Broken input of every kind: one clear error or a good answer, never a traceback, never a file elsewhere.

2,300 cases in all: 500 config files and options, 300 cards, 500 data files, 600 results folders, and 400 of
the files that processes leave for each other.
"""

from __future__ import annotations

import json
import shutil
import warnings
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stbench.board.collect import collect
from stbench.cards import read_card
from stbench.config.options import RunOptions
from stbench.data.limit import Limit
from stbench.data.prepare import prepare
from stbench.datasets import REGISTRY, Card
from stbench.errors import StbenchError
from stbench.exchange.taskfolder import InvalidPrediction, read_prediction, write_prediction
from stbench.methods import Task
from stbench.runs.benchmark import run
from stbench.runs.events import read_events
from stbench.runs.process import read_progress
from stbench.runs.results import Results
from stbench.runs.slurm import read_spec
from stbench.runs.status import survey

pytestmark = pytest.mark.filterwarnings("ignore")

NASTY = ["../../x", "/etc/passwd", "a\x00b", "", "NaN", "é" * 300, "<script>", "1e999", "-1", "\\input{x}"]
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20), st.sampled_from(NASTY)
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
OPTIONS = sorted(RunOptions.__dataclass_fields__)


def cases(number):
    """So many cases, always the same ones; the folder of a test is shared by its cases."""
    return settings(
        max_examples=number, deadline=None, database=None, derandomize=True,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip


@pytest.fixture
def cage(tmp_path):
    """A folder to work in; nothing may appear beside it."""
    inside = tmp_path / "a" / "b" / "inside"
    inside.mkdir(parents=True)
    yield inside
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["b"]
    assert [path.name for path in (tmp_path / "a" / "b").iterdir()] == ["inside"]


def toml(content):
    """A dictionary of plain values as TOML, as far as TOML can say it."""
    return "\n".join(f"{json.dumps(key)} = {json.dumps(value)}" for key, value in content.items())


@cases(250)
@given(content=st.dictionaries(st.sampled_from(OPTIONS) | st.text(max_size=8), VALUES, max_size=4))
def test_options_are_taken_or_refused(content):
    with suppress(StbenchError):
        options = RunOptions.of(content)
        assert isinstance(options.limit, Limit)
        assert options.timeout is None or options.timeout > 0


@cases(250)
@given(
    text=st.binary(max_size=200)
    | st.dictionaries(st.sampled_from(OPTIONS), VALUES, max_size=3).map(lambda c: toml(c).encode())
)
def test_config_files_are_read_or_refused(cage, text):
    file = cage / "run.toml"
    file.write_bytes(text)
    with suppress(StbenchError):
        RunOptions.of(RunOptions.in_file(file))


@cases(300)
@given(
    text=st.binary(max_size=200)
    | st.dictionaries(
        st.sampled_from(sorted(Card.__dataclass_fields__)) | st.text(max_size=8), VALUES, max_size=4
    ).map(lambda c: toml(c).encode())
)
def test_cards_are_read_or_refused(cage, text):
    folder = cage / "data" / "mine"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "card.toml").write_bytes(text)
    with suppress(StbenchError):
        read_card(folder / "card.toml", Card, name="some")


@st.composite
def mutations(draw):
    """A function that damages bytes: cut off, some changed, a part taken out or doubled."""
    kind = draw(st.sampled_from(["cut", "change", "remove", "double", "replace"]))
    place, other = draw(st.floats(0, 1)), draw(st.floats(0, 1))
    noise = draw(st.binary(min_size=1, max_size=20))

    def mutate(content: bytes) -> bytes:
        i, j = sorted((int(place * len(content)), int(other * len(content))))
        return {
            "cut": content[:i],
            "change": content[:i] + noise + content[i + len(noise) :],
            "remove": content[:i] + content[j:],
            "double": content[:j] + content[i:],
            "replace": noise,
        }[kind]

    return mutate


@pytest.fixture(scope="module")
def tables(tmp_path_factory, write_data):
    """A dataset as h5ad and as text; folder by format."""
    folder = tmp_path_factory.mktemp("tables")
    h5ad = next(write_data(folder).iterdir())
    text = folder / "text" / "planted"
    text.mkdir(parents=True)
    (text / "scRNA_count.txt").write_text("gene\tc1\tc2\tc3\nA\t1\t2\t0\nB\t0\t1\t5\nC\t3\t1\t1\n")
    (text / "Spatial_count.txt").write_text("A\tB\tC\n1\t0\t2\n0\t3\t1\n")
    (text / "Locations.txt").write_text("x\ty\n0\t1\n2\t3\n")
    return {"h5ad": h5ad, "text": text}


@cases(500)
@given(kind=st.sampled_from(["h5ad", "text", "text"]), which=st.integers(0, 2), mutate=mutations())
def test_data_files_are_read_or_refused(cage, tables, kind, which, mutate):
    source = tables[kind]
    folder = cage / kind / "mine"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(source, folder)
    files = sorted(file for file in folder.iterdir() if file.suffix in (".h5ad", ".txt"))
    file = files[which % len(files)]
    file.write_bytes(mutate(file.read_bytes()))
    with suppress(StbenchError), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        (loader,) = [loader for loader in REGISTRY.items().values() if loader.reads(folder)]
        prepare(*loader.load(folder), Card("mine"))


@pytest.fixture(scope="module")
def results(tmp_path_factory, write_data):
    folder = tmp_path_factory.mktemp("fuzzed")
    config = RunOptions(
        methods=("mean",), datasets=("planted",), data=(write_data(folder),), out=folder / "out"
    )
    run(config)
    return folder / "out"


def fresh(results, cage):
    out = cage / "out"
    shutil.rmtree(out, ignore_errors=True)
    shutil.copytree(results, out)
    return Results.open(out)


@cases(350)
@given(
    changes=st.dictionaries(
        st.sampled_from(
            ["key", "method", "label", "dataset", "data_hash", "split", "seed", "status", "reason", "units",
             "wall_s", "limit", "preset", "started", "prediction_bytes", "prediction_sha256", "kind"]
        ) | st.text(max_size=5),
        VALUES, min_size=1, max_size=3,
    )
)  # fmt: skip
def test_a_forged_manifest_is_taken_or_named(cage, results, changes):
    opened = fresh(results, cage)
    (file,) = opened.folder.glob("runs/*/manifest.json")
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))
    opened.damaged(thorough=True)
    survey(opened)
    for record in opened.manifests():
        folder = opened.dataset_folder(record["dataset"], record["data_hash"])
        assert folder.resolve().parent == (opened.folder / "datasets").resolve()
        assert opened.run_folder(record["key"]).resolve().parent == (opened.folder / "runs").resolve()


@cases(250)
@given(place=st.integers(0, 5), mutate=mutations())
def test_a_damaged_results_folder_gives_a_board_or_one_error(cage, results, place, mutate):
    opened = fresh(results, cage)
    files = sorted(file for file in opened.folder.rglob("*") if file.is_file() and file.stat().st_size)
    file = files[place % len(files)]
    file.write_bytes(mutate(file.read_bytes()))
    opened.damaged(thorough=True)
    with suppress(StbenchError):
        collect(opened)


@cases(150)
@given(mutate=mutations())
def test_a_damaged_prediction_is_invalid_or_whole(cage, make_pair, mutate):
    spots, targets = ["s1", "s2", "s3"], ["A", "B"]
    file = cage / "prediction.h5ad"
    if not (cage / "whole.h5ad").exists():
        _, spatial = make_pair()
        space = spatial[:3, :2].copy()
        space.obs_names = spots
        write_prediction(cage / "whole.h5ad", Task(space, space, targets, "counts"), np.ones((3, 2)))
    file.write_bytes(mutate((cage / "whole.h5ad").read_bytes()))
    with suppress(InvalidPrediction):
        prediction = read_prediction(file, spots, targets)
        assert prediction.mean.shape == (3, 2)
        assert np.isfinite(prediction.mean).all()


@cases(250)
@given(content=st.binary(max_size=100) | VALUES.map(lambda value: json.dumps(value).encode()))
def test_small_files_between_processes_are_read_or_refused(cage, content):
    file = cage / "small.json"
    file.write_bytes(content)
    state = read_progress(file)
    assert state == {} or set(state) == {"done", "total", "info"}
    for event in read_events(file):
        assert {"time", "event", "key", "title"} <= event.keys()
    with suppress(StbenchError):
        read_spec(file)
