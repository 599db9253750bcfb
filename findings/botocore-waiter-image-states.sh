#!/bin/sh
# botocore 1.44.8: the waiter `image_available` knows one way for an image to fail, and waits to its end for four others.
#
# Guess: the waiter, and with it `aws ec2 wait image-available`, ends at once if the image cannot become available any more. EC2's own
#   model lists the states: pending, available, invalid, deregistered, transient, failed, error, disabled.
# Behaviour: only `failed` ends it. An image in `error`, `invalid`, `deregistered` or `disabled` is described 40 times, which takes ten
#   minutes with the default delay, and the message does not name the state.
# Seen: failed after 1 call; error, invalid, deregistered and disabled after 40 calls: "Max attempts exceeded"
#
# It installs botocore in a temporary folder, calls no network, fails when the behaviour has changed, and cleans up.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check botocore==1.44.8
"$folder/venv/bin/python" - <<'PYTHON'
import botocore.session
from botocore.exceptions import WaiterError
from botocore.stub import Stubber

IMAGE = "ami-0123456789abcdef0"
session = botocore.session.get_session()


def waited(state):
    client = session.create_client("ec2", region_name="eu-west-1", aws_access_key_id="none", aws_secret_access_key="none")
    with Stubber(client) as answers:
        for _ in range(50):
            answers.add_response("describe_images", {"Images": [{"ImageId": IMAGE, "State": state}]})
        try:
            client.get_waiter("image_available").wait(ImageIds=[IMAGE], WaiterConfig={"Delay": 0})
        except WaiterError as error:
            return 50 - len(answers._queue), state in str(error), "Max attempts exceeded" in str(error)


model = session.get_service_model("ec2").shape_for("ImageState").enum
seen = {state: waited(state) for state in ["failed", "error", "invalid", "deregistered", "disabled"]}
print("calls, names the state, out of attempts:", seen)
assert set(seen) <= set(model), model
assert seen.pop("failed")[0] == 1
assert all(outcome == (40, False, True) for outcome in seen.values()), "changed"
PYTHON
