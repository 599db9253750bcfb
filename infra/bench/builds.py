"""Compares whole builds on a local AWS whose EC2 takes the times that are published for AWS (`realistic` in
docs/local-ec2.md). A stack of its own is started in a temporary folder, and ended at the end. Nearly all of the time is
waiting, so a run takes about 20 minutes on any machine. The rows:

packer   One image in one Region, without tests, and the same by Packer at the same endpoint: once with Packer's own pauses,
         and once with pauses of a second. Packer runs nothing on its instance, and so does not wait until the instance is
         online, as Goldsmith does. Packer also waits until its instance is terminated, which takes 30 s. Goldsmith does
         not: its build ends when the image is published. A proxy counts Packer's EC2 calls. Those of Goldsmith's functions
         are not counted: they reach the endpoint through the emulator, whose address of the endpoint cannot be changed.
path     Two Regions and one test, compared with the critical path: the published times that follow one another, and the
         time of the same build without any delays, the fastest of three. This sum is a little too long. What the build
         without delays really does within a delay (it boots two instances, and stores the files of the image) counts
         twice, because the endpoint waits only for the rest of a delay. That is one to three seconds, so a build that loses
         nothing would have a ratio a little below 1. Only the script's output, whose speed is limited on AWS's clock alone,
         makes the sum too short. It is a few lines.
copies   The same with `start: with-tests` and without it. The image has a file of --gibibytes, so that its copy takes a
         while. The file is sparse, and costs this machine nothing: the endpoint counts the length of files, as if all of
         their blocks had been written. The volume has raised throughput, because the snapshot takes minutes otherwise. The
         limit is a build in which the copy takes no time at all.
checkpoint  One Region, no tests, and five components of 20 s each, of which the fourth is the checkpoint. After the first build,
         the last component changes. The limit of the second build is the time of that component and of a build in which one
         component does nothing, measured in the same run. The first build is compared with all five components and the same
         build: the difference is what the checkpoint costs, of which EC2 publishes a stop, a boot and a contact.
unchanged  The event of a schedule of a pipeline whose image is up to date, from the call of the function to the end of the
         execution. It must launch no instance.
events   The build of `path` while no event of EC2 and Systems Manager arrives. A wait's lag is the time by which its state
         takes longer than in the run with events. It depends on when the tick comes, so one run does not find the worst."""

import argparse
import collections
import contextlib
import datetime
import http.client
import http.server
import json
import os
import pathlib
import shutil
import signal
import stat
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse

# AWS's published times in seconds, and MiB per second, as infra/local/src/delays.rs has them.
BOOT, ONLINE, STOP, SNAPSHOT = 35, 10, 15, 20
SNAPSHOT_RATE, FAST_SNAPSHOT_RATE, COPY_RATE = 20, 200, 500
EVENTS = ("EC2 Instance State-change Notification", "EC2 AMI State Change", "EC2 Command Invocation Status-change Notification")
ROWS = ("packer", "path", "copies", "checkpoint", "unchanged", "events")
# The components of `checkpoint`: their number, and the seconds that each of them takes.
COMPONENTS, SLEEP = 5, 20

# What the emulator's Python runs, because the emulator accepts only signed requests.
START = """
import datetime, json, sys, time
import boto3
stack, pipeline = sys.argv[1:]
states, functions = boto3.client("stepfunctions"), boto3.client("lambda")
machines = states.list_state_machines()["stateMachines"]
machine = next(one["stateMachineArn"] for one in machines if one["name"] == f"{stack}-image-build")
before = {one["executionArn"] for one in states.list_executions(stateMachineArn=machine)["executions"]}
scheduled = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
given = json.dumps({"schedule": {"pipeline": pipeline, "scheduledTime": scheduled}})
begin = time.monotonic()
functions.invoke(FunctionName=f"{stack}-trigger", InvocationType="RequestResponse", Payload=given)
new = [one for one in states.list_executions(stateMachineArn=machine)["executions"] if one["executionArn"] not in before]
if not new:
    sys.exit("the schedule has started no execution")
while (now := states.describe_execution(executionArn=new[0]["executionArn"]))["status"] == "RUNNING":
    time.sleep(0.05)
seconds = time.monotonic() - begin
if now["status"] != "SUCCEEDED" or json.loads(now["output"])["outcome"] != "skipped":
    sys.exit(f"the execution has ended as {now['status']}: {now.get('cause')} {now.get('output')}")
print(seconds)
"""


def joined(parts):
    """Returns definitions as JSON, which is YAML too."""
    return "\n---\n".join(map(json.dumps, parts))


