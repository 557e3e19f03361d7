// Shows the data of the page with DataTables and plotly. Every name is written as text, never as markup.
const data = JSON.parse(document.getElementById("data").textContent);
const byId = (id) => document.getElementById(id);
const field = Object.fromEntries(data.fields.map((name, i) => [name, i + 2]));
const safe = (text) => String(text).replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
const number = (value, digits = 3) => (value === null ? "–" : value.toFixed(digits));
const percent = (value) => `${(100 * value).toFixed(0)} %`;
const phone = window.matchMedia("(max-width: 46rem)").matches;
const plain = { displaylogo: false, responsive: true, displayModeBar: false };
const layout = (more) => ({
  margin: { l: 60, r: 10, t: 30, b: 60 },
  font: { family: "system-ui, sans-serif", size: 12, color: "#1f2328" },
  paper_bgcolor: "rgba(0,0,0,0)",
  plot_bgcolor: "rgba(0,0,0,0)",
  hoverlabel: { align: "left" },
  ...more,
});
const axis = (title, more) => ({ title: { text: title }, gridcolor: "#e8ebef", zerolinecolor: "#c8cfd7", ...more });

function element(tag, text, className) {
  const made = document.createElement(tag);
  made.textContent = text;
  if (className) made.className = className;
  return made;
}

function options(select, values, all) {
  const names = [...new Set(values)];
  if (all) select.append(new Option(all, ""));
  for (const name of names) select.append(new Option(name, name));
}

// ---- scores: one table and one plot of the filtered data

const filters = ["metric", "show", "family", "dataset", "tissue", "technology"];
options(byId("metric"), data.metrics.map((m) => m.name));
options(byId("family"), data.rows.map((r) => r.family), "all families");
for (const [id, key] of [["dataset", "label"], ["tissue", "tissue"], ["technology", "technology"]])
  options(byId(id), data.columns.map((c) => c[key]), `all ${id === "technology" ? "technologies" : `${id}s`}`);

function chosen() {
  const filter = Object.fromEntries(filters.map((id) => [id, byId(id).value]));
  const cells = new Map();
  for (const cell of data.cells[filter.metric] ?? []) cells.set(`${cell[0]} ${cell[1]}`, cell);
  const fits = (column) =>
    (!filter.dataset || column.label === filter.dataset) &&
    (!filter.tissue || column.tissue === filter.tissue) &&
    (!filter.technology || column.technology === filter.technology);
  const columns = data.columns.map((column, i) => ({ ...column, i })).filter(fits);
  const rows = data.rows
    .map((row, i) => ({ ...row, i }))
    .filter((row) => !filter.family || row.family === filter.family)
    .filter((row) => columns.some((column) => cells.has(`${row.i} ${column.i}`)));
  return { ...filter, metricInfo: data.metrics.find((m) => m.name === filter.metric), cells, columns, rows };
}

function describe(row, column, cell) {
  const at = (name) => cell[field[name]];
  const parts = [`${row.name} on ${column.label}`];
  if (at("mean") !== null) parts.push(`mean ${number(at("mean"))}`);
  if (at("low") !== null) parts.push(`95 % interval ${number(at("low"))} to ${number(at("high"))}`);
  if (at("sd") !== null) parts.push(`sd over genes ${number(at("sd"))}`);
  for (const [share, control] of Object.entries(data.shares))
    if (at(share) !== null) parts.push(`${percent(at(share))} of the ${control}`);
  parts.push(`n = ${at("n_genes")} genes, ${at("n_splits")} rotations x ${at("n_seeds")} seeds`);
  if (at("status") !== "ok") parts.push(at("status"));
  return parts.join(" · ");
}

