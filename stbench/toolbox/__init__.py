"""What methods import: scale, components, neighbours, transport, tuning, intervals, a sandbox, networks."""
