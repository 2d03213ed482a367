"""`python -m gradcheck_cli` is `gradcheck`."""

import sys

if not sys.flags.safe_path:
    # `python -m` puts the current folder first, where a `json.py` may be somebody's homework; this package is found.
    del sys.path[0]

from gradcheck_cli.cli.main import gradcheck

gradcheck()
