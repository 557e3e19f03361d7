"""Parts that several neural methods share. Importing a module of this package imports torch."""
