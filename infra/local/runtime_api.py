"""Decides which processes may fetch a function's events from the emulator and answer them: the function's own process,
and processes that it has started.

A custom runtime fetches its events from a port of the loopback interface (the Lambda Runtime API). The emulator opens
one port for each environment of a function. Clients of that API send no credentials, and their address is only a host
and a port, so they could not show a secret. The kernel knows which process has the other end of a connection. A
connection of any other process is closed unread, whichever user runs the process, and wherever it runs. A connection
from another network namespace has no other end in this namespace, so it is closed too.

Also lets functions without work wait for it without waking up all the time.
"""

import errno
import glob
import os
import queue
import socket
import socketserver
import struct
import sys

VARIABLE = "AWS_LAMBDA_RUNTIME_API"
# Seconds between two looks whether an environment without work has been ended. The emulator ends its process first, so
# nothing waits for this look.
LOOK = 5


# Question for the socket with these ends, and its answer (sock_diag(7), linux/inet_diag.h).
QUESTION = struct.Struct("=IHHII BBBBI 2s2s16s16s III")
ANSWER = struct.Struct("=IHHII 4x 48x 16x I")
NETLINK_SOCK_DIAG, SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST = 4, 20, 1
ANY_STATE = NO_COOKIE = 0xFFFFFFFF


def far_socket(near, far):
    """Returns the inode of the other end of a connection on this machine; `None` if that end is not here, or is
    closed."""
    try:
        return asked(near, far)
    except OSError:  # not every kernel and sandbox answers
        return searched(near, far)


def asked(near, far):
    """Asks the kernel for the other end, which takes much less time than its whole table."""
    (far_host, far_port), (near_host, near_port) = far, near
    ports = [port.to_bytes(2, "big") for port in (far_port, near_port)]
    hosts = [socket.inet_aton(host).ljust(16, b"\0") for host in (far_host, near_host)]
    header = QUESTION.size, SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST, 0, 0
    wanted = socket.AF_INET, socket.IPPROTO_TCP, 0, 0, ANY_STATE
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_SOCK_DIAG) as kernel:
        kernel.settimeout(5)
        kernel.sendto(QUESTION.pack(*header, *wanted, *ports, *hosts, 0, NO_COOKIE, NO_COOKIE), (0, 0))
        said = kernel.recv(4096)
    if int.from_bytes(said[4:6], sys.byteorder) != SOCK_DIAG_BY_FAMILY:
        error = -int.from_bytes(said[16:20], sys.byteorder, signed=True)
        if error == errno.ENOENT:
            return None
        raise OSError(error, os.strerror(error))
    inode = ANSWER.unpack_from(said)[5]
    return str(inode) if inode else None


def searched(near, far):
    """Searches the kernel's table for the other end."""
    ends = f" {hexadecimal(far)} {hexadecimal(near)} "
    with open("/proc/net/tcp") as table:
        for line in table:
            if ends in line and (inode := line.split()[9]) != "0":
                return inode
    return None


def hexadecimal(address):
    """Returns an IPv4 address and its port in the format of /proc/net/tcp, in the machine's byte order."""
    host, port = address
    return f"{int.from_bytes(socket.inet_aton(host), sys.byteorder):08X}:{port:04X}"


def listed_children(process):
    """Returns the processes that this process has started and that still run, by the kernel's lists, which take little
    time. A list may lack a process if another one of it ends, and not every kernel has lists (CONFIG_PROC_CHILDREN)."""
    found = []
    for path in glob.iglob(f"/proc/{process}/task/*/children"):
        try:
            with open(path) as listed:
                found += map(int, listed.read().split())
        except OSError:
            continue  # the thread has ended
    return found


def all_children(process):
    """Returns the same by looking at every process."""
    return [int(entry) for entry in os.listdir("/proc") if entry.isdigit() and parent(entry) == process]


def parent(process):
    """Returns the process that has started this process; `None` if it has ended."""
    try:
        with open(f"/proc/{process}/stat") as stat:
            # The name, in parentheses, may contain any character.
            return int(stat.read().rpartition(")")[2].split()[1])
    except OSError:
        return None


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


def has_socket(address, inode, children):
    """Returns whether the function that is served at this address has the socket. `children` lists those of a process."""
    family = [child for child in children(os.getpid()) if was_given(child, f"{VARIABLE}={address}")]
    for process in family:  # the list grows during the loop
        if holds(process, inode):
            return True
        family.extend(children(process))
    return False


def is_functions(near, far):
    """Returns whether the process that has connected from `far` belongs to the function that is served at `near`."""
    inode, address = far_socket(near, far), f"{near[0]}:{near[1]}"
    return inode is not None and any(has_socket(address, inode, children) for children in (listed_children, all_children))


def close(check_pin):
    """Makes every Runtime API check which process connects. The emulator has no other servers of this class."""
    from ministack.core import lambda_runtime
    from ministack.services import lambda_svc

    check_pin(lambda_svc, {"_provided_worker_env": ["config", "code_dir", "port"]})
    check_pin(lambda_runtime.ProvidedWorker, {"_build_handler_class": ["self", "generation", "pending"]})
    socketserver.TCPServer.verify_request = lambda server, request, client: is_functions(server.server_address, client)


def rest(check_pin):
    """Lets environments without work rest. Each has two threads that the emulator wakes ten times in a second. A dozen
    of them take 3 % of a core."""
    from ministack.core import lambda_runtime

    check_pin(lambda_runtime.ProvidedWorker, {"_build_handler_class": ["self", "generation", "pending"]})
    handler_class, serve = lambda_runtime.ProvidedWorker._build_handler_class, socketserver.TCPServer.serve_forever

    def with_patience(worker, generation, pending):
        pending.get = lambda timeout: queue.Queue.get(pending, timeout=LOOK)
        return handler_class(worker, generation, pending)

    lambda_runtime.ProvidedWorker._build_handler_class = with_patience
    # Python's own interval. The end of an environment waits for it, so it is not longer.
    socketserver.TCPServer.serve_forever = lambda server, poll_interval=0.5: serve(server, max(poll_interval, 0.5))
