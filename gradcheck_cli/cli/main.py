"""The two programs: `convcheck`, and `gradcheck` with a command for each layer."""

from __future__ import annotations

from gradcheck_cli.engine import interrupts

interrupts.install()  # before imports that take a while: a Ctrl-C within them prints no traceback

from gradcheck_cli.cli import streams  # noqa: E402

streams.settle()
streams.forget_odd_sizes()

import gc  # noqa: E402
import os  # noqa: E402
import sys  # noqa: E402
from typing import NoReturn  # noqa: E402

import click  # noqa: E402

from gradcheck_cli.cli.exit_codes import BUG, USAGE  # noqa: E402
from gradcheck_cli.cli.lazy import import_later  # noqa: E402

import_later("numpy")

from gradcheck_cli.cli.about import report_bug  # noqa: E402  # after NumPy was put off
from gradcheck_cli.cli.commands import layer_command  # noqa: E402
from gradcheck_cli.text.clean import clean_lines  # noqa: E402

#: Lines of an error: some list what there is to choose from.
_MOST_LINES = 100

#: Characters of a line of an error: a value that is quoted may have thousands of digits.
_WIDEST = 1000


def convcheck() -> NoReturn:
    """Run `convcheck`."""
    sys.exit(_run(layer_command("convcheck", "conv")))


def gradcheck() -> NoReturn:
    """Run `gradcheck`."""
    from gradcheck_cli.cli.groups import gradcheck_group  # not for convcheck

    sys.exit(_run(gradcheck_group()))


def _run(command: click.Command) -> int:
    """Run a command and return its exit code.

    click's own handling ends a crash and Ctrl-C with 1, which here means a wrong gradient.
    """
    gc.disable()  # until all is imported: what is made then stays, and looking through it takes a tenth of a short run
    sys.dont_write_bytecode = True  # no __pycache__ in the folders of those who are checked
    try:
        code = _exit_code(command)
        sys.stdout.flush()
    except streams.OutputError as error:
        code = _refuse(f"{error}.")
    except BrokenPipeError:  # a reader that has left
        sys.stdout = sys.stderr
    interrupts.ignore()
    signal = interrupts.received()
    return interrupts.exit_code(signal) if signal is not None and code not in (USAGE, BUG) else code


def _exit_code(command: click.Command) -> int:
    try:
        if "_GRADCHECK_COMPLETE" in os.environ:  # a shell asks what may come next
            from gradcheck_cli.cli.completion import answer

            click.echo(answer(command), nl=False)
            return 0
        return command.main(prog_name=command.name, standalone_mode=False) or 0
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return USAGE
    except SystemExit:  # click's answer to a reader that has left, as in `convcheck --help | head -1`
        return 0
    except click.ClickException as error:
        hint = f"\nTry '{error.ctx.command_path} --help'." if isinstance(error, click.UsageError) and error.ctx else ""
        return _refuse(error.format_message() + hint)
    except (click.Abort, KeyboardInterrupt):
        return interrupts.exit_code(interrupts.received() or 2)
    except (MemoryError, OverflowError) as error:
        return _refuse(f"arrays of these sizes cannot be made ({error}); give smaller ones.")
    except OSError as error:  # of a file that was named, or of the machine: nothing that a report of a bug would mend
        what = f"{error.filename!r}: " if error.filename else ""
        return _refuse(f"{what}{error.strerror or error}.")
    except streams.OutputError:
        raise
    except Exception:  # noqa: BLE001  # the last resort
        import traceback  # only here

        report_bug(traceback.format_exc())
        return BUG


def _refuse(why: str) -> int:
    click.echo(clean_lines(f"Error: {why}", _MOST_LINES, _WIDEST), err=True)
    return USAGE
