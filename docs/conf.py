"""Sphinx: markdown pages, some of them executed, and cards of all plugins made from the registries."""

from __future__ import annotations

import os
from pathlib import Path

from stbench import __version__
from stbench.board.render import render
from stbench.board.scoretable import common_cells, read_scores
from stbench.config.variants import NO_PRESET, configure
from stbench.methods import REGISTRY as METHODS
from stbench.metrics import REGISTRY as METRICS

HERE = Path(__file__).parent
os.environ.pop("STBENCH_DATA", None)  # the pages are made from the embedded data alone

project, author, release = "stbench", "The stbench developers", __version__
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.mathjax"]
html_theme = "sphinx_book_theme"
html_title = "stbench"
exclude_patterns = ["_build"]

nb_execution_mode = "force"
nb_execution_raise_on_error = True
nb_execution_timeout = 300
myst_enable_extensions = ["dollarmath", "colon_fence"]
myst_heading_anchors = 3

autodoc_typehints = "none"
autodoc_member_order = "bysource"
napoleon_custom_sections = ["Deviations"]
napoleon_use_rtype = False
default_role = "code"


def method_cards() -> str:
    """One section per method: where it comes from, what it needs, its docstring, its presets."""
    parts = ["# Methods\n\nWhat each method does, where its defaults come from, and how it deviates.\n"]
    for name, cls in sorted(METHODS.items().items()):
        info = cls.info
        source = f"{info.paper}, <{info.link}>" if info.link else info.paper
        needs = ", ".join(info.packages) or "nothing beyond the core"
        parts.append(f"## {name}\n\n*{info.family}*. {source}. Needs {needs}. Version {info.version}.\n")
        parts.append(f"```{{eval-rst}}\n.. autoclass:: {cls.__module__}.{cls.__name__}\n```\n")
        presets = [*cls.presets] or [NO_PRESET]
        values = {preset: vars(configure(cls, preset, {})) for preset in presets}
        if values[presets[0]]:
            parts.append(f"| parameter | {' | '.join(presets)} |\n|{'---|' * (1 + len(presets))}")
            for parameter in values[presets[0]]:
                row = " | ".join(f"`{values[preset][parameter]}`" for preset in presets)
                parts.append(f"| {parameter} | {row} |")
            parts.append("")
    return "\n".join(parts)


def metric_cards() -> str:
    """One section per metric: its definition as the docstring states it."""
    parts = []
    for name, metric in sorted(METRICS.items().items(), key=lambda item: (not item[1].primary, item[0])):
        best = {"high": "higher is better", "low": "lower is better", "level": "should meet the level"}
        kind = "Primary. " if metric.primary else ""
        low, high = metric.bounds
        parts.append(
            f"### {name}\n\n{kind}Definition {metric.definition}, from {low:g} to {high:g}, "
            f"{best[metric.best]}.\n"
        )
        function = metric.function
        parts.append(f"```{{eval-rst}}\n.. autofunction:: {function.__module__}.{function.__name__}\n```\n")
    return "\n".join(parts)


generated = HERE / "generated"
generated.mkdir(exist_ok=True)
(generated / "methods.md").write_text(method_cards())
(generated / "metric_cards.md").write_text(metric_cards())
exclude_patterns += ["generated/metric_cards.md"]  # included by metrics.md

page = generated / "pages" / "board"  # beside board.html
page.mkdir(parents=True, exist_ok=True)
render(common_cells(read_scores(HERE / "board_scores.parquet")), page, ["site"])
html_extra_path = ["generated/pages"]
