#!/bin/sh
# aws-sam-cli 1.170.0: `sam build` does not follow a zip that Globals names, though it follows the same zip of a function.
#
# Guess: a CodeUri that is a zip already is passed through in both places: the built template, which lies two folders lower, points
#   to the same file, as it does for a state machine's DefinitionUri.
# Behaviour: of a function's own CodeUri the path is rewritten; of Globals' it stays as it was, and no file of that name is beside the
#   built template. The build succeeds; what is deployed from it does not find its code.
# Seen: function: ../../infra/functions.zip, there: True; globals: functions.zip, there: False
#
# It installs the SAM CLI in a temporary folder, builds there, fails when the behaviour has changed, and cleans up.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check aws-sam-cli==1.170.0
"$folder/venv/bin/python" - "$folder" <<'PYTHON'
import os
import subprocess
import sys
import zipfile
from pathlib import Path

folder = Path(sys.argv[1])
OWN = """
Transform: AWS::Serverless-2016-10-31
Resources:
  One: {Type: "AWS::Serverless::Function", Properties: {Runtime: provided.al2023, Handler: bootstrap, CodeUri: functions.zip}}
"""
GLOBAL = """
Transform: AWS::Serverless-2016-10-31
Globals:
  Function: {Runtime: provided.al2023, Handler: bootstrap, CodeUri: functions.zip}
Resources:
  One: {Type: "AWS::Serverless::Function"}
"""


def built(name, template):
    """The path that the built template names, and whether a file is there."""
    project = folder / name
    (project / "infra").mkdir(parents=True)
    (project / "infra/template.yaml").write_text(template)
    with zipfile.ZipFile(project / "infra/functions.zip", "w") as packed:
        packed.writestr("bootstrap", "#!/bin/sh\n")
    quiet = {**os.environ, "SAM_CLI_TELEMETRY": "0", "AWS_DEFAULT_REGION": "eu-west-1", "HOME": str(folder)}
    call = [folder / "venv/bin/sam", "build", "--template", "infra/template.yaml"]
    subprocess.run(call, check=True, cwd=project, env=quiet, capture_output=True)
    result = project / ".aws-sam/build/template.yaml"
    path = next(line.partition("CodeUri: ")[2] for line in result.read_text().splitlines() if "CodeUri: " in line)
    return path, (result.parent / path).is_file()


own, shared = built("own", OWN), built("global", GLOBAL)
print(f"function: {own[0]}, there: {own[1]}; globals: {shared[0]}, there: {shared[1]}")
assert own == ("../../infra/functions.zip", True) and shared == ("functions.zip", False), f"changed: {own}, {shared}"
PYTHON
