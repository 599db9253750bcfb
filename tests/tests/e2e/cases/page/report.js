// Shows each page in a frame of each width, in both color schemes, and tells the server of the page what it found. A frame has
// the color scheme of its element, and its own policy. It is as high as the screen of a phone.
"use strict";

const settled = () => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));

const shown = async (name, text, width, scheme) => {
  const frame = document.createElement("iframe");
  frame.style.cssText = `width: ${width}px; height: 800px; border: 0; color-scheme: ${scheme}`;
  const loaded = new Promise((done) => (frame.onload = done));
  frame.srcdoc = text;
  document.body.append(frame);
  await loaded;
  const page = frame.contentDocument;
  const violations = [];
  page.addEventListener("securitypolicyviolation", (event) => violations.push(event.violatedDirective));
  await settled();
  const { scrollWidth, clientWidth } = page.documentElement;
  const first = [...page.querySelectorAll("#failure .message, #failure .look")];
  const seen = {
    page: name, width, scheme, violations,
    overflow: scrollWidth - clientWidth,
    ground: frame.contentWindow.getComputedStyle(page.documentElement).backgroundColor,
    first: first.length,
    below: first.filter((one) => one.getBoundingClientRect().bottom > 800).map((one) => one.className),
    landmarks: page.querySelectorAll("body > header, body > nav, body > main, body > footer").length,
  };
  frame.remove();
  return seen;
};

(async () => {
  const seen = [];
  for (const [name, text] of pages)
    for (const width of widths)
      for (const scheme of ["light", "dark"]) seen.push(await shown(name, text, width, scheme));
  await fetch("/report", { method: "POST", body: JSON.stringify(seen) });
})();
