"""Truth and prediction in, scores per gene out; the controls that the scorer makes."""
