"""Predictions that were made elsewhere: scored like all others, marked, never ranked unless asked."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData, read_h5ad
from command import stbench as command
from rich.console import Console

import stbench
from stbench.board.collect import collect
from stbench.board.merge import merge
from stbench.board.scoretable import read_scores
from stbench.cli.table import show
from stbench.errors import StbenchError
from stbench.leaderboard import REGISTRY
from stbench.runs.results import Results

CARD = 'paper = "Theirs 2026"\nversion = "{version}"\nsummary = "A service."\n'
UNKNOWN = "run elsewhere: time, memory and whether the truth was seen are unknown"


@pytest.fixture(scope="module")
def place(tmp_path_factory, write_data):
    """A folder with data, tasks of two splits, a card, measured results, and knn's answers as text."""
    folder = tmp_path_factory.mktemp("submit")
    data = write_data(folder)
    stbench.export("planted", data=data, splits=2, out=folder / "tasks")
    board = stbench.run("knn,ridge", "planted", data=data, splits=2, out=folder / "measured")
    (folder / "card.toml").write_text(CARD.format(version=1))
    for manifest in board.manifests:
        if manifest["method"] == "knn":
            run = folder / "measured" / "runs" / manifest["key"]
            answer = folder / "answers" / "planted" / f"split{manifest['split']['rotation']}"
            answer.mkdir(parents=True)
            read_h5ad(run / "prediction.h5ad").to_df().to_csv(answer / "prediction.csv")
    return folder


@pytest.fixture
def answers(place, tmp_path):
    """A copy of the answers, to be changed."""
    return Path(shutil.copytree(place / "answers", tmp_path / "answers"))


@pytest.fixture
def submit(place, tmp_path):
    """A function that submits a folder of answers to a copy of the measured results."""
    results = shutil.copytree(place / "measured", tmp_path / "results")

    def call(answers: Path, name: str = "theirs", **given: Path) -> pd.DataFrame:
        usual = {"card": place / "card.toml", "tasks": place / "tasks", "out": results}
        return stbench.submit(answers, name=name, data=[place / "data"], **usual | given)

    call.results = results
    return call


def table(answers: Path, split: int = 0) -> pd.DataFrame:
    file = answers / f"planted/split{split}/prediction.csv"
    return pd.read_csv(file, index_col=0, float_precision="round_trip")


def put(answers: Path, changed: pd.DataFrame, split: int = 0) -> None:
    changed.to_csv(answers / f"planted/split{split}/prediction.csv")


