"""Parts that several neural methods share. The modules of this package import torch; this file does not."""

TORCH_BYTES = 400_000_000  # memory of a process that has imported torch and trained a small network
BYTES_PER_WEIGHT = 24  # fp32 weight, gradient, two moments of AdamW, and what an update needs
