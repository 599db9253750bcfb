"""Tries a release in an AWS account: deploys a stack, builds two images, stops a third build halfway, retires the
stack, removes everything that is left, and prints the cost.

It only calls `goldsmith` and the AWS CLI, as a user would. It asks before it begins.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

STACK = "goldsmith-smoke"
SOURCES = {
    "smoke-al2023": "ssm:/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64",
    "smoke-ubuntu": "ssm:/aws/service/canonical/ubuntu/server/24.04/stable/current/amd64/hvm/ebs-gp3/ami-id",
}
INSTANCE, DOLLARS_PER_HOUR = "t3.small", 0.0208  # On-Demand, Linux, us-east-1
LONGEST_START = 1200  # seconds until an instance is online
PIPELINE = """\
kind: Component
name: {name}
semanticVersion: 1.0.0
platform: Linux
data: |
  schemaVersion: 1.0
  phases:
    - name: build
      steps: [{{name: Write, action: ExecuteBash, inputs: {{commands: ["{command}"]}}}}]
    - name: test
      steps: [{{name: Read, action: ExecuteBash, inputs: {{commands: ["grep smoke /etc/goldsmith-smoke"]}}}}]
---
kind: ImageRecipe
name: {name}
semanticVersion: 1.0.0
parentImage: {source}
components: [{{name: {name}, version: 1.x.x}}]
---
kind: InfrastructureConfiguration
name: {name}
instanceTypes: [{instance}]
---
kind: ImagePipeline
name: {name}
imageRecipe: {name}/1.x.x
infrastructureConfiguration: {name}
"""


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--goldsmith", required=True, type=Path, help="the program of the release")
    parser.add_argument("--region", required=True)
    parser.add_argument("--profile")
    parser.add_argument("--endpoint-url", help="another AWS, such as the local one")
    parser.add_argument("--package", help="the functions' zip, where it is not the release's")
    parser.add_argument("--source", help="start both images from this one, where AWS's are not to be had")
    parser.add_argument("--yes", action="store_true", help="do not ask")
    return parser.parse_args()


class Smoke:
    def __init__(self, options):
        self.options, self.seconds = options, 0.0
        self.place = ["--region", options.region]
        for name in ("profile", "endpoint_url"):
            if value := getattr(options, name):
                self.place += [f"--{name.replace('_', '-')}", value]

    def goldsmith(self, *arguments, check=True):
        """Runs the program. Returns its JSON output; `None` if it fails or prints nothing."""
        call = [self.options.goldsmith, *arguments, "--stack", STACK, *self.place, "--output", "json"]
        print(f"$ goldsmith {' '.join(arguments)}", file=sys.stderr)
        done = subprocess.run(call, check=False, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        if check and done.returncode:
            raise SystemExit(f"goldsmith {arguments[0]} ended with exit code {done.returncode}")
        return json.loads(done.stdout) if done.stdout.strip() and not done.returncode else None

    def aws(self, *arguments):
        print(f"$ aws {' '.join(arguments)}", file=sys.stderr)
        subprocess.run(["aws", *arguments, *self.place], check=True, stdout=subprocess.DEVNULL)

    def run(self):
        if self.goldsmith("images", check=False) is not None:
            raise SystemExit(f"there is a stack {STACK} in {self.options.region}: retire it first")
        package = ["--package", self.options.package] if self.options.package else []
        try:
            self.goldsmith("deploy", "--yes", "--parameter", "Examples=no", *package)
            self.goldsmith("doctor", check=False)
            for name, source in SOURCES.items():
                self.build(name, self.options.source or source)
            self.stop_half_way()
        finally:
            self.remove()
        print(f"Both images were built and tested, a third build was stopped, and nothing is left. The instances ran for "
              f"{self.seconds / 60:.0f} minutes: about {self.seconds / 3600 * DOLLARS_PER_HOUR:.2f} USD with {INSTANCE}.")

    def folder(self, name, source, command):
        folder = tempfile.TemporaryDirectory()
        text = PIPELINE.format(name=name, source=source, command=command, instance=INSTANCE)
        (Path(folder.name) / "pipeline.yml").write_text(text)
        return folder

    def build(self, name, source):
        began = time.monotonic()
        with self.folder(name, source, "echo smoke > /etc/goldsmith-smoke") as folder:
            built = self.goldsmith("build", folder)
        self.seconds += time.monotonic() - began
        print(f"{name}: {built['amis']} in {time.monotonic() - began:.0f} s", file=sys.stderr)

    def stop_half_way(self):
        began, source = time.monotonic(), self.options.source or SOURCES["smoke-al2023"]
        with self.folder("smoke-stopped", source, "sleep 3000") as folder:
            build = self.goldsmith("build", folder, "--detach")["build"]
        while time.monotonic() < began + LONGEST_START:
            shown = self.goldsmith("show", build, check=False) or {}
            if any(state["state"] == "Build" for state in shown.get("states", [])):
                break
            time.sleep(5)
        else:
            raise SystemExit(f"the build {build} has not come to its first step")
        self.goldsmith("cancel", build)
        self.seconds += time.monotonic() - began

    def remove(self):
        """Removes everything, even if an earlier step has failed."""
        left = self.goldsmith("retire", "--yes", check=False)
        clean = ["clean", "--images", "--yes"]
        found = self.goldsmith(*clean)
        # The published parameters still name the stack's AMIs.
        self.goldsmith(*clean, *(word for image in found["inUse"] for word in ("--used", image["id"])))
        found = self.goldsmith(*clean)
        if any(found.values()):
            raise SystemExit(f"this is left, and cannot be removed: {json.dumps(found)}")
        if left:
            self.aws("dynamodb", "delete-table", "--table-name", left["table"])
            self.aws("s3", "rb", "--force", f"s3://{left['bucket']}")


def main():
    options = arguments()
    cost = "It starts five instances for some minutes each and makes two images, which it removes: a few cents."
    print(f"This deploys the stack {STACK} in {options.region}. {cost}", file=sys.stderr)
    if not options.yes and input("Begin? [y/N] ").strip().lower() not in ("y", "yes"):
        raise SystemExit("Nothing was done.")
    Smoke(options).run()


if __name__ == "__main__":
    main()
