"""Names of temporary files and folders that identify the process that made them, and removal of what is left over.

A run that is killed cannot remove anything. The next one that makes a temporary file in the same folder does.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import shutil
import stat
import zlib
from pathlib import Path


def fresh_name(marker: str) -> str:
    """Return a new name, of the marker, the machine, the process and a random part.

    It is short: a file system allows 255 bytes.
    """
    return f"{marker}-{_machine()}-{os.getpid()}-{secrets.token_hex(8)}"


def remove_leftovers(folder: Path, marker: str) -> None:
    """Remove what ended processes of this machine and user have left in a folder under such names."""
    if os.name != "posix":  # elsewhere there is no harmless way to ask whether a process is running
        return
    ours = re.compile(rf"{re.escape(marker)}-{_machine()}-(\d{{1,9}})-[0-9a-f]{{16}}")
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if (found := ours.fullmatch(entry.name)) and not _is_running(int(found[1])):
                with contextlib.suppress(OSError):
                    _remove(entry)


def _remove(entry: os.DirEntry[str]) -> None:
    status = entry.stat(follow_symlinks=False)
    if status.st_uid != os.geteuid():
        return
    if stat.S_ISDIR(status.st_mode):
        shutil.rmtree(entry.path, ignore_errors=True)
    elif stat.S_ISREG(status.st_mode):
        Path(entry.path).unlink()


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:  # it is another user's
        return True
    return True


def _machine() -> str:
    """Identify this machine among those that share a folder: elsewhere the same process id is another process."""
    name = os.uname().nodename if hasattr(os, "uname") else ""
    return f"{zlib.crc32(name.encode()):08x}"
