// Search, filters, zoom, legend and the list of keys.

const KEYS = [
  ["wheel", "scroll the lanes; over the overview: zoom"], ["Ctrl + wheel", "zoom at the pointer"], ["Shift + wheel", "pan"],
  ["drag", "pan; on the time axis, or with Shift: select a range"], ["click", "pick a span, a mark or a lane"],
  ["↑ ↓", "lane before, lane after"], ["← →", "span or mark before, after"], ["Enter", "pick; open or close a group"],
  ["+ −  or  w s", "zoom in, zoom out"], ["a d", "pan left, pan right"], ["0  or  Home", "show the whole of time"],
  ["f", "fit the picked lane"], ["b", "select the range in sight"], ["*", "star the picked event"], ["n", "write a note on it"],
  ["/", "search"], ["Esc", "clear the selection"],
];

function select(label, options, changed) {
  const field = element("select", { class: "et-select", "aria-label": label, title: label });
  for (const [value, text] of [["", `${label}: all`], ...options]) {
    const option = element("option", { value });
    option.textContent = text;
    field.append(option);
  }
  field.addEventListener("change", () => changed(field.value));
  return field;
}

function makeToolbar(app) {
  const { board } = app;
  const { table } = board;
  const set = (name) => (value) => app.filter({ [name]: value });
  const named = (list) => list.map((one) => [one, one]).sort((a, b) => a[1].localeCompare(b[1]));
  const seen = new Set([...board.lane_state, ...board.span_state]);
  const states = table.states.filter((_, place) => seen.has(place)).map((state) => [state, words(state)]);
  const outcomes = [["failed", "not ok"], ...table.outcomes.map((one) => [one, words(one)])];
  const fields = {
    role: select("Role", table.roles.map((arn) => [arn, arn.slice(arn.lastIndexOf("/") + 1)]), set("role")),
    cluster: select("Cluster", named(table.clusters), set("cluster")),
    service: select("Service", table.services.map((one) => [one, one.slice(one.lastIndexOf("/") + 1)]), set("service")),
    state: select("State", states, set("state")),
    outcome: select("Outcome", outcomes, set("outcome")),
  };
  const search = element("input", { type: "search", class: "et-search", placeholder: "Search names, ids, callers, errors  ( / )", "aria-label": "Search" });
  let waiting = 0;
  search.addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(() => app.filter({ search: search.value }), 120);
  });
  search.addEventListener("keydown", (event) => {
    if (event.key === "Escape" || event.key === "Enter") app.focusCanvas();
  });
  const starred = element("button", { type: "button", class: "et-button", "aria-pressed": "false", title: "Only starred or noted events" }, "★");
  starred.addEventListener("click", () => app.filter({ starred: !app.view.filters.starred }));
  const button = (text, label, act) => element("button", { type: "button", class: "et-button", title: label, "aria-label": label, onclick: act }, text);
  const help = element("div", { class: "et-help", hidden: true });
  for (const [key, meaning] of KEYS) {
    const name = element("kbd");
    name.textContent = key;
    const what = element("span");
    what.textContent = meaning;
    help.append(name, what);
  }
  const helper = button("?", "Mouse and keys", () => {
    help.hidden = !help.hidden;
    helper.setAttribute("aria-expanded", String(!help.hidden));
  });
  helper.setAttribute("aria-expanded", "false");
  const root = element("div", { class: "et-toolbar", role: "toolbar", "aria-label": "Timeline controls" },
    search, ...Object.values(fields), starred,
    element("span", { class: "et-gap" }),
    button("−", "Zoom out", () => app.zoom(1.6)), button("+", "Zoom in", () => app.zoom(1 / 1.6)),
    button("Fit", "Show the whole of time", () => app.fit()), button("Clear", "Clear filters and selection", () => app.clear()), helper);

  function reflect(view) {
    for (const [name, field] of Object.entries(fields)) {
      field.value = view.filters[name];
      field.classList.toggle("et-on", Boolean(view.filters[name]));
    }
    if (search.value !== view.filters.search) search.value = view.filters.search;
    starred.setAttribute("aria-pressed", String(view.filters.starred));
  }
  return { root, help, reflect, search };
}

const LEGEND = [["broken, stuck, blocked", "stuck"], ["leaked, failed", "leaked"], ["at risk, overdue", "at_risk"], ["stopping", "stopping"],
  ["able, running", "running"], ["created", "created"], ["detached, kept", "detached"], ["unknown, not set up", "unknown"]];
const MARK_LEGEND = [["breaks a role", "break"], ["restores it", "restore"], ["denied", "denied"], ["launch", "launch"], ["stop", "stop"],
  ["create", "create"], ["attach", "attach"], ["detach", "detach"], ["delete", "delete"], ["issue", "issue"], ["rotate", "rotate"],
  ["recovered", "recovered"], ["other change", "change"], ["other call", "call"]];

function makeLegend() {
  const root = element("div", { class: "et-legend", "aria-hidden": "true" });
  function paint(board, theme, ratio) {
    root.replaceChildren();
    const add = (text, draw) => {
      const canvas = element("canvas");
      const on = sized(canvas, 18, GLYPH, ratio);
      draw(on);
      const label = element("span", {}, canvas);
      label.append(text);
      root.append(label);
    };
    for (const [text, state] of LEGEND) {
      const place = board.state[state];
      add(text, (on) => {
        on.fillStyle = theme.patterns[place] || theme.fills[place];
        on.fillRect(1, 2, 16, 11);
      });
    }
    for (const [text, kind] of MARK_LEGEND) {
      add(text, (on) => on.drawImage(theme.sprites[board.mark[kind]], 2, 0, GLYPH, GLYPH));
    }
  }
  return { root, paint };
}
