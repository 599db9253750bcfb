"""Reads and prints for the scripts that ask programs of other projects."""

import json
import shutil
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import NoReturn

NOT_INSTALLED = 77  # the exit code of a script that cannot ask its program
# What installs the programs.
FROM_DEBIAN = "apt-get install dnf createrepo-c rpm debsecan"
FROM_PYPI = "make advisory-matchers"


def images(folder: Path) -> dict[str, dict]:
    """Returns the images with their packages, by their names."""
    return json.loads((folder / "images.json").read_text())


def require(*programs: str) -> None:
    """Ends the script if a program of Debian is not installed."""
    for program in programs:
        if shutil.which(program) is None:
            skip(f"{program} is not installed. To install it: {FROM_DEBIAN}")


def skip(reason: str) -> NoReturn:
    """Ends the script, because its program cannot be asked."""
    print(reason, file=sys.stderr)
    sys.exit(NOT_INSTALLED)


def report(findings: Iterable[tuple[str, str, str]]) -> None:
    """Prints each finding once: `IMAGE | PACKAGE | VULNERABILITY`."""
    for finding in sorted(set(findings)):
        print(" | ".join(finding))
