"""Reads from a program's ELF headers what the program requires of the machine on which it runs."""

import io
import re
from dataclasses import dataclass

import building
from elftools.common.exceptions import ELFError
from elftools.elf.dynamic import DynamicSection
from elftools.elf.elffile import ELFFile
from elftools.elf.gnuversions import GNUVerNeedSection

MAGIC = b"\x7fELF"
MACHINES = {"x86_64": "EM_X86_64", "aarch64": "EM_AARCH64"}
# Parts of glibc itself, in the spelling of both architectures: every system with glibc has them.
LIBRARIES = re.compile(r"(lib(c|m|pthread|dl|rt|util)|ld-linux-(x86-64|aarch64))\.so\.\d")


@dataclass(frozen=True)
class Facts:
    """The machine, the libraries, and the versions of glibc symbols that a program names."""

    machine: str
    libraries: list
    versions: list


def facts(content):
    """Reads a 64-bit program. Raises `ELFError` if `content` is not one."""
    elf = ELFFile(io.BytesIO(content))
    libraries, versions = [], []
    for section in elf.iter_sections():
        if isinstance(section, DynamicSection):
            libraries += [tag.needed for tag in section.iter_tags("DT_NEEDED")]
        if isinstance(section, GNUVerNeedSection):
            versions += [version.name for _, named in section.iter_versions() for version in named]
    return Facts(elf["e_machine"], libraries, [version for version in versions if version.startswith("GLIBC_")])


def check(name, content, architecture, glibc=building.GLIBC):
    """Exits with a message unless `content` runs on the architecture with only this glibc."""
    try:
        found = facts(content)
    except ELFError as error:
        raise SystemExit(f"{name} is no program: {error}") from error
    wanted = MACHINES[architecture.machine]
    if found.machine != wanted:
        raise SystemExit(f"{name} is a program for {found.machine}, not for {wanted}")
    if strange := [library for library in found.libraries if not LIBRARIES.fullmatch(library)]:
        raise SystemExit(f"{name} needs {' and '.join(strange)}, which not every Linux has")
    # Some versions are names, not numbers: GLIBC_PRIVATE, or GLIBC_ABI_DT_RELR, which glibc has since 2.36.
    if unnumbered := [version for version in found.versions if not re.fullmatch(r"GLIBC_\d+(\.\d+)+", version)]:
        raise SystemExit(f"{name} needs {' and '.join(unnumbered)}, which glibc {glibc} does not promise")
    newest = max((number(version) for version in found.versions), default=(0,))
    if newest > number(glibc):
        raise SystemExit(f"{name} needs glibc {'.'.join(map(str, newest))}, newer than {glibc}")


def number(version):
    """Returns `2.17` or `GLIBC_2.17` as a tuple of numbers, which can be compared."""
    return tuple(int(part) for part in version.removeprefix("GLIBC_").split("."))
