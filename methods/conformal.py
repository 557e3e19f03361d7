"""The conformal intervals of this project around any method."""

from __future__ import annotations

from dataclasses import dataclass

from stbench.methods import Context, Prediction, Task, Wrapper, register_wrapper


@register_wrapper("conformal", paper="Vovk et al. 2005", doi="10.1007/b106715", version="1")
@dataclass(frozen=True)
class Conformal(Wrapper):
    """The values of any method, with the intervals of `stbench.toolbox.conformal`.

    The errors of visible genes, each predicted from those of other folds, are pooled in strata of the
    predicted value; their quantiles are added to the predictions in the stratum. These are the intervals of
    `kernel` and `causalged-kernel`, and they need no coordinates.

    Parameters
    ----------
    n_folds
        Folds of visible genes; the method inside is fitted once for each, and once more.
    level
        Nominal level of the intervals.

    Deviations
    ----------
    None: it is this project's own use of split conformal prediction, with genes as the exchangeable units.
    """

    n_folds: int = 5
    level: float = 0.9

    def predict(self, task: Task, ctx: Context) -> Prediction:
        """The values of the method inside with intervals, (n_spots, n_targets)."""
        from stbench.toolbox.conformal import conformal

        return conformal(
            task,
            lambda part: self.fitted(part, ctx),
            level=self.level,
            n_folds=self.n_folds,
            seed=ctx.seed,
        )
