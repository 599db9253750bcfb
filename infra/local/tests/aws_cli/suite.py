"""Runs every `test_…` of the modules against the endpoint at the address given, and holds its answers against
botocore's model. Prints a line for each test; ends with 1 when something is wrong.

    suite.py URL [CALL...]    the calls that the endpoint knows: each must have been made
"""

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


def main(url, *calls):
    answers.install()
    wrong = []
    for module in (the_rest, filters, storage, images, machines):
        for name, test in vars(module).items():
            if not name.startswith("test_"):
                continue
            start = time.monotonic()
            try:
                test(Caller(url))
                print(f"{module.__name__}.{name} ok in {time.monotonic() - start:.1f} s", flush=True)
            except Exception:
                wrong.append(f"{module.__name__}.{name}\n{traceback.format_exc(limit=-3)}")
    wrong += sorted(set(answers.problems)) + list(answers.missing(members.READ))
    wrong += [f"{call}: the members that its callers read are not listed" for call in calls if call not in members.READ]
    print("\n".join(wrong))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
