"""Makes a release in `dist/`. For each architecture that this machine can build for, it contains an archive with
everything that a user needs. It also contains the functions' zips, the bill of materials and the checksums.

Run this script with the interpreter of the build tools (`make release`), which has zig next to it. A build for an
architecture needs Rust's standard library for it. If the library is missing, the script names the architecture and the
command that installs the library.
"""

import argparse
import datetime
import gzip
import hashlib
import io
import os
import platform
import re
import shutil
import subprocess
import tarfile
import zipfile
from pathlib import Path

import building
import elf
import notices
import sbom

PROGRAMS = ("goldsmith", "bootstrap")
# Files and folders that an archive contains unchanged.
FILES = ("LICENSE", "README.md", "AGENTS.md", "CHANGELOG.md", "docs", "examples", "components", "statemachine", "infra/policies", "infra/build-role.yaml", "infra/target-account.yaml")
TEMPLATE, LAMBDA_ARCHITECTURE = "infra/template.yaml", "    Architectures: [x86_64]\n"
CODE = "infra/functions.zip"  # the path that the template names
LOCK = "infra/local/requirements.txt"
SUMS = "SHA256SUMS"
NOTICES = "THIRD-PARTY-LICENSES.txt"
SMALLEST = 9  # level of compression


def split():
    """Returns the architectures for which this machine has Rust's standard library, and those for which it does not."""
    there = [one for one in building.ARCHITECTURES if has_library(one)]
    return there, [one for one in building.ARCHITECTURES if one not in there]


def has_library(architecture):
    asked = ["rustc", "--print", "target-libdir", "--target", architecture.triple]
    folder = subprocess.run(asked, cwd=building.ROOT, check=True, capture_output=True, text=True).stdout.strip()
    return any(Path(folder).glob("libstd-*.rlib"))


def lacking(architecture):
    """Returns the line about an architecture that is left out."""
    triple = architecture.triple
    return f"{architecture.aws} is left out, for want of Rust's standard library: rustup target add {triple}"


def build_programs(architecture, target):
    """Compiles CLI and functions in one pass, which compiles the AWS SDK only once. Returns their paths by their
    names."""
    print(f"Building the release for {architecture.aws} (the first time this takes about 20 minutes).", flush=True)
    chosen = [f"--bin={program}" for program in PROGRAMS]
    building.zigbuild(architecture, "--release", "--workspace", *chosen)
    return {program: target / architecture.triple / "release" / program for program in PROGRAMS}


def template_for(architecture, text):
    """Returns the template with functions for this architecture."""
    if text.count(LAMBDA_ARCHITECTURE) != 1:
        raise SystemExit(f"{TEMPLATE} should have the line `{LAMBDA_ARCHITECTURE.strip()}` once")
    return text.replace(LAMBDA_ARCHITECTURE, LAMBDA_ARCHITECTURE.replace("x86_64", architecture.aws))


def check_start(program, version):
    """Checks that the CLI, which is for this machine, starts and shows its version."""
    said = subprocess.run([program, "--version"], check=False, capture_output=True, text=True)
    if said.stdout.strip() != f"goldsmith {version}":
        raise SystemExit(f"{program} does not start as goldsmith {version}: {(said.stdout + said.stderr).strip()}")


def lay_out(folder, architecture, cli, functions, texts):
    """Fills the folder that a user unpacks. Functions and state machine are at the paths that the template names."""
    for name in FILES:
        copy(building.ROOT / name, folder / name)
    copy(cli, folder / "goldsmith")
    copy(functions, folder / functions.name)
    (folder / LOCK).parent.mkdir(parents=True)
    copy(building.ROOT / LOCK, folder / LOCK)
    template = template_for(architecture, (building.ROOT / TEMPLATE).read_text())
    (folder / TEMPLATE).write_text(template)
    (folder / CODE).symlink_to(os.path.relpath(folder / functions.name, (folder / CODE).parent))
    for name, text in texts.items():
        (folder / name).write_text(text)
    write_sums(folder)


def copy(source, to):
    if source.is_dir():
        shutil.copytree(source, to, ignore=shutil.ignore_patterns("__pycache__", "TOE_*", ".*"))
    else:
        shutil.copy2(source, to)


def write_sums(folder):
    """Writes the file that `sha256sum --check` reads."""
    files = [file for file in sorted(folder.rglob("*")) if file.is_file() and not file.is_symlink() and file.name != SUMS]
    lines = [f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.relative_to(folder)}\n" for file in files]
    (folder / SUMS).write_text("".join(lines))


