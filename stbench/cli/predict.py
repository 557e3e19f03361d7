"""``stbench predict``: the unmeasured genes of your own pair."""

from __future__ import annotations

from stbench.cli.choose import PairArgument
from stbench.cli.options import takes
from stbench.config.options import PredictOptions
from stbench.files import writable_folder
from stbench.metric import headline


@takes(PredictOptions)
def predict(options: PredictOptions, pair: PairArgument) -> None:
    """Fit a method on all measured genes; write the unmeasured genes and their expected accuracy.

    Examples: stbench predict simulated --method kernel --out imputed.h5ad;
    stbench predict my_tissue --data my_datasets --method best --genes Sox2,Pax6 --work choice
    """
    from stbench.applied.imputation import predict as predict_genes
    from stbench.applied.pairs import pair_called
    from stbench.cli.progress import live

    if options.out is not None:
        writable_folder(options.out.parent)
    tissue = pair_called(options, pair)
    with live() as reporter:
        answer = predict_genes(options, tissue, reporter)
    about = answer.uns["stbench"]
    metric = headline()
    mean, low, high = (about[f"mean_{metric}{end}"] for end in ("", "_low", "_high"))
    expected = f"{mean:.3f} ({low:.3f} to {high:.3f}) over genes like the measured ones"
    print(f"{about['method']}: expected mean {metric} {expected}")
    print(f"Wrote {options.out}: {answer.n_obs} spots x {answer.n_vars} genes")
