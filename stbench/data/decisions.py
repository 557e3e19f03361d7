"""What was understood from the tables of a user, one line per decision; a guess may be an error."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field

from stbench.errors import StbenchError

log = logging.getLogger(__name__)


@dataclass
class Decisions:
    """The lines in their order; ``warnings`` are those of them that need care.

    Each line is logged at once, unless the decisions are ``quiet``.
    """

    strict: bool = False
    quiet: bool = False
    lines: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def say(self, line: str) -> None:
        """A decision that the tables themselves determine."""
        self.lines.append(line)
        if not self.quiet:
            log.info(line)

    def warn(self, line: str) -> None:
        """What a user should look at."""
        self.warnings.append(line)
        self.say(line)

    def guess(self, line: str, remedy: str) -> None:
        """A decision that could be wrong; ``remedy`` is what makes it certain.

        Raises `StbenchError` where the decisions are strict.
        """
        if self.strict:
            raise StbenchError(f"{line}. This is a guess, and --strict allows none: {remedy}.")
        self.warn(f"{line} (a guess: {remedy})")