def content(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_same_prediction_has_the_same_scores_as_the_method_here(submit, place):
    scores = submit(place / "answers")
    assert list(scores.index) == ["planted/split0", "planted/split1"]
    board = collect(Results.open(submit.results))
    means = board.scores.pivot_table("value", ["split", "metric", "gene"], "method")
    np.testing.assert_allclose(means["theirs"], means["knn"], rtol=1e-6)
    assert scores["pcc"].mean() == pytest.approx(means["knn"].xs("pcc", level="metric").mean())


def test_its_row_says_what_is_unknown_and_changes_no_rank(submit, place):
    before = collect(Results.open(submit.results)).ranks()
    submit(place / "answers")
    board = collect(Results.open(submit.results))
    ranks = board.ranks().set_index("method")
    pd.testing.assert_frame_equal(ranks.drop("theirs"), before.set_index("method"))
    theirs = ranks.loc["theirs"]
    assert theirs[["kind", "preset", "reason", "n_ok"]].tolist() == ["submitted", "run elsewhere", UNKNOWN, 1]
    assert pd.isna(theirs["AS"])
    assert theirs["pcc"] == pytest.approx(ranks.loc["knn", "pcc"])
    costs = board.runs.query("method == 'theirs'")[["predict_s", "wall_s", "peak_rss_bytes"]]
    assert costs.isna().all(axis=None)
    (manifest, _) = (run for run in board.manifests if run["method"] == "theirs")
    assert manifest["submitted"]["card"]["summary"] == "A service."
    assert (manifest["reason"], manifest["device"]) == (UNKNOWN, "unknown")

    asked = collect(Results.open(submit.results), include_submitted=True)
    assert asked.ranks()["AS"].notna().sum() == 3
    assert stbench.make_leaderboard(submit.results, include_submitted=True).equals(asked.ranks())
    assert stbench.make_leaderboard(submit.results).equals(board.ranks())


def test_it_looks_different_everywhere(submit, place, tmp_path):
    submit(place / "answers")
    board = collect(Results.open(submit.results))
    text = io.StringIO()
    show(board, Console(file=text, width=200))
    lines = text.getvalue().splitlines()
    (row,) = (number for number, line in enumerate(lines) if "theirs" in line)
    assert "run elsewhere" in lines[row]
    assert "├─" in lines[row - 1]
    assert "├─" in lines[row + 1]
    for renderer in ("markdown", "latex", "site", "csv"):
        REGISTRY.get(renderer)(board, tmp_path)
    assert "Run elsewhere, not ranked:\n" in (tmp_path / "leaderboard.md").read_text()
    assert "| run elsewhere | preset |" in (tmp_path / "table1.md").read_text()
    body = (tmp_path / "table1_body.tex").read_text()
    assert body.index("\\textit{run elsewhere}") < body.index("theirs & run elsewhere")
    page = (tmp_path / "index.html").read_text()
    row = page[page.index('<tr class="submitted">') :].split("</tr>")[0]
    assert "theirs [run elsewhere]" in row
    assert row.count(">unknown<") == 4
    assert UNKNOWN in row
    assert "A service." in page
    assert '"outside": ["control", "submitted"]' in page


@pytest.mark.parametrize("ending", [".tsv", ".parquet", ".h5ad"])
def test_formats_and_orders_make_no_difference(submit, place, answers, ending):
    """With other genes, as tools write them, and in an order of their own."""
    expected = submit(place / "answers", name="as_csv")
    for split in range(2):
        folder = answers / f"planted/split{split}"
        wide = table(answers, split).iloc[::-1]
        wide["A gene nobody asked for"] = 1.0
        wide = wide[sorted(wide)]
        (folder / "prediction.csv").unlink()
        if ending == ".h5ad":
            AnnData(wide).write_h5ad(folder / "prediction.h5ad")
        elif ending == ".parquet":
            wide.reset_index(names="spot").to_parquet(folder / "prediction.parquet")
        else:
            wide.to_csv(folder / "prediction.tsv", sep="\t")
    pd.testing.assert_frame_equal(submit(answers), expected)
    stored = [run for run in Results(submit.results).manifests() if run["method"] == "theirs"]
    assert [run["submitted"]["n_other_genes"] for run in stored] == [1, 1]


def test_bounds_are_scored_too(submit, answers):
    for split in range(2):
        values = table(answers, split)
        for name, shift in (("lower", -1), ("upper", 1)):
            (values + shift).to_csv(answers / f"planted/split{split}/{name}.csv")
    assert submit(answers)["coverage"].between(0.01, 1).all()


def lose_a_gene(answers: Path) -> None:
    put(answers, table(answers).iloc[:, 1:])


def rename_a_gene(answers: Path) -> None:
    values = table(answers)
    put(answers, values.rename(columns={values.columns[0]: "Other"}))


def lose_a_spot(answers: Path) -> None:
    put(answers, table(answers).iloc[1:])


def add_a_spot(answers: Path) -> None:
    values = table(answers)
    put(answers, pd.concat([values, values.iloc[:1].rename(index=lambda _: "spot99")]))


def repeat_a_spot(answers: Path) -> None:
    values = table(answers)
    put(answers, pd.concat([values, values.iloc[:1]]))


def repeat_a_gene(answers: Path) -> None:
    values = table(answers)
    put(answers, pd.concat([values, values.iloc[:, :1]], axis=1))


def write_nan(answers: Path) -> None:
    values = table(answers)
    values.iloc[3, 0] = np.nan
    put(answers, values)


def write_infinity(answers: Path) -> None:
    values = table(answers)
    values.iloc[3, 0] = np.inf
    put(answers, values)


def write_words(answers: Path) -> None:
    put(answers, table(answers).astype(object).replace(0, "low").map(lambda x: f"{x} units"))


def swap_splits(answers: Path) -> None:
    first, second = table(answers, 0), table(answers, 1)
    put(answers, second, 0)
    put(answers, first, 1)


def lose_a_task(answers: Path) -> None:
    (answers / "planted/split1/prediction.csv").unlink()


def add_a_task(answers: Path) -> None:
    shutil.copytree(answers / "planted/split1", answers / "planted/split7")


def answer_twice(answers: Path) -> None:
    AnnData(table(answers)).write_h5ad(answers / "planted/split0/prediction.h5ad")


def link_a_file(answers: Path) -> None:
    file = answers / "planted/split0/prediction.csv"
    file.rename(answers.parent / "elsewhere.csv")
    file.symlink_to(answers.parent / "elsewhere.csv")


def link_a_folder(answers: Path) -> None:
    (answers / "planted/split0").rename(answers.parent / "elsewhere")
    (answers / "planted/split0").symlink_to(answers.parent / "elsewhere")


def change_a_copied_task(answers: Path) -> None:
    (answers / "planted/split0/task.json").write_text("{}")


def write_no_table(answers: Path) -> None:
    (answers / "planted/split0/prediction.csv").rename(answers / "planted/split0/prediction.h5ad")


def write_a_wrong_level(answers: Path) -> None:
    folder = answers / "planted/split0"
    AnnData(table(answers), uns={"level": "high"}).write_h5ad(folder / "prediction.h5ad")
    (folder / "prediction.csv").unlink()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lose_a_gene, r"split0/prediction.csv' lacks 1 of the \d genes of its task: 'Gene\d\d'\."),
        (rename_a_gene, r"split0/prediction.csv' lacks 1 of the \d genes of its task"),
        (lose_a_spot, r"split0/prediction.csv' lacks 1 of the 50 spots of its task: 'spot0'\."),
        (add_a_spot, "split0/prediction.csv' has the spot 'spot99', which its task does not have"),
        (repeat_a_spot, "split0/prediction.csv' has the spot 'spot0' twice"),
        (repeat_a_gene, r"split0/prediction.csv' has the gene 'Gene\d\d' twice"),
        (write_nan, "split0/prediction.csv': mean has 1 NaN or infinite values"),
        (write_infinity, "split0/prediction.csv': mean has 1 NaN or infinite values"),
        (write_words, "split0/prediction.csv': prediction.csv is not a table of numbers"),
        (swap_splits, r"split0/prediction.csv' lacks \d of the \d genes of its task"),
        (lose_a_task, "No prediction for 1 of 2 tasks: '.*/planted/split1/prediction' is missing"),
        (add_a_task, "split7/prediction.csv' belongs to no task that was exported"),
        (answer_twice, "Task 'planted/split0' has two predictions"),
        (link_a_file, "prediction.csv' is a link or a device"),
        (link_a_folder, "split0' is a link or a device"),
        (change_a_copied_task, "split0/task.json' has changed since it was exported"),
        (
            write_a_wrong_level,
            "split0/prediction.h5ad': the level of its intervals is no number",
        ),
        (write_no_table, "split0/prediction.h5ad': the file is damaged"),
    ],
    ids=lambda value: value.__name__ if callable(value) else "",
)
def test_a_wrong_answer_is_one_line_and_stores_nothing(submit, answers, change, message):
    change(answers)
    before = content(submit.results)
    with pytest.raises(StbenchError, match=message) as error:
        submit(answers)
    assert "\n" not in str(error.value)
    assert content(submit.results) == before
    fresh = answers.parent / "fresh"
    with pytest.raises(StbenchError, match=message):
        submit(answers, out=fresh)
    assert not fresh.exists()


