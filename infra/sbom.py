"""Makes the software bill of materials of the product itself, as CycloneDX 1.6 in JSON: every crate from which the
programs are compiled, with its license and its digest in Cargo.lock.

Crates that only run during compilation (procedural macros, build scripts and their dependencies) are listed with the
scope `excluded`. This is CycloneDX's word for components that are used but are not in the product.
"""

import re
import subprocess
import uuid

import building
from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import ExternalReference, ExternalReferenceType, HashAlgorithm, HashType, XsUri
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentScope, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL

PROGRAMS = ("goldsmith-cli", "goldsmith-functions", "goldsmith-agent")
NAMESPACE = uuid.UUID("6f0d5f5c-0c53-4f0e-8b53-0d6f0a1e9a53")  # of the serial numbers: bills with the same content have the same number


class Crates:
    """The crates of the programs, for Linux on every architecture.

    `cargo tree` names them: the graph of `cargo metadata` also contains crates that only an optional feature would
    need.
    """

    def __init__(self):
        targets = [architecture.triple for architecture in building.ARCHITECTURES]
        filters = [f"--filter-platform={target}" for target in targets]
        metadata = building.metadata(*filters)
        self.lock = (building.ROOT / "Cargo.lock").read_text()
        self.linked = self.tree(targets, "normal,no-proc-macro")
        self.used = self.tree(targets, "normal,build")
        known = {package["id"]: package for package in metadata["packages"]}
        self.packages = {named(known[id]): known[id] for id in known if named(known[id]) in self.used}
        self.programs = [name for name in self.packages if name[0] in PROGRAMS]
        self.version = self.packages[self.programs[0]]["version"]
        self.needs = {
            named(known[node["id"]]): {named(known[d["pkg"]]) for d in node["deps"] if in_product(d)} & self.used
            for node in metadata["resolve"]["nodes"]
        }

    @staticmethod
    def tree(targets, edges):
        """Returns names and versions of the crates from which cargo compiles the programs, along these edges."""
        chosen = [f"--package={program}" for program in PROGRAMS] + [f"--target={target}" for target in targets]
        form = ["--edges", edges, "--prefix=none", "--format={p}"]
        lines = building.cargo("tree", "--locked", *chosen, *form, stdout=subprocess.PIPE).splitlines()
        words = [line.split() for line in lines if line]
        return {(name, version.removeprefix("v")) for name, version, *_ in words}


def named(package):
    """Returns the name and version that identify a crate in Cargo.lock."""
    return package["name"], package["version"]


def in_product(dependency):
    """Returns whether a dependency is compiled for the product, and not only for tests and benchmarks."""
    return any(kind["kind"] in (None, "build") for kind in dependency["dep_kinds"])


def checksums(lock):
    """Returns the SHA-256 digests of the crates' archives in Cargo.lock, by name and version."""
    registered = r'name = "(.+)"\nversion = "(.+)"\nsource = ".+"\nchecksum = "(.+)"\n'
    return {(name, version): checksum for name, version, checksum in re.findall(registered, lock)}


def component(package, checksum, scope):
    name, version = package["name"], package["version"]
    # Before license fields were expressions, crates used a slash for "or".
    licence = (package["license"] or "").replace(" / ", "/").replace("/", " OR ")
    references = [ExternalReference(type=ExternalReferenceType.VCS, url=XsUri(package["repository"]))] if package["repository"] else []
    return Component(
        type=ComponentType.LIBRARY, name=name, version=version, bom_ref=f"{name}@{version}", scope=scope,
        description=package["description"], external_references=references,
        licenses=[LicenseFactory().make_with_expression(licence)] if licence else [],
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=checksum)] if checksum else [],
        # The workspace's own crates are in no registry.
        purl=PackageURL("cargo", name=name, version=version) if checksum else None,
    )


def make(crates, made):
    """Returns the bill as text. `made` is its timestamp."""
    digests = checksums(crates.lock)
    product = Component(type=ComponentType.APPLICATION, name="goldsmith", version=crates.version, bom_ref="goldsmith")
    bom = Bom(serial_number=uuid.uuid5(NAMESPACE, f"{crates.version}\n{crates.lock}"))
    bom.metadata.timestamp = made
    bom.metadata.component = product
    components = {}
    for name, package in crates.packages.items():
        scope = ComponentScope.REQUIRED if name in crates.linked else ComponentScope.EXCLUDED
        components[name] = component(package, digests.get(name), scope)
        bom.components.add(components[name])
    bom.register_dependency(product, [components[name] for name in crates.programs])
    for name, one in components.items():
        bom.register_dependency(one, [components[other] for other in crates.needs[name]])
    return JsonV1Dot6(bom).output_as_string(indent=2) + "\n"


def faults(text):
    """Returns the errors of a bill according to CycloneDX's own schema; empty if the bill is valid."""
    return [str(error) for error in JsonStrictValidator(SchemaVersion.V1_6).validate_str(text, all_errors=True) or []]
