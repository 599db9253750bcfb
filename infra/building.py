"""What a development zip and a release are built with: cargo, the machines that there are programs for, and zips."""

import json
import os
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
# The oldest glibc on which the programs run: Rust's own floor, and RHEL 7's.
GLIBC = "2.17"
AGENT = "goldsmith-agent"
ENTRY_TIME = (1980, 1, 1, 0, 0, 0)  # the same content gives the same zip


@dataclass(frozen=True)
class Architecture:
    """A kind of machine, as Linux and Rust call it, and as AWS and Lambda do."""

    machine: str
    aws: str

    @property
    def triple(self):
        """Rust's target."""
        return f"{self.machine}-unknown-linux-gnu"


ARCHITECTURES = [Architecture("x86_64", "x86_64"), Architecture("aarch64", "arm64")]


def cargo(*arguments, environment=None, **options):
    """Runs cargo with the programs of this Python's environment in its path, zig's among them; what it printed."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    command = ["cargo", *arguments]
    everything = {**os.environ, "PATH": path, **(environment or {})}
    built = subprocess.run(command, cwd=ROOT, env=everything, check=False, text=True, **options)
    if built.returncode != 0:
        raise SystemExit(f"`{' '.join(command)}` failed with exit code {built.returncode}")
    return built.stdout


def cargo_home():
    """Where cargo unpacks the crates' sources."""
    return os.environ.get("CARGO_HOME") or str(Path.home() / ".cargo")


def zigbuild(architecture, *arguments):
    """Compiles programs for the oldest glibc. They tell the same places of their crates' sources wherever they are built."""
    flags = [*os.environ.get("RUSTFLAGS", "").split(), f"--remap-path-prefix={cargo_home()}=/cargo"]
    target = f"{architecture.triple}.{GLIBC}"
    environment = {"CARGO_ENCODED_RUSTFLAGS": "\x1f".join(flags)}
    cargo("zigbuild", "--quiet", "--locked", *arguments, "--target", target, environment=environment)


def metadata(*arguments):
    """What cargo knows of the workspace."""
    return json.loads(cargo("metadata", "--locked", "--format-version", "1", *arguments, stdout=subprocess.PIPE))


def target_directory():
    """Cargo's folder."""
    return Path(metadata("--no-deps")["target_directory"])


def build_agent(architecture, target):
    """Compiles the agent, which runs on any instance of the architecture; where it is."""
    zigbuild(architecture, "--profile", "agent", "--package", AGENT)
    return agent(architecture, target)


def agent(architecture, target):
    """Where an agent lies that was built."""
    return target / architecture.triple / "agent" / AGENT


def pack(archive, files, level):
    """A zip of executables, by their names; a reader never sees half of it."""
    archive.parent.mkdir(parents=True, exist_ok=True)
    unfinished = archive.with_suffix(".part")
    with zipfile.ZipFile(unfinished, "w") as packed:
        for name, file in sorted(files.items()):
            entry = zipfile.ZipInfo(name, ENTRY_TIME)
            entry.external_attr = 0o755 << 16
            packed.writestr(entry, file.read_bytes(), zipfile.ZIP_DEFLATED, level)
    unfinished.replace(archive)
