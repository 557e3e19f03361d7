// The rest of the page: the ranking, plots that no filter changes, the gene browser, other tables.

restore();
const heads = [...document.querySelectorAll("#ranks thead th")].map((th) => th.textContent);
sortable(byId("ranks"), "ranking", [heads.indexOf("AS"), "desc"], {
  searching: true,
  layout: { topStart: null, topEnd: null, bottomStart: null, bottomEnd: "search" },
});
drawn.push(drawScores);
window.addEventListener("hashchange", () => {
  if (location.hash.includes("?")) location.reload();
  else remember(location.hash.slice(1)); // a link of the page: what is shown stays
});

// ---- plots that no filter changes

function inTheme(trace) {
  const { color } = trace.marker ?? {};
  return color ? { ...trace, marker: { ...trace.marker, color: [].concat(color).map(lifted) } } : trace;
}
drawn.push(() => {
  for (const [id, figure] of Object.entries(data.plots)) {
    const [xaxis, yaxis] = [axis(figure.layout.xaxis), axis(figure.layout.yaxis)];
    Plotly.react(id, figure.data.map(inTheme), layout({ ...figure.layout, xaxis, yaxis }), plain);
  }
});

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

setTheme(); // draws
for (const table of document.querySelectorAll("table.enhance")) {
  const paged = table.classList.contains("paged");
  new DataTable(table, { paging: paged, pageLength: 25, info: paged, searching: true, order: [], autoWidth: false });
}
document.body.dataset.ready = "yes";
