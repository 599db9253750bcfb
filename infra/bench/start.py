"""Compares the start of the functions' `bootstrap` with that of a function that does nothing: the time from the start of
the process to its first request for an event, and the memory that it has then. Runs of both programs alternate, so that
other work on the machine concerns both."""

import argparse
import os
import pathlib
import socket
import statistics
import subprocess
import time

# The variables that the template sets, and those that Lambda sets, with values of the right form.
NAMES = ("TABLE", "BUCKET", "STACK", "LOG_GROUP", "INSTANCE_PROFILE", "TEST_INSTANCE_PROFILE", "SECURITY_GROUP", "STATE_MACHINE",
         "IMAGE_PARAMETER_PATH", "SUBNETS", "SSM_AGENT_URL", "SSM_AGENT_KEY")


def environment(handler, address):
    """Returns the environment of a function whose Runtime API is at this address."""
    return {
        **{f"GOLDSMITH_{name}": "goldsmith" for name in NAMES},
        "_HANDLER": handler,
        "AWS_REGION": "eu-west-1",
        "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "none",
        "AWS_SESSION_TOKEN": "none",
        "AWS_LAMBDA_FUNCTION_NAME": handler,
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256",
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_LOG_GROUP_NAME": "group",
        "AWS_LAMBDA_LOG_STREAM_NAME": "stream",
        "AWS_LAMBDA_RUNTIME_API": address,
        "LAMBDA_TASK_ROOT": "/var/task",
        "PATH": os.environ["PATH"],
    }


def started(program, handler):
    """Starts a program, and returns the seconds to its first request and its memory in bytes."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(20)
        variables = environment(handler, "{}:{}".format(*server.getsockname()))
        begin = time.monotonic()
        process = subprocess.Popen([program], env=variables, stdout=subprocess.DEVNULL)
        try:
            connection, _ = server.accept()
            with connection:
                line = connection.recv(4096)
                seconds = time.monotonic() - begin
                status = pathlib.Path(f"/proc/{process.pid}/status").read_text()
            if b"/invocation/next" not in line:
                raise SystemExit(f"{program} requests {line[:80]!r} first, not the next event")
        finally:
            process.kill()
            process.wait()
    memory = next(line for line in status.splitlines() if line.startswith("VmRSS:"))
    return seconds, int(memory.split()[1]) * 1024


def spread(values):
    """Returns the lower and the upper quartile."""
    low, _, high = statistics.quantiles(values, n=4)
    return low, high


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bootstrap", type=pathlib.Path, help="the program of Goldsmith's functions")
    parser.add_argument("bare", type=pathlib.Path, help="the function that does nothing: examples/bare")
    parser.add_argument("--pairs", type=int, default=40, help="how often both are started")
    parser.add_argument("--handlers", default="plan,signal", help="the functions that are started")
    given = parser.parse_args()
    for handler in given.handlers.split(","):
        ours, bare = [], []
        for _ in range(given.pairs):
            ours.append(started(given.bootstrap, handler))
            bare.append(started(given.bare, handler))
        (seconds, memory), (least, little) = (zip(*both, strict=True) for both in (ours, bare))
        ratios = [a / b for a, b in zip(seconds, least, strict=True)]
        low, high = spread(ratios)
        print(f"{handler}: {statistics.median(seconds) * 1000:.1f} ms against {statistics.median(least) * 1000:.1f} ms, "
              f"{statistics.median(ratios):.2f} times ({low:.2f} to {high:.2f})")
        megabytes = [statistics.median(values) / 1e6 for values in (memory, little)]
        print(f"{handler}: {megabytes[0]:.1f} MB against {megabytes[1]:.1f} MB, {megabytes[0] / megabytes[1]:.2f} times")


if __name__ == "__main__":
    main()
