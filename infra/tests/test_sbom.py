"""Checks the bill of materials of this workspace against CycloneDX's schema and against Cargo.lock."""

import datetime
import json
import unittest

import sbom

MADE = datetime.datetime(2026, 1, 2, tzinfo=datetime.timezone.utc)


class Bill(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.crates = sbom.Crates()
        cls.text = sbom.make(cls.crates, MADE)
        cls.bill = json.loads(cls.text)
        cls.components = {one["name"]: one for one in cls.bill["components"]}

    def test_it_is_cyclonedx(self):
        self.assertEqual(sbom.faults(self.text), [])
        self.assertEqual(self.bill["specVersion"], "1.6")

    def test_what_is_not_cyclonedx_is_found(self):
        self.assertTrue(sbom.faults(self.text.replace('"type": "library"', '"type": "crate"', 1)))

    def test_the_product_depends_on_its_programs_and_they_on_crates(self):
        depends = {one["ref"]: one.get("dependsOn", []) for one in self.bill["dependencies"]}
        version = self.bill["metadata"]["component"]["version"]
        programs = [f"{name}@{version}" for name in sbom.PROGRAMS]
        self.assertCountEqual(depends["goldsmith"], programs)
        self.assertTrue(any(ref.startswith("clap@") for ref in depends[programs[0]]))
        known = {one["bom-ref"] for one in self.bill["components"]}
        self.assertEqual({ref for refs in depends.values() for ref in refs} - known, set())

    def test_a_crate_has_its_licence_and_the_digest_of_cargo_lock(self):
        ring = self.components["ring"]
        self.assertEqual(ring["licenses"], [{"expression": "Apache-2.0 AND ISC"}])
        self.assertEqual(ring["purl"], f"pkg:cargo/ring@{ring['version']}")
        locked = f'name = "ring"\nversion = "{ring["version"]}"\n'
        self.assertIn(ring["hashes"][0]["content"], self.crates.lock.partition(locked)[2].partition("[[package]]")[0])

    def test_every_crate_has_a_licence_and_every_crate_of_the_registry_a_digest(self):
        for name, one in self.components.items():
            self.assertTrue(one.get("licenses"), name)
            self.assertNotIn("/", one["licenses"][0]["expression"])
            self.assertTrue(name.startswith("goldsmith-") or one.get("hashes"), name)

    def test_what_only_compiles_is_excluded_and_what_only_tests_is_absent(self):
        self.assertEqual(self.components["serde_derive"]["scope"], "excluded")
        self.assertEqual(self.components["serde"]["scope"], "required")
        for name in ("proptest", "libtest-mimic", "goldsmith-tests"):
            self.assertIn(f'name = "{name}"', self.crates.lock)
            self.assertNotIn(name, self.components)

    def test_the_same_lock_gives_the_same_bill(self):
        self.assertEqual(self.text, sbom.make(sbom.Crates(), MADE))


if __name__ == "__main__":
    unittest.main()
