"""Entry point of `python -m cnn_mellin`."""

import sys

from cnn_mellin.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