def change_a_target(tasks: Path) -> None:
    edit(tasks, lambda task: task["targets"].reverse())


def change_the_split(tasks: Path) -> None:
    edit(tasks, lambda task: task.update(split="0123456789ab"))


def change_the_rotation(tasks: Path) -> None:
    edit(tasks, lambda task: task.update(rotation=4))


def change_the_data(tasks: Path) -> None:
    edit(tasks, lambda task: task.update(data_hash="0123456789ab"))


def change_a_table(tasks: Path) -> None:
    with (tasks / "planted/split0/spatial.h5ad").open("ab") as file:
        file.write(b"x")


def lose_a_table(tasks: Path) -> None:
    (tasks / "planted/split1/spatial.h5ad").unlink()


def leave_the_folder(tasks: Path) -> None:
    edit(tasks, lambda task: task.update(dataset="../planted"))


def change_the_limit(tasks: Path) -> None:
    text = (tasks / "manifest.json").read_text()
    (tasks / "manifest.json").write_text(text.replace('"limit": ""', '"limit": "rows=5"'))


def edit(tasks: Path, change: Callable[[dict], object]) -> None:
    manifest = json.loads((tasks / "manifest.json").read_text())
    change(manifest["tasks"]["planted/split0"])
    (tasks / "manifest.json").write_text(json.dumps(manifest))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (change_a_target, "Task 'planted/split0' of the manifest has another split than rotation 0"),
        (change_the_split, "Task 'planted/split0' of the manifest has another split than rotation 0"),
        (change_the_rotation, "Task 'planted/split0' of the manifest has another split than rotation 4"),
        (change_the_data, "Dataset 'planted' is not the one of the tasks"),
        (change_a_table, "spatial.h5ad' has changed since it was exported"),
        (lose_a_table, "split1/spatial.h5ad' is missing"),
        (change_the_limit, "manifest.json', limit: .*takes cells=N"),
        (leave_the_folder, "manifest.json', tasks.planted/split0.dataset"),
        (shutil.rmtree, "has no manifest.json. Give the --out of stbench export"),
    ],
    ids=lambda value: value.__name__ if callable(value) else "",
)
def test_changed_tasks_are_one_line_and_store_nothing(submit, place, tmp_path, change, message):
    tasks = Path(shutil.copytree(place / "tasks", tmp_path / "tasks"))
    change(tasks)
    before = content(submit.results)
    with pytest.raises(StbenchError, match=message):
        submit(place / "answers", tasks=tasks)
    assert content(submit.results) == before


