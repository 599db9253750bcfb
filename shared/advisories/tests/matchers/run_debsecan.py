"""Asks debsecan which vulnerabilities of Debian's security tracker the packages of an image have.

It judges `tracker.json` for images of Debian, and no other file.

Needs the Debian package `debsecan` (0.4.20). It reads a local file instead of the tracker's address. Run as
`python run_debsecan.py FOLDER`.

debsecan does not read the tracker's JSON, but a feed for each release, which the tracker makes of the same data. The
feed is written here as the tracker's `calculateDebsecan1` writes it (`lib/python/security_db.py` of
<https://salsa.debian.org/security-tracker-team/security-tracker>):
- What is `unimportant` or has reached its `end-of-life` is left out.
- What is `undetermined` has the word as its fixed version.
- `no-dsa`, `ignored` and `postponed` are not looked at. What is `open` has an empty fixed version.

The tracker writes two things: the version that fixes unstable, and a list of all versions of the release that are fixed
too. The JSON has no such list. It has the version that fixes the release, which is written instead of that of unstable.
"""

import json
import os
import subprocess
import sys
import tempfile
import zlib
from pathlib import Path

import matcher

FLAGS = {"high": "H", "medium": "M", "low": "L"}

STATUS = """\
Package: {name}
Status: install ok installed
Architecture: {arch}
Source: {source}
Version: {version}

"""


def fixed_version(release: dict) -> str:
    """Returns the version that the feed calls fixed."""
    if release["status"] == "resolved":
        return release["fixed_version"]
    return {"open": "", "undetermined": "undetermined"}[release["status"]]


def feed(tracker: dict, codename: str) -> bytes:
    """Returns the feed of a release: its vulnerabilities, where they are, and (here nothing) the binaries of source packages."""
    names, places = [], []
    for package, vulnerabilities in tracker.items():
        for name, vulnerability in vulnerabilities.items():
            release = vulnerability["releases"].get(codename)
            # The asterisks mark an urgency that comes from NVD.
            urgency = release["urgency"].rstrip("*") if release else "unimportant"
            if release is None or urgency in ("unimportant", "end-of-life"):
                continue
            is_fixed = "F" if release["status"] == "resolved" else " "
            flags = "S" + FLAGS.get(urgency, " ") + "?" + is_fixed
            places.append(f"{package},{len(names)},{flags},{fixed_version(release)},")
            names.append(f"{name},,")
    return zlib.compress("\n".join(["VERSION 1", *names, "", *places, "", "", ""]).encode())


def status(packages: list[dict]) -> str:
    """Returns the packages as dpkg records them."""
    text = ""
    for package in packages:
        source = package.get("source", {})
        name = source.get("name", package["name"].split(":")[0])
        if "version" in source:
            name += f" ({source['version']})"
        text += STATUS.format(name=package["name"].split(":")[0], arch=package["arch"], source=name, version=package["version"])
    return text


def judge(image: dict, tracker: dict, home: Path) -> set[tuple[str, str]]:
    """Returns the packages of an image and their vulnerabilities, as debsecan sees them."""
    packages = [p for p in image["packages"] if p["type"] == "deb"]
    codename = image["os"]["codename"]
    (home / "feed").mkdir()
    (home / "feed" / codename).write_bytes(feed(tracker, codename))
    (home / "status").write_text(status(packages))
    options = {
        "--source": (home / "feed").as_uri(),
        "--suite": codename,
        "--status": home / "status",
        "--config": home / "none",
        "--whitelist": home / "none",
        "--format": "simple",
    }
    command = ["debsecan", *(str(word) for option in options.items() for word in option)]
    env = {"PATH": os.environ["PATH"], "HOME": str(home), "LC_ALL": "C.UTF-8"}
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"debsecan has failed:\n{done.stdout}{done.stderr}")
    found = (line.split() for line in done.stdout.splitlines())
    # The same name may be installed for several architectures, and debsecan does not say for which of them.
    return {(p["name"], v) for v, name in found for p in packages if p["name"].split(":")[0] == name}


def main(folder: Path) -> None:
    """Prints what debsecan finds in the images of Debian."""
    matcher.require("debsecan")
    tracker = json.loads((folder / "tracker.json").read_text())
    findings = []
    for name, image in matcher.images(folder).items():
        if image["os"]["id"] == "debian":
            with tempfile.TemporaryDirectory() as home:
                findings += [(name, *found) for found in judge(image, tracker, Path(home))]
    matcher.report(findings)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