def definitions(name, regions, tests=True, gibibytes=0, start="after-tests"):
    """Returns the definitions of a pipeline."""
    return joined(parts(name, regions, tests, gibibytes, start))


def parts(name, regions, tests, gibibytes=0, start="after-tests"):
    """Returns each of the definitions of a pipeline, the component and the recipe first."""
    steps = ["true", *([f"truncate --size {gibibytes}G /var/lib/large"] if gibibytes else [])]
    phases = {"build": steps, **({"test": ["true"]} if tests else {})}
    document = {"schemaVersion": 1.0, "phases": [
        {"name": phase, "steps": [{"name": "Step", "action": "ExecuteBash", "inputs": {"commands": commands}}]}
        for phase, commands in phases.items()
    ]}
    volume = {"deviceName": "/dev/xvda", "ebs": {"volumeSize": gibibytes + 8, "volumeType": "gp3", "throughput": 1000}}
    return [{**one, "name": name} for one in (
        {"kind": "Component", "semanticVersion": "1.0.0", "data": json.dumps(document)},
        {"kind": "ImageRecipe", "semanticVersion": "1.0.0", "parentImage": "ssm:/aws/service/goldsmith-local/debian-12",
         "components": [{"name": name, "version": "1.x.x"}], **({"blockDeviceMappings": [volume]} if gibibytes else {})},
        {"kind": "InfrastructureConfiguration", "instanceTypes": ["t3.small"]},
        {"kind": "DistributionConfiguration", "start": start, "distributions": [{"region": region} for region in regions]},
        # Without tests, only an audit that can fail, or a policy for vulnerabilities, would launch a second instance.
        {"kind": "ImagePipeline", "imageRecipe": name, "infrastructureConfiguration": name, "distributionConfiguration": name,
         "imageTestsConfiguration": {"imageTestsEnabled": tests}, **({} if tests else {"audit": "off"})},
    )]


def sleepers(name, last):
    """Returns the definitions of a pipeline with components that take their time, of which the last but one is the checkpoint.
    `last` is the patch number of the last one's version."""
    component, recipe, *rest = parts(name, ["eu-west-1"], tests=False)
    names = [f"{name}-{n}" for n in range(1, COMPONENTS + 1)]
    used = [{"name": each, "version": "1.x.x", **({"checkpoint": True} if each == names[-2] else {})} for each in names]

    def sleeper(each):
        patch = last if each == names[-1] else 0
        commands = [f"sleep {SLEEP}", f"echo {patch}"]
        step = {"name": "Step", "action": "ExecuteBash", "inputs": {"commands": commands}}
        document = {"schemaVersion": 1.0, "phases": [{"name": "build", "steps": [step]}]}
        return {**component, "name": each, "semanticVersion": f"1.0.{patch}", "data": json.dumps(document)}

    return joined([*map(sleeper, names), {**recipe, "components": used}, *rest])


def size(folder):
    """Returns the length of all files in a folder in MiB, as the endpoint counts it."""
    files = (os.path.join(where, name) for where, _, names in os.walk(folder) for name in names)
    facts = (os.lstat(file) for file in files)
    return sum(one.st_size for one in facts if stat.S_ISREG(one.st_mode)) / 2**20


def moment(text):
    """Returns a time as seconds."""
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


class Build:
    """A build that has ended: its seconds, the seconds of each state, its source image, and the MiB that it has written.
    Snapshot waits for the stop and then for the image, so it is divided at the time when the image was begun."""

    def __init__(self, seconds, shown, begun, changed):
        self.seconds, self.changed, self.source = seconds, changed, shown["image"]["sourceImage"]
        self.states = collections.Counter()
        for state in shown["states"]:
            name = " ".join(filter(None, (state["state"], state.get("item"))))
            begin, end = moment(state["startedAt"]), moment(state["endedAt"])
            if name == "Snapshot":
                self.states["Snapshot until CreateImage"] = begun - begin
                name, begin = "Snapshot from CreateImage", begun
            self.states[name] += end - begin


