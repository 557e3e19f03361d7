"""The command line as a user meets it, in processes of its own."""

import json
import os
import subprocess
import sys
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest
from command import stbench

ODD = Path(__file__).parents[1] / "plugins" / "odd_methods.py"


NUMBER, CODE = next(
    (number, line.strip())
    for number, line in enumerate(ODD.read_text().splitlines(), 1)
    if "the inner reason" in line
)
RAISES = f"odd_methods.py:{NUMBER}: {CODE}"  # the line of the method that raises


def assert_one_line_error(done, *parts):
    assert done.returncode not in (0, None)
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1, done.stderr
    assert "Traceback" not in done.stderr + done.stdout
    for part in parts:
        assert part in lines[0]


@pytest.mark.parametrize("kind", ["methods", "datasets", "metrics"])
def test_list_json(kind):
    rows = json.loads(stbench("list", kind, "--json").stdout)
    assert all(isinstance(row["name"], str) for row in rows)
    expected = {"methods": "kernel", "datasets": "simulated", "metrics": "pcc"}[kind]
    assert expected in [row["name"] for row in rows]


def test_lists_have_heads_and_short_cells():
    methods, metrics, datasets = (
        stbench("list", kind).stdout.splitlines() for kind in ("methods", "metrics", "datasets")
    )
    assert methods[0].split() == ["name", "family", "presets", "tuned", "source"]
    assert metrics[0].split() == ["name", "best", "bounds", "primary"]
    assert ["pcc", "high", "-1", "to", "1", "yes"] in [line.split() for line in metrics]
    assert ["interval_score", "low", "0", "to", "any", "–"] in [line.split() for line in metrics]
    states = {line[: datasets[0].index("state")].strip(): line for line in datasets[1:]}
    assert " here  " in states["simulated"]
    assert " not here  " in states["MG"]
    assert "stbench data fetch NAME" in datasets[-2]
    assert max(map(len, [*methods, *metrics, *datasets])) <= 120
    assert methods[-1] == "All that is known of one: stbench list methods NAME"


