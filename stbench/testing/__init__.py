"""For authors of plugins: the contract of a method as checks, and a planted tissue."""
