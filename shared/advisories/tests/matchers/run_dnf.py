"""Asks dnf which errata of an `updateinfo.xml` apply to the packages of an image.

It judges `amazon.xml` (for images of Amazon Linux) and `rhel.xml` (for images of RHEL), and no other file.

Needs the Debian packages `dnf` (4.14), `createrepo-c` and `rpm`. No network is used: the only repository is a local
folder. Run as `python run_dnf.py FOLDER`; needs no rights of root (but without them, dnf leaves an empty cache in `/var/tmp`).

The packages of the image become empty RPMs, which are entered in the RPM database of a temporary root. The file itself
is the `updateinfo` of the repository. dnf reports an erratum about a newer version of an installed package even if no
repository offers that version, and says the same if one does, so the repository has no packages. dnf does not look at a
module's erratum unless the repository has the module's stream and the image has enabled it; both are stated from the
errata and from the images.

Of several installed versions of one package, dnf judges only the newest, and that of the running kernel.
"""

import os
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree

import matcher

# The file that the repositories of each distribution would have.
FILES = {"amzn": "amazon.xml", "rhel": "rhel.xml"}
PROGRAMS = ["dnf", "createrepo_c", "modifyrepo_c", "rpm", "rpmbuild"]

SPEC = """\
Name: {name}
Epoch: {epoch}
Version: {version}
Release: {release}
Summary: Nothing
License: None
{module}
%description
Nothing.
%files
"""

# The name of the file has the epoch, as two packages may differ in nothing else. Debian's RPM has its database at home.
MACROS = """\
%_topdir {home}/build
%_rpmdir {home}/rpms
%_tmppath {home}
%_dbpath /var/lib/rpm
%_build_name_fmt %%{{NAME}}-%%{{EPOCH}}-%%{{VERSION}}-%%{{RELEASE}}.%%{{ARCH}}.rpm
%debug_package %{{nil}}
"""

CONFIG = """\
[main]
plugins=0
reposdir={home}/none
cachedir=/cache
logdir=/log
persistdir=/persist
module_platform_id=platform:{os}
[planted]
name=planted
baseurl=file://{home}/repository
gpgcheck=0
"""

MODULE = """\
---
document: modulemd
version: 2
data:
  name: {name}
  stream: "{stream}"
  version: {version}
  context: "{context}"
  arch: {arch}
  summary: Nothing
  description: Nothing
  license:
    module: [None]
...
"""

STATE = """\
[{name}]
name={name}
stream={stream}
profiles=
state=enabled
"""


