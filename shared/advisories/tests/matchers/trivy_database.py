"""Translate advisories to Trivy's database, with the layout of Trivy's own compiler (github.com/aquasecurity/trivy-db).

Names and versions are copied as they are written; all matching and comparing is left to Trivy. Severities and states (such as
"will not be fixed") are left out, for Trivy finds the same packages without them.
"""

import json
import re
import xml.etree.ElementTree as xml
from collections.abc import Iterator
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
        """Store an advisory. Trivy keeps one for each key, so a number makes room for all those of a record."""
        advisories = self.buckets.setdefault(bucket, {}).setdefault(package, {})
        advisories[f"{record}#{len(advisories)}"] = advisory

    def put_red_hat(self, package: str, record: str, cves: list[str], product: str, fixed: str, arch: str) -> None:
        """Store an entry in the bucket of Red Hat, which has a list of entries for each record."""
        entry = {"Cves": [{"ID": cve} for cve in cves], "Affected": [self._product(product)]}
        entry |= {"FixedVersion": fixed} if fixed else {}
        entry |= {"Arches": [arch]} if arch else {}
        records = self.buckets.setdefault("Red Hat", {}).setdefault(package, {})
        records.setdefault(record, {"Entries": []})["Entries"].append(entry)

    def _product(self, name: str) -> int:
        """Trivy's database names Red Hat's products and repositories by numbers."""
        if name not in self.products:
            self.products.append(name)
        return self.products.index(name)

    def names(self, key: str) -> list[str]:
        """What to call the record that Trivy found under this key."""
        record = key.partition("#")[0]
        return self.cves.get(record) or [record]

    def write(self, folder: Path) -> None:
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
    return {key: _encode(part, depth - 1) if depth > 1 else json.dumps(part).encode() for key, part in value.items()}


def load(folder: Path, images: dict) -> Database:
    database = Database(images)
    for line in (folder / "osv.jsonl").read_text().splitlines():
        _add_osv(database, json.loads(line))
    _add_tracker(database, json.loads((folder / "tracker.json").read_text()))
    for record, cves, repository, _, package in _updates(folder / "amazon.xml"):
        database.cves[record] = cves
        advisory = {"FixedVersion": package["version"], "Arches": [package["arch"]]}
        database.put(repository.replace("amazon-linux-", "amazon linux "), package["name"], record, advisory)
    for record, cves, repository, module, package in _updates(folder / "rhel.xml"):
        product = repository.partition("__")[0]  # without the minor release, which Trivy takes no notice of
        database.put_red_hat(module + package["name"], record, cves, product, package["version"], package["arch"])
    _add_vex(database, json.loads((folder / "vex.json").read_text()))
    return database


def _add_osv(database: Database, record: dict) -> None:
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
    """The ranges of an OSV record, one for each "introduced"."""
    found: list[dict] = []
    for versions in affected.get("ranges", []):
        for event in versions["events"] if versions["type"] != "GIT" else []:
            if "introduced" in event:
                found.append({})
            found[-1].update(event)
    return found


def _only_cves(names: list[str]) -> list[str]:
    return [name for name in names if name.startswith("CVE-")]


def _add_tracker(database: Database, tracker: dict) -> None:
    for package, flaws in tracker.items():
        for cve, flaw in flaws.items():
            for codename, state in flaw["releases"].items():
                # Trivy's compiler leaves out what Debian calls undetermined.
                if codename in database.codenames and state["status"] != "undetermined":
                    advisory = {"FixedVersion": state["fixed_version"]} if "fixed_version" in state else {}
                    database.put(f"debian {database.codenames[codename]}", package, cve, advisory)


def _updates(path: Path) -> Iterator[tuple[str, list[str], str, str, dict]]:
    """Yield the record, its CVEs, the repository, the module and the package for each package of an updateinfo.xml."""
    for update in xml.parse(path).iter("update"):
        cves = [reference.get("id", "") for reference in update.iter("reference") if reference.get("type") == "cve"]
        for collection in update.iter("collection"):
            module = collection.find("module")
            prefix = "" if module is None else f"{module.get('name')}:{module.get('stream')}::"
            for package in collection.iter("package"):
                version = f"{package.get('epoch')}:{package.get('version')}-{package.get('release')}"
                contents = {"name": package.get("name"), "version": version, "arch": package.get("arch")}
                yield update.findtext("id", ""), cves, collection.get("short", ""), prefix, contents


def _add_vex(database: Database, vex: dict) -> None:
    """Store what Trivy's compiler reads: the remediations, not the status of the products, and no source packages."""
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
