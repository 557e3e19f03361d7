"""Runs of methods: the grid, its engines, the child processes, and the results folder they fill."""
