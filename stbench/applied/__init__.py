"""``stbench choose`` and ``stbench predict``: the methods on a pair of the user's own."""
