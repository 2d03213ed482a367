"""`python -m gradcheck_cli` is `gradcheck`."""

from gradcheck_cli.cli.main import gradcheck

gradcheck()
