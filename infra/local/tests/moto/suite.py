"""Runs moto's own tests of EC2 against the endpoint and holds their outcomes against `expected.txt`.

    suite.py GOLDSMITH FOLDER [PYTEST-OPTION...]

moto comes from PyPI: the package, and its source archive, which has the tests; both go into the folder and stay there.
Ends with 1 when a test that should pass fails, when a listed one does not do what is listed, or when less than 95 % of the tests
pass that ask of the endpoint's calls what AWS does. A whole run is `make moto`.
"""

import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import tarfile

# Share of those tests that must pass, in percent.
LEAST = 95
# How the list marks tests that run and must fail, and whether they count as tests of what AWS does.
FAILING = {"differs": True, "contradicts AWS": False, "moto's own": False}
HERE = pathlib.Path(__file__).parent
# The files that have tests of calls that the endpoint knows.
FILES = """test_amis test_availability_zones_and_regions test_general test_instance_type_offerings test_instance_types
    test_instances test_key_pairs test_launch_templates test_regions test_security_groups test_subnets test_tags
    test_vpcs""".split()


def prepare(folder):
    """A virtual environment and the unpacked archive; made once for each set of versions."""
    requirements = HERE / "requirements.txt"
    python, complete = folder / "venv/bin/python", folder / "complete"
    if complete.exists() and complete.read_text() == requirements.read_text():
        return python
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run([sys.executable, "-m", "venv", "--clear", folder / "venv"], check=True)
    pip = [python, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    only = ["--no-deps", "--require-hashes", "--requirement"]
    subprocess.run([*pip, "install", "--only-binary", ":all:", *only, requirements], check=True)
    # Its tests are in the archive of its sources only, which pip wants to know how to build: by what the lock has.
    moto = next(part for part in re.split(r"\n(?=\S)", requirements.read_text()) if part.startswith("moto"))
    archived = folder / "moto.txt"
    archived.write_text(moto)
    sources = ["--no-build-isolation", "--no-binary", "moto", "--dest", folder]
    subprocess.run([*pip, "download", *sources, *only, archived], check=True)
    version = moto.split()[0].split("==")[1]
    with tarfile.open(folder / f"moto-{version}.tar.gz") as archive:
        archive.extractall(folder, filter="data")
    complete.write_text(requirements.read_text())
    return python


def start(goldsmith, folder):
    """An endpoint that waits for nothing; its process and address."""
    command = [goldsmith, "local", "ec2", "--state", folder / "state", "--delays", "instant", "--describe-lag", "0"]
    command += ["--secret-key", "test"]  # which moto's tests sign with
    if os.geteuid() == 0:
        # No systemd in instances: they boot in a fraction of the time, and the tests look at none from the inside.
        command += ["--isolation", "namespaces"]
    log = open(folder / "endpoint.log", "w")
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
    for line in process.stdout:
        address = [word for word in line.split() if word.startswith("http://")]
        if address:
            return process, address[0]
    sys.exit(f"The endpoint does not start: {(folder / 'endpoint.log').read_text()}")


def expected():
    """Test to (kind, reason) out of the list."""
    found, kind, reason = {}, None, None
    for line in (HERE / "expected.txt").read_text().splitlines():
        if line.startswith("needs "):
            kind, reason = line.split(" ", 1)
        elif line.startswith(tuple(f"{one}: " for one in FAILING)):
            kind, reason = line.split(": ", 1)
        elif line.strip() and not line.startswith("#"):
            found[line.strip()] = (kind, reason)
    return found


def judge(outcomes, listed):
    """What is wrong, and how many of each sort there are."""
    wrong, counts = [], {"passed": 0, "failed": 0, **dict.fromkeys(FAILING, 0), "left out": 0, "skipped by moto": 0}
    for name, one in outcomes.items():
        kind, reason = listed.get(name, (None, None))
        if kind == "needs":
            counts["left out"] += 1
            if not set(reason.split()) & set(one["unknown"]):
                wrong.append(f"{name} is listed as in need of {reason}, which it does not call in vain")
        elif one["outcome"] == "skipped":
            counts["skipped by moto"] += 1
        elif kind in FAILING:
            counts[kind] += 1
            if one["outcome"] == "passed":
                wrong.append(f"{name} passes, but is listed: {reason}")
        else:
            counts[one["outcome"]] += 1
            if one["outcome"] == "failed":
                unknown = f" (unknown: {' '.join(one['unknown'])})" if one["unknown"] else ""
                wrong.append(f"{name} fails{unknown}: {one['why']}")
    return wrong, counts


def main(goldsmith, folder, *options):
    folder = pathlib.Path(folder).absolute()
    python = prepare(folder)
    tests = next(folder.glob("moto-*/tests")).parent
    process, address = start(pathlib.Path(goldsmith).absolute(), folder)
    outcomes = folder / "outcomes.json"
    outcomes.unlink(missing_ok=True)
    environment = {**os.environ, "GOLDSMITH_ENDPOINT": address, "GOLDSMITH_OUTCOMES": str(outcomes),
                   "PYTHONPATH": str(HERE), "PYTHONDONTWRITEBYTECODE": "1"}
    files = [f"tests/test_ec2/{name}.py" for name in FILES]
    command = [python, "-m", "pytest", "-p", "plugin", "-q", "--color=no", "--tb=short", "-W", "ignore", "-p", "no:cacheprovider"]
    try:
        with open(folder / "pytest.log", "w") as log:
            subprocess.run([*command, *files, *options], check=False, cwd=tests, env=environment, stdout=log, stderr=log)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()
    if not outcomes.exists():
        sys.exit((folder / "pytest.log").read_text())
    listed = expected()
    found = json.loads(outcomes.read_text())
    wrong, counts = judge(found, listed)
    if not options:
        wrong += [f"{name} is listed, but there is no such test" for name in listed if name not in found]
    claimed = counts["passed"] + counts["failed"] + sum(counts[kind] for kind, counted in FAILING.items() if counted)
    share = 100 * counts["passed"] / claimed if claimed else 0
    if not options and share < LEAST:
        wrong.append(f"Less than {LEAST} % pass.")
    print("\n".join(wrong))
    print(", ".join(f"{number} {name}" for name, number in counts.items()))
    print(f"{counts['passed']} of {claimed} tests of what AWS does with the endpoint's calls pass: {share:.1f} %. "
          f"Details: {folder}/pytest.log")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
