"""Parts that several neural methods share. Importing a module of this package imports torch."""

TORCH_BYTES = 400_000_000  # what a process holds once torch is imported and has trained something small
BYTES_PER_WEIGHT = 24  # fp32 weight, gradient, two moments of AdamW, and what clipping and updating need
