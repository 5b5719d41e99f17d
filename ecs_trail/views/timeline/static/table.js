// A table of any length: only the rows in sight are on the page. Cells are set as text, never as markup.

const ROW = 24;

function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "class") made.className = value;
    else if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value !== null && value !== undefined && value !== false) made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children);
  return made;
}

let tablesMade = 0;

// `columns`: [{title, width, text(item), tone(item)}]; `pick(item)` is called for a row chosen by mouse or keys.
function makeTable(label, columns, pick) {
  const id = `et-table-${(tablesMade += 1)}`;
  const grid = columns.map((column) => column.width).join(" ");
  const head = element("div", { class: "et-thead", role: "row", style: `grid-template-columns:${grid}` });
  for (const column of columns) {
    const cell = element("span", { role: "columnheader" });
    cell.textContent = column.title;
    head.append(cell);
  }
  const space = element("div", { class: "et-space", role: "presentation" });
  const body = element("div", { class: "et-tbody", role: "rowgroup" }, space);
  const root = element("div", { class: "et-table", role: "grid", "aria-label": label, tabindex: "0" }, head, body);
  const state = { items: [], active: -1, mark: null };
  const pool = [];

  function rowElement(place) {
    if (pool[place]) return pool[place];
    const made = element("div", { class: "et-row", role: "row", style: `grid-template-columns:${grid}` });
    for (const column of columns) made.append(element("span", { role: "gridcell", class: column.kind || "" }));
    made.addEventListener("click", () => choose(made.place));
    pool[place] = made;
    body.append(made);
    return made;
  }

  function paint() {
    const first = Math.max(0, Math.floor(body.scrollTop / ROW) - 2);
    const shown = Math.ceil(body.clientHeight / ROW) + 4;
    for (let offset = 0; offset < shown; offset += 1) {
      const place = first + offset;
      const row = rowElement(offset);
      row.hidden = place >= state.items.length;
      if (row.hidden) continue;
      const item = state.items[place];
      row.place = place;
      row.id = `${id}-${place}`;
      row.style.transform = `translateY(${place * ROW}px)`;
      row.setAttribute("aria-rowindex", String(place + 2));
      row.setAttribute("aria-selected", String(place === state.active));
      row.classList.toggle("et-active", place === state.active || item === state.mark);
      columns.forEach((column, number) => {
        const cell = row.children[number];
        const text = column.text(item);
        if (cell.textContent !== text) {
          cell.textContent = text;
          cell.title = text;
        }
        if (column.tone) cell.dataset.tone = column.tone(item);
      });
    }
    for (let offset = shown; offset < pool.length; offset += 1) pool[offset].hidden = true;
    if (state.active >= 0) root.setAttribute("aria-activedescendant", `${id}-${state.active}`);
    else root.removeAttribute("aria-activedescendant");
  }

  function choose(place) {
    state.active = place;
    paint();
    pick(state.items[place]);
  }

  function move(to) {
    if (!state.items.length) return;
    state.active = Math.min(Math.max(to, 0), state.items.length - 1);
    const top = state.active * ROW;
    if (top < body.scrollTop) body.scrollTop = top;
    if (top + ROW > body.scrollTop + body.clientHeight) body.scrollTop = top + ROW - body.clientHeight;
    paint();
  }

  root.addEventListener("keydown", (event) => {
    const page = Math.max(1, Math.floor(body.clientHeight / ROW) - 1);
    const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page };
    if (event.key in steps) move(state.active + steps[event.key]);
    else if (event.key === "Home") move(0);
    else if (event.key === "End") move(state.items.length - 1);
    else if (event.key === "Enter" && state.active >= 0) choose(state.active);
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
  body.addEventListener("scroll", () => requestAnimationFrame(paint), { passive: true });
  const watcher = new ResizeObserver(paint);
  watcher.observe(body);

  return {
    root,
    paint,
    fill(items) {
      state.items = items;
      state.active = -1;
      root.setAttribute("aria-rowcount", String(items.length + 1));
      space.style.height = `${items.length * ROW}px`;
      body.scrollTop = 0;
      paint();
    },
    mark(item) {
      state.mark = item;
      paint();
    },
    stop: () => watcher.disconnect(),
  };
}
