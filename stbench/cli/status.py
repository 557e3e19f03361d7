"""``stbench status``: the state of a grid."""

from __future__ import annotations

import json
import time
from collections import Counter
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from stbench.cli.options import ResultsFolder
from stbench.errors import StbenchError

if TYPE_CHECKING:
    from stbench.runs.results import Results

WATCH_SECONDS = 2.0


def status(
    results: ResultsFolder,
    watch: Annotated[
        bool, typer.Option("--watch", help="Repeat until no run is running or waiting.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="A line of JSON per run; with --watch, a line per event.")
    ] = False,
    log: Annotated[str | None, typer.Option(help="Print the log of the run with this key.")] = None,
) -> None:
    """Show which runs are done, running, failed and waiting.

    Example: stbench status results --watch
    """
    from stbench.runs.results import Results
    from stbench.runs.status import is_open, survey

    folder = Results.open(results)
    if log is not None:
        file = folder.run_folder(log) / "log.txt"
        if not file.is_file():
            raise StbenchError(f"No log of a run '{log}' in '{results}'. See stbench status --json.")
        print(file.read_text(errors="replace"), end="")
    elif as_json and watch:
        _follow(folder)
    elif as_json:
        for state in survey(folder):
            print(json.dumps(asdict(state)))
    elif not watch:
        Console().print(_view(folder))
    else:
        with Live(_view(folder), refresh_per_second=1) as live:
            while is_open(folder):
                time.sleep(WATCH_SECONDS)
                live.update(_view(folder))


def _follow(results: Results) -> None:
    """Print the events so far, and each new one, until no run is running or waiting."""
    from stbench.runs.events import read_events
    from stbench.runs.status import is_open

    n_shown, more = 0, True
    while more:
        more = is_open(results)
        events = list(read_events(results.events_file))
        for event in events[n_shown:]:
            print(json.dumps(event), flush=True)
        n_shown = len(events)
        if more:
            time.sleep(WATCH_SECONDS)


def _view(results: Results) -> Group:
    from stbench.runs.manifest import BAD
    from stbench.runs.status import DAMAGED, RUNNING, age, survey, time_left
    from stbench.runs.times import Times

    states = survey(results)
    counts = Counter(state.status for state in states)
    table = Table(title=f"{len(states)} runs in {results.folder}", title_justify="left")
    table.add_column("method")
    for name in counts:
        table.add_column(name, justify="right")
    for method in sorted({state.method for state in states}):
        own = Counter(state.status for state in states if state.method == method)
        table.add_row(Text(method), *(str(own[name] or "–") for name in counts))
    lines = [f"running: {s.title} ({age(s.started):.0f} s)" for s in states if s.status == RUNNING]
    failed = [state for state in states if state.status in (*BAD, DAMAGED)]
    lines += [f"{s.status}: {s.title}: {s.reason} (log: {s.log or 'none'})" for s in failed]
    if counts[RUNNING]:
        left = time_left(states, Times(results.manifests()))
        end = time.strftime("%a %H:%M", time.localtime(time.time() + left.seconds))
        lines.append(f"time left: {left}" + (f", until {end}" if left.n_known else ""))
    return Group(table, *(Text(line) for line in lines))
