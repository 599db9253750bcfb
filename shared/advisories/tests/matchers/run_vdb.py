"""Asks AppThreat's vulnerability-db which vulnerabilities the packages of an image have.

It judges `osv.jsonl` and `amazon.xml`. It has no reader for the other files:
- `tracker.json`: it takes Debian's advisories from OSV only, and skips the folder `debian` of vuln-list (aqua.py).
- `rhel.xml`: only Amazon's, Rocky's and Bottlerocket's `updateinfo.xml` have a reader (aqua.py). An advisory of
  Red Hat would be stored as one of Bottlerocket, and meet no package of Red Hat.
- `vex.json`: it reads no CSAF.

Needs the Python package `appthreat-vulnerability-db` (7.0.3). No network is used. Run as `python run_vdb.py FOLDER`.

What is translated:
- The records of `osv.jsonl` go to its OSV reader as they are.
- Its reader of Amazon's advisories expects vuln-list's JSON, which is `updateinfo.xml` with its elements
  written as JSON. Nothing more happens here: packages of other architectures and releases are handed over too.
- A package becomes a package URL as cdxgen writes it: the source package for the distributions whose
  advisories name source packages (Debian, Ubuntu, Alpine, Rocky Linux), the binary package for the others.
  An epoch is a qualifier in a package URL of RPM, and a part of the version in one of Debian.
- Nothing here knows of signed kernels, module labels or `partOf`, as no package URL can tell of them: such
  packages are asked about like any other.
"""

import importlib.util
import json
import os
import socket
import sys
import tempfile
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import matcher

# `ID` of os-release: (type, namespace, are advisories about source packages?)
DISTROS = {
    "debian": ("deb", "debian", True),
    "ubuntu": ("deb", "ubuntu", True),
    "alpine": ("apk", "alpine", True),
    "rhel": ("rpm", "redhat", False),
    "almalinux": ("rpm", "almalinux", False),
    "rocky": ("rpm", "rocky", True),
    "amzn": ("rpm", "amazon", False),
}


def no_network(*_args: object, **_options: object) -> NoReturn:
    """Fails in place of a connection."""
    raise OSError("this comparison is offline")


def vuln_list(update: ET.Element) -> dict:
    """Returns an `update` of Amazon's `updateinfo.xml` in the JSON of vuln-list, with the names of its Go struct."""

    def date(tag: str) -> dict[str, str]:
        element = update.find(tag)
        return {"date": "" if element is None else element.get("date", "")}

    references = [dict(reference.attrib) for reference in update.iterfind("references/reference")]
    return {
        "id": update.findtext("id", ""),
        "title": update.findtext("title", ""),
        "issued": date("issued"),
        "updated": date("updated"),
        "severity": update.findtext("severity", ""),
        "description": update.findtext("description", ""),
        "packages": [dict(package.attrib) for package in update.iterfind("pkglist/collection/package")],
        "references": references,
        "cveids": [reference["id"] for reference in references if reference.get("type") == "cve"],
    }


def split_epoch(version: str) -> tuple[str, str]:
    """Returns the epoch of a version, which may be empty, and the rest."""
    epoch, colon, rest = version.partition(":")
    return (epoch, rest) if colon else ("", version)


def package_url(os_release: dict, package: dict) -> str:
    """Returns the package URL that cdxgen would write for a package."""
    from packageurl import PackageURL

    kind, name, version = package["type"], package["name"], package["version"]
    if kind in ("deb", "apk", "rpm"):
        kind, namespace, by_source = DISTROS[os_release["id"]]
        if by_source:
            source = package.get("source", {})
            name, version = source.get("name", name), source.get("version", version)
        # The source of a package without `source` has its name; Debian marks foreign architectures with a colon.
        name = name.partition(":")[0]
        release = os_release["versionId"]
        short = ".".join(release.split(".")[:2])
        qualifiers = {
            "arch": package["arch"],
            "distro": f"{namespace}-{release}",
            "distro_name": os_release.get("codename", f"{namespace}-{short}"),
        }
        if kind == "rpm":
            epoch, version = split_epoch(version)
            if epoch:
                qualifiers["epoch"] = epoch
        return PackageURL(kind, namespace, name, version, qualifiers).to_string()
    namespace, _, base = name.rpartition("/")
    if kind == "golang" and name == "stdlib":
        version = version.removeprefix("go")
    return PackageURL(kind, namespace or None, base, version).to_string()


def judge(folder: Path) -> Iterator[tuple[str, str, str]]:
    """Yields what vulnerability-db finds in the images."""
    from vdb.lib import db, search
    from vdb.lib.aqua import AquaSource
    from vdb.lib.osv import OSVSource

    records = [json.loads(line) for line in (folder / "osv.jsonl").read_text().splitlines() if line.strip()]
    # It stores some records under their own id: the CVE is then an alias, or what AlmaLinux calls related.
    cves: dict[str, list[str]] = {}
    for record in records:
        names = record.get("aliases", []) + record.get("upstream", [])
        if record["id"].startswith("ALSA-"):
            names = names + record.get("related", [])
        cves[record["id"]] = [name for name in names if name.startswith("CVE-")]

    osv = OSVSource()
    for record in records:
        osv.store(osv.convert(record))
    aqua = AquaSource()
    for update in ET.parse(folder / "amazon.xml").getroot().iterfind("update"):
        # An advisory that it cannot read is passed over, as when it reads vuln-list itself.
        try:
            aqua.store(aqua.convert(vuln_list(update)))
        except (AttributeError, KeyError) as error:
            print(f"{update.findtext('id')}: {error!r}", file=sys.stderr)

    for name, image in matcher.images(folder).items():
        for package in image["packages"]:
            for hit in search.search_by_purl_like(package_url(image["os"], package)):
                for vulnerability in cves.get(hit["cve_id"]) or [hit["cve_id"]]:
                    yield name, package["name"], vulnerability
    db.reset_connections()


def main(folder: Path) -> None:
    """Prints what vulnerability-db finds in the images."""
    if importlib.util.find_spec("vdb") is None:
        matcher.skip(f"vulnerability-db is not installed. To install it: {matcher.FROM_PYPI}")
    socket.socket.connect = no_network
    socket.getaddrinfo = no_network
    with tempfile.TemporaryDirectory() as scratch:
        # It takes its folders and settings from the environment when it is imported.
        for variable in ("VDB_HOME", "VDB_CACHE", "VDB_TEMP_DIR"):
            os.environ[variable] = scratch
        # Its databases leave out vulnerabilities before 2022 only to be smaller.
        os.environ["NVD_START_YEAR"] = "1999"
        matcher.report(judge(folder))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
