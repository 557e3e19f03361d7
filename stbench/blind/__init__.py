"""Tasks for methods that run elsewhere (``stbench export``), and their scores (``stbench submit``)."""