class Stack:
    """A local AWS of its own in a folder."""

    def __init__(self, program, folder):
        # A stack works only with the program that has started it, and this one may be compiled again before the end.
        self.program, self.folder = shutil.copy(program, folder / "program"), folder
        package = os.environ.get("GOLDSMITH_PACKAGE") or program.resolve().parent.parent / "lambda/functions.zip"
        self.variables = {**os.environ, "XDG_STATE_HOME": str(folder), "GOLDSMITH_PACKAGE": shutil.copy(package, folder)}
        self.layers = folder / "goldsmith/local/bench/ec2/layers"
        self.described = self.endpoint = None

    def start(self):
        self.described = self.goldsmith("local", "up")
        self.endpoint = urllib.parse.urlsplit(self.described["ec2Url"])

    def goldsmith(self, *arguments):
        """Returns what a command prints."""
        command = [self.program, "--stack", "bench", "--output", "json", *arguments]
        done = subprocess.run(command, env=self.variables, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"goldsmith {' '.join(arguments)} has failed:\n{done.stdout}\n{done.stderr}")
        return json.loads(done.stdout) if done.stdout.strip() else None

    def send(self, method, path, headers, body):
        """Sends a request with the secret of the stack, which counts as a signature, to the endpoint."""
        connection = http.client.HTTPConnection(self.endpoint.hostname, self.endpoint.port, timeout=300)
        with contextlib.closing(connection):
            connection.request(method, path, body, {**headers, "x-goldsmith-local": self.described["secret"]})
            answer = connection.getresponse()
            return answer.status, answer.getheader("content-type", "text/xml"), answer.read()

    def admin(self, method, route, body=None):
        headers = {"content-type": "application/json"}
        status, _, text = self.send(method, f"/_local/{route}", headers, None if body is None else json.dumps(body))
        if status >= 300:
            raise SystemExit(f"{method} {route}: {status} {text.decode()}")
        return text

    def build(self, text, profile="realistic"):
        """Builds the image of a pipeline with these definitions."""
        self.admin("POST", "settings", {"delays": {"profile": profile}})
        before = set(os.listdir(self.layers)) if self.layers.exists() else set()
        with tempfile.TemporaryDirectory(dir=self.folder) as folder:
            pathlib.Path(folder, "pipeline.yml").write_text(text)
            begin = time.monotonic()
            built = self.goldsmith("build", folder, "--local")
            seconds = time.monotonic() - begin
        shown = self.goldsmith("show", built["image"], "--local")
        ami = shown["image"]["amis"][self.described["region"]]
        images = json.loads(self.admin("GET", "inventory"))["images"]
        begun = next(moment(image["madeAt"]) for image in images if image["id"] == ami)
        layers = set(os.listdir(self.layers)) - before
        return Build(seconds, shown, begun, sum(size(self.layers / one) for one in layers))

    def start_by_schedule(self, pipeline):
        """Starts a pipeline as its schedule does, and returns the seconds until its execution has ended."""
        python = subprocess.run([self.program, "local", "python"], env=self.variables, capture_output=True, text=True, check=True)
        variables = {
            **self.variables, "AWS_ENDPOINT_URL": self.described["endpointUrl"], "AWS_REGION": self.described["region"],
            "AWS_DEFAULT_REGION": self.described["region"], "AWS_ACCESS_KEY_ID": self.described["accessKey"],
            "AWS_SECRET_ACCESS_KEY": self.described["secretKey"],
        }
        command = [python.stdout.strip(), "-c", START, "bench", pipeline]
        done = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"the start of {pipeline} has failed:\n{done.stderr}")
        return float(done.stdout)

    def launched(self):
        """Returns the ids of all instances that are still described, including those that have ended."""
        return {one["id"] for one in json.loads(self.admin("GET", "inventory"))["instances"]}

    def base(self):
        """Returns the MiB of the source image. The endpoint counts the length of its archive."""
        unpacked = (self.layers.parent / "base").resolve().parent  # a link, once there was an instance
        return (unpacked.parent / f"{unpacked.name.partition('.')[0]}.tar").stat().st_size / 2**20


