// The section of scores: filters, heat map, table and plot; and the address, which keeps what is shown.
const field = Object.fromEntries(data.fields.map((name, i) => [name, i + 2]));
const filters = ["metric", "show", "family", "dataset", "tissue", "technology"];

function options(select, values, all) {
  const names = [...new Set(values)];
  if (all) select.append(new Option(all, ""));
  for (const name of names) select.append(new Option(name, name));
}
options(byId("metric"), data.metrics.map((m) => m.name));
options(byId("family"), data.rows.map((r) => r.family), "all families");
for (const [id, key] of [["dataset", "label"], ["tissue", "tissue"], ["technology", "technology"]])
  options(byId(id), data.columns.map((c) => c[key]), `all ${id === "technology" ? "technologies" : `${id}s`}`);

const cellsOf = (metric) => new Map((data.cells[metric] ?? []).map((cell) => [`${cell[0]} ${cell[1]}`, cell]));

function chosen() {
  const filter = Object.fromEntries(filters.map((id) => [id, byId(id).value]));
  const cells = cellsOf(filter.metric);
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

function describe(row, column, metric, cell) {
  const at = (name) => cell[field[name]];
  const parts = [`${row.name} on ${column.label}`];
  if (at("mean") !== null) parts.push(`mean ${metric} ${number(at("mean"))}`);
  if (at("low") !== null) parts.push(`95 % interval ${number(at("low"))} to ${number(at("high"))}`);
  if (at("place") !== null) parts.push(`place ${at("place")} of ${at("n_places")}`);
  if (at("sd") !== null) parts.push(`sd over genes ${number(at("sd"))}`);
  for (const [share, control] of Object.entries(data.shares))
    if (at(share) !== null) parts.push(`${percent(at(share))} of the ${control}`);
  parts.push(`n = ${at("n_genes")} genes, ${at("n_splits")} rotations x ${at("n_seeds")} seeds`);
  if (at("status") !== "ok") parts.push(at("status"));
  return parts.join(" · ");
}

function nameCell(row) {
  const th = element("th", "");
  th.scope = "row";
  th.append(marker(row), row.name);
  return th;
}

// ---- heat map: the place in every metric of the rank, on every dataset

const CIVIDIS = [[0, 32, 76], [33, 61, 107], [85, 91, 108], [123, 122, 119], [165, 156, 116], [211, 192, 100], [255, 233, 69]];
function heatColour(share) {
  const at = share * (CIVIDIS.length - 1);
  const i = Math.min(Math.floor(at), CIVIDIS.length - 2);
  return CIVIDIS[i].map((from, k) => Math.round(from + (at - i) * (CIVIDIS[i + 1][k] - from)));
}

function drawHeat(view) {
  const table = byId("heat");
  table.replaceChildren();
  const metrics = data.primary.filter((name) => data.cells[name]);
  table.classList.toggle("tight", phone || metrics.length * view.columns.length > 44);
  const head = table.createTHead();
  const [groups, names] = [head.insertRow(), head.insertRow()];
  names.className = "names";
  for (const line of [groups, names]) line.append(element("th", line === groups ? "Method" : ""));
  for (const name of metrics) {
    const th = element("th", name);
    th.colSpan = view.columns.length;
    groups.append(th);
    for (const column of view.columns) {
      const label = element("th", "");
      label.append(element("span", column.short));
      names.append(label);
    }
  }
  const body = table.createTBody();
  const cells = metrics.map(cellsOf);
  for (const row of view.rows.filter((one) => !data.outside.includes(one.kind))) {
    const line = body.insertRow();
    line.append(nameCell(row));
    metrics.forEach((metric, m) =>
      view.columns.forEach((column, i) => {
        const cell = cells[m].get(`${row.i} ${column.i}`);
        const place = cell?.[field.place] ?? null;
        const td = element("td", place ?? "", i === 0 ? "first" : "");
        td.tabIndex = -1;
        if (place === null) td.classList.add("missing");
        else {
          const rgb = heatColour((cell[field.n_places] - place) / Math.max(1, cell[field.n_places] - 1));
          td.style.background = `rgb(${rgb})`;
          td.style.color = 0.299 * rgb[0] + 0.587 * rgb[1] + 0.114 * rgb[2] > 115 ? "#000" : "#fff";
        }
        if (cell) td.title = describe(row, column, metric, cell);
        line.append(td);
      }),
    );
  }
  firstStop(table);
}

// ---- the table of one metric

let matrix = null;
function drawMatrix(view) {
  if (matrix) matrix.destroy();
  const table = byId("matrix");
  table.replaceChildren();
  byId("shown").textContent =
    view.show in data.shares ? `${view.metric}, share of the ${data.shares[view.show]}` : `${view.metric} (${view.metricInfo.direction})`;
  const write = (value) => (view.show in data.shares ? percent(value) : number(value));
  const value = (row, column) => view.cells.get(`${row.i} ${column.i}`)?.[field[view.show]] ?? null;
  const ok = (row, column) => view.cells.get(`${row.i} ${column.i}`)?.[field.status] === "ok";
  const high = view.show in data.shares || view.metricInfo.best !== "low";
  const best = view.columns.map((column) => {
    const rivals = view.rows.filter((row) => !data.outside.includes(row.kind) && ok(row, column));
    const values = rivals.map((row) => value(row, column)).filter((x) => x !== null);
    return view.metricInfo.best === "level" ? null : high ? Math.max(...values) : Math.min(...values);
  });
  const failed = (row, column) => view.cells.has(`${row.i} ${column.i}`) && !ok(row, column);
  const filled = (column) => (row) => value(row, column) !== null || (view.show === "mean" && failed(row, column));
  const shown = view.columns.filter((column) => view.rows.some(filled(column)));
  const several = shown.length > 1;

  const head = table.createTHead().insertRow();
  head.append(element("th", "Method"));
  if (several) head.append(element("th", "Mean", "num"));
  for (const column of shown) {
    const th = element("th", "", "num");
    for (const part of column.short.split(/(?<=[_ ,])/)) th.append(part, document.createElement("wbr"));
    head.append(th);
  }
  const body = table.createTBody();
  const foot = table.createTFoot(); // controls remain below in every order
  for (const row of view.rows) {
    const line = (row.kind === "control" ? foot : body).insertRow();
    line.className = row.kind;
    line.append(nameCell(row));
    if (several) {
      const control = row.kind === "control";
      const values = shown.map((column) => value(row, column));
      const whole = values.every((x) => x !== null) && (control || view.columns.every((column) => ok(row, column)));
      const mean = whole ? values.reduce((a, b) => a + b, 0) / values.length : null;
      const td = element("td", mean === null ? "–" : write(mean), "num");
      td.dataset.order = mean ?? (high ? -1e9 : 1e9);
      line.append(td);
    }
    for (const column of shown) {
      const cell = view.cells.get(`${row.i} ${column.i}`);
      const found = value(row, column);
      const status = cell && cell[field.status] !== "ok" ? cell[field.status].split(" (")[0].replaceAll("_", " ") : "–";
      const td = element("td", found === null ? status : write(found), "num");
      td.dataset.order = found === null ? (high ? -1e9 : 1e9) : found;
      td.tabIndex = -1;
      if (found === null) td.classList.add("missing");
      else if (!data.outside.includes(row.kind) && found === best[view.columns.indexOf(column)]) td.classList.add("best");
      if (cell) td.title = describe(row, column, view.metric, cell);
      line.append(td);
    }
  }
  matrix = sortable(table, "scores", [Math.min(1, shown.length), high ? "desc" : "asc"], {});
  firstStop(table);
}

// ---- the plot of one metric, with a legend whose entries are buttons

const hidden = new Set(); // names of the methods that the legend hides
function drawDots(view) {
  const share = view.show in data.shares;
  const rows = view.rows.filter((row) => row.kind !== "control" || Object.values(data.shares).includes(row.method));
  const traces = rows.map((row, k) => {
    const control = row.kind === "control";
    const shift = control ? 0 : (k / rows.length - 0.5) * 0.7;
    const cells = view.columns.map((column) => view.cells.get(`${row.i} ${column.i}`));
    const at = (name) => cells.map((cell) => cell?.[field[name]] ?? null);
    const middle = at(view.show);
    const colour = lifted(row.colour);
    const text = view.columns.map((column, i) => (cells[i] ? safe(describe(row, column, view.metric, cells[i])) : ""));
    const trace = {
      type: "scatter", mode: "markers", name: safe(row.name), visible: !hidden.has(row.name),
      x: view.columns.map((_, i) => i + shift),
      y: middle,
      text: text.map((one) => one.replaceAll(" · ", "<br>")),
      hovertemplate: "%{text}<extra></extra>",
      marker: { color: colour, symbol: row.symbol, size: control ? (phone ? 14 : 40) : 8, line: { width: control ? 3 : 0, color: shade("ink") } },
    };
    if (!share && !control)
      trace.error_y = {
        type: "data", symmetric: false, thickness: 1, width: 0, color: colour,
        array: at("high").map((x, i) => (x === null ? 0 : x - middle[i])),
        arrayminus: at("low").map((x, i) => (x === null ? 0 : middle[i] - x)),
      };
    return trace;
  });
  Plotly.react(
    "dots",
    traces,
    layout({
      margin: { l: 60, r: 10, t: 10, b: 60 },
      showlegend: false,
      xaxis: axis({ tickvals: view.columns.map((_, i) => i), ticktext: view.columns.map((c) => safe(c.short)), showgrid: false, zeroline: false, automargin: true, range: [-0.5, view.columns.length - 0.5] }),
      yaxis: axis({ title: { text: byId("shown").textContent }, ...(share ? { tickformat: ".0%" } : {}) }),
    }),
    plain,
  );
  byId("legend").replaceChildren(
    ...rows.map((row) => {
      const button = element("button", "");
      button.type = "button";
      button.append(marker(row), row.name);
      button.setAttribute("aria-pressed", !hidden.has(row.name));
      button.addEventListener("click", () => {
        if (!hidden.delete(row.name)) hidden.add(row.name);
        button.setAttribute("aria-pressed", !hidden.has(row.name));
        Plotly.restyle("dots", { visible: !hidden.has(row.name) }, [rows.indexOf(row)]);
      });
      return button;
    }),
  );
}

function drawScores() {
  const cells = data.cells[byId("metric").value] ?? [];
  for (const option of byId("show").options)
    option.disabled = option.value in data.shares && !cells.some((cell) => cell[field[option.value]] !== null);
  if (byId("show").selectedOptions[0]?.disabled ?? true) byId("show").value = "mean";
  const view = chosen();
  drawHeat(view);
  drawMatrix(view);
  drawDots(view);
}

// ---- the keyboard: one stop per table, arrow keys inside; the details of a cell stay on the screen

function firstStop(table) {
  const cell = table.querySelector("tbody td[title]");
  if (cell) cell.tabIndex = 0;
}

for (const table of [byId("heat"), byId("matrix")]) {
  table.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
    const cell = event.target.closest("td");
    if (!step || !cell) return;
    event.preventDefault();
    const lines = [...table.querySelectorAll("tbody tr, tfoot tr")];
    const next = lines[lines.indexOf(cell.parentElement) + step[0]]?.cells[cell.cellIndex + step[1]];
    if (!next?.hasAttribute("tabindex")) return;
    cell.tabIndex = -1;
    next.tabIndex = 0;
    next.focus();
  });
  for (const kind of ["focusin", "mouseover"])
    table.addEventListener(kind, (event) => {
      const text = event.target.closest("td")?.title;
      if (text) byId("detail").textContent = text;
      byId("detail").hidden = !text;
    });
  for (const kind of ["focusout", "mouseleave"]) table.addEventListener(kind, () => (byId("detail").hidden = true));
}
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") byId("detail").hidden = true;
});

