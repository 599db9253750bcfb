"""Translates advisories to Trivy's database, with the layout of Trivy's own compiler.

Versions are copied as they are written. Trivy compares them. What Trivy's compiler does to names and records is done here too
(the files are below `pkg/vulnsrc` of <https://github.com/aquasecurity/trivy-db>):
- Names of languages other than Go are written in lower case, and PyPI's `_` as `-` (`vulnerability/vulnerability.go`).
- Withdrawn records of OSV are left out, and a record is called by the CVEs among its aliases (`osv/osv.go`).
- What is `undetermined` in Debian's tracker is left out (`debian/debian.go`).
- Ubuntu Pro is a release of its own, such as `20.04-ESM` (`ubuntu/ubuntu.go`).
- The type of an erratum of Amazon Linux is not looked at (`amazon/amazon.go`).
- Of Red Hat's VEX files, the remediations are read and not the status of the products, and no source packages. Packages of a
  module are called by the module too (`redhat-csaf/parse.go`, `redhat-csaf/csaf.go`).

So a difference may come from this list and not from the program `trivy`.

Some things are done here that the compiler does not do:
- It reads errata of Rocky Linux, which name all binary packages (`rocky/rocky.go`). OSV names the source packages, so a record of
  these is written for each binary package of the images.
- It reads errata of RHEL from VEX files only. Those of `rhel.xml` are entered in the same way.
- It does not store the architectures of Amazon Linux. They are stored here, and Trivy ignores them.
- A record without a CVE is called by the CVE of a record of which it is an alias, so that its findings have the same names as ours.
- Severities and states (such as "will not be fixed") are left out, because Trivy finds the same packages without them.
"""

import json
import re
import xml.etree.ElementTree as xml
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, unquote

from bbolt import write_database

RELEASES = {"Debian": "debian", "Ubuntu": "ubuntu", "Alpine": "alpine", "Rocky Linux": "rocky", "AlmaLinux": "alma"}
# What Red Hat writes about flaws without a fix. Trivy's compiler knows these words only (redhat-csaf/parse.go).
UNFIXED = {
    ("no_fix_planned", "Out of support scope"),
    ("no_fix_planned", "Will not fix"),
    ("none_available", "Affected"),
    ("none_available", "Deferred"),
}
LANGUAGES = {"PyPI": "pip", "npm": "npm", "RubyGems": "rubygems", "Go": "go", "crates.io": "cargo"}


class Database:
    """The advisories by bucket, package and record, and the CVEs of the records."""

    def __init__(self, images: dict) -> None:
        self.buckets: dict[str, dict[str, dict]] = {"vulnerability": {}}  # Trivy fails if this bucket is not there
        self.cves: dict[str, list[str]] = {}
        self.products: list[str] = []
        systems = [image["os"] for image in images.values()]
        self.codenames = {system["codename"]: system["versionId"] for system in systems if "codename" in system}
        self.binaries: dict[str, set[str]] = {}
        for package in (package for image in images.values() for package in image["packages"] if package["type"] == "rpm"):
            self.binaries.setdefault(package.get("source", {}).get("name", package["name"]), set()).add(package["name"])

    def put(self, bucket: str, package: str, record: str, advisory: dict) -> None:
        """Stores an advisory. Trivy keeps one for each key, so a number makes room for all those of a record."""
        advisories = self.buckets.setdefault(bucket, {}).setdefault(package, {})
        advisories[f"{record}#{len(advisories)}"] = advisory

    def put_red_hat(self, package: str, record: str, cves: list[str], product: str, fixed: str, arch: str) -> None:
        """Stores an entry in the bucket of Red Hat, which has a list of entries for each record."""
        entry = {"Cves": [{"ID": cve} for cve in cves], "Affected": [self._product(product)]}
        entry |= {"FixedVersion": fixed} if fixed else {}
        entry |= {"Arches": [arch]} if arch else {}
        records = self.buckets.setdefault("Red Hat", {}).setdefault(package, {})
        records.setdefault(record, {"Entries": []})["Entries"].append(entry)

    def _product(self, name: str) -> int:
        """Returns the number by which Trivy's database names a product or repository of Red Hat."""
        if name not in self.products:
            self.products.append(name)
        return self.products.index(name)

    def names(self, key: str) -> list[str]:
        """Returns what to call the record that Trivy has found under this key."""
        record = key.partition("#")[0]
        return self.cves.get(record) or [record]

    def write(self, folder: Path) -> None:
        """Writes the database and its description to a new folder."""
        # Trivy takes for granted that an image of RHEL has these two repositories. Their products are that of the channel, and
        # the release as a whole, for which Red Hat publishes the flaws without a fix.
        repositories = {}
        for major in (8, 9):
            for channel in ("baseos", "appstream"):
                name = f"rhel-{major}-for-x86_64-{channel}-rpms"
                products = (name, f"enterprise_linux:{major}::{channel}", f"enterprise_linux:{major}")
                repositories[name] = [self._product(product) for product in products]
        folder.mkdir(parents=True)
        buckets = self.buckets | {"Red Hat CPE": {"repository": repositories}}
        write_database(folder / "trivy.db", _encode(buckets, 3))
        times = dict.fromkeys(("NextUpdate", "UpdatedAt", "DownloadedAt"), "2100-01-01T00:00:00Z")
        (folder / "metadata.json").write_text(json.dumps({"Version": 2} | times))


