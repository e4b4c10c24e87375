"use strict";
const DATA = JSON.parse(document.getElementById("data").textContent);
const at = id => document.getElementById(id);
const el = (tag, attributes = {}, ...children) => fill(document.createElement(tag), attributes, children);
const svg = (tag, attributes = {}, ...children) => fill(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) if (value !== null && value !== false) node.setAttribute(name, value === true ? "" : value);
  node.append(...children.filter(child => child !== null));
  return node;
}

const STAGES = DATA.stages.slice(0, -1), EDGES = DATA.stages;
const CLASSES = { exact: "exact", "exact on its domain": "domain", bound: "bound", "no promise": "open", "one-way": "one-way" };
const MEANINGS = { exact: "exact inverse", "exact on its domain": "exact on its domain, lossy outside", bound: "inverse within a bound", "no promise": "inverse without a promise", "one-way": "no inverse" };
const UNITS = { sensor: " (digital numbers)", mosaic: " (black 0, white 1)", packed: " (black 0, white 1)", camera: " (white 1)", linear: " (white 1)" };
const state = { view: 0, errors: "kept", row: 0, column: 0, pinned: false, here: 0 };
const view = () => DATA.views[state.view];

// Numbers.
const clean = text => text.includes("e") ? text.replace(/\.?0*e\+?/, "e") : text.includes(".") ? text.replace(/\.?0+$/, "") : text;
const dn = value => value === null ? "∞" : value === 0 ? "0" : Math.abs(value) < 1e-4 ? clean(value.toExponential(1)) : Math.abs(value) >= 100 && Math.abs(value) < 1e6 ? value.toFixed(0) : clean(value.toPrecision(2));
function percent(share) {
  if (share === 0 || share === 1) return `${100 * share} %`;
  return share < 1e-4 ? "< 0.01 %" : share > 0.9999 ? "> 99.99 %" : `${(100 * share).toFixed(2)} %`;
}
// The shortest decimal that reads back as the same floating-point number.
function exact(value) {
  if (!Number.isFinite(value)) return String(value).replace("Infinity", "∞");
  for (let digits = 4; digits < 17; digits += 1) {
    const text = value.toPrecision(digits), back = Number(text);
    if ((DATA.itemSize === 4 ? Math.fround(back) : back) === value) return clean(text);
  }
  return String(value);
}
const raised = power => "10" + String(power).replace(/./g, c => "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"["-0123456789".indexOf(c)]);
function ticks(low, high, count) {
  const rough = (high - low) / count, unit = 10 ** Math.floor(Math.log10(rough));
  const step = unit * [1, 2, 5, 10].find(factor => factor * unit >= rough), found = [];
  for (let value = Math.ceil(low / step); value * step <= high * (1 + 1e-9); value += 1) found.push(Number((value * step).toPrecision(6)));
  return found;
}

