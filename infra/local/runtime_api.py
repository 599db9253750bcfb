"""Who may ask the emulator for a function's events and answer them: the function's own process, and those that it has started.

A custom runtime fetches its events from a port of the loopback (the Lambda Runtime API), of which the emulator opens one for each
environment of a function. Clients of that API send no credential, and take no address but a host and a port, so that there is
nothing that they could show. The kernel knows whose the other end of a connection is: anybody else's is closed unread, whoever
they are, and wherever they run. What comes from a network namespace of its own has no end here, and is anybody else's too.
"""

import os
import socket
import socketserver
import sys

VARIABLE = "AWS_LAMBDA_RUNTIME_API"


def hexadecimal(address):
    """An IPv4 address with its port as /proc/net/tcp has it, in the machine's byte order."""
    host, port = address
    return f"{int.from_bytes(socket.inet_aton(host), sys.byteorder):08X}:{port:04X}"


def far_socket(near, far):
    """The inode of the other end of a connection on this machine; none when it is not here, or is closed."""
    ends = [hexadecimal(far), hexadecimal(near)]
    with open("/proc/net/tcp") as table:
        for line in table.readlines()[1:]:
            fields = line.split()
            if fields[1:3] == ends and fields[9] != "0":
                return fields[9]
    return None


def children():
    """The processes that each process has started and that still run."""
    started = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/stat") as stat:
                    # The name, in parentheses, may have anything in it.
                    parent = stat.read().rpartition(")")[2].split()[1]
            except OSError:
                continue  # it has ended
            started.setdefault(int(parent), []).append(int(entry))
    return started


def was_given(process, variable):
    """Whether the emulator has started this process with this variable."""
    try:
        with open(f"/proc/{process}/environ", "rb") as environment:
            return variable.encode() in environment.read().split(b"\0")
    except OSError:
        return False


def holds(process, inode):
    """Whether the process has this socket open."""
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
            continue  # it has been closed meanwhile
    return False


def is_functions(near, far):
    """Whether what has connected from `far` is the function that is served at `near`."""
    inode, started = far_socket(near, far), children()
    if inode is None:
        return False
    address = f"{near[0]}:{near[1]}"
    family = [child for child in started.get(os.getpid(), ()) if was_given(child, f"{VARIABLE}={address}")]
    for process in family:  # grows while it is gone through
        if holds(process, inode):
            return True
        family.extend(started.get(process, ()))
    return False


def close(check_pin):
    """Has every Runtime API look at who connects. Nothing else of the emulator is such a server."""
    from ministack.core import lambda_runtime
    from ministack.services import lambda_svc

    check_pin(lambda_svc, {"_provided_worker_env": ["config", "code_dir", "port"]})
    check_pin(lambda_runtime.ProvidedWorker, {"_build_handler_class": ["self", "generation", "pending"]})
    socketserver.TCPServer.verify_request = lambda server, request, client: is_functions(server.server_address, client)
