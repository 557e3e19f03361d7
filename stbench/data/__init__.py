"""Pairs of reference and tissue: where they come from, how they are checked, prepared and split."""
