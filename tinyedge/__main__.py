"""``python -m tinyedge``: the command line from a source tree that is not installed."""

from tinyedge.cli.main import main

if __name__ == "__main__":
    main()
