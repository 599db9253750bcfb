"""Tests the parts of a release without compiling one: names, template, checksums, archive, and the check of all its
programs."""

import datetime
import subprocess
import tarfile
import tempfile
import unittest
from pathlib import Path

import building
import release
from building import ARCHITECTURES
from test_elf import HELLO, Compiler

X86_64, ARM64 = ARCHITECTURES
MADE = datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.timezone.utc)


class Folder(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def file(self, name, content, mode=0o644):
        file = self.folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
        file.chmod(mode)
        return file


class Architectures(unittest.TestCase):
    def test_every_architecture_is_there_or_left_out(self):
        there, left_out = release.split()
        self.assertCountEqual([*there, *left_out], ARCHITECTURES)
        self.assertTrue(there, "programs can be built for this machine itself")

    def test_what_is_left_out_is_one_line_with_the_command(self):
        line = "arm64 is left out, for want of Rust's standard library: rustup target add aarch64-unknown-linux-gnu"
        self.assertEqual(release.lacking(ARM64), line)

    def test_the_last_part_of_a_path_that_names_one_counts(self):
        named = release.named_architecture
        self.assertEqual(named(["goldsmith-0.1.0-arm64-linux", "goldsmith"]), ARM64)
        self.assertEqual(named(["goldsmith-0.1.0-x86_64-linux", "functions-x86_64.zip", "agent-aarch64"]), ARM64)
        self.assertEqual(named(["goldsmith-0.1.0-x86_64-linux", "functions-x86_64.zip", "bootstrap"]), X86_64)
        with self.assertRaisesRegex(SystemExit, "dist/goldsmith is a program, and nothing in its path says"):
            named(["dist", "goldsmith"])


class Template(unittest.TestCase):
    def setUp(self):
        self.text = (building.ROOT / release.TEMPLATE).read_text()

    def test_the_functions_are_for_the_archive_s_architecture(self):
        self.assertEqual(release.template_for(X86_64, self.text), self.text)
        arm64 = release.template_for(ARM64, self.text)
        self.assertEqual(arm64.count("    Architectures: [arm64]\n"), 1)
        self.assertEqual(arm64.replace("[arm64]", "[x86_64]"), self.text)

    def test_a_template_that_spells_it_otherwise_is_refused(self):
        for text in ("Globals: {}\n", self.text + release.LAMBDA_ARCHITECTURE):
            with self.assertRaisesRegex(SystemExit, "should have the line `Architectures"):
                release.template_for(X86_64, text)

    def test_it_names_what_an_archive_has(self):
        code = Path(release.CODE)
        self.assertEqual(code.parent, Path(release.TEMPLATE).parent)
        self.assertIn(f"CodeUri: {code.name}\n", self.text)
        self.assertIn("DefinitionUri: ../statemachine/", self.text)
        self.assertIn("statemachine", release.FILES)


class Programs(Folder):
    @classmethod
    def setUpClass(cls):
        compiler = Compiler()
        cls.addClassCleanup(compiler.folder.cleanup)
        cls.programs = {one: compiler.compile(f"{one.machine}-linux-gnu.2.17", HELLO) for one in ARCHITECTURES}

    def lay_out(self, second_agent):
        """Lays out a release for x86_64. `second_agent` is the architecture of the program that stands for the other
        agent."""
        self.file("in/x86_64", self.programs[X86_64])
        self.file("in/other", self.programs[second_agent])
        self.file("goldsmith-1-x86_64-linux/goldsmith", self.programs[X86_64])
        self.file("goldsmith-1-x86_64-linux/README.md", b"no program")
        own = self.folder / "in/x86_64"
        files = {"bootstrap": own, "agent-x86_64": own, "agent-aarch64": self.folder / "in/other"}
        building.pack(self.folder / "goldsmith-1-x86_64-linux/functions-x86_64.zip", files, release.SMALLEST)
        return self.folder / "goldsmith-1-x86_64-linux"

    def test_every_program_is_checked_also_in_a_zip(self):
        self.assertEqual(release.check_programs(self.lay_out(ARM64)), 4)

    def test_a_program_under_another_s_name_is_refused(self):
        name = "goldsmith-1-x86_64-linux/functions-x86_64.zip/agent-aarch64"
        with self.assertRaisesRegex(SystemExit, f"^{name} is a program for EM_X86_64, not for EM_AARCH64$"):
            release.check_programs(self.lay_out(X86_64))


class Places(unittest.TestCase):
    def test_a_program_that_tells_where_it_was_built_is_refused(self):
        for place in (str(building.ROOT), building.cargo_home()):
            with self.assertRaisesRegex(SystemExit, f"^dist/goldsmith tells where it was built, {place}$"):
                release.check_places("dist/goldsmith", f"\0{place}/lib.rs\0".encode())
        release.check_places("dist/goldsmith", b"\0/cargo/registry/src/lib.rs\0")


class Sums(Folder):
    def sums(self):
        command = ["sha256sum", "--check", "--quiet", release.SUMS]
        return subprocess.run(command, check=False, cwd=self.folder, capture_output=True, text=True)

    def test_they_are_what_sha256sum_reads_and_find_a_change(self):
        self.file("below/file", b"1")
        (self.folder / "link").symlink_to("below/file")
        release.write_sums(self.folder)
        self.assertEqual(self.sums().returncode, 0, self.sums().stderr)
        self.assertEqual(len((self.folder / release.SUMS).read_text().splitlines()), 1)
        self.file("below/file", b"2")
        self.assertNotEqual(self.sums().returncode, 0)


class Archive(Folder):
    def pack(self, name, umask):
        self.file(f"{name}/one/program", b"program", 0o777 & ~umask)
        self.file(f"{name}/one/text", b"text", 0o666 & ~umask)
        (self.folder / name / "one/link").symlink_to("text")
        release.archive(self.folder / name / "one", MADE)
        return self.folder / name / "one.tar.gz"

    def test_the_same_content_gives_the_same_bytes(self):
        self.assertEqual(self.pack("first", 0o022).read_bytes(), self.pack("second", 0o077).read_bytes())

    def test_it_unpacks_into_one_folder_as_it_was(self):
        with tarfile.open(self.pack("first", 0o077)) as packed:
            entries = {entry.name: entry for entry in packed.getmembers()}
        self.assertEqual(sorted(entries), ["one", "one/link", "one/program", "one/text"])
        self.assertEqual(entries["one/program"].mode, 0o755)
        self.assertEqual(entries["one/text"].mode, 0o644)
        self.assertEqual(entries["one/link"].linkname, "text")
        self.assertEqual({(one.mtime, one.uid, one.uname) for one in entries.values()}, {(int(MADE.timestamp()), 0, "")})


if __name__ == "__main__":
    unittest.main()
