"""Runs every `test_…` of the modules against the endpoint at the address given, and holds its answers against
botocore's model. Prints a line for each test; ends with 1 when something is wrong. The tests run in as many processes as
there are cores, because the CLI itself takes most of the time.

    suite.py URL [CALL...]    the calls that the endpoint knows: each must have been made
"""

import concurrent.futures
import os
import sys
import time
import traceback

import answers
import filters
import images
import machines
import members
import storage
import the_rest

from cli import Caller


MODULES = (the_rest, filters, storage, images, machines)


def run(url, module, name):
    """Runs a test; what is wrong, and what the answers were."""
    wrong = []
    start = time.monotonic()
    try:
        getattr(sys.modules[module], name)(Caller(url))
        print(f"{module}.{name} ok in {time.monotonic() - start:.1f} s", flush=True)
    except Exception:
        wrong.append(f"{module}.{name}\n{traceback.format_exc(limit=-3)}")
    return wrong + sorted(set(answers.problems)), answers.seen


def main(url, *calls):
    tests = [(module.__name__, name) for module in MODULES for name in vars(module) if name.startswith("test_")]
    wrong = []
    with concurrent.futures.ProcessPoolExecutor(os.cpu_count(), initializer=answers.install) as processes:
        for running in [processes.submit(run, url, *test) for test in tests]:
            found, seen = running.result()
            wrong += [one for one in found if one not in wrong]
            for operation, paths in seen.items():
                answers.seen.setdefault(operation, set()).update(paths)
    wrong += list(answers.missing(members.READ))
    wrong += [f"{call}: the members that its callers read are not listed" for call in calls if call not in members.READ]
    print("\n".join(wrong))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
