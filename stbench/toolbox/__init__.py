"""Tools for methods: scale, components, neighbours, transport, tuning, intervals, a sandbox, networks."""