@pytest.mark.parametrize("name", ["knn", "KNN", "ridge", "ceiling", "all", "a b", "x[1]", "", "../up", "é"])
def test_a_name_that_is_taken_or_cannot_be_shown(submit, place, name):
    with pytest.raises(StbenchError, match="is taken by a method|--name takes up to 50"):
        submit(place / "answers", name=name)


def test_a_name_of_a_method_that_is_not_installed_is_taken(submit, place):
    for file in submit.results.glob("runs/*/manifest.json"):
        file.write_text(file.read_text().replace('"knn"', '"their_plugin"'))
    with pytest.raises(StbenchError, match="'their_plugin' is taken by a method"):
        submit(place / "answers", name="their_plugin")


def test_the_same_again_changes_nothing_and_another_needs_a_new_version(submit, place, answers):
    submit(place / "answers")
    before = content(submit.results)
    submit(place / "answers")
    assert content(submit.results) == before
    put(answers, table(answers, 1) * 2, 1)
    with pytest.raises(StbenchError, match="another prediction of .*split 1.* Raise the version"):
        submit(answers)
    assert content(submit.results) == before
    card = answers.parent / "card.toml"
    card.write_text(CARD.format(version=2))
    submit(answers, card=card)
    board = collect(Results.open(submit.results))
    assert set(board.runs.query("method == 'theirs'")["version"]) == {"2"}


def test_a_damaged_run_is_stored_again(submit, place):
    submit(place / "answers")
    before = content(submit.results)
    (manifest, _) = (run for run in Results(submit.results).manifests() if run["method"] == "theirs")
    (submit.results / "runs" / manifest["key"] / "prediction.h5ad").unlink()
    submit(place / "answers")
    after = content(submit.results)
    assert set(after) == set(before)
    assert Results(submit.results).damaged(thorough=True) == {}


def test_a_wrong_card_names_its_field(submit, place, tmp_path):
    card = tmp_path / "card.toml"
    for text, message in (
        ("paper = 'x'\nversion = '1'\n", "has no 'summary'"),
        (CARD.format(version=1) + "sumary = 'x'\n", "Did you mean 'summary'"),
        (CARD.format(version=1) + f"doi = '{'x' * 2001}'\n", "'doi' has more than 2000 characters"),
    ):
        card.write_text(text)
        with pytest.raises(StbenchError, match=message):
            submit(place / "answers", card=card)


def test_packed_and_merged_it_stays_what_it_is(submit, place, tmp_path):
    alone = tmp_path / "alone"
    submit(place / "answers", out=alone)
    merge([place / "measured", alone], tmp_path / "merged")
    board = collect(Results.open(tmp_path / "merged"))
    assert set(board.ranks().query("kind == 'submitted'")["reason"]) == {UNKNOWN}
    done = command("pack", tmp_path / "merged", "--out", tmp_path / "scores.parquet")
    assert done.returncode == 0, done.stderr
    packed = read_scores(tmp_path / "scores.parquet")
    assert packed.ranks()["AS"].tolist() == pytest.approx(board.ranks()["AS"].tolist(), nan_ok=True)
    assert read_scores(tmp_path / "scores.parquet", include_submitted=True).ranks()["AS"].notna().sum() == 3


def test_splits_that_were_not_measured_here_cost_nobody_a_rank(submit, place, tmp_path, caplog):
    """Its second split is not shown where the methods have run the first one only."""
    one = tmp_path / "one"
    stbench.run("knn,ridge", "planted", data=[place / "data"], out=one)
    submit(place / "answers", out=one)
    board = collect(Results.open(one))
    assert board.ranks()["AS"].notna().sum() == 2
    assert board.runs.groupby("method").size().to_dict() == {"knn": 1, "ridge": 1, "theirs": 1}
    assert "1 runs elsewhere left out" in caplog.text
    together = collect(Results.open(one), include_submitted=True)
    assert together.ranks()["AS"].notna().sum() == 1  # the others miss a split


def test_the_commands(place, answers, tmp_path):
    call = ["submit", answers, "--card", place / "card.toml", "--tasks", place / "tasks"]
    call += ["--data", place / "data", "--out", tmp_path / "out"]
    done = command(*call, "--name", "theirs")
    assert done.returncode == 0, done.stderr
    assert "Run elsewhere: time, memory and whether the truth was seen are unknown." in done.stdout
    write_nan(answers)
    done = command(*call, "--name", "others")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert done.stderr.startswith("Error: '")
    merge([place / "measured", tmp_path / "out"], tmp_path / "both")
    pair = ["compare", "theirs", "ridge", "--results", tmp_path / "both"]
    done = command(*pair)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "--include-submitted" in done.stderr
    assert command(*pair, "--include-submitted").returncode == 0
