#!/bin/sh
# MiniStack 1.5.33 does not carry out Fn::Join within a template's Conditions.
#
# Guess: the usual test of an empty list, !Equals [!Join ["", !Ref List], ""], is true where the list is empty, as it is in
#   CloudFormation, whose Conditions take Fn::Join of parameters.
# Behaviour: the join stays as it is, an object that equals no text. The condition is false for an empty list too, without an
#   error, so that what hangs on it is made or left out the wrong way round. Fn::Select of the list's first member works.
# Seen: by join: False, by select: True
#
# It installs MiniStack in a temporary folder, asks it on 127.0.0.1, fails when the behaviour has changed, and cleans up.
set -eu
folder=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server" 2>/dev/null; rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check ministack==1.5.33 boto3==1.43.106
port=$("$folder/venv/bin/python" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
BIND_HOST=127.0.0.1 GATEWAY_PORT=$port TMPDIR=$folder STATE_DIR=$folder/state S3_DATA_DIR=$folder/s3 LOG_LEVEL=ERROR \
  "$folder/venv/bin/python" -m ministack.app >"$folder/log" 2>&1 &
server=$!
"$folder/venv/bin/python" - "$port" <<'PYTHON'
import sys
import time

import boto3
from botocore.exceptions import EndpointConnectionError

TEMPLATE = """
Parameters:
  List: {Type: CommaDelimitedList, Default: ""}
Conditions:
  EmptyByJoin: !Equals [!Join ["", !Ref List], ""]
  EmptyBySelect: !Equals [!Select [0, !Ref List], ""]
Resources:
  ByJoin: {Type: "AWS::SNS::Topic", Condition: EmptyByJoin}
  BySelect: {Type: "AWS::SNS::Topic", Condition: EmptyBySelect}
"""
cloudformation = boto3.client(
    "cloudformation", endpoint_url=f"http://127.0.0.1:{sys.argv[1]}", region_name="eu-west-1",
    aws_access_key_id="test", aws_secret_access_key="test")
for _ in range(150):
    try:
        cloudformation.list_stacks()
        break
    except EndpointConnectionError:
        time.sleep(0.2)
cloudformation.create_stack(StackName="conditions", TemplateBody=TEMPLATE)
for _ in range(150):
    status = cloudformation.describe_stacks(StackName="conditions")["Stacks"][0]["StackStatus"]
    if not status.endswith("IN_PROGRESS"):
        break
    time.sleep(0.2)
made = {one["LogicalResourceId"] for one in cloudformation.describe_stack_resources(StackName="conditions")["StackResources"]}
print(f"by join: {'ByJoin' in made}, by select: {'BySelect' in made}")
assert status == "CREATE_COMPLETE" and made == {"BySelect"}, f"changed: {status}, {sorted(made)}"
PYTHON
