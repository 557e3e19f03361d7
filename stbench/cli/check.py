"""``stbench check``: whether a method keeps the contract, and what to change where it does not."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from stbench.config.variants import Variant
    from stbench.method import Method
    from stbench.testing.contract import Verdict

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)


@app.callback()
def check() -> None:
    """Check a plugin against its contract. Example: stbench check method my_method.py"""


@app.command("method")
def method(
    target: Annotated[str, typer.Argument(metavar="NAME|FILE", help="A method, or a file with some.")],
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="method.parameter=value; may be repeated.")
    ] = None,
    plugin: Annotated[list[Path] | None, typer.Option(help="File or card with further plugins.")] = None,
) -> None:
    """Check a method on tiny data: shapes, seeds, odd input, side effects, cost, and that it sees no answer.

    Examples: stbench check method spage; stbench check method my_method.py --set my_method.n_epochs=5
    """
    from tempfile import TemporaryDirectory

    from stbench.config.values import settings
    from stbench.config.variants import variants
    from stbench.errors import StbenchError
    from stbench.plugins import load_plugin
    from stbench.testing.contract import examine

    for file in plugin or []:
        load_plugin(file)
    classes = _defined(target)
    for cls in classes:
        if missing := cls.missing():
            raise StbenchError(f"'{cls.info.name}' cannot be checked here: it {missing}")
    chosen = variants(classes, settings(set_ or []))
    failed = 0
    for cls, variant in zip(classes, chosen, strict=True):
        print(f"{cls.info.name}, version {cls.info.version}", flush=True)
        with TemporaryDirectory(prefix="stbench-check-") as scratch:
            for verdict in examine(_configured(variant), Path(scratch)):
                print(_line(verdict), flush=True)
                failed += bool(verdict.problem)
    if failed:
        print(f"{failed} checks failed. Change what is named above and check again.")
        raise typer.Exit(1)
    print("All checks passed.")


def _defined(target: str) -> list[type[Method]]:
    """The method of that name, or those that the file of that path defines."""
    from stbench.errors import StbenchError
    from stbench.method import REGISTRY
    from stbench.plugins import load_plugin

    file = Path(target)
    if file.suffix not in (".py", ".toml"):
        return [REGISTRY.get(target)]
    if not _in_file(file):  # a file of the content folders is known already
        load_plugin(file)
    found = _in_file(file)
    if not found:
        raise StbenchError(f"'{file}' registers no method. Decorate its class with stbench.methods.register.")
    return found


def _in_file(file: Path) -> list[type[Method]]:
    import inspect

    from stbench.method import REGISTRY

    return [cls for cls in REGISTRY.items().values() if Path(inspect.getfile(cls)) == file.resolve()]


def _configured(variant: Variant) -> Method:
    from stbench.config.variants import choose_preset, configure

    return configure(variant.cls, choose_preset(variant.cls, None, "cpu"), variant.parameters)


def _line(verdict: Verdict) -> str:
    check = verdict.check
    if not verdict.problem:
        remark = f" {verdict.remark}" if verdict.remark else ""
        return f"  ok      {check.name:17} {check.promise}{remark}"
    return f"  FAILED  {check.name:17} {verdict.problem}\n          to change: {check.remedy}"
