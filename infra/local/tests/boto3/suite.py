"""Runs every `test_…` of the modules against the endpoint at the address given. Prints a line for each test; ends with 1
when something is wrong.

    suite.py URL [CALL...]    the calls that the endpoint knows: their waiters must have been used
"""

import sys
import time
import traceback

import blocks
import life
import pages
import refusals
from caller import Caller, waited


def main(url, *calls):
    wrong = []
    for module in (life, blocks, refusals, pages):
        for name, test in vars(module).items():
            if not name.startswith("test_"):
                continue
            start = time.monotonic()
            try:
                test(Caller(url, calls))
                print(f"{module.__name__}.{name} ok in {time.monotonic() - start:.1f} s", flush=True)
            except Exception:
                wrong.append(f"{module.__name__}.{name}\n{traceback.format_exc(limit=-3)}")
    if not wrong:
        wrong = [f"the waiter {name} is not used" for name in Caller(url, calls).waiters() if name not in waited]
    print("\n".join(wrong))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
