"""Tests `sam build` with the template: each function in its output must lead to the code, and the state machine to its
definition.

Run this script with the SAM CLI's own Python, whose parser knows CloudFormation's extensions of YAML. Nothing is
compiled: a zip with an empty `bootstrap` stands for the functions' zip, in a temporary folder.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from samcli.yamlhelper import yaml_parse

REPOSITORY = Path(__file__).resolve().parents[2]
TEMPLATE = "infra/template.yaml"
DEFINITION = "statemachine/image-build.asl.json"


def build(project):
    """Runs `sam build` in a project. Returns the path of the built template."""
    for file in (TEMPLATE, DEFINITION):
        (project / file).parent.mkdir()
        shutil.copy(REPOSITORY / file, project / file)
    with zipfile.ZipFile(project / "infra/functions.zip", "w") as archive:
        archive.writestr("bootstrap", "")
    quiet = {**os.environ, "SAM_CLI_TELEMETRY": "0", "AWS_DEFAULT_REGION": "eu-west-1"}
    call = [Path(sys.executable).with_name("sam"), "build", "--template", TEMPLATE]
    built = subprocess.run(call, check=False, cwd=project, env=quiet, capture_output=True, text=True)
    if built.returncode != 0:
        raise SystemExit(f"sam build fails:\n{built.stdout}{built.stderr}")
    return project / ".aws-sam/build/template.yaml"


def has_program(path):
    """Returns whether a path is a function's code: a zip, or the folder into which sam has unpacked it."""
    if path.is_dir():
        return (path / "bootstrap").is_file()
    return zipfile.is_zipfile(path) and "bootstrap" in zipfile.ZipFile(path).namelist()


def faults(template):
    """Yields the code and definitions that a built template names but that are missing."""
    parsed = yaml_parse(template.read_text())
    shared = parsed.get("Globals", {}).get("Function", {})
    kinds = {"AWS::Serverless::Function": ("CodeUri", has_program), "AWS::Serverless::StateMachine": ("DefinitionUri", Path.is_file)}
    found = {kind: 0 for kind in kinds}
    for name, resource in parsed["Resources"].items():
        if resource["Type"] not in kinds:
            continue
        found[resource["Type"]] += 1
        key, is_there = kinds[resource["Type"]]
        place = {**shared, **resource["Properties"]}.get(key)
        if not isinstance(place, str) or not is_there(template.parent / place):
            yield f"{name} has no {key} that leads anywhere: {place}"
    yield from (f"there is no {kind}" for kind, number in found.items() if number == 0)


def main():
    with tempfile.TemporaryDirectory() as folder:
        lost = list(faults(build(Path(folder))))
    if lost:
        raise SystemExit("sam build loses code:\n" + "\n".join(lost))


if __name__ == "__main__":
    main()
