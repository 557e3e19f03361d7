"""The command line: one file per command; nothing heavy is imported before a command needs it."""

from __future__ import annotations

import logging
import sys
from typing import Annotated

import typer

from stbench import __version__
from stbench.cli import (
    audit,
    check,
    choose,
    data,
    doctor,
    leaderboard,
    listing,
    merge,
    new,
    predict,
    run,
    run_one,
    score,
    status,
    verify,
)
from stbench.errors import StbenchError

app = typer.Typer(
    help="A fair benchmark of methods that predict unmeasured genes in spatial transcriptomics.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command("run")(run.run)
app.command("run-one")(run_one.run_one)
app.command("status")(status.status)
app.command("verify")(verify.verify)
app.command("doctor")(doctor.doctor)
app.command("list")(listing.list_plugins)
app.command("score")(score.score)
app.command("leaderboard")(leaderboard.leaderboard)
app.command("audit")(audit.audit)
app.command("merge")(merge.merge)
app.command("choose")(choose.choose)
app.command("predict")(predict.predict)
app.command("new")(new.new)
app.add_typer(check.app, name="check")
app.add_typer(data.app, name="data")


def _version(asked: bool) -> None:
    if asked:
        print(f"stbench {__version__}")
        raise typer.Exit


@app.callback()
def options(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Options of every command; ``--debug`` is read in `main`."""


class _Print(logging.Handler):
    """Prints messages as they are; a live view moves out of their way."""

    def emit(self, record: logging.LogRecord) -> None:
        print(record.getMessage(), flush=True)


def main() -> None:
    """Entry point: a mistake of the user is one line and exit code 1; a bug shows its traceback."""
    messages = logging.getLogger("stbench")
    messages.setLevel(logging.INFO)
    messages.addHandler(_Print())
    messages.propagate = False
    try:
        app()
    except StbenchError as error:
        if "--debug" in sys.argv:
            raise
        print(f"Error: {' '.join(str(error).split())}", file=sys.stderr)
        sys.exit(1)