def check_programs(folder):
    """Checks every program in a folder, including those in zips, for the architecture that its path names. Returns
    their number."""
    checked = 0
    for file in sorted(folder.rglob("*")):
        if file.is_symlink() or not file.is_file():
            continue
        for name, content in contents(file):
            if content.startswith(elf.MAGIC):
                within = [*file.relative_to(folder.parent).parts, *name]
                elf.check("/".join(within), content, named_architecture(within))
                check_places("/".join(within), content)
                checked += 1
    return checked


def check_places(name, content):
    """Exits with a message if a program contains the path of a folder from which it was compiled."""
    for place in (building.cargo_home(), str(building.ROOT)):
        if os.fsencode(place) in content:
            raise SystemExit(f"{name} tells where it was built, {place}")


def contents(file):
    """Returns the contents of a file as a list: the file itself or, if it is a zip, its entries."""
    if file.suffix != ".zip":
        return [([], file.read_bytes())]
    with zipfile.ZipFile(file) as packed:
        return [([name], packed.read(name)) for name in packed.namelist()]


def named_architecture(path):
    """Returns the architecture from the last part of a path that names one: `…/functions-x86_64.zip/agent-aarch64`."""
    for part in reversed(path):
        for architecture in building.ARCHITECTURES:
            if re.search(rf"-({architecture.machine}|{architecture.aws})\b", part):
                return architecture
    raise SystemExit(f"{'/'.join(path)} is a program, and nothing in its path says for which architecture")


def archive(folder, made):
    """Writes a tar of the folder next to it. The same content gives the same bytes."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as packed:
        for file in [folder, *sorted(folder.rglob("*"))]:
            packed.add(file, file.relative_to(folder.parent), recursive=False, filter=lambda entry: plain(entry, made))
    packed = folder.parent / f"{folder.name}.tar.gz"
    packed.write_bytes(gzip.compress(content.getvalue(), SMALLEST, mtime=0))


def plain(entry, made):
    """Returns an entry of a tar without values that depend on this machine."""
    executable = entry.isdir() or entry.mode & 0o100
    entry.mode = 0o755 if executable else 0o644
    entry.mtime, entry.uid, entry.gid, entry.uname, entry.gname = int(made.timestamp()), 0, 0, "", ""
    return entry


def time_of_source():
    """Returns `SOURCE_DATE_EPOCH` if it is set, otherwise the time of the last commit."""
    seconds = os.environ.get("SOURCE_DATE_EPOCH")
    if not seconds:
        asked = ["git", "log", "-1", "--format=%ct"]
        seconds = subprocess.run(asked, cwd=building.ROOT, check=True, capture_output=True, text=True).stdout
    return datetime.datetime.fromtimestamp(int(seconds), datetime.timezone.utc)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    known = {one.aws: one for one in building.ARCHITECTURES}
    parser.add_argument("--architecture", choices=known, help="make the archive for this one only")
    asked = parser.parse_args().architecture
    there, left_out = split()
    for architecture in left_out:
        print(lacking(architecture))
    wanted = [one for one in there if asked in (None, one.aws)]
    if not wanted:
        raise SystemExit("no release can be built here")
    release(wanted, there)


def release(wanted, there):
    """Makes the archives for the wanted architectures. Each contains the agents for all architectures in `there`."""
    made, crates, target = time_of_source(), sbom.Crates(), building.target_directory()
    dist = building.ROOT / "dist"
    shutil.rmtree(dist, ignore_errors=True)
    dist.mkdir()
    bill = f"goldsmith-{crates.version}.cdx.json"
    texts = {bill: sbom.make(crates, made), NOTICES: notices.make(crates)}
    if faults := sbom.faults(texts[bill]):
        raise SystemExit(f"{bill} is not CycloneDX: {'; '.join(faults)}")
    (dist / bill).write_text(texts[bill])
    agents = {f"agent-{one.machine}": building.build_agent(one, target) for one in there}
    for architecture in wanted:
        programs = build_programs(architecture, target)
        functions = dist / f"functions-{architecture.aws}.zip"
        building.pack(functions, {"bootstrap": programs["bootstrap"], **agents}, SMALLEST)
        folder = dist / f"goldsmith-{crates.version}-{architecture.aws}-linux"
        folder.mkdir()
        lay_out(folder, architecture, programs["goldsmith"], functions, texts)
        checked = check_programs(folder)
        if architecture.machine == platform.machine():
            check_start(folder / "goldsmith", crates.version)
        archive(folder, made)
        shutil.rmtree(folder)
        print(f"{folder.name}: {checked} programs, each for glibc {building.GLIBC} and its architecture")
    write_sums(dist)
    for file in sorted(dist.iterdir()):
        print(f"{file.stat().st_size:>12,}  {file.relative_to(building.ROOT)}")


if __name__ == "__main__":
    main()
