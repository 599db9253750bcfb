"""Decides which processes may fetch a function's events from the emulator and answer them: the function's own process,
and processes that it has started.

A custom runtime fetches its events from a port of the loopback interface (the Lambda Runtime API). The emulator opens
one port for each environment of a function. Clients of that API send no credentials, and their address is only a host
and a port, so they could not show a secret. The kernel knows which process has the other end of a connection. A
connection of any other process is closed unread, whichever user runs the process, and wherever it runs. A connection
from another network namespace has no other end in this namespace, so it is closed too.
"""

import os
import socket
import socketserver
import sys

VARIABLE = "AWS_LAMBDA_RUNTIME_API"


def hexadecimal(address):
    """Returns an IPv4 address and its port in the format of /proc/net/tcp, in the machine's byte order."""
    host, port = address
    return f"{int.from_bytes(socket.inet_aton(host), sys.byteorder):08X}:{port:04X}"


def far_socket(near, far):
    """Returns the inode of the other end of a connection on this machine; `None` if that end is not here, or is
    closed."""
    ends = [hexadecimal(far), hexadecimal(near)]
    with open("/proc/net/tcp") as table:
        for line in table.readlines()[1:]:
            fields = line.split()
            if fields[1:3] == ends and fields[9] != "0":
                return fields[9]
    return None


def children():
    """Returns, for each process, the processes that it has started and that still run."""
    started = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/stat") as stat:
                    # The name, in parentheses, may contain any character.
                    parent = stat.read().rpartition(")")[2].split()[1]
            except OSError:
                continue  # the process has ended
            started.setdefault(int(parent), []).append(int(entry))
    return started


def was_given(process, variable):
    """Returns whether this process, which the emulator has started, was started with this variable."""
    try:
        with open(f"/proc/{process}/environ", "rb") as environment:
            return variable.encode() in environment.read().split(b"\0")
    except OSError:
        return False


def holds(process, inode):
    """Returns whether the process has this socket open."""
    folder = f"/proc/{process}/fd"
    try:
        numbers = os.listdir(folder)
    except OSError:
        return False
    for number in numbers:
        try:
            if os.readlink(f"{folder}/{number}") == f"socket:[{inode}]":
                return True
        except OSError:
            continue  # the file was closed in the meantime
    return False


def is_functions(near, far):
    """Returns whether the process that has connected from `far` belongs to the function that is served at `near`."""
    inode, started = far_socket(near, far), children()
    if inode is None:
        return False
    address = f"{near[0]}:{near[1]}"
    family = [child for child in started.get(os.getpid(), ()) if was_given(child, f"{VARIABLE}={address}")]
    for process in family:  # the list grows during the loop
        if holds(process, inode):
            return True
        family.extend(started.get(process, ()))
    return False


def close(check_pin):
    """Makes every Runtime API check which process connects. The emulator has no other servers of this class."""
    from ministack.core import lambda_runtime
    from ministack.services import lambda_svc

    check_pin(lambda_svc, {"_provided_worker_env": ["config", "code_dir", "port"]})
    check_pin(lambda_runtime.ProvidedWorker, {"_build_handler_class": ["self", "generation", "pending"]})
    socketserver.TCPServer.verify_request = lambda server, request, client: is_functions(server.server_address, client)
