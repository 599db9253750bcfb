#!/bin/sh
# botocore 1.44.8 takes a Region that does not exist from the metadata of an instance in a Local Zone.
#
# Guess: with the defaults mode `auto`, botocore asks the metadata service for placement/region, which is there for this; in the Local
#   Zone us-west-2-lax-1a it finds us-west-2.
# Behaviour: it asks for placement/availability-zone/, with a slash at the end, and cuts off the last letter. That is right in an
#   ordinary zone only. It never asks for the Region. A stand-in of the service that knows the path without the slash alone gives
#   no Region, and no error.
# Seen: us-west-2a: us-west-2, us-west-2-lax-1a: us-west-2-lax-1, without the slash: None
#
# It installs botocore in a temporary folder, answers it on 127.0.0.1, fails when the behaviour has changed, and cleans up.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check botocore==1.44.8
env -u AWS_EC2_METADATA_DISABLED "$folder/venv/bin/python" - <<'PYTHON'
import http.server
import os
import threading

import botocore.session
from botocore.utils import IMDSRegionProvider

zone, slash = None, "/"


class Metadata(http.server.BaseHTTPRequestHandler):
    def answer(self):
        known = {"/latest/api/token": "token", "/latest/meta-data/placement/region": "us-west-2",
                 f"/latest/meta-data/placement/availability-zone{slash}": zone}
        body = known.get(self.path, "").encode()
        self.send_response(200 if body else 404)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_PUT = answer

    def log_message(self, *_):
        pass


def region():
    return IMDSRegionProvider(botocore.session.Session()).provide()


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Metadata)
threading.Thread(target=server.serve_forever, daemon=True).start()
os.environ["AWS_EC2_METADATA_SERVICE_ENDPOINT"] = f"http://127.0.0.1:{server.server_port}"
found = {}
for zone in ("us-west-2a", "us-west-2-lax-1a"):
    found[zone] = region()
slash = ""
found["without the slash"] = region()
print(", ".join(f"{name}: {value}" for name, value in found.items()))
expected = {"us-west-2a": "us-west-2", "us-west-2-lax-1a": "us-west-2-lax-1", "without the slash": None}
assert found == expected, f"changed: {found}"
PYTHON
