"use strict";
// The page reads without this. Here charts answer to pointer and keys, and the table of trials sorts and filters.

const REACH = 28; // pixels around the pointer in which a point is found
const MOST = 12; // times that a chart can be enlarged

function number(value) {
  if (value === null) return "undefined";
  const size = Math.abs(value);
  // The value was rounded where it was written; not once more here.
  if (Number.isInteger(value) ? size >= 1e12 : size >= 1e5 || size < 1e-3) return value.toExponential();
  return value.toLocaleString("en", { maximumFractionDigits: 12 });
}

// What stands at a place. Named places stand at whole numbers; series beside one another, at up to half a step from them.
function said(names, value) {
  const whole = Math.round(value);
  return names[String(value)] ?? (whole in names && Math.abs(value - whole) < 0.5 ? names[String(whole)] : number(value));
}

class Chart {
  constructor(box, marks) {
    this.box = box;
    this.view = box.querySelector(".view");
    this.marks = marks;
    this.scale = 1;
    this.left = this.top = 0;
    this.at = null; // [panel, series, point]
    this.tip = box.appendChild(Object.assign(document.createElement("div"), { className: "tip", hidden: true }));
    this.dot = box.appendChild(Object.assign(document.createElement("div"), { className: "mark", hidden: true }));
    // The keys are the chart's own, also in a screen reader, which is told here what they show: a tip that comes and goes may go unread.
    this.told = box.parentElement.appendChild(Object.assign(document.createElement("div"), { className: "unseen" }));
    this.told.setAttribute("role", "status");
    box.setAttribute("role", "application");
    box.tabIndex = 0;
    this.tools = box.parentElement.querySelector(".tools");
    this.tools.hidden = false;
    this.listen();
  }

  listen() {
    const box = this.box;
    box.addEventListener("pointermove", (event) => (this.held ? this.drag(event) : this.point(event)));
    box.addEventListener("pointerdown", (event) => {
      this.point(event);
      if (this.scale > 1) {
        this.held = { x: event.clientX - this.left, y: event.clientY - this.top };
        box.setPointerCapture(event.pointerId);
        box.classList.add("dragged");
      }
    });
    for (const name of ["pointerup", "pointercancel"])
      box.addEventListener(name, () => {
        this.held = null;
        box.classList.remove("dragged");
      });
    box.addEventListener("pointercancel", () => this.hide());
    // A finger leaves when it is lifted, and what it covered can be read then.
    box.addEventListener("pointerleave", (event) => this.held || event.pointerType === "touch" || this.hide());
    box.addEventListener("dblclick", () => this.reset());
    box.addEventListener("blur", () => this.hide());
    box.addEventListener("keydown", (event) => this.key(event));
    box.addEventListener(
      "wheel",
      (event) => {
        if (!event.ctrlKey) return; // the page scrolls as ever
        event.preventDefault();
        const frame = box.getBoundingClientRect();
        this.zoom(event.deltaY < 0 ? 1.25 : 0.8, event.clientX - frame.left, event.clientY - frame.top);
      },
      { passive: false },
    );
    this.tools.addEventListener("click", (event) => {
      const wish = event.target.dataset.zoom;
      if (wish === "reset") this.reset();
      else if (wish) this.zoom(wish === "in" ? 1.5 : 1 / 1.5);
    });
  }

  // Pixels of the box for a unit of the figure, unzoomed.
  get unit() {
    return this.box.clientWidth / this.marks.width;
  }

  where(point) {
    return [this.left + point[0] * this.unit * this.scale, this.top + point[1] * this.unit * this.scale];
  }

  point(event) {
    const frame = this.box.getBoundingClientRect();
    const [x, y] = [event.clientX - frame.left, event.clientY - frame.top];
    let best = null;
    let nearest = REACH * REACH;
    this.marks.panels.forEach((panel, p) =>
      panel.series.forEach((series, s) =>
        series.points.forEach((point, k) => {
          const [left, top] = this.where(point);
          const square = (left - x) ** 2 + (top - y) ** 2;
          if (square < nearest) [best, nearest] = [[p, s, k], square];
        }),
      ),
    );
    if (best) this.show(best);
    else this.hide();
  }

