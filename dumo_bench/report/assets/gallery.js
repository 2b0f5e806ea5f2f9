// All pictures, prompt by prompt: filtered, sorted, drawn as one scrolls, zoomed.
"use strict";

const parsed = (id) => JSON.parse(document.getElementById(id)?.textContent || "null");
const data = parsed("data-pictures");
const thumbs = parsed("data-thumbs");
const CHUNK = 24; // lines that are drawn at once
const GOOD = "GK", BAD = "SL", UNEDITED = "DM";
const SHORT = { S: "✗ still shown", L: "✗ lost", G: "✓ gone", K: "✓ kept", D: "drawn", M: "not drawn", N: "not drawn before either" };
const said = (verdict) => SHORT[verdict] ?? data.codes[verdict];
const revealed = new Set();
const state = { suite: "", case: "", role: "", concept: "", method: "", code: "", judge: "0", sort: "worst", find: "", all: false };

const tilesOf = data.lines.map(() => []);
data.line.forEach((line, tile) => tilesOf[line].push(tile));

const make = (tag, more = {}, ...inside) => {
  const made = Object.assign(document.createElement(tag), more);
  made.append(...inside);
  return made;
};
const some = (n, what) => `${n.toLocaleString("en")} ${what}${n === 1 ? "" : "s"}`;
const judge = () => data.judges[+state.judge];
const code = (tile) => judge()?.codes[tile] ?? "-";
const worst = (tile) => judge()?.worst[tile] ?? -1;
const isUnedited = (tile) => data.methods[data.method[tile]] === data.original || UNEDITED.includes(code(tile));
const hidden = (tile) => data.cases[data.lines[data.line[tile]][0]][2];
const veiled = (tile) => hidden(tile) && !state.all && !revealed.has(data.key[tile]);
const thumb = (tile) => {
  const key = data.key[tile];
  if (data.served) return `thumb/${data.keys[key]}`;
  return thumbs[key] ? `data:image/webp;base64,${thumbs[key]}` : "";
};

// --- filters

const counted = (numbers, names) => [...new Set(numbers)].sort((a, b) => a - b).map((n) => [String(n), names[n]]);
const linesOf = (of) => (of === "" ? data.lines : data.lines.filter((line) => line[0] === +of));

function choices() {
  const cases = data.cases.map(([suite, name], n) => [String(n), state.suite === "" ? `${data.suites[suite]}: ${name}` : name, suite]);
  const lines = linesOf(state.case);
  const codes = Object.entries(data.codes).filter(([one]) => judge()?.codes.includes(one));
  return {
    suite: ["suite", [["", "all"], ...data.suites.map((name, n) => [String(n), name])]],
    case: ["case", [["", "all"], ...cases.filter(([, , suite]) => state.suite === "" || suite === +state.suite)]],
    role: ["role", [["", "all"], ...counted(lines.map((line) => line[1]), data.roles)]],
    concept: ["concept", [["", "all"], ...counted(lines.map((line) => line[2]), data.concepts).sort((a, b) => a[1].localeCompare(b[1]))]],
    method: ["method", [["", "all"], ...data.methods.map((name, n) => [String(n), name])]],
    code: ["verdict", [["", "all"], ...codes]],
    judge: ["by scorer", data.judges.map(({ name }, n) => [String(n), name])],
    sort: ["sort", [["worst", "worst first"], ["order", "by prompt"]]],
  };
}

function controls() {
  const form = document.getElementById("filters");
  const found = Object.entries(choices()).filter(([, [, options]]) => options.length > 1).map(([name, [said, options]]) => {
    const select = make("select", { name }, ...options.map(([value, text]) => make("option", { value, textContent: text })));
    select.value = state[name];
    if (select.value !== state[name]) state[name] = select.value = options[0][0];
    return make("label", {}, said, select);
  });
  const find = make("input", { type: "search", name: "find", value: state.find, placeholder: "text of the prompt" });
  const all = make("label", { className: "switch" }, make("input", { type: "checkbox", name: "all", checked: state.all }), "show blurred pictures");
  all.hidden = !data.cases.some((one) => one[2]);
  const reset = make("button", { type: "button", name: "reset", textContent: "clear" });
  form.replaceChildren(...found, make("label", {}, "find", find), all, reset);
}

