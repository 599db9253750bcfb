"""Tests the check of programs, with programs that zig compiles for both architectures and for older and newer glibc."""

import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import elf
from building import ARCHITECTURES

X86_64, ARM64 = ARCHITECTURES
HELLO = '#include <stdio.h>\nint main(void) { puts("hello"); return 0; }\n'


class Compiler:
    """zig as a C compiler, in a temporary folder."""

    def __init__(self):
        self.folder = tempfile.TemporaryDirectory()

    def path(self, name):
        return Path(self.folder.name, name)

    def compile(self, target, source, *options):
        self.path("source.c").write_text(source)
        made = self.path("made")
        call = [sys.executable, "-m", "ziglang", "cc", "-s", "-target", target, "-o", made, self.path("source.c"), *options]
        subprocess.run(call, check=True, capture_output=True, text=True)
        return made.read_bytes()

    def library(self, soname, version):
        """Compiles a library with one function `strange`, whose symbol has a version. Returns the path to link with."""
        self.path("versions").write_text(f"{version} {{ global: strange; local: *; }};\n")
        made = self.path("libstrange.so")
        options = ["-shared", "-fPIC", f"-Wl,-soname,{soname}", f"-Wl,--version-script={self.path('versions')}"]
        made.write_bytes(self.compile("x86_64-linux-gnu.2.17", "int strange(void) { return 0; }\n", *options))
        return made


class Check(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.compiler = Compiler()
        cls.addClassCleanup(cls.compiler.folder.cleanup)

    def refusal(self, *arguments):
        with self.assertRaises(SystemExit) as refused:
            elf.check("dist/made", *arguments)
        return str(refused.exception)

    def test_programs_for_old_systems_of_either_architecture_pass(self):
        for architecture in ARCHITECTURES:
            program = self.compiler.compile(f"{architecture.machine}-linux-gnu.2.17", HELLO)
            elf.check("made", program, architecture)
            self.assertIn("libc.so.6", elf.facts(program).libraries)

    def test_a_program_of_another_architecture_is_refused(self):
        program = self.compiler.compile("aarch64-linux-gnu.2.17", HELLO)
        self.assertEqual(self.refusal(program, X86_64), "dist/made is a program for EM_AARCH64, not for EM_X86_64")

    def test_a_program_for_a_newer_glibc_is_refused(self):
        program = self.compiler.compile("x86_64-linux-gnu.2.34", HELLO)
        self.assertEqual(self.refusal(program, X86_64), "dist/made needs glibc 2.34, newer than 2.17")
        elf.check("made", program, X86_64, glibc="2.34")

    def test_versions_compare_as_numbers(self):
        self.assertGreater(elf.number("GLIBC_2.17"), elf.number("2.2.5"))

    def test_a_library_that_not_every_system_has_is_refused(self):
        library = self.compiler.library("libstrange.so.1", "STRANGE_1")
        source = "int strange(void);\nint main(void) { return strange(); }\n"
        program = self.compiler.compile("x86_64-linux-gnu.2.17", source, library)
        self.assertEqual(self.refusal(program, X86_64), "dist/made needs libstrange.so.1, which not every Linux has")

    def test_a_symbol_of_glibc_without_a_number_is_refused(self):
        library = self.compiler.library("libutil.so.1", "GLIBC_PRIVATE")
        source = "int strange(void);\nint main(void) { return strange(); }\n"
        program = self.compiler.compile("x86_64-linux-gnu.2.17", source, library)
        self.assertEqual(self.refusal(program, X86_64), "dist/made needs GLIBC_PRIVATE, which glibc 2.17 does not promise")

    def test_a_text_is_refused(self):
        self.assertTrue(self.refusal(b"#!/bin/sh\n", X86_64).startswith("dist/made is no program"))


if __name__ == "__main__":
    unittest.main()
