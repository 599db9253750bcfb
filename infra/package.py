"""Builds the package for the local AWS: `lambda/functions.zip` below cargo's target directory, with the functions'
`bootstrap` and the agent.

Run this script with the interpreter of the build tools, which has zig next to it. With `--built`, it compiles nothing,
and any Python works. The `bootstrap` is the development build, for this machine. The agent is small and needs no glibc
newer than 2.17, so that it runs on every instance.
"""

import argparse
import platform
import sys
import zipfile
from pathlib import Path

import building

FAST = 1  # compression of a file that is sent over the loopback interface


def this_machine():
    for architecture in building.ARCHITECTURES:
        if architecture.machine == platform.machine():
            return architecture
    raise SystemExit(f"there is no agent for a machine of the architecture {platform.machine()}")


def compile_all(architecture):
    """Compiles the functions and the agent. Returns cargo's target directory."""
    import elf  # needs a package of the build tools

    print("Building the functions and the agent (the agent's first build takes about a minute).", file=sys.stderr)
    # This builds the whole workspace, because another choice of packages would compile the AWS SDK again with other
    # features.
    building.cargo("build", "--quiet", "--locked", "--workspace", "--bins")
    target = building.target_directory()
    agent = building.build_agent(architecture, target)
    elf.check(str(agent), agent.read_bytes(), architecture)
    return target


def is_current(archive, files):
    """Returns whether the zip is newer than its files, and contains exactly these."""
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