def _encode(value: dict, depth: int) -> dict:
    """Returns nested buckets with their values as JSON."""
    return {key: _encode(part, depth - 1) if depth > 1 else json.dumps(part).encode() for key, part in value.items()}


def load(folder: Path, images: dict) -> Database:
    """Returns the database with the advisories of a folder."""
    database = Database(images)
    for line in (folder / "osv.jsonl").read_text().splitlines():
        _add_osv(database, json.loads(line))
    _add_tracker(database, json.loads((folder / "tracker.json").read_text()))
    for update in _updates(folder / "amazon.xml"):
        database.cves[update.record] = update.cves
        advisory = {"FixedVersion": update.version, "Arches": [update.arch]}
        bucket = update.repository.replace("amazon-linux-", "amazon linux ")
        database.put(bucket, update.package, update.record, advisory)
    for update in _updates(folder / "rhel.xml"):
        product = update.repository.partition("__")[0]  # without the minor release, which Trivy takes no notice of
        database.put_red_hat(update.module + update.package, update.record, update.cves, product, update.version, update.arch)
    _add_vex(database, json.loads((folder / "vex.json").read_text()))
    return database


def _add_osv(database: Database, record: dict) -> None:
    """Stores a record of OSV."""
    if "withdrawn" in record:
        return
    aliases = record.get("aliases", [])
    cves = _only_cves(aliases + record.get("upstream", [])) or _only_cves(record.get("related", []))
    if cves:
        # Another record that names no CVE gets it from this one, if this one says that both are the same.
        for name in [record["id"], *(alias for alias in aliases if alias not in cves)]:
            database.cves.setdefault(name, cves)
    for affected in record["affected"]:
        name = affected["package"]["name"]
        ecosystem, _, release = affected["package"]["ecosystem"].partition(":")
        if ecosystem in LANGUAGES:
            _add_language(database, record["id"], LANGUAGES[ecosystem], affected)
            continue
        if not affected.get("ranges") or any("last_affected" in span for span in _spans(affected)):
            raise ValueError(f"{record['id']}: Trivy knows only fixes of packages of distributions")
        for span in _spans(affected):
            if ecosystem == "Red Hat":
                database.put_red_hat(name, record["id"], cves or [record["id"]], release, span.get("fixed", ""), "")
                continue
            advisory = {"FixedVersion": span["fixed"]} if "fixed" in span else {}
            # Trivy heeds this for Alpine only.
            advisory |= {"AffectedVersion": span["introduced"]} if span["introduced"] != "0" else {}
            # "Ubuntu:Pro:22.04:LTS" is the paid support, which is a release of its own for Trivy.
            parts = release.split(":")
            number = next(part.lstrip("v") for part in parts if re.match(r"v?\d", part))
            bucket = f"{RELEASES[ecosystem]} {number}{'-ESM' if 'Pro' in parts else ''}"
            # Rocky Linux's own errata, of which Trivy's database is made, name all binary packages, and Trivy looks up no other
            # names. Its OSV records have only the source package, so they are written for each binary package of it.
            binaries = database.binaries.get(name, {name}) if ecosystem == "Rocky Linux" else {name}
            for binary in binaries:
                database.put(bucket, binary, record["id"], advisory)


