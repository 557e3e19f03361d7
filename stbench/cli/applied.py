"""``stbench choose`` and ``stbench predict``: the best method for a pair of your own, and its prediction."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from stbench.cli.options import takes
from stbench.config.options import ChooseOptions, PredictOptions
from stbench.files import writable_folder
from stbench.metric import headline
from stbench.runs.progress import shown

if TYPE_CHECKING:
    from stbench.applied.choosing import Choice

PairArgument = Annotated[str, typer.Argument(help="A dataset by name, or the folder of one.")]


@takes(ChooseOptions)
def choose(options: ChooseOptions, pair: PairArgument) -> None:
    """Cross-validate methods over the measured genes of a pair, and name the best for which genes.

    Examples: stbench choose simulated; stbench choose my_tissue --data my_datasets --methods kernel,tangram
    """
    from stbench.applied.choosing import choose as choose_method
    from stbench.applied.pairs import pair_called

    tissue = pair_called(options, pair)
    with shown(options, Console()) as reporter:
        choice = choose_method(options, tissue, reporter)
    _report(choice)
    if options.out is not None:
        choice.methods.to_csv(options.out / "methods.csv", index_label="method")
        choice.genes.to_csv(options.out / "genes.csv", index_label="gene")
        print(f"Tables: methods.csv, genes.csv in {options.out}")


@takes(PredictOptions)
def predict(options: PredictOptions, pair: PairArgument) -> None:
    """Fit a method on all measured genes; write the unmeasured genes and their expected accuracy.

    Examples: stbench predict simulated --method kernel --out imputed.h5ad;
    stbench predict my_tissue --data my_datasets --method best --genes Sox2,Pax6 --work choice
    """
    from stbench.applied.imputation import predict as predict_genes
    from stbench.applied.pairs import pair_called

    if options.out is not None:
        writable_folder(options.out.parent)
    tissue = pair_called(options, pair)
    with shown(options, Console()) as reporter:
        answer = predict_genes(options, tissue, reporter)
    about = answer.uns["stbench"]
    metric = headline()
    mean, low, high = (about[f"mean_{metric}{end}"] for end in ("", "_low", "_high"))
    expected = f"{mean:.3f} ({low:.3f} to {high:.3f}) over genes like the measured ones"
    print(f"{about['method']}: expected mean {metric} {expected}")
    print(f"Wrote {options.out}: {answer.n_obs} spots x {answer.n_vars} genes")


def _report(choice: Choice) -> None:
    """Print the tables and the verdict of a choice."""
    console, metric = Console(), headline()
    methods = Table("method", "kind", f"mean {metric}", "90 % interval", "genes", title="All measured genes")
    for name, row in choice.methods.iterrows():
        interval = f"{row['low']:.3f} to {row['high']:.3f}"
        methods.add_row(str(name), row["kind"], f"{row[metric]:.3f}", interval, str(row["n_genes"]))
    console.print(methods)
    groups = Table("genes", "similarity", "number", "best method", f"mean {metric}", title="By gene")
    for name, row in choice.groups.iterrows():
        span = f"{row['from']:.2f} to {row['to']:.2f}"
        groups.add_row(str(name), span, str(row["n_genes"]), row["best"], f"{row[metric]:.3f}")
    console.print(groups)
    print("Similarity: correlation in the reference with the most similar measured gene.")
    for name, reason in choice.validation.failures.items():
        print(f"Left out: {name}: {reason}")
    print(choice.reliability)
    print(choice.verdict)