// ---- the address keeps filters and orders: a link shows what its sender saw

const orders = {}; // of the tables that a reader sorted: [head, direction] by name
const headOf = (table, i) => table.column(i).header().querySelector(".dt-column-title").textContent.trim();

// A table that can be sorted: in the order that the address names, else in `start`.
function sortable(element, name, start, more) {
  const table = new DataTable(element, { paging: false, info: false, searching: false, autoWidth: false, order: [start], columnDefs: [{ targets: "_all", orderSequence: ["asc", "desc"] }], ...more });
  const heads = table.columns().indexes().toArray();
  const place = () => heads.find((i) => headOf(table, i) === orders[name]?.[0]);
  if (place() !== undefined) table.order([place(), orders[name][1]]).draw();
  table.on("order", () => {
    const [column, direction] = table.order()[0] ?? [];
    if (column === start[0] && direction === start[1]) delete orders[name];
    else if (direction) orders[name] = [headOf(table, column), direction];
    remember(name);
  });
  return table;
}

function remember(section) {
  const set = filters.filter((id) => byId(id).selectedIndex > 0).map((id) => [id, byId(id).value]);
  for (const [name, order] of Object.entries(orders)) set.push([`${name}-order`, order.join(":")]);
  const behind = set.length ? `?${new URLSearchParams(set)}` : "";
  history.replaceState(null, "", `#${section}${behind}`);
}

function restore() {
  const [section, behind] = location.hash.slice(1).split(/\?(.*)/s);
  if (behind === undefined) return;
  const set = new URLSearchParams(behind);
  for (const id of filters) {
    const wanted = [...byId(id).options].findIndex((option) => option.value === set.get(id));
    byId(id).selectedIndex = Math.max(0, wanted);
  }
  for (const name of ["ranking", "scores"]) {
    const [, head, direction] = set.get(`${name}-order`)?.match(/^(.*):(asc|desc)$/s) ?? [];
    if (direction) orders[name] = [head, direction];
    else delete orders[name];
  }
  byId(section)?.scrollIntoView();
}

for (const id of filters)
  byId(id).addEventListener("change", () => {
    drawScores();
    remember("scores");
  });