function matching() {
  const text = state.find.toLowerCase();
  const prompts = text ? data.prompts.map((one) => one.toLowerCase().includes(text)) : null;
  const concepts = text ? data.concepts.map((one) => one.toLowerCase().includes(text)) : null;
  const [suite, of, role, concept, method] = ["suite", "case", "role", "concept", "method"].map((name) => (state[name] === "" ? -1 : +state[name]));
  const found = [];
  data.lines.forEach((line, n) => {
    if (of >= 0 && line[0] !== of) return;
    if (suite >= 0 && data.cases[line[0]][0] !== suite) return;
    if ((role >= 0 && line[1] !== role) || (concept >= 0 && line[2] !== concept)) return;
    if (text && !prompts[line[3]] && !concepts[line[2]]) return;
    const hits = tilesOf[n].filter((tile) => (method < 0 || data.method[tile] === method) && (!state.code || code(tile) === state.code));
    if (!hits.length) return;
    let bad = 0;
    for (const tile of hits) if (BAD.includes(code(tile))) bad = Math.max(bad, 200 + worst(tile)); else bad = Math.max(bad, GOOD.includes(code(tile)) ? worst(tile) : -1);
    const failed = hits.filter((tile) => BAD.includes(code(tile))).length / hits.length;
    found.push({ n, hits, bad: bad + 100 * failed });
  });
  if (state.sort === "worst") found.sort((a, b) => b.bad - a.bad || a.n - b.n);
  return found;
}

// --- lines and tiles

let found = [], drawn = 0;

function tile(of, isHit) {
  const name = data.methods[data.method[of]], verdict = code(of), seen = data.seen[judge()?.seen[of] ?? 0];
  const button = make("button", { type: "button", className: veiled(of) ? "covered" : "" });
  button.dataset.tile = of;
  const source = thumb(of);
  const words = `${name}: ${data.codes[verdict]}`;
  button.setAttribute("aria-label", veiled(of) ? `${words}; blurred, press to see it` : words);
  if (source) {
    const image = make("img", { src: source, alt: "", loading: "lazy", decoding: "async", className: veiled(of) ? "veiled" : "" });
    image.onload = () => image.classList.toggle("small", image.naturalWidth <= 64);
    image.onerror = () => image.replaceWith("no picture");
    button.append(image);
  } else button.append("no picture");
  const kind = BAD.includes(verdict) ? "bad" : GOOD.includes(verdict) ? "good" : "";
  const caption = make("figcaption", {}, make("b", { textContent: name, title: name }),
    make("span", { className: "judged", textContent: said(verdict) }));
  if (seen) caption.append(make("span", { className: "seen", textContent: `sees ${seen}` }));
  return make("figure", { className: `tile ${kind}${isHit ? "" : " beside"}` }, button, caption);
}

function shownOf({ n, hits }) {
  const unedited = tilesOf[n].filter((one) => isUnedited(one) && !hits.includes(one));
  return [...unedited, ...hits];
}

function article(line) {
  const [of, role, concept, prompt, seed, draw] = data.lines[line.n];
  const [suite, name] = data.cases[of];
  const about = `${data.roles[role]}: ${data.concepts[concept]} · ${data.suites[suite]}, erasing ${name} · seed ${seed}${draw ? `, draw ${draw}` : ""}`;
  return make("article", { className: "line" }, make("h3", { textContent: data.prompts[prompt] }),
    make("p", { className: "about soft", textContent: about }),
    make("div", { className: "tiles" }, ...shownOf(line).map((one) => tile(one, line.hits.includes(one)))));
}

function grow() {
  const next = found.slice(drawn, drawn + CHUNK);
  document.getElementById("lines").append(...next.map(article));
  drawn += next.length;
}

function draw() {
  found = matching();
  drawn = 0;
  document.getElementById("lines").replaceChildren();
  grow();
  const pictures = found.reduce((sum, one) => sum + one.hits.length, 0);
  document.getElementById("count").textContent = found.length
    ? `${some(pictures, "picture")} of ${some(found.length, "prompt")}`
    : "No picture is like that.";
}

new IntersectionObserver((entries) => {
  if (entries.some((one) => one.isIntersecting) && drawn && drawn < found.length) grow();
}, { rootMargin: "1200px" }).observe(document.getElementById("more"));

// --- what one does

function told() {
  const parts = Object.entries(state).filter(([name, value]) => value !== "" && value !== false && !["all", "find"].includes(name));
  history.replaceState(null, "", `#pictures?${new URLSearchParams(parts)}`);
}

function read() {
  const [part, query] = location.hash.slice(1).split("?");
  if (part !== "pictures" || !query) return;
  const wanted = new URLSearchParams(query);
  for (const name of Object.keys(state)) if (!["all", "find", "judge", "sort"].includes(name)) state[name] = "";
  for (const [name, value] of wanted) if (name in state && name !== "all") state[name] = value;
}

