"""`python -m flowrunner`, and what `flowrunner` and `fr` run."""

from __future__ import annotations

import sys

from flowrunner.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
