// Below the canvas: what the picked thing means (sentences first, the record one click away), and the linked tables.

function eventColumns(app) {
  const { board } = app;
  const { table } = board;
  const failed = (event) => table.outcomes[board.event_outcome[event]] !== "ok";
  return [
    { title: "★", width: "22px", text: (event) => (app.noteOf(event).star ? "★" : app.noteOf(event).text ? "✎" : "") },
    { title: "Time (UTC)", width: "140px", kind: "et-num", text: (event) => moment(board.event_time[event]) },
    { title: "Event", width: "minmax(120px,1.2fr)", text: (event) => word(table.names, board.event_name[event]) },
    { title: "Outcome", width: "76px", text: (event) => words(table.outcomes[board.event_outcome[event]]),
      tone: (event) => (failed(event) ? "bad" : "") },
    { title: "Caller", width: "minmax(120px,1.4fr)", text: (event) => word(table.actors, board.event_actor[event]) },
    { title: "Error", width: "minmax(60px,1fr)", text: (event) => word(table.errors, board.event_error[event]) },
    { title: "Note", width: "minmax(50px,1fr)", text: (event) => app.noteOf(event).text },
  ];
}

function laneColumns(app) {
  const { board } = app;
  const { table } = board;
  const edge = (lane, side) => {
    const from = board.spans_at[lane];
    const to = board.spans_at[lane + 1];
    if (from === to) return "";
    return moment(side ? board.span_end[to - 1] : board.span_start[from]);
  };
  return [
    { title: "State", width: "100px", text: (lane) => words(table.states[board.lane_state[lane]]),
      tone: (lane) => (BAD.has(table.states[board.lane_state[lane]]) ? "bad" : "") },
    { title: "Name", width: "minmax(150px,2fr)", text: (lane) => table.labels[lane] },
    { title: "About", width: "minmax(80px,1fr)", text: (lane) => table.details[lane] },
    { title: "Cluster", width: "minmax(50px,.7fr)", text: (lane) => word(table.clusters, board.lane_cluster[lane]) },
    { title: "From (UTC)", width: "140px", kind: "et-num", text: (lane) => edge(lane, 0) },
    { title: "To (UTC)", width: "140px", kind: "et-num", text: (lane) => edge(lane, 1) },
  ];
}

let panelsMade = 0;

function makePanel(app) {
  const { board } = app;
  const number = (panelsMade += 1);
  const evidence = element("section", { class: "et-evidence", "aria-label": "Evidence", tabindex: "0" });
  const tabs = element("div", { class: "et-tabs", role: "tablist", "aria-label": "Linked tables" });
  const holder = element("div", { class: "et-holder" });
  const tables = element("section", { class: "et-tables", "aria-label": "Linked tables" }, tabs, holder);
  const root = element("div", { class: "et-panel" }, evidence, tables);
  const names = ["event", ...board.table.kinds.map((kind) => kind.name)];
  const titles = { event: "Events", role: "Roles", task: "Tasks", volume: "Volumes", tls: "TLS", caller: "Callers" };
  const made = {};
  let open = "event";

  for (const name of names) {
    const columns = name === "event" ? eventColumns(app) : laneColumns(app);
    const pick = name === "event" ? (event) => app.pickFromTable(event) : (lane) => app.pick({ lane, span: null, event: null }, true);
    const table = makeTable(titles[name], columns, pick);
    const count = element("span", { class: "et-count" });
    const tab = element("button", { type: "button", role: "tab", id: `et-tab-${number}-${name}`, class: "et-tab" }, titles[name], count);
    tab.addEventListener("click", () => show(name));
    table.root.id = `et-panel-${number}-${name}`;
    tab.setAttribute("aria-controls", table.root.id);
    tabs.append(tab);
    holder.append(table.root);
    made[name] = { table, tab, count };
  }
  tabs.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    show(names[(names.indexOf(open) + step + names.length) % names.length]);
    made[open].tab.focus();
    event.preventDefault();
    event.stopPropagation();
  });

  function show(name) {
    open = name;
    for (const [other, { table, tab }] of Object.entries(made)) {
      const on = other === name;
      tab.setAttribute("aria-selected", String(on));
      tab.tabIndex = on ? 0 : -1;
      table.root.hidden = !on;
      if (on) table.paint();
    }
  }

  function fill(chosen) {
    const byKind = board.table.kinds.map(() => []);
    for (const lane of chosen.lanes) byKind[board.lane_kind[lane]].push(lane);
    made.event.table.fill(chosen.events);
    made.event.count.textContent = chosen.events.length.toLocaleString("en-US");
    board.table.kinds.forEach((kind, place) => {
      made[kind.name].table.fill(byKind[place]);
      made[kind.name].count.textContent = byKind[place].length.toLocaleString("en-US");
    });
  }

  show("event");
  return {
    root,
    fill,
    show,
    repaint: () => made.event.table.paint(),
    mark: (event) => made.event.table.mark(event),
    evidence: (view, chosen) => drawEvidence(app, evidence, view, chosen),
    stop: () => Object.values(made).forEach(({ table }) => table.stop()),
  };
}

function heading(text, state = "") {
  const title = element("h4", { class: "et-title" });
  title.textContent = text;
  if (state) {
    const badge = element("span", { class: "et-badge" });
    badge.textContent = words(state);
    badge.dataset.tone = BAD.has(state) ? "bad" : state === "at_risk" || state === "stopping" ? "warn" : "";
    title.prepend(badge);
  }
  return title;
}