  show(at) {
    this.at = at;
    const panel = this.marks.panels[at[0]];
    const series = panel.series[at[1]];
    const point = series.points[at[2]];
    const [, , x, y, low, high] = point;
    const interval = low === null ? "" : ` [${number(low)}, ${number(high)}]`;
    const places = (label, names, value) => (label || !Object.keys(names).length ? `${label || "value"}: ` : "") + said(names, value);
    this.tip.replaceChildren();
    const line = (text, kind = "span") => this.tip.appendChild(Object.assign(document.createElement(kind), { textContent: text }));
    const head = line(series.name || panel.title, "strong");
    const swatch = Object.assign(document.createElement("i"), { className: "swatch" });
    swatch.style.background = series.color;
    head.prepend(swatch);
    if (panel.title && series.name) line(panel.title);
    line(places(panel.x, panel.x_names, x) + (series.across ? interval : ""));
    line(places(panel.y, panel.y_names, y) + (series.across ? "" : interval));
    const [left, top] = this.where(point);
    this.tip.hidden = this.dot.hidden = false;
    Object.assign(this.dot.style, { left: `${left}px`, top: `${top}px`, background: series.color });
    const right = left + 14 + this.tip.offsetWidth > this.box.clientWidth;
    const low_down = top + 14 + this.tip.offsetHeight > this.box.clientHeight;
    Object.assign(this.tip.style, {
      left: `${Math.max(2, right ? left - 14 - this.tip.offsetWidth : left + 14)}px`,
      top: `${Math.max(2, low_down ? top - 14 - this.tip.offsetHeight : top + 14)}px`,
    });
  }

  hide() {
    this.tip.hidden = this.dot.hidden = true;
  }

  key(event) {
    const moves = { ArrowRight: [0, 1], ArrowLeft: [0, -1], ArrowDown: [1, 0], ArrowUp: [-1, 0] };
    if (event.key in moves) this.step(...moves[event.key]);
    else if (event.key === "+" || event.key === "=") this.zoom(1.5);
    else if (event.key === "-") this.zoom(1 / 1.5);
    else if (event.key === "0") this.reset();
    else if (event.key === "Escape") this.hide();
    else return;
    event.preventDefault();
  }

  step(series, point) {
    const all = this.marks.panels.flatMap((panel, p) => panel.series.map((_, s) => [p, s]));
    if (!all.length) return;
    const here = this.at ?? [...all[0], series ? 0 : -1];
    const now = all.findIndex(([p, s]) => p === here[0] && s === here[1]);
    const [p, s] = all[(now + series + all.length) % all.length];
    const last = this.marks.panels[p].series[s].points.length - 1;
    this.show([p, s, series && this.at ? this.beside(p, s) : Math.min(last, Math.max(0, here[2] + point))]);
    this.bring();
    this.told.textContent = [...this.tip.children].map((one) => one.textContent).join("; ");
  }

  // The point of a series that lies in its panel where the point shown lies in its own: series may have other steps.
  beside(p, s) {
    const along = (panel, point) => (point[0] - panel.box[0]) / panel.box[2];
    const own = this.marks.panels[this.at[0]];
    const place = along(own, own.series[this.at[1]].points[this.at[2]]);
    const far = this.marks.panels[p].series[s].points.map((point) => Math.abs(along(this.marks.panels[p], point) - place));
    return far.indexOf(Math.min(...far));
  }

  // Move an enlarged chart so that the point which is shown is in view.
  bring() {
    const [x, y] = this.where(this.marks.panels[this.at[0]].series[this.at[1]].points[this.at[2]]);
    const [width, height] = [this.box.clientWidth, this.box.clientHeight];
    if (x >= 0 && x <= width && y >= 0 && y <= height) return;
    this.move(this.left + width / 2 - x, this.top + height / 2 - y);
    this.show(this.at);
  }