let matrix = null;
function drawMatrix(view) {
  if (matrix) matrix.destroy();
  const table = byId("matrix");
  table.replaceChildren();
  const several = view.columns.length > 1;
  const write = (value) => (view.show in data.shares ? percent(value) : number(value));
  const value = (row, column) => view.cells.get(`${row.i} ${column.i}`)?.[field[view.show]] ?? null;
  const ok = (row, column) => view.cells.get(`${row.i} ${column.i}`)?.[field.status] === "ok";
  const high = view.show in data.shares || view.metricInfo.best !== "low";
  const best = view.columns.map((column) => {
    const rivals = view.rows.filter((row) => !data.outside.includes(row.kind) && ok(row, column));
    const values = rivals.map((row) => value(row, column)).filter((x) => x !== null);
    return view.metricInfo.best === "level" ? null : high ? Math.max(...values) : Math.min(...values);
  });

  const head = table.createTHead().insertRow();
  head.append(element("th", "Method"));
  for (const column of view.columns) {
    const th = element("th", "", "num");
    for (const part of column.short.split(/(?<=[_ ,])/)) th.append(part, document.createElement("wbr"));
    head.append(th);
  }
  if (several) head.append(element("th", "Mean", "num"));
  const body = table.createTBody();
  const foot = table.createTFoot(); // controls remain below in every order
  for (const row of view.rows) {
    const line = (row.kind === "control" ? foot : body).insertRow();
    line.className = row.kind;
    line.append(element("th", row.name));
    const values = view.columns.map((column, i) => {
      const cell = view.cells.get(`${row.i} ${column.i}`);
      const found = value(row, column);
      const status = cell && cell[field.status] !== "ok" ? cell[field.status].split(" (")[0].replaceAll("_", " ") : "–";
      const td = element("td", found === null ? status : write(found), "num");
      td.dataset.order = found === null ? (high ? -1e9 : 1e9) : found;
      if (found === null) td.classList.add("missing");
      else if (!data.outside.includes(row.kind) && found === best[i]) td.classList.add("best");
      if (cell) [td.title, td.tabIndex] = [describe(row, column, cell), 0];
      line.append(td);
      return ok(row, column) || row.kind === "control" ? found : null;
    });
    if (several) {
      const whole = values.every((x) => x !== null);
      const mean = whole ? values.reduce((a, b) => a + b, 0) / values.length : null;
      const td = element("td", mean === null ? "–" : write(mean), "num");
      td.dataset.order = mean ?? (high ? -1e9 : 1e9);
      line.append(td);
    }
  }
  const last = view.columns.length + (several ? 1 : 0);
  matrix = new DataTable(table, {
    paging: false, info: false, searching: false, autoWidth: false,
    order: [[last, high ? "desc" : "asc"]],
  });
}

function drawDots(view) {
  const share = view.show in data.shares;
  const rows = view.rows.filter((row) => row.kind !== "control" || Object.values(data.shares).includes(row.method));
  const traces = rows.map((row, k) => {
    const control = row.kind === "control";
    const shift = control ? 0 : (k / rows.length - 0.5) * 0.7;
    const cells = view.columns.map((column) => view.cells.get(`${row.i} ${column.i}`));
    const at = (name) => cells.map((cell) => cell?.[field[name]] ?? null);
    const middle = at(view.show);
    const trace = {
      type: "scatter", mode: "markers", name: safe(row.name),
      x: view.columns.map((_, i) => i + shift),
      y: middle,
      text: view.columns.map((column, i) => (cells[i] ? safe(describe(row, column, cells[i])).replaceAll(" · ", "<br>") : "")),
      hovertemplate: "%{text}<extra></extra>",
      marker: { color: row.colour, symbol: row.symbol, size: control ? (phone ? 14 : 40) : 8, line: { width: control ? 3 : 0, color: "#222222" } },
    };
    if (!share && !control)
      trace.error_y = {
        type: "data", symmetric: false, thickness: 1, width: 0, color: row.colour,
        array: at("high").map((x, i) => (x === null ? 0 : x - middle[i])),
        arrayminus: at("low").map((x, i) => (x === null ? 0 : middle[i] - x)),
      };
    return trace;
  });
  const title = share ? `share of the ${data.shares[view.show]}, ${view.metric}` : `${view.metric} (${view.metricInfo.direction})`;
  Plotly.react(
    "dots",
    traces,
    layout({
      margin: { l: 60, r: 10, t: 10, b: 60 },
      showlegend: !phone,
      xaxis: axis("", { tickvals: view.columns.map((_, i) => i), ticktext: view.columns.map((c) => safe(c.short)), showgrid: false, zeroline: false, automargin: true, range: [-0.5, view.columns.length - 0.5] }),
      yaxis: axis(title, share ? { tickformat: ".0%" } : {}),
      legend: { itemsizing: "constant", font: { size: 11 }, tracegroupgap: 0 },
    }),
    plain,
  );
}

