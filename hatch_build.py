"""Puts the four content folders inside the package when a real wheel is built."""

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class ContentFolders(BuildHookInterface):
    """An editable install reads the folders in place, so only a standard wheel needs the copy."""

    def initialize(self, version: str, build_data: dict) -> None:
        if version == "standard":
            for kind in ("methods", "datasets", "metrics", "leaderboard"):
                build_data["force_include"][kind] = f"stbench/{kind}"