def _add_language(database: Database, record: str, ecosystem: str, affected: dict) -> None:
    """Stores what a record of OSV says about a package of a language."""
    name = affected["package"]["name"]
    # Trivy looks up the names in this form only, and its compiler writes them so.
    name = name if ecosystem == "go" else name.lower()
    name = name.replace("_", "-") if ecosystem == "pip" else name
    vulnerable = [f"={version}" for version in affected.get("versions", [])]
    for span in _spans(affected):
        limits = [f">={span['introduced']}"]
        limits += [f"<{span['fixed']}"] if "fixed" in span else []
        limits += [f"<={span['last_affected']}"] if "last_affected" in span else []
        vulnerable.append(", ".join(limits))
    patched = [span["fixed"] for span in _spans(affected) if "fixed" in span]
    advisory = {"VulnerableVersions": vulnerable, "PatchedVersions": patched}
    database.put(f"{ecosystem}::Planted", name, record, advisory)


def _spans(affected: dict) -> list[dict]:
    """Returns the ranges of an OSV record, one for each "introduced"."""
    found: list[dict] = []
    for versions in affected.get("ranges", []):
        for event in versions["events"] if versions["type"] != "GIT" else []:
            if "introduced" in event:
                found.append({})
            found[-1].update(event)
    return found


def _only_cves(names: list[str]) -> list[str]:
    """Returns the CVEs among names."""
    return [name for name in names if name.startswith("CVE-")]


def _add_tracker(database: Database, tracker: dict) -> None:
    """Stores what Debian's tracker says about the releases of the images."""
    for package, flaws in tracker.items():
        for cve, flaw in flaws.items():
            for codename, state in flaw["releases"].items():
                # Trivy's compiler leaves out what Debian calls undetermined.
                if codename in database.codenames and state["status"] != "undetermined":
                    advisory = {"FixedVersion": state["fixed_version"]} if "fixed_version" in state else {}
                    database.put(f"debian {database.codenames[codename]}", package, cve, advisory)


@dataclass
class Update:
    """A package in an erratum of an `updateinfo.xml`."""

    record: str
    cves: list[str]
    repository: str
    module: str  # as Trivy puts it before the name, and empty for a package of no module
    package: str
    version: str
    arch: str


def _updates(path: Path) -> Iterator[Update]:
    """Yields each package of an `updateinfo.xml`."""
    for update in xml.parse(path).iter("update"):
        cves = [reference.get("id", "") for reference in update.iter("reference") if reference.get("type") == "cve"]
        for collection in update.iter("collection"):
            module = collection.find("module")
            prefix = "" if module is None else f"{module.get('name')}:{module.get('stream')}::"
            for package in collection.iter("package"):
                yield Update(
                    record=update.findtext("id", ""),
                    cves=cves,
                    repository=collection.get("short", ""),
                    module=prefix,
                    package=package.get("name", ""),
                    version=f"{package.get('epoch')}:{package.get('version')}-{package.get('release')}",
                    arch=package.get("arch", ""),
                )


def _add_vex(database: Database, vex: dict) -> None:
    """Stores what Trivy's compiler reads: the remediations, not the status of the products, and no source packages."""
    helpers: dict[str, dict] = {}

    def collect(branches: list[dict]) -> None:
        for branch in branches:
            if "product" in branch:
                helpers[branch["product"]["product_id"]] = branch["product"].get("product_identification_helper", {})
            collect(branch.get("branches", []))

    collect(vex["product_tree"]["branches"])
    relations = {relation["full_product_name"]["product_id"]: relation for relation in vex["product_tree"]["relationships"]}
    for flaw in vex["vulnerabilities"]:
        for remediation in flaw["remediations"]:
            if (remediation["category"], remediation["details"]) not in UNFIXED and remediation["category"] != "vendor_fix":
                continue
            for relation in (relations[product] for product in remediation["product_ids"]):
                path, _, query = helpers[relation["product_reference"]]["purl"].partition("?")
                name, _, version = path.rpartition("/")[2].partition("@")
                qualifiers = {key: values[0] for key, values in parse_qs(query).items()}
                if qualifiers.get("arch") == "src":
                    continue
                module = "".join(f"{stream}::" for stream in re.findall("^[^:]+:[^:]+", qualifiers.get("rpmmod", "")))
                fixed = f"{qualifiers.get('epoch', 0)}:{unquote(version)}" if version else ""
                # The same short notation as that of OSV's "Red Hat:enterprise_linux:9::baseos".
                product = re.sub("^cpe:/[ao]:redhat:", "", helpers[relation["relates_to_product_reference"]]["cpe"])
                database.put_red_hat(module + name, flaw["cve"], [flaw["cve"]], product, fixed, qualifiers.get("arch", ""))