@pytest.mark.parametrize("kind", ["method", "dataset", "metric", "renderer"])
def test_new_asks_nothing_and_prints_the_three_next_commands(kind, tmp_path):
    done = stbench("new", kind, "my_own", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    wrote, next_ = done.stdout.split("Next:\n")
    assert wrote.splitlines() == ["Wrote my_own.py", "Wrote test_my_own.py"]
    commands = [line.removeprefix("  stbench ") for line in next_.splitlines()]
    assert len(commands) == 3
    assert sum("my_own" in command for command in commands) >= 1


def test_list_imports_nothing_heavy():
    code = (
        "import sys; sys.argv = ['stbench', 'list', 'methods']\n"
        "from stbench.cli import app\n"
        "app(standalone_mode=False)\n"
        "print([m for m in ('torch', 'numpy', 'anndata', 'scvi', 'pandas') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip().splitlines()[-1] == "[]"


def test_list_works_without_torch(tmp_path):
    (tmp_path / "torch.py").write_text("raise ImportError('no torch here')")
    done = subprocess.run(
        [sys.executable, "-c", "from stbench.cli import main; main()", "list", "methods"],
        capture_output=True, text=True, cwd=tmp_path, check=True, env={"PYTHONPATH": str(tmp_path)},
    )  # fmt: skip
    assert "causalged" in done.stdout
    assert "BROKEN" not in done.stdout


def test_run_ends_in_tables_and_then_has_nothing_to_do(data_folder, tmp_path):
    arguments = [
        "run",
        "--methods",
        "mean,ridge",
        "--datasets",
        "planted",
        "--data",
        data_folder,
        "--out",
        "r",
    ]
    done = stbench(*arguments, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "ridge" in done.stdout
    board = pd.read_csv(tmp_path / "r" / "leaderboard" / "leaderboard.csv")
    figures = ["mean", "sd", "n_genes", "n_genes_unscored", "n_splits", "n_seeds", "status"]
    figures += ["share", "share_of_oracle"]
    assert list(board.columns) == ["dataset", "method", "kind", "preset", "limit", "metric", *figures]
    assert set(board["method"]) == {"mean", "ridge", "perfect", "ceiling", "oracle"}
    again = stbench(*arguments, cwd=tmp_path)
    assert again.returncode == 0
    assert "Nothing to do: all 2 runs are in r." in again.stdout


def test_leaderboard_command(data_folder, tmp_path):
    stbench(
        "run", "--methods", "knn", "--datasets", "planted", "--data", data_folder, "--out", tmp_path / "r"
    )
    of_use = "top_decile,svg_rank,domain_ari"
    done = stbench("leaderboard", tmp_path / "r", "--out", tmp_path / "board", "--metrics", of_use)
    assert done.returncode == 0, done.stderr
    board = pd.read_csv(tmp_path / "board" / "leaderboard.csv")
    rows = board[board["metric"].isin(of_use.split(",")) & (board["method"] == "knn")].set_index("metric")
    assert dict(rows["n_genes"]) == {"top_decile": 3, "svg_rank": 1, "domain_ari": 1}
    assert rows["mean"].notna().all()
    intervals = pd.read_csv(tmp_path / "board" / "intervals.csv").query("method == 'knn'").set_index("metric")
    assert np.isnan(intervals.loc["domain_ari", "low"])
    assert intervals.loc["top_decile", "low"] < intervals.loc["top_decile", "high"]
    perfect = board[board["method"] == "perfect"].set_index("metric")["mean"]
    assert (perfect[of_use.split(",")] == 1).all()
    for name in ("leaderboard.csv", "leaderboard.md", "table1.md", "table1.tex"):
        assert (tmp_path / "board" / name).stat().st_size > 0


def test_failures_are_summed_up_and_make_the_exit_code(data_folder, tmp_path):
    done = stbench(
        "run", "--methods", "odd_raises,odd_fine,odd_unsupported", "--plugin", ODD, "--datasets", "planted",
        "--data", data_folder, "--out", tmp_path / "r",
    )  # fmt: skip
    assert done.returncode == 1
    assert "1 of 3 runs failed" in done.stdout
    assert f"failed: ValueError: the inner reason ({RAISES}) (log: " in done.stdout
    assert "--overwrite failed" in done.stdout


def test_unsupported_beside_others_is_no_failure(data_folder, tmp_path):
    done = stbench(
        "run", "--methods", "odd_unsupported,mean", "--plugin", ODD, "--datasets", "planted",
        "--data", data_folder, "--out", tmp_path / "r",
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "unsupported: needs a second tissue" in done.stdout


def test_a_method_that_needs_coordinates_where_there_are_none_is_one_line(data_folder, tmp_path):
    spoil(data_folder, lambda sc, st: st.obsm.pop("spatial"))
    base = ["run", "--datasets", "planted", "--data", data_folder, "--out", tmp_path / "r"]
    done = stbench(*base, "--methods", "novosparc")
    assert_one_line_error(done, "novosparc on planted: unsupported: needs coordinates in obsm['spatial']")


def test_dry_run_starts_nothing(data_folder, tmp_path):
    done = stbench(
        "run", "--methods", "ridge,knn", "--datasets", "planted", "--data", data_folder, "--splits", 3,
        "--out", tmp_path / "r", "--dry-run",
    )  # fmt: skip
    assert "6 runs to do, 0 there already." in done.stdout
    assert not list((tmp_path / "r" / "runs").iterdir())


def test_config_file_and_flags_win(data_folder, tmp_path):
    (tmp_path / "run.toml").write_text(
        f'methods = ["odd_fine"]\ndatasets = "planted"\ndata = "{data_folder}"\nout = "wrong"\nsplits = 2\n'
        f'plugin = "{ODD}"\n[set.odd_fine]\nscale = 3\n'
    )
    done = stbench("run", "--config", "run.toml", "--out", "right", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "wrong").exists()
    records = [json.loads(f.read_text()) for f in (tmp_path / "right").glob("runs/*/manifest.json")]
    assert [record["parameters"]["scale"] for record in records] == [3.0, 3.0]


def test_without_data_the_embedded_tissues_are_used_and_the_next_command_is_said(tmp_path):
    done = stbench("run", "--methods", "mean", "--datasets", "all", "--out", tmp_path / "r")
    assert done.returncode == 0, done.stderr
    assert "using the embedded pdac_a_mini and simulated" in done.stdout
    assert "Left out: 58 public datasets that are not downloaded" in done.stdout
    assert done.stdout.endswith("One command brings 10 real pairs (18 MB): stbench data fetch small\n")


def test_score_any_two_files(tmp_path):
    rng = np.random.default_rng(0)
    truth = anndata.AnnData(rng.poisson(3, (20, 3)).astype(np.float32))
    truth.obs_names = [f"s{i}" for i in range(20)]
    truth.var_names = ["a", "b", "c"]
    prediction = truth[::-1, ["c", "a", "b"]].copy()
    truth.write_h5ad(tmp_path / "t.h5ad")
    prediction.write_h5ad(tmp_path / "p.h5ad")
    done = stbench("score", "t.h5ad", "p.h5ad", "--out", "scores.csv", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    scores = pd.read_csv(tmp_path / "scores.csv")
    assert list(scores.columns) == ["gene", "pcc", "ssim", "rmse", "js", "spearman", "rmse_log"]
    assert sorted(scores["gene"]) == ["a", "b", "c"]
    np.testing.assert_allclose(scores["pcc"], 1)
    done = stbench("score", "t.h5ad", "p.h5ad", "--metrics", "cluster_ari", cwd=tmp_path)
    assert done.stdout.startswith("3 genes (0 constant in the truth). Means: pcc 1.0000")
    assert "cluster_ari 1.0000" in done.stdout
    assert list(pd.read_csv(tmp_path / "scores.csv")["gene"])[-1] == "all genes"


def manifest(folder):
    return json.loads((folder / "manifest.json").read_text())


def spoil(folder, change):
    files = {name: anndata.read_h5ad(folder / "planted" / f"{name}.h5ad") for name in ("sc", "st")}
    change(files["sc"], files["st"])
    for name, table in files.items():
        table.write_h5ad(folder / "planted" / f"{name}.h5ad")


def rename(sc, st):
    st.var_names = [f"other{i}" for i in range(st.n_vars)]


def rename_most(sc, st):
    st.var_names = [*st.var_names[:9], *(f"other{i}" for i in range(st.n_vars - 9))]


def negative(sc, st):
    st.X.data[0] = -1


def missing(sc, st):
    sc.X.data[0] = np.nan


def repeated(sc, st):
    sc.var_names = ["Gene01", *sc.var_names[1:]]


def empty(sc, st):
    sc._inplace_subset_obs(np.zeros(sc.n_obs, dtype=bool))


@pytest.mark.parametrize(
    ("change", "parts"),
    [
        (rename, ["planted", "share no gene names"]),
        (rename_most, ["Only 9 genes"]),
        (negative, ["spatial table of 'planted'", "negative"]),
        (missing, ["reference of 'planted'", "NaN"]),
        (repeated, ["'Gene01'", "more than once"]),
        (empty, ["reference of 'planted' is empty"]),
    ],
)
def test_bad_data_is_one_line(data_folder, tmp_path, change, parts):
    spoil(data_folder, change)
    done = stbench(
        "run", "--methods", "mean", "--datasets", "planted", "--data", data_folder, "--out", tmp_path / "r"
    )
    assert_one_line_error(done, *parts)


def test_corrupt_h5ad_is_one_line(data_folder, tmp_path):
    (data_folder / "planted" / "st.h5ad").write_bytes(b"not a file of that kind")
    done = stbench(
        "run", "--methods", "mean", "--datasets", "planted", "--data", data_folder, "--out", tmp_path / "r"
    )
    assert_one_line_error(done, "st.h5ad", "cannot be read as h5ad")


@pytest.mark.parametrize(
    ("extra", "parts"),
    [
        (["--methods", "kernl"], ["Unknown method 'kernl'", "Did you mean 'kernel'"]),
        (["--datasets", "plantet"], ["Unknown dataset 'plantet'", "Did you mean 'planted'"]),
        (["--data", "no/such/folder"], ["no/such/folder", "does not exist"]),
        (
            ["--set", "knn.n_neighbor=3"],
            ["Unknown parameter of 'knn' 'n_neighbor'", "Did you mean 'n_neighbors'"],
        ),
        (["--set", "knn.n_neighbors=many"], ["knn.n_neighbors does not take 'many'", "integer"]),
        (["--set", "nonsense"], ["--set takes method.parameter=value"]),
        (["--set", "ridge.alpha=1"], ["'ridge' is not among the methods"]),
        (["--sweep", "ridge.alpha=1,2"], ["--sweep ridge", "not among the methods"]),
        (["--sweep", "knn.n_neighbors=1,"], ["knn.n_neighbors", "integer"]),
        (["--limit", "cells=some"], ["--limit takes cells=N"]),
        (["--timeout", "soon"], ["--timeout takes a time such as 90s"]),
        (["--splits", "11"], ["--splits does not take '11'", "less than or equal to 10"]),
        (["--seeds", "0"], ["--seeds"]),
        (["--device", "gpu"], ["--device takes auto, cpu, cuda"]),
        (["--device", "cuda:7"], ["--device cuda:7"]),
        (["--config", "none.toml"], ["none.toml", "does not exist"]),
        (["--plugin", "none.py"], ["none.py", "does not exist"]),
    ],
)
def test_bad_options_are_one_line(data_folder, tmp_path, extra, parts):
    base = ["--methods", "knn", "--datasets", "planted", "--data", data_folder, "--out", "r"]
    assert_one_line_error(stbench("run", *base, *extra, cwd=tmp_path), *parts)


def test_unwritable_output_is_one_line(data_folder, tmp_path):
    (tmp_path / "file").write_text("in the way")
    base = ["run", "--methods", "knn", "--datasets", "planted", "--data", data_folder]
    assert_one_line_error(stbench(*base, "--out", tmp_path / "file" / "r"), "cannot be written", "--out")


def test_bad_config_names_the_option(tmp_path):
    (tmp_path / "run.toml").write_text("split = 3\n")
    assert_one_line_error(
        stbench("run", "--config", "run.toml", cwd=tmp_path), "'split'", "Did you mean 'splits'"
    )


def test_one_bad_dataset_leaves_the_others(data_folder, tmp_path):
    spoil(data_folder, negative)
    base = ["run", "--methods", "mean", "--datasets", "planted,simulated", "--data", data_folder]
    done = stbench(*base, "--out", tmp_path / "r")
    assert done.returncode == 1
    assert "Dataset planted left out: The spatial table of 'planted' has negative values" in done.stdout
    assert len(list((tmp_path / "r" / "runs").iterdir())) == 1


def test_coordinates_that_are_missing_end_one_dataset_and_not_the_grid(data_folder, tmp_path):
    def without(reference, spatial):
        spatial.obsm["spatial"][3] = np.nan

    spoil(data_folder, without)
    base = ["run", "--methods", "mean", "--datasets", "planted,simulated", "--data", data_folder]
    done = stbench(*base, "--out", tmp_path / "r")
    assert done.returncode == 1
    assert "Dataset planted left out: 1 of 50 spots have no coordinates in obsm['spatial']" in done.stdout
    assert [row["dataset"] for row in map(manifest, (tmp_path / "r" / "runs").iterdir())] == ["simulated"]


PLUGIN = """
import numpy as np
from dataclasses import dataclass
from stbench.datasets import register as loader
from stbench.methods import Method, register as method
from stbench.metrics import register as metric

@metric("odd", best="high", bounds=(0, 1), definition="1", column=90)
def odd(truth, prediction):
    if len(truth) < 100:
        raise ValueError("too few spots")
    return np.ones(truth.shape[1])

@loader("broken", reads=lambda folder: (folder / "broken").is_file())
def load(folder):
    raise RuntimeError("nothing here")

@method("greedy", family="baseline", paper="tests", version="1")
@dataclass(frozen=True)
class Greedy(Method):
    def memory_bytes(self, shape):
        raise ZeroDivisionError("no estimate")

    def predict(self, task, ctx):
        return np.ones((task.spatial.n_obs, len(task.targets)))
"""


def test_what_plugins_raise_is_the_status_of_a_row_and_the_grid_goes_on(data_folder, tmp_path):
    plugin = tmp_path / "odd.py"
    plugin.write_text(PLUGIN)
    (data_folder / "other").mkdir()
    (data_folder / "other" / "broken").touch()
    base = ["run", "--methods", "mean,greedy", "--data", data_folder, "--out", tmp_path / "r"]
    base += ["--datasets", "other,planted,simulated", "--plugin", plugin]
    done = stbench(*base)
    assert done.returncode == 1
    assert "Dataset other left out: Dataset 'other' cannot be loaded by 'broken' (RuntimeError" in done.stdout
    assert "greedy: its estimate of memory failed (no estimate)" in done.stdout
    assert "Left out of the tables: Metric 'odd' failed (ValueError: too few spots)." in done.stdout
    found = [manifest(folder) for folder in (tmp_path / "r" / "runs").iterdir()]
    outcome = {(row["method"], row["dataset"]): (row["status"], row["reason"]) for row in found}
    wrong = "failed", "scoring: Metric 'odd' failed (ValueError: too few spots)."
    assert outcome == {
        (name, dataset): wrong if dataset == "planted" else ("ok", "")
        for name in ("mean", "greedy")
        for dataset in ("planted", "simulated")
    }
    plugin.write_text(PLUGIN.replace("< 100", "< 1"))
    again = stbench(*base, "--overwrite", "failed")
    assert "2 of 4 runs" in again.stdout or "[2/2]" in again.stdout
    assert {manifest(folder)["status"] for folder in (tmp_path / "r" / "runs").iterdir()} == {"ok"}


@pytest.mark.parametrize(
    ("typed", "completed"),
    [
        ("run --methods causalged,ridge_g", ["causalged,ridge_genes"]),
        ("run --methods causal", ["causalged", "causalged-kernel"]),
        ("run --datasets simul", ["simulated"]),
        ("run --overwrite f", ["failed"]),
        ("predict --method be", ["best"]),
        ("env mosc", ["moscot"]),
    ],
)
def test_the_shell_completes_names(typed, completed):
    words = f"stbench {typed}"
    asked = {
        "COMP_WORDS": words,
        "COMP_CWORD": str(len(words.split()) - 1),
        "_STBENCH_COMPLETE": "complete_bash",
    }
    code = "import sys; sys.argv[0] = 'stbench'; from stbench.cli import app; app(prog_name='stbench')"
    call = [sys.executable, "-c", code]
    done = subprocess.run(call, env=os.environ | asked, capture_output=True, text=True, check=False)
    assert done.stdout.split() == completed, done.stderr


def test_one_plugin_with_all_that_is_known_of_it():
    shown = stbench("list", "methods", "causalged").stdout
    assert "A transformer denoises the spatial latents" in shown
    assert [line.split() for line in shown.splitlines() if line.startswith("latent ")] == [
        ["latent", "256", "16"]
    ]
    assert "https://doi.org/10.1093/nar/gkaa740" in stbench("list", "methods", "spage").stdout
    assert "https://github.com/uhlerlab" in stbench("list", "methods", "spagim").stdout  # no paper
    assert "Pearson correlation" in stbench("list", "metrics", "pcc").stdout
    assert "median total" in stbench("list", "datasets", "simulated").stdout
    assert_one_line_error(stbench("list", "methods", "causalgd"), "Did you mean 'causalged'")


def test_debug_shows_the_traceback():
    done = stbench("--debug", "leaderboard", "no/such/results")
    assert "Traceback" in done.stderr
    assert_one_line_error(stbench("leaderboard", "no/such/results"), "not a results folder")


def test_version_and_help():
    assert stbench("--version").stdout.startswith("stbench ")
    shown = stbench("run", "-h").stdout
    assert "stbench run --methods causalged,tangram --datasets all" in " ".join(shown.split())
    for part in ("Data", "Limits", "missing|failed|all", "[default: results]"):
        assert part in shown
    groups = ["Run", "Judge", "Use", "Extend", "Data"]
    assert all(f"─ {group} ─" in stbench("-h").stdout for group in groups)
