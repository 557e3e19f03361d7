"""stbench: a fair benchmark of gene prediction in spatial transcriptomics."""

__version__ = "0.1.0"