  zoom(factor, x = this.box.clientWidth / 2, y = this.box.clientHeight / 2) {
    const scale = Math.min(MOST, Math.max(1, this.scale * factor));
    const change = scale / this.scale;
    this.scale = scale;
    this.move(x - (x - this.left) * change, y - (y - this.top) * change);
    this.hide();
  }

  reset() {
    this.scale = 1;
    this.move(0, 0);
    this.hide();
  }

  drag(event) {
    this.move(event.clientX - this.held.x, event.clientY - this.held.y);
    this.hide();
  }

  move(left, top) {
    const [width, height] = [this.box.clientWidth, this.box.clientHeight];
    this.left = Math.min(0, Math.max(width * (1 - this.scale), left));
    this.top = Math.min(0, Math.max(height * (1 - this.scale), top));
    this.view.style.transform = `translate(${this.left}px, ${this.top}px) scale(${this.scale})`;
    this.box.classList.toggle("zoomed", this.scale > 1);
  }
}

class Table {
  constructor(table, filters) {
    this.body = table.tBodies[0];
    this.rows = [...this.body.rows];
    this.heads = [...table.tHead.rows[0].cells];
    this.filters = filters;
    this.heads.forEach((head, column) => {
      const button = Object.assign(document.createElement("button"), { type: "button", textContent: head.textContent });
      head.replaceChildren(button);
      button.addEventListener("click", () => this.sort(head, column));
    });
    filters.hidden = false;
    filters.addEventListener("input", () => this.filter());
    this.filter();
  }

  sort(head, column) {
    const down = head.getAttribute("aria-sort") === "ascending";
    this.heads.forEach((other) => other.removeAttribute("aria-sort"));
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    const numeric = head.classList.contains("n");
    const value = (row) => {
      const text = row.cells[column].textContent.trim();
      return numeric ? Number.parseFloat(text.replaceAll(",", "")) : text;
    };
    const values = new Map(this.rows.map((row) => [row, value(row)]));
    const words = new Intl.Collator("en", { numeric: true });
    const order = (a, b) => {
      const [one, other] = [values.get(a), values.get(b)];
      if (numeric && (Number.isNaN(one) || Number.isNaN(other))) return Number.isNaN(one) - Number.isNaN(other); // last
      const found = numeric ? one - other : words.compare(one, other);
      return down ? -found : found;
    };
    this.body.append(...[...this.rows].sort(order));
  }

  filter() {
    const words = this.filters.querySelector("#search").value.toLowerCase().split(/\s+/).filter(Boolean);
    const wanted = [...this.filters.querySelectorAll("select")].map((select) => [
      this.heads.findIndex((head) => head.dataset.name === select.dataset.column),
      select.value,
    ]);
    let shown = 0;
    for (const row of this.rows) {
      const text = row.textContent.toLowerCase();
      const fits =
        words.every((word) => text.includes(word)) &&
        wanted.every(([column, value]) => !value || row.cells[column].textContent === value);
      row.hidden = !fits;
      shown += fits;
    }
    this.filters.querySelector("#shown").textContent = `${shown} of ${this.rows.length} trials`;
  }
}

function copyButtons() {
  for (const button of document.querySelectorAll(".copy")) {
    button.hidden = false;
    button.addEventListener("click", async () => {
      const code = button.parentElement.querySelector("code");
      try {
        await navigator.clipboard.writeText(code.textContent);
        button.textContent = "copied";
      } catch {
        getSelection().selectAllChildren(code); // a file's page may not have the clipboard: the text is selected
        button.textContent = "selected";
      }
    });
  }
}

function themes() {
  const button = document.getElementById("theme");
  const all = ["auto", "light", "dark"];
  button.hidden = false;
  button.addEventListener("click", () => {
    const next = all[(all.indexOf(document.documentElement.dataset.theme ?? "auto") + 1) % all.length];
    if (next === "auto") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = next;
    button.textContent = `theme: ${next}`;
  });
}

for (const data of document.querySelectorAll("script[data-of]"))
  new Chart(data.parentElement.querySelector(".chart"), JSON.parse(data.textContent));
new Table(document.getElementById("trial-table"), document.querySelector(".filters"));
copyButtons();
themes();