function paragraph(text, kind = "") {
  const made = element("p", { class: kind });
  made.textContent = text;
  return made;
}

function drawEvidence(app, holder, view, chosen) {
  const { board } = app;
  const { table } = board;
  const { picked } = view;
  holder.replaceChildren();
  holder.scrollTop = 0;
  if (!picked || picked.lane === null || picked.lane === undefined) {
    holder.append(...overviewWords(app, view, chosen));
    return;
  }
  const { lane, span, event } = picked;
  if (!picked.mark || event === null) {
    const state = table.states[span === null || span === undefined ? board.lane_state[lane] : board.span_state[span]];
    holder.append(heading(table.labels[lane], state));
    if (span !== null && span !== undefined) holder.append(paragraph(spanWords(board, span), "et-soft"));
    holder.append(told(app, { lane, span, event: null }));
  }
  if (event !== null && event !== undefined) holder.append(eventCard(app, event));
}

function spanWords(board, span) {
  const from = moment(board.span_start[span]);
  const to = moment(board.span_end[span]);
  const long = duration(board.span_end[span] - board.span_start[span]);
  return board.span_open[span] & 2 ? `since ${from} UTC, ${long} until the evidence ends` : `${from} to ${to} UTC (${long})`;
}

function overviewWords(app, view, chosen) {
  const { board } = app;
  if (view.brush) {
    const [from, to] = view.brush;
    const zoom = element("button", { type: "button", class: "et-button", onclick: () => app.zoomTo(from, to) }, "Zoom to the range");
    return [
      heading("Selected range"),
      paragraph(`${moment(from)} to ${moment(to)} UTC (${duration(to - from)})`, "et-soft"),
      paragraph(`${counted(chosen.events.length, "event")}, ${counted(chosen.lanes.length, "lane")} and ${counted(chosen.spans.length, "span")} in it.`),
      zoom,
    ];
  }
  const filtered = anyFilter(view.filters);
  const worst = board.table.states.map((state, place) => [state, board.lane_state.reduce((sum, one) => sum + (one === place), 0)]);
  const bad = worst.filter(([state, number]) => number && (BAD.has(state) || state === "at_risk"));
  return [
    heading(filtered ? "What passes the filters" : "Whole timeline"),
    paragraph(`${counted(chosen.events.length, "event")} and ${counted(chosen.lanes.length, "lane")}, ${moment(board.table.start)} to ${moment(board.table.end)} UTC.`),
    ...bad.map(([state, number]) => paragraph(`${counted(number, "lane")} ${words(state)} in the end.`)),
    paragraph("Pick a span or a mark to read its evidence. Drag on the time axis, or press b, to select a range.", "et-soft"),
  ];
}

function told(app, question) {
  const holder = element("div", { class: "et-told", "aria-busy": "true" });
  holder.append(paragraph("Asking the kernel…", "et-soft"));
  app.ask("evidence", question).then((answer) => {
    holder.setAttribute("aria-busy", "false");
    const lines = answer.problem ? [answer.problem] : answer.sentences;
    holder.replaceChildren(...lines.map((line) => paragraph(line)));
  });
  return holder;
}

function eventCard(app, event) {
  const { board } = app;
  const note = app.noteOf(event);
  const card = element("div", { class: "et-card" });
  const star = element("button", { type: "button", class: "et-star", "aria-pressed": String(note.star), title: "Star this event (*)" });
  star.textContent = note.star ? "★ Starred" : "☆ Star";
  star.addEventListener("click", () => app.keep(event, { ...app.noteOf(event), star: !app.noteOf(event).star }));
  const text = element("textarea", { class: "et-note", rows: "2", "aria-label": "Note on this event", placeholder: app.kept ? "Note" : "Note (give case.timeline(notes=…) a file to keep it)" });
  text.value = note.text;
  const save = () => { if (text.value !== app.noteOf(event).text) app.keep(event, { ...app.noteOf(event), text: text.value }); };
  text.addEventListener("change", save);
  text.addEventListener("keydown", (key) => {
    if (key.key === "Enter" && (key.ctrlKey || key.metaKey)) save();
    if (key.key === "Escape") app.focusCanvas();
  });
  const id = element("code", { class: "et-id" });
  id.textContent = eventId(board, event);
  card.append(heading(word(board.table.names, board.event_name[event])), told(app, { lane: null, span: null, event }), id,
    element("div", { class: "et-line" }, star, rawButton(app, event, card)), text);
  card.noteField = text;
  return card;
}

function rawButton(app, event, card) {
  const button = element("button", { type: "button", class: "et-button", "aria-expanded": "false" }, "Raw record");
  const text = element("pre", { class: "et-raw", tabindex: "0", "aria-label": "Raw record" });
  text.hidden = true;
  button.addEventListener("click", async () => {
    const opening = text.hidden;
    text.hidden = !opening;
    button.setAttribute("aria-expanded", String(opening));
    if (!opening || text.textContent) return;
    card.append(text);
    text.textContent = "Asking the kernel…";
    const answer = await app.ask("raw", { event });
    text.textContent = answer.problem || answer.text;
  });
  return button;
}
