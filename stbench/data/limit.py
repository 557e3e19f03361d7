"""The limit of a pair: how many cells, spots and genes a quick grid uses, in a seeded draw."""

from __future__ import annotations

from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Limit:
    """The largest number of cells, spots and (most variable) genes; None is no limit."""

    cells: int | None = None
    spots: int | None = None
    genes: int | None = None

    @classmethod
    def parse(cls, text: str) -> Limit:
        """The limit in a text like ``cells=2000,spots=1500``; raises ValueError for any other text."""
        parts: dict[str, int] = {}
        for part in filter(None, str(text).replace(" ", "").split(",")):
            name, _, value = part.partition("=")
            is_whole = value.isascii() and value.isdigit() and int(value)
            if name not in cls.__dataclass_fields__ or name in parts or not is_whole:
                raise ValueError(f"takes cells=N,spots=N,genes=N with whole numbers, not '{part}'")
            parts[name] = int(value)
        return cls(**parts)

    def __str__(self) -> str:
        return ",".join(f"{name}={value}" for name, value in asdict(self).items() if value is not None)