// What the page holds packed: bytes of equal significance together, deflated, perhaps relative to other values.
async function inflate(text) {
  const bytes = Uint8Array.from(atob(text), c => c.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}
async function unpack(array, reference) {
  if (!array) return null;
  const planes = await inflate(array.data), size = DATA.itemSize, count = planes.length / size, bytes = new Uint8Array(planes.length);
  for (let plane = 0; plane < size; plane += 1) for (let i = 0; i < count; i += 1) bytes[i * size + plane] = planes[plane * count + i];
  if (array.relative) { const other = new Uint8Array(reference.buffer); for (let i = 0; i < bytes.length; i += 1) bytes[i] ^= other[i]; }
  return size === 8 ? new Float64Array(bytes.buffer) : new Float32Array(bytes.buffer);
}
async function load(part) {
  let previous = null;
  for (const edge of part.edges) {
    const [forward, recovered] = edge.values;
    edge.forwardValues = previous = await unpack(forward, previous);
    edge.recoveredValues = await unpack(recovered, edge.forwardValues);
    edge.aliveBits = edge.alive && await inflate(edge.alive);
    if (edge.errors) edge.errorCodes = await inflate(edge.errors.data);
  }
  part.loaded = true;
}

// The head of the page, and the graph.
const title = DATA.source || DATA.camera || "Round trip";
document.title = `${title} · isptoolkit report`;
at("title").textContent = title;
for (const [name, value] of [...(DATA.camera && DATA.source ? [["camera", DATA.camera]] : []), ...DATA.facts])
  at("facts").append(el("div", {}, el("dt", {}, name), el("dd", {}, value)));
{
  const first = STAGES[0], lost = STAGES.filter(stage => stage.verdict === "one-way").map(stage => stage.name);
  if (lost.length) at("summary").textContent = `${lost.join(", ")}: no inverse. Earlier stages are inverted from the true input of the first stage that has none, later ones from the output.`;
  else if (first.alive === 0) at("summary").append("Some stage clips every pixel. From the output back to the input, the error is at most ", el("b", {}, `${dn(first.everywhere[2])} DN`), " (digital numbers).");
  else at("summary").append("From the output back to the input, the error is at most ", el("b", {}, `${dn(first.onDomain[2])} DN`),
    first.alive === 1 ? " (digital numbers). No stage clips a pixel." : ` (digital numbers) on ${percent(first.alive).replace("> ", "more than ").replace("< ", "less than ")} of the pixels that no stage clips, and at most ${dn(first.everywhere[2])} DN over all other pixels.`);
}
function box(node) {
  const index = STAGES.findIndex(stage => stage.name === node.path), children = node.series || node.branches;
  const look = `box ${CLASSES[node.verdict]}${children ? " group" : ""}`, promise = node.verdict === "exact on its domain" ? node.verdict : node.promise;
  const label = [el("b", {}, node.name), `${node.kind} `, el("small", {}, promise)];
  if (!children) return index < 0 ? el("span", { class: look }, ...label) : el("a", { class: look, href: `#stage-${index}` }, ...label);
  if (node.series) return el("span", { class: look }, ...label, series(node));
  const branch = part => el("span", { class: "branch" }, el("span", { class: "edge first" }, part.takes), box(part), el("span", { class: "edge" }, part.gives));
  return el("span", { class: look }, ...label, ...node.branches.map(branch));
}
function series(node) {
  const line = el("span", { class: "series" }, el("span", { class: "edge first" }, node.takes));
  node.series.forEach((part, i) => line.append(box(part), el("span", { class: i + 1 < node.series.length ? "edge inner" : "edge" }, part.gives)));
  return line;
}
at("graph").append(series(DATA.graph.series ? DATA.graph : { takes: DATA.graph.takes, series: [DATA.graph] }));
const verdicts = node => [node.verdict, ...(node.series || node.branches || []).flatMap(verdicts)];
const used = new Set((DATA.graph.series || [DATA.graph]).flatMap(verdicts));
for (const verdict of Object.keys(MEANINGS)) if (used.has(verdict)) at("meanings").append(el("li", {}, el("i", { class: CLASSES[verdict] }), MEANINGS[verdict]));

// Error maps: a byte for each pixel, colored on a logarithmic scale that all stages share.
const measured = STAGES.filter(stage => stage.onDomain);
const ceiling = values => { const most = Math.max(...values.map(value => value === null ? 1e5 : value)); return most > 0 ? Math.ceil(Math.log10(most)) : 0; };
function scale() {
  const high = ceiling(measured.map(stage => stage.onDomain[2]));
  return state.errors === "kept" ? [high - 3, high] : [high - 3, Math.max(high, ceiling(measured.map(stage => stage.everywhere[2])))];
}
function color(share) {
  const place = Math.min(Math.max(share, 0), 1) * (DATA.colormap.length - 1), i = Math.min(Math.floor(place), DATA.colormap.length - 2);
  return DATA.colormap[i].map((low, c) => Math.round(low + (place - i) * (DATA.colormap[i + 1][c] - low)));
}
function drawMap(canvas, edge) {
  const { width, height } = edge.errors, size = width * height, codes = edge.errorCodes, [low, high] = scale(), all = state.errors === "all";
  const lost = getComputedStyle(document.documentElement).getPropertyValue("--lost").trim().slice(1).match(/../g).map(part => parseInt(part, 16));
  const colors = Array.from({ length: 256 }, (_, code) => color(code === 0 ? 0 : ((code - 1) / DATA.codes.perDecade + DATA.codes.least - low) / (high - low)));
  canvas.width = width; canvas.height = height;
  const context = canvas.getContext("2d"), image = context.createImageData(width, height);
  for (let i = 0; i < size; i += 1) {
    const shown = colors[all ? codes[i] ^ codes[size + i] : codes[i]], gray = all ? 0 : Math.sqrt(codes[2 * size + i] / 255);
    for (let c = 0; c < 3; c += 1) image.data[4 * i + c] = shown[c] + gray * (lost[c] - shown[c]);
    image.data[4 * i + 3] = 255;
  }
  context.putImageData(image, 0, 0);
}
function drawScale(node) {
  const [low, high] = scale(), step = Math.ceil((high - low) / 4), marks = [];
  for (let power = low; power <= high; power += step) marks.push(power);
  const stops = DATA.colormap.filter((_, i) => i % 7 === 0).map(rgb => `rgb(${rgb})`);
  const line = el("div", { class: "ticks" }), last = high - low;
  for (const power of marks) {
    const share = (power - low) / last, shift = power === low ? 0 : power === high ? -100 : -50;
    line.append(el("span", { style: `position:absolute;left:${100 * share}%;transform:translateX(${shift}%)` }, (low < -3 || high > 3 ? raised(power) : String(+(10 ** power).toFixed(3))) + (power === marks.at(-1) ? " DN" : "")));
  }
  node.replaceChildren(el("div", { class: "scale", style: `background:linear-gradient(90deg,${stops})` }), line);
}

// Histograms.
function histogram(data, space) {
  const width = 400, height = 150, base = height - 20, svgs = svg("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": `histogram of ${space} values` });
  const most = Math.max(1, ...data.channels.flatMap(channel => [...channel.counts, ...(channel.recovered || [])]));
  const y = count => (base - (base - 4) * Math.sqrt(count / most)).toFixed(1), x = i => (i * width / data.channels[0].counts.length).toFixed(1);
  const path = counts => counts.map((count, i) => `${i ? "L" : "M"}${x(i)},${y(count)}L${x(i + 1)},${y(count)}`).join("");
  const paint = name => `var(--${"RGB".includes(name) ? name : "other"})`;
  for (const { name, counts } of data.channels) svgs.append(svg("path", { d: `M0,${base}${path(counts).replace("M", "L")}L${width},${base}Z`, fill: paint(name), "fill-opacity": 0.2 }), svg("path", { d: path(counts), fill: "none", stroke: paint(name), "stroke-width": 1.2 }));
  for (const { name, recovered } of data.channels) if (recovered) svgs.append(svg("path", { d: path(recovered), fill: "none", stroke: "var(--ink)", "stroke-width": 1.1, "stroke-dasharray": "2 3" }));
  svgs.append(svg("line", { x1: 0, x2: width, y1: base, y2: base, stroke: "var(--muted)" }));
  for (const value of ticks(data.low, data.high, 6)) {
    const place = width * (value - data.low) / (data.high - data.low);
    svgs.append(svg("line", { x1: place, x2: place, y1: base, y2: base + 4, stroke: "var(--muted)" }),
      svg("text", { x: place, y: base + 16, "text-anchor": place < 12 ? "start" : place > width - 16 ? "end" : "middle" }, value));
  }
  const keys = data.channels.map(({ name }) => el("span", { style: `color:${paint(name)}` }, el("i", { style: `background:${paint(name)}` }), "RGB".includes(name) ? name : `channel ${name}`));
  if (data.channels[0].recovered) keys.push(el("span", {}, el("i", { class: "line" }), "recovered"));
  const beyond = data.beyond > 0 ? ` · ${percent(data.beyond)} of the values off the axis` : "";
  return el("figure", {}, el("figcaption", {}, el("span", {}, el("b", {}, "Histogram"), ` of ${space} values${UNITS[space] || ""}`)),
    svgs, el("div", { class: "key" }, ...keys), el("div", { class: "muted", style: "font-size:12px" }, `all pixels, square root of the counts${beyond}`));
}

