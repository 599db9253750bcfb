"""The AWS CLI, driven in this process: a start of it for every command would take most of the time."""

import contextlib
import io
import json
import os
import re
import shlex
import time
import urllib.request

import awscli.clidriver

PATIENCE = 120
ERROR = re.compile(r"An error occurred \(([\w.]+)\) when calling")


class Caller:
    """An account in a Region."""

    def __init__(self, url, region="eu-west-1", account="000000000000"):
        self.url, self.region, self.account = url, region, account

    def of(self, **other):
        return Caller(**{"url": self.url, "region": self.region, "account": self.account, **other})

    def _run(self, words):
        os.environ.update(AWS_ACCESS_KEY_ID=self.account, AWS_SECRET_ACCESS_KEY="test", AWS_MAX_ATTEMPTS="1")
        common = ["--endpoint-url", self.url, "--region", self.region, "--output", "json"]
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            # A new one for each command: a driver keeps things of the command before.
            code = awscli.clidriver.create_clidriver().main(common + words)
        return code, out.getvalue(), err.getvalue()

    def __call__(self, command, *more, **options):
        """Runs `SERVICE OPERATION OPTIONS`; its answer."""
        words = shlex.split(command) + list(more) + as_options(options)
        code, out, err = self._run(words)
        assert code == 0, f"{words}: {code}\n{err}"
        return json.loads(out) if out.strip().startswith(("{", "[", '"')) else out

    def error(self, command, *more, **options):
        """Runs a command that must be refused; the error's code."""
        words = shlex.split(command) + list(more) + as_options(options)
        code, out, err = self._run(words)
        found = ERROR.search(err)
        assert code != 0 and found, f"{words} is not refused: {code}\n{out}{err}"
        return found[1]


def admin(aws, path, body):
    """Posts to a route of the endpoint's own."""
    secret = {"x-goldsmith-local": "test"}
    request = urllib.request.Request(f"{aws.url}/_local/{path}", json.dumps(body).encode(), secret, method="POST")
    urllib.request.urlopen(request).read()


def as_options(options):
    words = []
    for name, value in options.items():
        words += [f"--{name.replace('_', '-')}", value if isinstance(value, str) else json.dumps(value)]
    return words


def until(what, look):
    """Waits until `look` finds something."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        found = look()
        if found:
            return found
        time.sleep(0.2)
    raise AssertionError(f"waited in vain: {what}")


def same(found, wanted):
    assert found == wanted, f"{found!r} is not {wanted!r}"
