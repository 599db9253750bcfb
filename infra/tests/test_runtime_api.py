"""Tests who belongs to a function of the local AWS."""

import os
import pathlib
import socket
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "local"))

import runtime_api

# Connects to the port of its argument, itself or in a child, and holds the connection until its input ends.
CLIENT = """
import os, socket, sys
child = sys.argv[2] == "child" and os.fork()
if not child:
    connection = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
sys.stdin.read()
"""


class Connections(unittest.TestCase):
    def setUp(self):
        self.server = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(self.server.close)
        self.near = self.server.getsockname()

    def connected(self, variable, who):
        """Returns whether a connection of a process with this variable, or of its child, is a function's own."""
        environment = {**os.environ, runtime_api.VARIABLE: variable}
        words = [sys.executable, "-c", CLIENT, str(self.near[1]), who]
        with subprocess.Popen(words, env=environment, stdin=subprocess.PIPE) as client:
            connection, far = self.server.accept()
            with connection:
                inode = runtime_api.searched(self.near, far)
                self.assertIsNotNone(inode)
                self.assertEqual(runtime_api.asked(self.near, far), inode)
                found = runtime_api.is_functions(self.near, far)
            client.stdin.close()
        return found

    def test_a_function_and_what_it_has_started_are_told_from_others(self):
        address = "{}:{}".format(*self.near)
        for variable, who, expected in ((address, "itself", True), (address, "child", True), ("127.0.0.1:1", "itself", False)):
            self.assertEqual(self.connected(variable, who), expected, (variable, who))

    def test_an_end_that_is_closed_is_nobodys(self):
        with socket.create_connection(self.near):
            connection, far = self.server.accept()
        with connection:
            self.assertIsNone(runtime_api.asked(self.near, far))
            self.assertIsNone(runtime_api.searched(self.near, far))

    def test_both_lists_of_children_agree(self):
        with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
            for children in (runtime_api.listed_children, runtime_api.all_children):
                self.assertIn(child.pid, children(os.getpid()), children)
            child.stdin.write(b"\n")


if __name__ == "__main__":
    unittest.main()
