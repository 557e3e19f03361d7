"""What methods import: scale, neighbours, tuning, intervals, a sandbox for other packages, networks."""
