"""Shared parts of the builds of a development zip and of a release: cargo, the supported architectures, and zips."""

import json
import os
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
# The oldest glibc on which the programs run: it is Rust's own minimum, and RHEL 7's version.
GLIBC = "2.17"
AGENT = "goldsmith-agent"
ENTRY_TIME = (1980, 1, 1, 0, 0, 0)  # the same content gives the same zip


@dataclass(frozen=True)
class Architecture:
    """An architecture by two names: that of Linux and Rust, and that of AWS and Lambda."""

    machine: str
    aws: str

    @property
    def triple(self):
        """Rust's name of the target."""
        return f"{self.machine}-unknown-linux-gnu"


ARCHITECTURES = [Architecture("x86_64", "x86_64"), Architecture("aarch64", "arm64")]


def cargo(*arguments, environment=None, **options):
    """Runs cargo with the programs of this Python's environment in its path, zig's among them. Returns its output."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    command = ["cargo", *arguments]
    everything = {**os.environ, "PATH": path, **(environment or {})}
    built = subprocess.run(command, cwd=ROOT, env=everything, check=False, text=True, **options)
    if built.returncode != 0:
        raise SystemExit(f"`{' '.join(command)}` failed with exit code {built.returncode}")
    return built.stdout


def cargo_home():
    """Returns the folder in which cargo unpacks the crates' sources."""
    return os.environ.get("CARGO_HOME") or str(Path.home() / ".cargo")


def zigbuild(architecture, *arguments):
    """Compiles programs for the oldest glibc. The paths of crates' sources in them do not depend on the machine of the
    build."""
    flags = [*os.environ.get("RUSTFLAGS", "").split(), f"--remap-path-prefix={cargo_home()}=/cargo"]
    target = f"{architecture.triple}.{GLIBC}"
    environment = {"CARGO_ENCODED_RUSTFLAGS": "\x1f".join(flags)}
    cargo("zigbuild", "--quiet", "--locked", *arguments, "--target", target, environment=environment)


def metadata(*arguments):
    """Returns cargo's metadata of the workspace."""
    return json.loads(cargo("metadata", "--locked", "--format-version", "1", *arguments, stdout=subprocess.PIPE))


def target_directory():
    """Returns cargo's target directory."""
    return Path(metadata("--no-deps")["target_directory"])


def build_agent(architecture, target):
    """Compiles the agent, which runs on every instance of the architecture. Returns its path."""
    zigbuild(architecture, "--profile", "agent", "--package", AGENT)
    return agent(architecture, target)


def agent(architecture, target):
    """Returns the path of a built agent."""
    return target / architecture.triple / "agent" / AGENT


def pack(archive, files, level):
    """Writes a zip of executables, given by their names. A reader never sees an unfinished zip."""
    archive.parent.mkdir(parents=True, exist_ok=True)
    unfinished = archive.with_suffix(".part")
    with zipfile.ZipFile(unfinished, "w") as packed:
        for name, file in sorted(files.items()):
            entry = zipfile.ZipInfo(name, ENTRY_TIME)
            entry.external_attr = 0o755 << 16
            packed.writestr(entry, file.read_bytes(), zipfile.ZIP_DEFLATED, level)
    unfinished.replace(archive)
