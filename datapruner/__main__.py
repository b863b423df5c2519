"""``python -m datapruner``: the command line."""

import sys

from datapruner.cli import main

if __name__ == "__main__":
    sys.exit(main())
