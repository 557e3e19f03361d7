"""Adding to stbench: new plugins from templates, methods of other languages, and the contract as checks."""
