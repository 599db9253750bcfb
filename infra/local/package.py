"""Builds what is deployed: `lambda/functions.zip` below cargo's target directory, with the functions' `bootstrap` and the agent.

Run with the interpreter of the local AWS's environment (`goldsmith local python`), which has zig beside it. The `bootstrap`
is the development build, for this machine; the agent is small and needs no glibc newer than 2.17, for any instance.
"""

import argparse
import json
import os
import platform
import re
import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
AGENT = "goldsmith-agent"
TRIPLE = f"{platform.machine()}-unknown-linux-gnu"
GLIBC = "2.17"
ENTRY_TIME = (1980, 1, 1, 0, 0, 0)  # the same content gives the same zip
FAST = 1  # compression of a file that goes over the loopback


def cargo(*arguments, **options):
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    command = ["cargo", *arguments]
    built = subprocess.run(command, cwd=ROOT, env=environment, check=False, text=True, **options)
    if built.returncode != 0:
        raise SystemExit(f"`{' '.join(command)}` failed with exit code {built.returncode}")
    return built.stdout


def compile_all():
    """Compiles both; cargo's target directory."""
    print("Building the functions and the agent (the agent's first build takes about a minute).", file=sys.stderr)
    # The whole workspace: another choice of packages would compile the AWS SDK again with other features.
    cargo("build", "--quiet", "--locked", "--workspace", "--bins")
    cargo("zigbuild", "--quiet", "--locked", "--profile", "agent", "--package", AGENT, "--target", f"{TRIPLE}.{GLIBC}")
    metadata = json.loads(cargo("metadata", "--locked", "--no-deps", "--format-version", "1", stdout=subprocess.PIPE))
    return Path(metadata["target_directory"])


def check_glibc(binary):
    needed = newest_glibc(binary)
    if needed > version(GLIBC):
        raise SystemExit(f"{binary} needs glibc {'.'.join(map(str, needed))}, newer than {GLIBC}")


def version(text):
    return tuple(int(part) for part in text.split("."))


def newest_glibc(binary):
    """The newest version of glibc's symbols that a binary asks for, as its dynamic section spells them."""
    found = re.findall(rb"GLIBC_(\d+(?:\.\d+)+)", binary.read_bytes())
    return max((version(symbol.decode()) for symbol in found), default=(0,))


def is_current(archive, files):
    """Whether the zip is newer than what it is made of."""
    if not archive.exists() or any(file.stat().st_mtime >= archive.stat().st_mtime for file in files.values()):
        return False
    with zipfile.ZipFile(archive) as packed:
        return sorted(packed.namelist()) == sorted(files)


def pack(archive, files):
    archive.parent.mkdir(parents=True, exist_ok=True)
    unfinished = archive.with_suffix(".part")
    with zipfile.ZipFile(unfinished, "w") as packed:
        for name, file in sorted(files.items()):
            entry = zipfile.ZipInfo(name, ENTRY_TIME)
            entry.external_attr = 0o755 << 16
            packed.writestr(entry, file.read_bytes(), zipfile.ZIP_DEFLATED, FAST)
    unfinished.replace(archive)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--built", type=Path, metavar="TARGET", help="target directory of an earlier run: compile nothing")
    target = parser.parse_args().built or compile_all()
    agent = target / TRIPLE / "agent" / AGENT
    archive = target / "lambda" / "functions.zip"
    files = {"bootstrap": target / "debug" / "bootstrap", f"agent-{platform.machine()}": agent}
    if missing := [str(file) for file in files.values() if not file.is_file()]:
        raise SystemExit(f"{' and '.join(missing)} not found: `make package` builds into Cargo's target folder")
    check_glibc(agent)
    if not is_current(archive, files):
        pack(archive, files)
    print(archive)


if __name__ == "__main__":
    main()
