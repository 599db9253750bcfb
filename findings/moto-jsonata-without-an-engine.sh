#!/bin/sh
# moto 5.2.5 takes state machines in JSONata, and has nothing to evaluate them: each expression fails as if the machine were wrong.
#
# Guess: `moto[stepfunctions]` runs what CreateStateMachine accepts, or says that `QueryLanguage: JSONata` is not implemented, as it
#   says of whole actions.
# Behaviour: the definition is accepted and a state without an expression works. The first expression ends the execution with
#   States.Runtime and a TypeError of Python's. Its parser comes from a project that evaluates JSONata by Java; here that call leads
#   nowhere.
# Seen: without expressions: SUCCEEDED, with one: FAILED States.Runtime TypeError('NoneType' object is not callable)
#
# It installs moto in a temporary folder, calls nothing outside the process, fails when the behaviour has changed, and cleans up.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check 'moto[stepfunctions]==5.2.5' boto3==1.43.106
AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test "$folder/venv/bin/python" - 2>/dev/null <<'PYTHON'
import json
import time

import boto3
from moto import mock_aws

with mock_aws(config={"stepfunctions": {"execute_state_machine": True}}):
    states = boto3.client("stepfunctions", "eu-west-1")

    def ended(name, output):
        definition = {"QueryLanguage": "JSONata", "StartAt": "Only",
                      "States": {"Only": {"Type": "Pass", "Output": output, "End": True}}}
        machine = states.create_state_machine(name=name, definition=json.dumps(definition),
                                              roleArn="arn:aws:iam::123456789012:role/any")
        run = states.start_execution(stateMachineArn=machine["stateMachineArn"], input='{"count": 1}')["executionArn"]
        for _ in range(100):
            answer = states.describe_execution(executionArn=run)
            if answer["status"] != "RUNNING":
                break
            time.sleep(0.1)
        return answer

    plain, asked = ended("plain", {"count": 2}), ended("asked", {"count": "{% $states.input.count + 1 %}"})
    why = asked.get("error"), asked.get("cause")
    print(f"without expressions: {plain['status']}, with one: {asked['status']}", *why)
    assert (plain["status"], asked["status"], why[0]) == ("SUCCEEDED", "FAILED", "States.Runtime"), "changed"
PYTHON