function changed({ target }) {
  if (target.name === "all") state.all = target.checked;
  else if (target.name in state) state[target.name] = target.value;
  if (target.name === "suite") state.case = "";
  if (target.type !== "search") {
    controls();
    document.querySelector(`#filters [name="${CSS.escape(target.name)}"]`)?.focus();
  }
  draw();
  told();
}

const filters = document.getElementById("filters");
filters.addEventListener("input", changed);
filters.addEventListener("submit", (event) => event.preventDefault());
filters.addEventListener("click", ({ target }) => {
  if (target.name !== "reset") return;
  Object.assign(state, { suite: "", case: "", role: "", concept: "", method: "", code: "", sort: "worst", find: "" });
  controls();
  draw();
  told();
});
addEventListener("hashchange", () => {
  read();
  if (!location.hash.startsWith("#pictures")) return;
  controls();
  draw();
});

document.getElementById("lines").addEventListener("click", ({ target }) => {
  const button = target.closest("button");
  if (!button) return;
  const of = +button.dataset.tile;
  if (veiled(of)) unveil(of);
  else zoom(of);
});

function unveil(of) {
  revealed.add(data.key[of]);
  for (const button of document.querySelectorAll("#lines button.covered")) {
    if (veiled(+button.dataset.tile)) continue;
    button.classList.remove("covered");
    button.querySelector("img")?.classList.remove("veiled");
    button.setAttribute("aria-label", button.getAttribute("aria-label").split("; blurred")[0]);
  }
}

// --- arrows, and full size

const buttons = () => [...document.querySelectorAll("#lines button")];
document.getElementById("lines").addEventListener("keydown", (event) => {
  const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key], lines = { ArrowUp: -1, ArrowDown: 1 }[event.key];
  const from = event.target.closest("button");
  if (!from || (!step && !lines)) return;
  event.preventDefault();
  const every = buttons(), at = every.indexOf(from), mine = [...from.closest(".tiles").querySelectorAll("button")];
  if (step) return every[at + step]?.focus();
  let line = from.closest(".line");
  line = lines > 0 ? line.nextElementSibling : line.previousElementSibling;
  const there = line ? [...line.querySelectorAll("button")] : [];
  there[Math.min(mine.indexOf(from), there.length - 1)]?.focus();
});

const dialog = document.getElementById("zoom");
let zoomed = -1;

function full(of) {
  const caption = make("figcaption", {}, make("b", { textContent: data.methods[data.method[of]] }),
    ` ${said(code(of))}`, data.seen[judge()?.seen[of] ?? 0] ? `, sees ${data.seen[judge().seen[of]]}` : "");
  const key = data.keys[data.key[of]], source = data.served ? `image/${key}` : thumb(of);
  if (!source) return make("figure", {}, make("div", { className: "none", textContent: "no picture" }), caption);
  const image = make("img", { src: source, alt: `${data.methods[data.method[of]]}: ${data.codes[code(of)]}`, className: veiled(of) ? "veiled" : "" });
  image.onload = () => image.classList.toggle("small", image.naturalWidth <= 96);
  image.onclick = () => { if (veiled(of)) { unveil(of); zoom(of); } };
  if (!data.served) caption.append(" · ", make("a", { href: `images/${key.slice(0, 2)}/${key}.png`, target: "_blank", rel: "noopener", textContent: "full size" }));
  return make("figure", {}, image, caption);
}

function zoom(of) {
  zoomed = of;
  const line = data.line[of], unedited = tilesOf[line].find((one) => isUnedited(one) && one !== of);
  dialog.querySelector(".pair").replaceChildren(...[unedited, of].filter((one) => one !== undefined).map(full));
  dialog.querySelector(".said").textContent = data.prompts[data.lines[line][3]];
  if (!dialog.open) dialog.showModal();
}

dialog.addEventListener("keydown", (event) => {
  const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key], lines = { ArrowUp: -1, ArrowDown: 1 }[event.key];
  if (!step && !lines) return;
  event.preventDefault();
  const at = found.findIndex((one) => one.n === data.line[zoomed]);
  if (step) {
    const mine = tilesOf[data.line[zoomed]].filter((one) => !isUnedited(one));
    const next = mine[(mine.indexOf(zoomed) + step + mine.length) % mine.length];
    if (next !== undefined) zoom(next);
  } else if (found[at + lines]) {
    const same = found[at + lines].hits.find((one) => data.method[one] === data.method[zoomed]);
    zoom(same ?? found[at + lines].hits[0]);
  }
});
dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
dialog.addEventListener("close", () => document.querySelector(`#lines button[data-tile="${zoomed}"]`)?.focus());

if (matchMedia("(max-width: 40rem)").matches) document.getElementById("filtering").open = false;
read();
controls();
draw();
