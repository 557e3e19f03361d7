"""``python -m stbench``: the command line, where the ``stbench`` script is not on the path."""

from stbench.cli import main

if __name__ == "__main__":
    main()
