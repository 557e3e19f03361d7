"""Sphinx: markdown pages, some of them executed, and cards of all plugins made from the registries."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from stbench import __version__
from stbench.board.render import render
from stbench.board.scoretable import common_cells, read_scores

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))
import pages  # noqa: E402

os.environ.pop("STBENCH_DATA", None)  # the pages are made from the embedded data alone

project, author, release = "stbench", "The stbench developers", __version__
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.mathjax"]
html_theme = "sphinx_book_theme"
html_title = "stbench"
html_theme_options = {"navbar_persistent": []}  # one search, that of the sidebar
html_static_path = ["static"]
html_css_files = ["tables.css"]
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


board = common_cells(read_scores(HERE / "board_scores.parquet"))
generated = HERE / "generated"
page = generated / "pages" / "board"  # beside board.html
page.mkdir(parents=True, exist_ok=True)
pages.method_pages(generated, board)
(generated / "metric_cards.md").write_text(pages.metric_cards())
(generated / "figures.md").write_text(pages.gallery(generated, board))
exclude_patterns += ["generated/metric_cards.md", "generated/figures.md"]  # included by other pages
render(board, page, ["site"])
html_extra_path = ["generated/pages"]
