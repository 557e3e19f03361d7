// What the scripts share: the data, numbers as text, markers, and the colours of the theme.
// Every name is written as text, never as markup.
const data = JSON.parse(document.getElementById("data").textContent);
const byId = (id) => document.getElementById(id);
const safe = (text) => String(text).replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
const phone = window.matchMedia("(max-width: 46rem)").matches;

// Rounds as Python does, which wrote the other numbers of the page: a half goes to the even digit.
function rounded(value, digits) {
  const half = Math.abs(value * 2 ** (digits + 1)) % 2 === 1;
  const text = (half ? (2 * Math.round((value * 10 ** digits) / 2)) / 10 ** digits : value).toFixed(digits);
  return /[1-9]/.test(text) ? text : text.replace("-", ""); // no -0.000
}
const number = (value, digits = 3) => (value === null ? "–" : rounded(value, digits));
const percent = (value) => `${rounded(100 * value, 0)} %`;

function element(tag, text, className) {
  const made = document.createElement(tag);
  made.textContent = text;
  if (className) made.className = className;
  return made;
}

function marker(look) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("class", "dot");
  svg.setAttribute("viewBox", "-5 -5 10 10");
  svg.setAttribute("aria-hidden", "true");
  svg.style.setProperty("--c", look.colour);
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  path.setAttribute("d", data.shapes[look.symbol]);
  svg.append(path);
  return svg;
}

// ---- the theme: that of the system, until the button chooses another one

const system = window.matchMedia("(prefers-color-scheme: dark)");
const drawn = []; // what draws plots, in the colours of the theme
let theme = null;
try {
  theme = localStorage.getItem("theme");
} catch {} // some browsers keep nothing for a page from disk

function setTheme() {
  const dark = theme ? theme === "dark" : system.matches;
  document.documentElement.classList.toggle("dark", dark);
  document.documentElement.classList.toggle("light", !dark);
  byId("theme").setAttribute("aria-pressed", dark);
  for (const draw of drawn) draw();
}
byId("theme").addEventListener("click", () => {
  theme = byId("theme").getAttribute("aria-pressed") === "true" ? "light" : "dark";
  try {
    localStorage.setItem("theme", theme);
  } catch {}
  setTheme();
});
system.addEventListener("change", setTheme);

// A colour of page.css as plotly needs it.
function shade(name) {
  byId("probe").style.color = `var(--${name})`;
  return getComputedStyle(byId("probe")).color;
}

// The colour of a method; on a dark page as light as page.css makes it in the tables.
function lifted(colour) {
  byId("probe").style.setProperty("--c", colour);
  const [r, g, b] = shade("lifted").match(/[\d.]+/g).map((x) => Math.round(255 * x));
  return `rgb(${r}, ${g}, ${b})`;
}

const plain = { displaylogo: false, responsive: true, displayModeBar: false };
const layout = (more) => ({
  margin: { l: 60, r: 10, t: 30, b: 60 },
  paper_bgcolor: "rgba(0,0,0,0)",
  plot_bgcolor: "rgba(0,0,0,0)",
  hoverlabel: { align: "left" },
  dragmode: phone ? false : "zoom", // a finger on a plot scrolls the page
  ...more,
  font: { family: "system-ui, sans-serif", size: 12, ...more.font, color: shade("ink") },
});
const axis = (more) => ({ gridcolor: shade("line"), zerolinecolor: shade("edge"), ...more });
