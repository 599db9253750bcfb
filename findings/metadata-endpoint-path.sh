#!/bin/sh
# Two of AWS's SDKs read AWS_EC2_METADATA_SERVICE_ENDPOINT differently when it has a path.
#
# Guess: with http://127.0.0.1:PORT/of/i-1 both botocore 1.44.8 and @aws-sdk/credential-providers 3.1175.0 ask below /of/i-1, or
#   both refuse the path, so that one metadata service can serve several instances under a path each.
# Behaviour: botocore keeps the path; the SDK for JavaScript drops it without a word and asks for /latest/… at the root. On one
#   machine the two would get the credentials of different instances. A port for each instance works with both.
# Seen: botocore: /of/i-1/latest/api/token, JavaScript: /latest/api/token
#
# It installs both in a temporary folder, answers them on 127.0.0.1, fails when the behaviour has changed, and cleans up.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check botocore==1.44.8
npm install --silent --no-audit --no-fund --no-package-lock --prefix "$folder" @aws-sdk/credential-providers@3.1175.0 >"$folder/npm.log"
cat >"$folder/ask.py" <<'PYTHON'
import botocore.session

assert botocore.session.Session().get_credentials().access_key == "ASIAEXAMPLE"
PYTHON
cat >"$folder/ask.cjs" <<'NODE'
const { fromInstanceMetadata } = require('@aws-sdk/credential-providers')
fromInstanceMetadata()().then((found) => process.exit(found.accessKeyId === 'ASIAEXAMPLE' ? 0 : 1))
NODE
"$folder/venv/bin/python" - "$folder" <<'PYTHON'
import http.server
import json
import os
import subprocess
import sys
import threading

folder, asked = sys.argv[1], []
CREDENTIALS = {"Code": "Success", "LastUpdated": "2026-01-01T00:00:00Z", "Type": "AWS-HMAC", "AccessKeyId": "ASIAEXAMPLE",
               "SecretAccessKey": "secret", "Token": "token", "Expiration": "2099-01-01T00:00:00Z"}


class Metadata(http.server.BaseHTTPRequestHandler):
    def answer(self):
        asked.append(self.path)
        path = self.path.removeprefix("/of/i-1")
        name = path.removeprefix("/latest/meta-data/iam/security-credentials/")
        body = {"/latest/api/token": "token", "": "role", "role": json.dumps(CREDENTIALS)}.get(name, "").encode()
        self.send_response(200 if body else 404)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_PUT = answer

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Metadata)
threading.Thread(target=server.serve_forever, daemon=True).start()
address = f"http://127.0.0.1:{server.server_port}/of/i-1"
environment = {"PATH": os.environ["PATH"], "HOME": folder, "AWS_EC2_METADATA_SERVICE_ENDPOINT": address}
first = {}
for name, command in (("botocore", [sys.executable, "ask.py"]), ("JavaScript", ["node", "ask.cjs"])):
    asked.clear()
    subprocess.run(command, cwd=folder, env=environment, check=True, timeout=60)
    first[name] = asked[0]
print(", ".join(f"{name}: {path}" for name, path in first.items()))
assert first == {"botocore": "/of/i-1/latest/api/token", "JavaScript": "/latest/api/token"}, f"changed: {first}"
PYTHON