// A section for each stage.
const frames = [];
function frame(index, kind, ...children) {
  const cross = el("div", { class: "cross" }), detail = DATA.views[1] ? el("div", { class: "detail" }) : null;
  if (detail) for (const [side, start, size] of [["left", "left", "width"], ["top", "top", "height"]]) {
    detail.style[side] = `${100 * DATA.views[1][start] / DATA[size]}%`;
    detail.style[size] = `${100 * DATA.views[1][size] / DATA[size]}%`;
  }
  const node = el("div", { class: `frame ${kind}`, tabindex: 0, role: "group", "aria-label": `${EDGES[index].name || "output"}: arrow keys move the pixel, Enter pins it` }, ...children, detail, cross);
  frames.push({ node, cross, index });
  const pick = event => {
    const area = node.getBoundingClientRect(), part = view();
    move(part.top + (event.clientY - area.top) / area.height * part.height, part.left + (event.clientX - area.left) / area.width * part.width, index);
  };
  node.addEventListener("pointermove", event => { if (!state.pinned && event.pointerType !== "touch") pick(event); });
  node.addEventListener("click", event => {
    const old = [state.row, state.column].join();
    pick(event);
    state.pinned = !(state.pinned && old === [state.row, state.column].join());
    show();
  });
  node.addEventListener("keydown", event => {
    const [down, right] = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key] || [0, 0];
    if (down || right) set(state.row + down, state.column + right, index);
    else if (event.key === "Enter" || event.key === " ") { state.pinned = !state.pinned; show(); } else return;
    event.preventDefault();
  });
  return node;
}
document.addEventListener("keydown", event => { if (event.key === "Escape") { state.pinned = false; show(); } });

