"""Tests that the licenses in a release include every crate of the product."""

import unittest

import notices
import sbom


class Notices(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.crates = sbom.Crates()
        cls.text = notices.make(cls.crates)

    def test_every_crate_in_the_product_is_named(self):
        heads = [line for line in self.text.splitlines() if line.strip()]
        named = {one.strip().split(",")[0] for head in heads for one in ([head] if head.startswith("    ") else head.split(", "))}
        for name, version in self.crates.linked:
            if self.crates.packages[name, version]["source"]:
                self.assertIn(f"{name} {version}", named)

    def test_a_text_stands_once_and_what_only_compiles_is_not_named(self):
        self.assertEqual(self.text.count("Copyright 2015-2025 Brian Smith."), 1)
        for name, version in self.crates.used - self.crates.linked:
            self.assertNotIn(f"{name} {version}", self.text)


if __name__ == "__main__":
    unittest.main()
