"""Says which vulnerabilities the packages of an image of RHEL have by Red Hat's VEX, as Red Hat's own reader reads it.

It judges `vex.json` for images of RHEL, and no other file.

Needs the Python package `csaf-lib` (0.1.0b12, Python 3.11) of Red Hat Product Security, and `rpm` (4.18). Neither uses
the network. Run as `python run_csaf_lib.py FOLDER`.

No published program for Python or of Debian compares packages with such a document. csaf-lib reads the document and its
package URLs, and rpm compares versions. Between them are Red Hat's rules for scanners, from
<https://redhatproductsecurity.github.io/security-data-guidelines/scanning-vendors/>:
- A product is compared by the first five parts of its CPE.
- `known_affected` and `under_investigation` are reported, `known_not_affected` is not.
- `fixed` is reported if the fixed version is newer than the installed one.
- A binary package that is named as not affected is not concerned by what the document says about its source package.

Two rules are not Red Hat's but ours, so this script cannot find a mistake in them:
- A package of a module is compared only if the name and the stream of the module are equal.
- A source that is numbered apart from its package has the epoch of the fix.
"""

import functools
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import matcher

try:
    from csaf_lib.models import CSAFVEX, Branch, ProductStatus, ProductTree
    from packageurl import PackageURL
except ImportError:
    matcher.skip(f"csaf-lib is not installed. To install it: {matcher.FROM_PYPI}")


@dataclass
class Component:
    """A package as it belongs to a product."""

    purl: PackageURL
    cpe: str
    module: str | None

    def is_in(self, system: dict) -> bool:
        """Returns whether the product is the release of an image."""
        version = system["versionId"]
        names = {f"cpe:/{part}:redhat:enterprise_linux:{v}" for part in "oa" for v in (version, version.split(".")[0])}
        return ":".join(self.cpe.split(":")[:5]) in names

    def installed(self, package: dict) -> str | None:
        """Returns the installed version of what the component means, which is a source package or a binary one."""
        label = ":".join(package["module"].split(":")[:2]) if package.get("module") else None
        if label != self.module:
            return None
        source = package.get("source", {})
        arch = self.purl.qualifiers.get("arch")
        if arch == "src":
            is_same = self.purl.name == source.get("name", package["name"])
            return self.source_version(package) if is_same else None
        # Without an architecture, all of them are meant.
        is_same = self.purl.name == package["name"] and arch in (None, package["arch"])
        return package["version"] if is_same else None

    def source_version(self, package: dict) -> str:
        """Returns the version of the source package, which RPM records without its epoch.

        If the package has the same number, it has the same epoch. Otherwise the epoch of the component counts.
        """
        version = package["version"]
        recorded = package.get("source", {}).get("version")
        if recorded is None or recorded == version.rpartition(":")[2]:
            return version
        return f"{self.purl.qualifiers.get('epoch', '0')}:{recorded}"


class Products:
    """The products of a document, by their ids."""

    def __init__(self, tree: ProductTree) -> None:
        self.helpers: dict = {}
        for branch in tree.branches:
            self.add(branch)
        self.parts = {
            r.full_product_name.product_id: (r.product_reference, r.relates_to_product_reference) for r in tree.relationships
        }

    def add(self, branch: Branch) -> None:
        """Adds the products of a branch."""
        if branch.product and branch.product.product_identification_helper:
            self.helpers[branch.product.product_id] = branch.product.product_identification_helper
        for inner in branch.branches:
            self.add(inner)

    def purl(self, product: str) -> PackageURL | None:
        """Returns the package URL of a product."""
        helper = self.helpers.get(product)
        return helper.purl if helper and isinstance(helper.purl, PackageURL) else None

    def component(self, product: str) -> Component | None:
        """Returns what a product id stands for. A package is part of a product, or of a module that is part of a product."""
        if product not in self.parts:
            return None
        package, whole = self.parts[product]
        module = None
        while whole in self.parts:
            part, whole = self.parts[whole]
            of = self.purl(part)
            if of and of.type == "rpmmod":
                module = f"{of.name}:{(of.version or '').split(':')[0]}"
        purl, helper = self.purl(package), self.helpers.get(whole)
        if purl is None or purl.type != "rpm" or purl.namespace != "redhat" or helper is None or not helper.cpe:
            return None
        named = purl.qualifiers.get("rpmmod")
        return Component(purl, helper.cpe, ":".join(named.split(":")[:2]) if named else module)


@functools.cache
def is_older(version: str, other: str) -> bool:
    """Returns whether rpm takes a version, with its epoch and release, for an older one."""
    script = f'%{{lua: print(rpm.vercmp("{version}", "{other}"))}}'
    done = subprocess.run(["rpm", "--eval", script], capture_output=True, text=True, check=True)
    return int(done.stdout) < 0


def judge(image: dict, document: CSAFVEX) -> set[tuple[str, str]]:
    """Returns the packages of an image and their vulnerabilities by a document."""
    products = Products(document.product_tree)
    found = set()
    for vulnerability in document.vulnerabilities:
        status = vulnerability.product_status or ProductStatus()
        named = (products.component(p) for p in status.known_not_affected)
        spared = {c.purl.name for c in named if c and c.is_in(image["os"]) and c.purl.qualifiers.get("arch") != "src"}
        stated = [(p, False) for p in [*status.known_affected, *status.under_investigation]]
        for product, is_fixed in [*stated, *((p, True) for p in status.fixed)]:
            component = products.component(product)
            if component is None or not component.is_in(image["os"]):
                continue
            fixed = f"{component.purl.qualifiers.get('epoch', '0')}:{component.purl.version}"
            for package in image["packages"]:
                installed = component.installed(package) if package["type"] == "rpm" else None
                is_spared = component.purl.qualifiers.get("arch") == "src" and package["name"] in spared
                if installed and not is_spared and (not is_fixed or is_older(installed, fixed)):
                    found.add((package["name"], vulnerability.cve or document.document.tracking.id))
    return found


def main(folder: Path) -> None:
    """Prints what is found in the images of RHEL."""
    matcher.require("rpm")
    document = CSAFVEX.from_file(folder / "vex.json")
    images = {name: image for name, image in matcher.images(folder).items() if image["os"]["id"] == "rhel"}
    matcher.report((name, *found) for name, image in images.items() for found in judge(image, document))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