const refreshers = [];
function wipe(index) {
  const forward = el("img", { alt: "forward" }), recovered = el("img", { alt: "recovered" }), bar = el("div", { class: "bar" });
  const input = el("input", { type: "range", min: 0, max: 100, step: 0.5, value: 50, "aria-label": `${STAGES[index].name}: share of the forward image` });
  const node = frame(index, "", forward, recovered, el("span", { class: "tag left" }, "forward"), el("span", { class: "tag right" }, "recovered"), bar);
  const place = () => { recovered.style.clipPath = `inset(0 0 0 ${input.value}%)`; bar.style.left = `${input.value}%`; };
  input.addEventListener("input", place);
  bar.addEventListener("pointerdown", event => { bar.setPointerCapture(event.pointerId); event.preventDefault(); });
  bar.addEventListener("pointermove", event => {
    if (!bar.hasPointerCapture(event.pointerId)) return;
    event.stopPropagation();
    const area = node.getBoundingClientRect();
    input.value = 100 * (event.clientX - area.left) / area.width;
    place();
  });
  bar.addEventListener("click", event => event.stopPropagation());
  place();
  refreshers.push(part => { forward.src = part.edges[index].forward; recovered.src = part.edges[index].recovered; });
  return el("figure", {}, el("figcaption", {}, el("span", {}, el("b", {}, "Input of the stage"), `, ${STAGES[index].takes}`), "drag to compare"), node, el("div", { class: "under" }, input));
}
function still(index, caption, note) {
  const image = el("img", { alt: caption }), node = frame(index, "", image);
  refreshers.push(part => { image.src = part.edges[index].forward; });
  return el("figure", {}, el("figcaption", {}, el("span", {}, el("b", {}, caption), `, ${EDGES[index].takes}`), note), node);
}
function errorMap(index) {
  const canvas = el("canvas"), bar = el("div", { class: "under" }), key = el("span", { class: "key" }, el("i", { style: "background:var(--lost)" }), "clipped here or later");
  refreshers.push(part => { if (part.loaded) drawMap(canvas, part.edges[index]); drawScale(bar); key.hidden = state.errors === "all" || STAGES[index].alive === 1; });
  return el("figure", {}, el("figcaption", {}, el("span", {}, el("b", {}, "Error"), " of the recovered input"), key), frame(index, "map", canvas), bar);
}
function numbers(stage) {
  const row = (name, values) => el("tr", {}, el("td", {}, name), ...values.map(value => el("td", {}, dn(value))));
  const parts = [];
  if (stage.onDomain) parts.push(el("h3", {}, "Error of the recovered input, DN"), el("table", {},
    el("thead", {}, el("tr", {}, ...["pixels", "median", "99 %", "max"].map(text => el("th", {}, text)))),
    el("tbody", {}, stage.alive ? row(`unclipped (${percent(stage.alive)})`, stage.onDomain) : null, row("all", stage.everywhere))));
  const unit = ["sensor", "linear-raw"].includes(stage.takes) ? " DN" : "", worst = stage.measured, lines = [["contract, round trip", stage.verdict === "exact on its domain" ? stage.verdict : stage.roundTrip]];
  if (worst && worst.worst !== null) lines.push(["this stage alone", worst.held === null ? `largest error ${dn(worst.worst)}${unit}`
    : el("span", {}, el("b", { class: worst.held ? "good" : "bad" }, worst.held ? "✓ kept" : "✗ broken"), `: error ${dn(worst.worst)}${unit}, allowed ${dn(worst.allowed)}${unit}, ratio ${dn(worst.allowed ? worst.worst / worst.allowed : 0)}`)]);
  else if (worst) lines.push(["this stage alone", "no pixel inside its domain"]);
  lines.push(["contract, re-render", stage.reRender], ["outside its domain", stage.clipped ? `${percent(stage.clipped)} of the pixels` : "no pixel"]);
  parts.push(el("table", { class: "contract" }, el("tbody", {}, ...lines.map(([name, text]) => el("tr", {}, el("th", {}, name), el("td", {}, text))))));
  return el("div", {}, ...parts);
}
STAGES.forEach((stage, index) => {
  const change = stage.takes === stage.gives ? stage.takes : `${stage.takes} → ${stage.gives}`;
  const images = stage.onDomain ? [wipe(index), errorMap(index)] : [still(index, "Input of the stage", "no recovered image: the stage has no inverse")];
  at("stages").append(el("section", { class: "stage", id: `stage-${index}` },
    el("div", { class: "head" }, el("h2", {}, `${index + 1}. ${stage.name}`), el("span", { class: "muted" }, `${stage.kind} · ${change}`), el("span", { class: `badge ${CLASSES[stage.verdict]}` }, MEANINGS[stage.verdict])),
    el("div", { class: "pair" }, ...images), el("div", { class: "numbers" }, numbers(stage), histogram(stage.histogram, stage.takes))));
});
at("stages").append(el("section", { class: "stage", id: `stage-${STAGES.length}` }, el("div", { class: "head" }, el("h2", {}, "Output")),
  el("div", { class: "pair" }, still(STAGES.length, "Output of the last stage", null), histogram(EDGES.at(-1).histogram, EDGES.at(-1).takes))));

