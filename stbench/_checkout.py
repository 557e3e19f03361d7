"""The content folders of a source checkout."""

from pathlib import Path


def plugin_path(kind: str) -> list[str]:
    """The folder ``<root>/<kind>`` of a checkout, as a list to add to a package's ``__path__``.

    Empty when stbench runs from a wheel, where the content already lies inside the package.
    """
    root = Path(__file__).resolve().parent.parent
    folder = root / kind
    return [str(folder)] if folder.is_dir() and (root / "pyproject.toml").is_file() else []
