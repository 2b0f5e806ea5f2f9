// The parts of the page as tabs, and its charts, each drawn when it is first looked at.
"use strict";

const sections = [...document.querySelectorAll("section.part")];
const links = [...document.querySelectorAll("nav a")];

function tab() {
  const wanted = location.hash.slice(1).split("?")[0];
  const shown = sections.find((one) => one.id === wanted) ?? sections[0];
  for (const one of sections) one.hidden = one !== shown;
  for (const link of links) {
    if (link.hash === `#${shown.id}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  document.querySelector("nav a[aria-current]")?.scrollIntoView({ block: "nearest", inline: "nearest" });
}

addEventListener("hashchange", () => {
  tab();
  if (!location.hash.includes("?")) scrollTo(0, 0);
});
tab();

const told = document.getElementById("data-charts");
const charts = told ? JSON.parse(told.textContent) : [];
const views = [...document.querySelectorAll(".view")];
const dark = matchMedia("(prefers-color-scheme: dark)");
// Nothing is fetched: not by a chart's data, not by a picture or a link in it.
const loader = { load: () => Promise.reject(new Error("nothing is loaded")), sanitize: () => Promise.reject(new Error("no links")) };

function style() {
  const of = getComputedStyle(document.documentElement);
  const colour = (name) => of.getPropertyValue(name).trim();
  const [ink, soft, line] = ["--ink", "--soft", "--line"].map(colour);
  const axis = { labelColor: ink, titleColor: soft, gridColor: line, domainColor: line, tickColor: line, titleFontWeight: 500 };
  return {
    background: "transparent", padding: 10, font: getComputedStyle(document.body).fontFamily, axis, view: { stroke: line },
    legend: { labelColor: ink, titleColor: soft, labelLimit: 200 }, header: { labelColor: soft, labelFontSize: 12 },
    title: { color: ink, fontSize: 12, fontWeight: 600, anchor: "start", offset: 8 },
  };
}

async function draw(view) {
  const spec = charts[view.dataset.section][view.dataset.view];
  view.drawn?.finalize();
  view.drawn = await vegaEmbed(view, spec.hconcat ? spec : { ...spec, autosize: { type: "fit-x", contains: "padding" } }, {
    mode: "vega-lite", ast: true, actions: false, renderer: "svg", defaultStyle: false, loader, config: style(),
    tooltip: { disableDefaultStyle: true },
  });
}

const looked = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting } of entries) {
    if (!isIntersecting) continue;
    looked.unobserve(target);
    draw(target);
  }
}, { rootMargin: "300px" });
for (const view of views) looked.observe(view);
dark.addEventListener("change", () => views.filter((one) => one.drawn).forEach(draw));
