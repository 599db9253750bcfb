"""Builds what the local AWS is given: `lambda/functions.zip` below cargo's target directory, with the functions' `bootstrap`
and the agent.

Run with the interpreter of the build tools, which has zig beside it; `--built` compiles nothing and needs any Python. The
`bootstrap` is the development build, for this machine; the agent is small and needs no glibc newer than 2.17, for any
instance.
"""

import argparse
import platform
import sys
import zipfile
from pathlib import Path

import building

FAST = 1  # compression of a file that goes over the loopback


def this_machine():
    for architecture in building.ARCHITECTURES:
        if architecture.machine == platform.machine():
            return architecture
    raise SystemExit(f"there is no agent for a machine of the architecture {platform.machine()}")


def compile_all(architecture):
    """Compiles both; cargo's target directory."""
    import elf  # reads programs by a package of the build tools

    print("Building the functions and the agent (the agent's first build takes about a minute).", file=sys.stderr)
    # The whole workspace: another choice of packages would compile the AWS SDK again with other features.
    building.cargo("build", "--quiet", "--locked", "--workspace", "--bins")
    target = building.target_directory()
    agent = building.build_agent(architecture, target)
    elf.check(str(agent), agent.read_bytes(), architecture)
    return target


def is_current(archive, files):
    """Whether the zip is newer than what it is made of."""
    if not archive.exists() or any(file.stat().st_mtime >= archive.stat().st_mtime for file in files.values()):
        return False
    with zipfile.ZipFile(archive) as packed:
        return sorted(packed.namelist()) == sorted(files)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--built", type=Path, metavar="TARGET", help="target directory of an earlier run: compile nothing")
    architecture = this_machine()
    target = parser.parse_args().built or compile_all(architecture)
    archive = target / "lambda" / "functions.zip"
    agent = building.agent(architecture, target)
    files = {"bootstrap": target / "debug" / "bootstrap", f"agent-{architecture.machine}": agent}
    if missing := [str(file) for file in files.values() if not file.is_file()]:
        raise SystemExit(f"{' and '.join(missing)} not found: `make package` builds into Cargo's target folder")
    if not is_current(archive, files):
        building.pack(archive, files, FAST)
    print(archive)


if __name__ == "__main__":
    main()