// The values of one pixel.
const clamp = (value, count) => Math.min(Math.max(value, 0), count - 1);
function move(y, x, index) { const part = view(); set(Math.floor((y - part.firstRow) / part.step + 0.5 * (part.step > 1) + 1e-9), Math.floor((x - part.firstColumn) / part.step + 0.5 * (part.step > 1) + 1e-9), index); }
function set(row, column, index) { const part = view(); state.row = clamp(row, part.rows); state.column = clamp(column, part.columns); state.here = index; show(); }
function show() {
  const part = view(), y = part.firstRow + state.row * part.step, x = part.firstColumn + state.column * part.step, sample = state.row * part.columns + state.column;
  document.body.classList.toggle("pinned", state.pinned);
  for (const { cross } of frames) { cross.style.left = `${100 * (x + 0.5 - part.left) / part.width}%`; cross.style.top = `${100 * (y + 0.5 - part.top) / part.height}%`; }
  const filter = DATA.cfa && DATA.cfa[y % 2 * 2 + x % 2], count = part.rows * part.columns, bodies = [];
  const alive = i => !part.edges[i]?.aliveBits || Boolean(part.edges[i].aliveBits[sample >> 3] >> (7 - sample % 8) & 1);
  let brief = "";
  EDGES.forEach((stage, i) => {
    const edge = part.edges[i], name = stage.name || "output", here = i === state.here, clipsHere = stage.name && !alive(i) && alive(i + 1);
    const rows = stage.channels.map((label, c) => {
      const letter = label || filter || "", value = edge.forwardValues?.[c * count + sample], back = edge.recoveredValues?.[c * count + sample];
      const error = back === undefined ? null : Math.abs(back - value) * stage.unit;
      if (here && value !== undefined) brief += `${c ? " · " : ""}${letter} ${exact(value)}${error === null ? "" : `, error ${dn(Number.isFinite(error) ? error : null)} DN`}`;
      const head = c ? [] : [el("th", { rowspan: stage.channels.length, scope: "row" }, el("a", { href: `#stage-${i}` }, name), el("small", {}, stage.takes), ...(clipsHere ? [el("span", { class: "lost" }, "clipped here")] : []))];
      return el("tr", {}, ...head, el("td", { class: `letter ${"RGB".includes(letter) ? letter : ""}` }, letter), el("td", { "data-value": "forward" }, value === undefined ? "…" : exact(value)),
        el("td", { "data-value": "recovered" }, back === undefined ? "" : exact(back)), el("td", { class: alive(i) || !error ? "" : "bad" }, error === null ? "" : dn(Number.isFinite(error) ? error : null)));
    });
    bodies.push(el("tbody", { class: here ? "here" : "", "data-stage": i }, ...rows));
  });
  at("handle").replaceChildren(el("b", {}, `x ${x}, y ${y} · ${EDGES[state.here].name || "output"} `), at("inspector").classList.contains("unfolded") ? "▾" : "▴", el("br"), brief || "tap an image");
  at("pixel").replaceChildren(
    el("div", { class: "where" }, el("b", {}, `x ${x}, y ${y}${filter ? `, ${filter} filter` : ""}`), el("span", { class: "muted" }, state.pinned ? "pinned · Esc releases" : "click an image to pin")),
    el("p", { class: "hint" }, part.step > 1 ? `A real pixel: values of every ${part.step}${["", "st", "nd", "rd"][part.step] || "th"} row and column are in this page.` : "Values of every pixel of this view are in this page."),
    el("div", { class: "scroll" }, el("table", {}, el("thead", {}, el("tr", {}, ...["input of", "", "forward", "recovered", "error, DN"].map((text, i) => el("th", { style: i ? null : "text-align:left" }, text)))), ...bodies)));
}
at("handle").addEventListener("click", () => {
  const open = at("inspector").classList.toggle("unfolded");
  at("handle").setAttribute("aria-expanded", open);
  show();
});