@contextlib.contextmanager
def counted(stack):
    """Serves the endpoint on another port, and yields its address and the number of calls of each action."""
    calls = collections.Counter()

    class Proxy(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            body = self.rfile.read(int(self.headers["content-length"]))
            calls.update(urllib.parse.parse_qs(body.decode()).get("Action", ["unknown"]))
            # The account and the Region are in the signature, which is for another host and counts for nothing else.
            kept = {name: self.headers[name] for name in ("authorization", "content-type", "x-amz-date")}
            status, kind, text = stack.send("POST", self.path, kept, body)
            self.send_response(status)
            self.send_header("content-type", kind)
            self.send_header("content-length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Proxy) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", calls
        finally:
            server.shutdown()


def packer(stack, source, variables):
    """Lets Packer build an image from this source image, and returns its seconds and its number of EC2 calls."""
    stack.admin("POST", "settings", {"delays": {"profile": "realistic"}})
    with tempfile.TemporaryDirectory(dir=stack.folder) as folder, counted(stack) as (address, calls):
        file = pathlib.Path(folder, "template.json")
        file.write_text(json.dumps({"builders": [{
            "type": "amazon-ebs", "access_key": "000000000000", "secret_key": "none", "region": stack.described["region"],
            "custom_endpoint_ec2": address, "skip_region_validation": True, "skip_credential_validation": True,
            "skip_metadata_api_check": True, "source_ami": source, "instance_type": "t3.small", "communicator": "none",
            "ami_name": f"packer-{time.time_ns()}",
        }]}))
        # No setting of the user's applies, and Packer does not look for a newer version.
        clean = {
            "PATH": os.environ["PATH"], "HOME": folder, "PACKER_CONFIG_DIR": folder, "TMPDIR": folder, "CHECKPOINT_DISABLE": "1",
        }
        begin = time.monotonic()
        command = ["packer", "build", "-color=false", file]
        done = subprocess.run(command, env={**clean, **variables}, capture_output=True, text=True, check=False)
        seconds = time.monotonic() - begin
    if done.returncode:
        raise SystemExit(f"packer has failed:\n{done.stdout}\n{done.stderr}")
    return seconds, calls.total()


def path(build, base, rate=SNAPSHOT_RATE):
    """Returns the published seconds that follow one another in a build with one test and one copy, and the copy's part."""
    copy = (base + build.changed) / COPY_RATE
    return 2 * (BOOT + ONLINE) + STOP + SNAPSHOT + build.changed / rate + copy, copy


def row(what, compared, pairs, aim):
    """Prints a row from pairs of seconds."""
    ratios = [ours / other for ours, other in pairs]
    ours, other = (statistics.median(values) for values in zip(*pairs, strict=True))
    spread = f", {min(ratios):.3f} to {max(ratios):.3f}" if len(ratios) > 1 else ""
    print(f"{what}, compared with {compared}: {statistics.median(ratios):.3f} times ({ours:.1f} s against {other:.1f} s{spread}), "
          f"aim: {aim}", flush=True)


def tell(name, measured):
    """Prints a measurement at once, with the seconds of each state, to find waits that are longer than they need to be."""
    if isinstance(measured, Build):
        states = ", ".join(f"{state} {seconds:.1f}" for state, seconds in measured.states.items())
        print(f"{name}: {measured.seconds:.1f} s: {states}", file=sys.stderr, flush=True)
    else:
        print(f"{name}: {measured[0]:.1f} s", file=sys.stderr, flush=True)


def measure(stack, rows, given):
    """Yields the name of each measurement of a run with what was measured."""
    two = ("eu-west-1", "us-east-1")
    if "packer" in rows:
        # The first build of a stack would be the only one for which the functions have to be started.
        stack.build(definitions("one", two[:1], tests=False), "instant")
        ours = stack.build(definitions("one", two[:1], tests=False))
        yield "ours", ours
        yield "own pauses", packer(stack, ours.source, {})
        yield "each second", packer(stack, ours.source, {"AWS_POLL_DELAY_SECONDS": "1"})
    if "path" in rows:
        # Other work on the machine would make the critical path longer, and so the ratio better.
        tried = [stack.build(definitions("two", two), "instant") for _ in range(3)]
        yield "instant", min(tried, key=lambda build: build.seconds)
    if "path" in rows or "events" in rows:
        yield "two", stack.build(definitions("two", two))
    if "events" in rows:
        always = {"probability": 1.0, "seed": 1}
        stack.admin("POST", "faults", [{"when": {"event": event, **always}, "do": "drop"} for event in EVENTS])
        try:
            yield "lost", stack.build(definitions("two", two))
        finally:
            stack.admin("DELETE", "faults")
    if "checkpoint" in rows:
        # Each run has a pipeline of its own, which has no checkpoint yet.
        name = f"sleepers-{time.time_ns()}"
        yield "nothing", stack.build(definitions(f"nothing-{time.time_ns()}", two[:1], tests=False))
        yield "made", stack.build(sleepers(name, 0))
        yield "begun", stack.build(sleepers(name, 1))
    if "unchanged" in rows:
        *others, pipeline = parts("unchanged", two[:1], tests=False)
        schedule = {
            "scheduleExpression": "cron(0 3 1 1 ? *)",
            "pipelineExecutionStartCondition": "EXPRESSION_MATCH_AND_DEPENDENCY_UPDATES_AVAILABLE",
        }
        stack.build(joined([*others, {**pipeline, "schedule": schedule}]), "instant")
        stack.admin("POST", "settings", {"delays": {"profile": "realistic"}})
        before = stack.launched()
        seconds = stack.start_by_schedule("unchanged")
        if stack.launched() != before:
            raise SystemExit("a start for which nothing has changed has launched an instance")
        yield "unchanged", (seconds,)
    if "copies" in rows:
        yield "after", stack.build(definitions("after", two, gibibytes=given.gibibytes))
        yield "with", stack.build(definitions("with", two, gibibytes=given.gibibytes, start="with-tests"))


def report(found, base):
    """Prints the rows."""
    if "ours" in found:
        changed = statistics.median(build.changed for build in found["ours"])
        published = BOOT + ONLINE + STOP + SNAPSHOT + changed / SNAPSHOT_RATE
        for pauses, aim in (("own pauses", 0.53), ("each second", 0.78)):
            pairs = [(ours.seconds, other) for ours, (other, _) in zip(found["ours"], found[pauses], strict=True)]
            calls = statistics.median(calls for _, calls in found[pauses])
            how = "its own pauses" if pauses == "own pauses" else "pauses of a second"
            row(f"one Region, no tests, of which {published:.1f} s are published", f"Packer with {how} ({calls:.0f} EC2 calls)",
                pairs, f"at most {aim}")
    if "instant" in found:
        pairs = [(build.seconds, path(build, base)[0] + quick.seconds)
                 for build, quick in zip(found["two"], found["instant"], strict=True)]
        published, work = path(found["two"][0], base)[0], statistics.median(build.seconds for build in found["instant"])
        row("two Regions, one test", f"its critical path, of which {published:.1f} s are published and {work:.1f} s are work",
            pairs, "at most 1.03")
    if "begun" in found:
        for what, of, times, aim in (("the last of five components changed", "begun", 1, "at most 1.10"),
                                     ("the build that makes the checkpoint", "made", COMPONENTS, "none")):
            pairs = [(build.seconds, nothing.seconds + times * SLEEP)
                     for build, nothing in zip(found[of], found["nothing"], strict=True)]
            row(what, f"{times} times {SLEEP} s and a build in which one component does nothing", pairs, aim)
    if "unchanged" in found:
        seconds = statistics.median(seconds for seconds, in found["unchanged"])
        print(f"nothing has changed: {seconds:.2f} s and no instance, aim: at most 2 s", flush=True)
    if "with" in found:
        pairs = [(early.seconds, late.seconds) for early, late in zip(found["with"], found["after"], strict=True)]
        whole, copy = path(found["after"][0], base, FAST_SNAPSHOT_RATE)
        row("`start: with-tests`", f"`after-tests`, with a copy of {copy:.1f} s", pairs,
            f"at most {1 - copy / whole:.3f}, a copy that takes no time")
    if "lost" in found:
        row("all events lost", "the same with events", [
            (lost.seconds, build.seconds) for lost, build in zip(found["lost"], found["two"], strict=True)], "none")
        lags = [(seconds - build.states[state], state)
                for lost, build in zip(found["lost"], found["two"], strict=True) for state, seconds in lost.states.items()]
        lag, state = max(lags)
        print(f"the longest lag of one wait while all events are lost: {lag:.1f} s ({state}), aim: at most 65 s", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("goldsmith", type=pathlib.Path, help="the program; `make package` writes the functions next to it")
    parser.add_argument("--runs", type=int, default=1, help="how often each build is measured, in turns")
    parser.add_argument("--rows", default=",".join(ROWS), help="the rows that are measured")
    parser.add_argument("--gibibytes", type=int, default=10, help="length of the file in the image of `copies`")
    parser.add_argument("--states", action="store_true", help="print the seconds of each state, too")
    given = parser.parse_args()
    rows = set(given.rows.split(","))
    if rows - set(ROWS):
        parser.error(f"there is no row {', '.join(sorted(rows - set(ROWS)))}")
    if "packer" in rows and not shutil.which("packer"):
        print("SKIPPED (packer is not installed: `apt-get install --no-install-recommends packer`): the rows of Packer", flush=True)
        rows.remove("packer")
    # A signal would otherwise end this program without ending the stack.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("terminated"))
    found = collections.defaultdict(list)
    loads = [os.getloadavg()[0]]
    with tempfile.TemporaryDirectory(prefix="goldsmith-bench-", ignore_cleanup_errors=True) as folder:
        stack = Stack(given.goldsmith, pathlib.Path(folder))
        try:
            stack.start()
            for _ in range(given.runs):
                for name, measured in measure(stack, rows, given):
                    found[name].append(measured)
                    loads.append(os.getloadavg()[0])
                    if given.states:
                        tell(name, measured)
            base = stack.base()
        finally:
            stack.goldsmith("local", "down")
    report(found, base)
    print(f"load of the machine: {min(loads):.1f} to {max(loads):.1f} with {os.cpu_count()} processors", flush=True)


if __name__ == "__main__":
    main()
