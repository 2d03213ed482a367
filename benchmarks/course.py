"""Grades 120 submissions of a course into all reports: right ones, wrong ones, and as bad ones as there can be.

    python -m benchmarks.course FOLDER

writes them to a new folder, grades them with `--jobs 2`, and says which rows are wrong, where reports differ, how long
it took and how large the reports are.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

from tests.readers import ALL_REPORTS, disagreements
from tests.submissions import BAD, LAYERS, UNREADABLE, WRONG, write_submissions, wrong_rows

SUBMISSIONS = 120


def main() -> None:
    """Write the submissions, grade them, and say what came out."""
    folder = Path(sys.argv[1])
    every = [*WRONG, *BAD, *UNREADABLE]
    submissions = write_submissions(folder, ["right"] * (SUBMISSIONS - 3 * len(every)) + 3 * every, tuple(LAYERS))
    started = time.perf_counter()
    files = [str(one.path.relative_to(folder)) for one in submissions]
    program = Path(sys.executable).with_name("gradcheck")
    run = subprocess.run([program, *files, *ALL_REPORTS, "--jobs", "2", "--timeout", "2"], cwd=folder, check=False)
    report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    print(*wrong_rows(submissions, folder, report), *disagreements(folder), sep="\n")
    print(f"exit code {run.returncode}, {time.perf_counter() - started:.0f} s, {report['summary']}")
    print(*(f"{path.name}: {path.stat().st_size:,} bytes" for path in sorted(folder.glob("report.*"))), sep="\n")


if __name__ == "__main__":
    main()
