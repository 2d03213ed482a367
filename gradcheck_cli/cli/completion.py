"""Completion in bash, zsh and fish: what may stand at the cursor, and the scripts that ask for it.

Words, files, and the functions in files, which are read and not run. click's own scripts split at colons and `=` as
bash does, so that `layers.py:conv_forward` could not be completed: here the shell hands over the line up to the cursor.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from click.shell_completion import CompletionItem, ShellComplete, split_arg_string

from gradcheck_cli.implementation.finding.folder import definitions
from gradcheck_cli.implementation.finding.names import matching_pairs
from gradcheck_cli.implementation.loading.paths import SUFFIXES, is_file

if TYPE_CHECKING:
    import click

    Items = list[CompletionItem]


#: The type of an item that is a file or a folder: a shell quotes it, and goes on after the `/` of a folder.
PATH = "path"

#: More files than this in a folder are no help.
_MOST_FILES = 1000


def complete_words(incomplete: str, words: Iterable[str], *, listed: bool = False) -> Items:
    """Offer words; in a list those that are not in it yet."""
    given, comma, last = incomplete.rpartition(",") if listed else ("", "", incomplete)
    left = [word for word in words if word.startswith(last) and word not in given.split(",")]
    return [CompletionItem(f"{given}{comma}{word}") for word in left]


def complete_files(incomplete: str, suffixes: tuple[str, ...] = ()) -> Items:
    """Offer the files of a folder, or those with some suffixes, and folders. Hidden ones are offered on request."""
    folder, begun = os.path.split(incomplete)
    try:
        entries = sorted(os.scandir(Path(folder or ".").expanduser()), key=lambda entry: entry.name)
    except OSError:
        return []
    offered = [entry for entry in entries if entry.name.startswith(begun) and (begun or entry.name[0] != ".")]
    names = [
        f"{entry.name}/" if entry.is_dir() else entry.name
        for entry in offered
        if entry.name.isprintable() and (entry.is_dir() or entry.name.endswith(suffixes or ""))
    ]
    return [CompletionItem(os.path.join(folder, name), type=PATH) for name in names[:_MOST_FILES]]  # noqa: PTH118  # `./a` stays so


def complete_code(incomplete: str, *, builtin: Iterable[str] = (), pairs: bool = True) -> Items:
    """Offer built-in implementations, Python files, notebooks and folders; after `FILE.py:` what the file defines."""
    home, colon, names = incomplete.rpartition(":")
    path = Path(home).expanduser()
    if not (colon and is_file(path)):
        return [*complete_words(incomplete, builtin), *complete_files(incomplete, SUFFIXES)]
    try:
        defined = dict.fromkeys(name for name in definitions(path).outermost if not name.startswith("__"))
    except (OSError, SyntaxError):
        return []
    return [CompletionItem(f"{home}:{name}") for name in _functions(names, list(defined), pairs=pairs)]


def _functions(begun: str, defined: list[str], *, pairs: bool) -> Iterator[str]:
    """Yield pairs that belong together and single names; after a comma what may come second."""
    first, comma, second = begun.partition(",")
    if comma:
        yield from (f"{first},{name}" for name in defined if name.startswith(second) and name != first)
        return
    if pairs:
        yield from (f"{one},{other}" for one, other in matching_pairs(defined) if one.startswith(begun))
    yield from (name for name in defined if name.startswith(begun))


#: The variables by which a shell asks: its name, the line up to the cursor, and the characters that end its words.
SHELL, _LINE, _BREAKS = "_GRADCHECK_COMPLETE", "_GRADCHECK_LINE", "_GRADCHECK_BREAKS"

_BASH = r"""
_PROGRAM_completion() {
    local type value
    COMPREPLY=()
    while IFS=$'\t' read -r type value; do
        [[ $type == path ]] && compopt -o filenames && value=${value%/}  # bash adds the slash itself
        COMPREPLY+=("$value")
    done < <(_GRADCHECK_COMPLETE=bash _GRADCHECK_LINE="${COMP_LINE:0:COMP_POINT}" \
        _GRADCHECK_BREAKS="$COMP_WORDBREAKS" "$1" 2>/dev/null)
}
complete -o nosort -F _PROGRAM_completion PROGRAM 2>/dev/null || complete -F _PROGRAM_completion PROGRAM
"""

_ZSH = r"""
_PROGRAM_completion() {
    local type value help
    while IFS=$'\t' read -r type value help; do
        case $type in
            path) if [[ $value == */ ]]; then compadd -S '' -- "$value"; else compadd -f -- "$value"; fi ;;
            *) local -a shown=("$value${help:+  -- $help}"); compadd -V words -l -d shown -- "$value" ;;
        esac
    done < <(_GRADCHECK_COMPLETE=zsh _GRADCHECK_LINE="${(j: :)words[1,CURRENT-1]} $PREFIX" "$words[1]" 2>/dev/null)
}
compdef _PROGRAM_completion PROGRAM
"""

_FISH = r"""
function __PROGRAM_completion
    set -l words (commandline -opc)
    env _GRADCHECK_COMPLETE=fish _GRADCHECK_LINE=(commandline -cp | string collect) $words[1] 2>/dev/null
end
complete --no-files --command PROGRAM --arguments "(__PROGRAM_completion)"
"""

SCRIPTS = {"bash": _BASH, "zsh": _ZSH, "fish": _FISH}


def script(shell: str, programs: tuple[str, ...]) -> str:
    """Return what a shell runs to complete the arguments of programs."""
    return "".join(SCRIPTS[shell].lstrip().replace("PROGRAM", program) for program in programs)


def answer(command: click.Command) -> str:
    """Return what may stand at the cursor of the line that a shell hands over, one candidate a line."""
    shell, line = os.environ[SHELL], os.environ.get(_LINE, "")
    *args, incomplete = split_arg_string(f"{line}|")[1:] or ["|"]  # the mark makes a word of what is to begin
    incomplete = incomplete.removesuffix("|")
    try:
        items = ShellComplete(command, {}, command.name or "", "").get_completions(args, incomplete)
    except Exception:  # noqa: BLE001  # a traceback at each press of Tab would help nobody
        return ""
    flag = (
        incomplete[: incomplete.find("=") + 1] if incomplete.startswith("--") else ""
    )  # as far as `=`, if there is one
    left_out = _kept_by_shell(incomplete, line) if shell == "bash" else ""
    lines = [_format(shell, item, f"{flag}{item.value}".removeprefix(left_out)) for item in items]
    return "".join(f"{line}\n" for line in lines)


def _kept_by_shell(incomplete: str, line: str) -> str:
    """Return the part of a word that bash takes for earlier words, unless it is quoted."""
    quoted = line.count('"') % 2 or line.count("'") % 2
    breaks = [] if quoted else [sign for sign in ":=" if sign in os.environ.get(_BREAKS, "")]
    return incomplete[: 1 + max((incomplete.rfind(sign) for sign in breaks), default=-1)]


def _format(shell: str, item: CompletionItem, value: str) -> str:
    help_ = " ".join((item.help or "").split())
    if shell == "fish":
        return f"{value}\t{help_}"
    kind = PATH if item.type == PATH else "word"
    return f"{kind}\t{value}" if shell == "bash" else f"{kind}\t{value}\t{help_}"