class Host:
    """A temporary home folder, in which programs are run."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.root = home / "root"
        self.env = {"PATH": os.environ["PATH"], "HOME": str(home), "TMPDIR": str(home), "LC_ALL": "C.UTF-8"}
        (home / ".rpmmacros").write_text(MACROS.format(home=home))

    def run(self, *command: str | Path) -> str:
        """Runs a program and returns what it prints."""
        arguments = [str(part) for part in command]
        done = subprocess.run(arguments, env=self.env, cwd=self.home, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            sys.exit(f"{' '.join(arguments)} has failed:\n{done.stdout}{done.stderr}")
        return done.stdout

    def install(self, packages: list[dict]) -> None:
        """Enters the packages in the RPM database of the root, as empty RPMs of the same names and versions."""
        specs: dict[str, list[Path]] = {}
        for number, package in enumerate(packages):
            epoch, _, rest = package["version"].rpartition(":")
            version, _, release = rest.rpartition("-")
            module = f"ModularityLabel: {package['module']}\n" if package.get("module") else ""
            text = SPEC.format(name=package["name"], epoch=epoch or "0", version=version, release=release, module=module)
            spec = self.home / f"{number}.spec"
            spec.write_text(text)
            specs.setdefault(package["arch"], []).append(spec)
        for arch, of_arch in specs.items():
            self.run("rpmbuild", "-bb", "--quiet", "--target", arch, *of_arch)
        database = self.root / "var/lib/rpm"
        database.mkdir(parents=True)
        # This is what `dnf module enable` writes, which asks for the rights of root even in a root of one's own.
        states = self.root / "etc/dnf/modules.d"
        states.mkdir(parents=True)
        for package in packages:
            if package.get("module"):
                name, stream = package["module"].split(":")[:2]
                (states / f"{name}.module").write_text(STATE.format(name=name, stream=stream))
        rpms = sorted((self.home / "rpms").rglob("*.rpm"))
        flags = ["--justdb", "--nodeps", "--ignorearch", "--ignoreos"]
        self.run("rpm", "--dbpath", database, "-i", *flags, *rpms)

    def publish(self, updateinfo: Path, modules: str) -> None:
        """Makes the repository."""
        repository = self.home / "repository"
        repository.mkdir()
        self.run("createrepo_c", "--quiet", repository)
        self.run("modifyrepo_c", "--mdtype", "updateinfo", updateinfo, repository / "repodata")
        if modules:
            (self.home / "modules.yaml").write_text(modules)
            self.run("modifyrepo_c", "--mdtype", "modules", self.home / "modules.yaml", repository / "repodata")

    def dnf(self, arch: str, release: str, *command: str) -> str:
        """Runs dnf for the root, as if on a machine of the architecture, and returns what it prints."""
        where = ["--config", self.home / "dnf.conf", "--installroot", self.root]
        return self.run("dnf", "--quiet", *where, "--forcearch", arch, "--releasever", release, *command)


def modules_of(errata: ElementTree.Element, packages: list[dict]) -> dict[tuple[str, str], str]:
    """Returns the streams of modules of the errata and the packages, each described as a repository does it."""
    modules = {}
    for module in errata.iter("module"):
        attributes = module.attrib
        modules[attributes["name"], attributes["stream"]] = MODULE.format(**attributes)
    for package in packages:
        if package.get("module"):
            name, stream, version, context = package["module"].split(":")[:4]
            text = MODULE.format(name=name, stream=stream, version=version, context=context, arch=package["arch"])
            modules.setdefault((name, stream), text)
    return modules


def judge(image: dict, file: Path, home: Path) -> set[tuple[str, str]]:
    """Returns the packages of an image and their vulnerabilities, as dnf sees them."""
    packages = [p for p in image["packages"] if p["type"] == "rpm"]
    if not packages:
        return set()
    errata = ElementTree.parse(file).getroot()
    host = Host(home)
    system = image["os"]
    release = system["versionId"].split(".")[0]
    (home / "dnf.conf").write_text(CONFIG.format(home=home, os=system["id"] + release))
    host.install(packages)
    modules = modules_of(errata, packages)
    host.publish(file, "".join(modules.values()))
    arches = Counter(p["arch"] for p in packages if p["arch"] != "noarch")
    arch = arches.most_common(1)[0][0] if arches else "x86_64"

    if not host.dnf(arch, release, "--version").startswith("4."):
        matcher.skip("The installed dnf is not dnf 4. This script understands only the output of dnf 4.")
    # dnf names either the erratum or its references, so it is asked twice. The label is dnf's own word for the type.
    cves = {r.get("id") for r in errata.iter("reference") if r.get("type") == "cve"}
    without = {u.findtext("id") for u in errata.iter("update") if not u.findall("references/reference[@type='cve']")}
    found = set()
    for arguments, wanted in ((["--with-cve"], cves), (["--security"], without)):
        for line in host.dnf(arch, release, "updateinfo", "list", *arguments).splitlines():
            vulnerability, label, nevra = line.split()
            if label.endswith("/Sec.") and vulnerability in wanted:
                found.add((nevra.rsplit("-", 2)[0], vulnerability))
    return found


def main(folder: Path) -> None:
    """Prints what dnf finds in the images of Amazon Linux and RHEL."""
    matcher.require(*PROGRAMS)
    findings = []
    for name, image in matcher.images(folder).items():
        file = FILES.get(image["os"]["id"])
        if file is not None:
            with tempfile.TemporaryDirectory() as home:
                findings += [(name, *found) for found in judge(image, folder / file, Path(home))]
    matcher.report(findings)


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
