"""A limit: a seeded subsample of a pair, for quick grids."""

from __future__ import annotations

from dataclasses import asdict, dataclass

TAKES = "takes cells=N,spots=N,genes=N with whole numbers"


@dataclass(frozen=True)
class Limit:
    """At most so many cells, spots and (most variable) genes."""

    cells: int | None = None
    spots: int | None = None
    genes: int | None = None

    @classmethod
    def parse(cls, text: str) -> Limit:
        """Read ``cells=2000,spots=1500,genes=300``; any part may be absent. Raises ValueError."""
        parts: dict[str, int] = {}
        for part in filter(None, str(text).replace(" ", "").split(",")):
            name, _, value = part.partition("=")
            if name not in cls.__dataclass_fields__ or name in parts:
                raise ValueError(f"{TAKES}, not '{part}'")
            if not (value.isascii() and value.isdigit() and int(value)):
                raise ValueError(f"{TAKES}, not '{part}'")
            parts[name] = int(value)
        return cls(**parts)

    def __str__(self) -> str:
        return ",".join(f"{name}={value}" for name, value in asdict(self).items() if value is not None)