function drawScores() {
  const cells = data.cells[byId("metric").value] ?? [];
  for (const option of byId("show").options)
    option.disabled = option.value in data.shares && !cells.some((cell) => cell[field[option.value]] !== null);
  if (byId("show").selectedOptions[0]?.disabled ?? true) byId("show").value = "mean";
  const view = chosen();
  drawMatrix(view);
  drawDots(view);
}
const address = "#scores?"; // the filters behind it: a link shows what its sender saw
function remember() {
  const set = filters.filter((id) => byId(id).selectedIndex > 0).map((id) => [id, byId(id).value]);
  history.replaceState(null, "", set.length ? address + new URLSearchParams(set) : "#scores");
}
function restore() {
  if (!location.hash.startsWith(address)) return;
  for (const [id, value] of new URLSearchParams(location.hash.slice(address.length)))
    if (filters.includes(id) && [...byId(id).options].some((option) => option.value === value)) byId(id).value = value;
  byId("scores").scrollIntoView();
}
for (const id of filters)
  byId(id).addEventListener("change", () => {
    drawScores();
    remember();
  });
for (const kind of ["focusin", "mouseover"])
  byId("matrix").addEventListener(kind, (event) => {
    if (event.target.title) byId("detail").textContent = event.target.title;
  });
restore();
drawScores();

// ---- plots that no filter changes

for (const [id, figure] of Object.entries(data.plots)) Plotly.newPlot(id, figure.data, figure.layout, plain);

// ---- gene browser

function bytes(text) {
  return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
}

function drawMaps() {
  const set = data.maps[byId("mapset").selectedIndex];
  const gene = byId("gene").value;
  const [low, high] = [-2, 3];
  const maps = byId("maps");
  for (const old of maps.querySelectorAll(".map")) Plotly.purge(old);
  maps.replaceChildren();
  byId("mapnote").textContent =
    `${set.n_shown} of ${set.n_spots} spots. Colour: z-score of log-normalised expression from ${low} (dark) to ${high} (bright), ` +
    `one scale for all maps; in brackets the ${data.headline} over all spots.`;
  for (const [name, text] of Object.entries(set.genes[gene])) {
    const figure = document.createElement("figure");
    const caption = element("figcaption", name === "truth" ? `${gene}, truth` : name);
    const score = set.scores[gene][name];
    if (name !== "truth" && score !== undefined) caption.append(element("span", ` (${number(score, 2)})`));
    const map = element("div", "", "map");
    figure.append(caption, map);
    maps.append(figure);
    Plotly.newPlot(
      map,
      [{
        type: "scatter", mode: "markers", x: set.places[0], y: set.places[1],
        marker: {
          color: Array.from(bytes(text), (x) => low + (x / 255) * (high - low)),
          cmin: low, cmax: high, colorscale: "Viridis", size: Math.max(3, 90 / Math.sqrt(set.n_shown)),
        },
        hovertemplate: "z = %{marker.color:.2f}<extra></extra>",
      }],
      layout({
        margin: { l: 2, r: 2, t: 2, b: 2 },
        xaxis: { visible: false, fixedrange: true },
        yaxis: { visible: false, scaleanchor: "x", fixedrange: true },
      }),
      plain,
    );
  }
}

function chooseGenes() {
  const set = data.maps[byId("mapset").selectedIndex];
  byId("gene").replaceChildren();
  options(byId("gene"), Object.keys(set.genes));
  drawMaps();
}
if (data.maps.length) {
  options(byId("mapset"), data.maps.map((set) => set.label));
  byId("mapset").addEventListener("change", chooseGenes);
  byId("gene").addEventListener("change", drawMaps);
  chooseGenes();
}

// ---- the tables of the page become sortable

for (const table of document.querySelectorAll("table.enhance")) {
  const paged = table.classList.contains("paged");
  new DataTable(table, { paging: paged, pageLength: 25, info: paged, searching: true, order: [], autoWidth: false });
}
document.body.dataset.ready = "yes";