// The controls.
function choice(name, label, options, chosen) {
  const inputs = Object.entries(options).map(([value, text], i) => {
    const input = el("input", { type: "radio", name, value, checked: i === 0 });
    input.addEventListener("change", () => chosen(value));
    return el("label", {}, input, el("span", {}, text));
  });
  return el("fieldset", {}, el("legend", {}, label), ...inputs);
}
async function refresh() {
  const part = view();
  for (const { node } of frames) { node.style.aspectRatio = `${part.width} / ${part.height}`; node.classList.toggle("sharp", part.sharp); node.classList.toggle("whole", state.view === 0); }
  if (!part.loaded) await load(part);
  if (part !== view()) return;
  for (const refresher of refreshers) refresher(part);
  show();
  document.body.dataset.view = part.name;
}
if (DATA.views.length > 1) at("controls").append(choice("view", "View", { 0: "whole frame", 1: `detail, ${DATA.views[1].width} × ${DATA.views[1].height} pixels` }, value => {
  const old = view(), y = old.firstRow + state.row * old.step, x = old.firstColumn + state.column * old.step;
  state.view = Number(value); state.pinned = false;
  const part = view(), inside = y >= part.top && y < part.top + part.height && x >= part.left && x < part.left + part.width;
  state.row = inside ? clamp(Math.round((y - part.firstRow) / part.step), part.rows) : part.rows >> 1;
  state.column = inside ? clamp(Math.round((x - part.firstColumn) / part.step), part.columns) : part.columns >> 1;
  refresh();
}));
if (measured.length) at("controls").append(choice("errors", "Error of", { kept: "unclipped pixels", all: "all pixels" }, value => { state.errors = value; refresh(); }));
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => refresh());
{
  const [whole, detail] = DATA.views;
  const notes = [`DN are digital numbers of the sensor: ${Number(DATA.digitalNumbers.toFixed(2))} from black to white. Errors in other spaces are multiplied by this number.`,
    `Figures and histograms are of all ${DATA.width} × ${DATA.height} pixels. Images are averaged down to fit this page; an error map shows the largest error under each of its pixels.`,
    whole.step > 1 ? `Values under the pointer are those of real pixels, not averages: every ${whole.step}${["", "st", "nd", "rd"][whole.step] || "th"} row and column of the whole frame` + (detail ? `, and all pixels of the detail (the dotted square), at x ${detail.left} to ${detail.left + detail.width - 1}, y ${detail.top} to ${detail.top + detail.height - 1}.` : ".") : "Values under the pointer are those of every pixel.",
    "Linear spaces are shown through the sRGB curve; mosaics as the color of their 2 × 2 cells" + (detail ? ", in the detail as single pixels in the color of their filters." : "."),
    "Written by isptoolkit. This file needs no network."];
  at("notes").append(...notes.map(note => el("p", {}, note)));
}
state.row = view().rows >> 1; state.column = view().columns >> 1;
refresh().catch(() => { at("notes").prepend(el("p", { class: "bad" }, "The values could not be unpacked: this page needs a browser with DecompressionStream, such as Chrome 80, Firefox 113 or Safari 16.4.")); });
