// The widget: one view of the board, its canvas and panels, and what goes back to Python.

const LEAST = 1000; // one second: CloudTrail knows no less

function startView(board, kept) {
  const [t0, t1] = trouble(board);
  const view = { t0, t1, filters: freshFilters(), picked: null, brush: null, collapsed: new Set() };
  if (kept && kept.t1 > kept.t0) Object.assign(view, { t0: kept.t0, t1: kept.t1 });
  if (kept && kept.filters) Object.assign(view.filters, kept.filters);
  if (kept && kept.picked && kept.picked.lane < board.lanes) view.picked = kept.picked;
  if (kept && kept.brush) view.brush = kept.brush;
  for (const name of (kept && kept.collapsed) || (board.lanes > 400 ? ["caller"] : [])) view.collapsed.add(name);
  return view;
}

// The timeline opens on the trouble where that is the smaller part of the whole; Fit shows everything.
function trouble(board) {
  let from = Infinity;
  let to = -Infinity;
  for (let span = 0; span < board.span_state.length; span += 1) {
    if (!BAD.has(board.table.states[board.span_state[span]])) continue;
    from = Math.min(from, board.span_start[span]);
    to = Math.max(to, board.span_end[span]);
  }
  const { start, end } = board.table;
  const room = Math.max((to - from) * 0.2, 300000);
  return to - from + 2 * room < (end - start) * 0.7 ? [Math.max(start, from - room), Math.min(end, to + room)] : [start, end];
}

function roleTurns(board) {
  const turns = [];
  for (let lane = 0; lane < board.lanes && board.lane_kind[lane] === 0; lane += 1) {
    for (let mark = board.marks_at[lane]; mark < board.marks_at[lane + 1]; mark += 1) {
      const kind = board.mark_kind[mark];
      if (kind === board.mark.break || kind === board.mark.restore) {
        turns.push({ time: board.mark_time[mark], up: kind === board.mark.restore });
      }
    }
  }
  return turns;
}

async function mount(model, el) {
  const board = await openBoard(model.get("_table"), model.get("_data"));
  const root = element("div", { class: "et-timeline", role: "region", "aria-label": "Timeline of the investigation", "data-lm-suppress-shortcuts": "true" });
  const app = { board, model, root, kept: Boolean(board.table.kept), view: startView(board, model.get("_view")) };
  Object.assign(app, makeAsking(model));
  const parts = build(app);
  el.append(root);
  const stopped = run(app, parts);
  return () => {
    stopped();
    app.stopAsking();
    parts.panel.stop();
    root.remove();
  };
}

// Questions to Python, each with a number; an answer finds its question by it.
function makeAsking(model) {
  const open = new Map();
  let number = 0;
  const heard = (content) => {
    const answer = content && open.get(content.number);
    if (!answer) return;
    open.delete(content.number);
    answer(content);
  };
  model.on("msg:custom", heard);
  return {
    ask(question, content) {
      number += 1;
      const mine = `${Date.now()}-${number}`;
      model.send({ ...content, ask: question, number: mine });
      return new Promise((answer) => open.set(mine, answer));
    },
    stopAsking: () => model.off("msg:custom", heard),
  };
}

function build(app) {
  const toolbar = makeToolbar(app);
  const legend = makeLegend();
  const head = element("canvas", { class: "et-head", "aria-hidden": "true" });
  const canvas = element("canvas", { class: "et-canvas", "aria-hidden": "true" });
  const space = element("div", { class: "et-space" });
  const body = element("div", { class: "et-body", tabindex: "0", role: "application", "aria-roledescription": "timeline",
    "aria-label": "Lanes. Arrow keys move between lanes and spans, Enter picks, plus and minus zoom, question mark lists all keys." }, canvas, space);
  const tip = element("div", { class: "et-tip", hidden: true, "aria-hidden": "true" });
  const live = element("div", { class: "et-live", "aria-live": "polite" });
  const panel = makePanel(app);
  const frame = element("div", { class: "et-frame" }, head, body, tip);
  app.root.append(toolbar.root, toolbar.help, frame, legend.root, panel.root, live);
  return { toolbar, legend, head, canvas, space, body, tip, live, panel, frame };
}

function run(app, parts) {
  const { board, view, model } = app;
  const { body, canvas, head, space, toolbar, legend, panel, tip, live } = parts;
  const scene = { board, view, fit: fitter(), overview: document.createElement("canvas"), cursor: null, starred: new Set(), stars: [], texts: [],
    turns: roleTurns(board), focusRow: 0, focused: false, kin: null };
  let notes = {};
  let places = null;
  let asked = 0;
  let stale = true;

  // -- drawing, at most once a frame
  function redraw() {
    if (!asked) asked = requestAnimationFrame(paint);
  }
  function paint() {
    asked = 0;
    const width = body.clientWidth;
    const height = body.clientHeight;
    if (!width || !height) return;
    const ratio = Math.min(window.devicePixelRatio || 1, 2);
    if (stale || scene.width !== width || scene.ratio !== ratio) {
      Object.assign(scene, { width, ratio });
      if (stale || !scene.theme) {
        scene.theme = makeTheme(canvas.getContext("2d"), board, ratio);
        app.root.dataset.theme = scene.theme.dark ? "dark" : "light";
        legend.paint(board, scene.theme, ratio);
      }
      scene.bins = new Uint8Array(Math.max(1, width - LABELS + 17));
      scene.sums = new Int32Array(Math.max(3, width - LABELS + 2));
      drawOverview(scene);
      stale = false;
    }
    scene.height = height;
    scene.scroll = body.scrollTop;
    scene.headOn = sized(head, width, OVERVIEW + AXIS, ratio);
    scene.on = sized(canvas, width, height, ratio);
    canvas.style.marginBottom = `${-height}px`;
    drawHead(scene);
    drawBody(scene);
  }

  // -- filters and selection
  function refilter() {
    scene.starred = new Set([...placesOfNotes()]);
    scene.pass = passing(board, view.filters, scene.starred);
    relay();
    if (scene.theme) drawOverview(scene);
    toolbar.reflect(view);
    reselect();
  }
  function relay() {
    scene.rows = layRows(board, scene.pass, view.collapsed);
    space.style.height = `${scene.rows.height}px`;
    scene.focusRow = Math.min(scene.focusRow, scene.rows.lanes.length - 1);
    redraw();
  }
  function reselect() {
    const chosen = selected(board, view, scene.pass);
    scene.kin = null;
    if (view.picked) {
      scene.kin = new Uint8Array(board.lanes);
      for (const lane of chosen.lanes) scene.kin[lane] = 1;
    }
    panel.fill(chosen);
    panel.evidence(view, chosen);
    panel.mark(view.picked ? view.picked.event : null);
    tell(chosen);
    redraw();
  }
  let telling = 0;
  function tell(chosen) {
    clearTimeout(telling);
    telling = setTimeout(() => {
      const none = chosen.empty;
      model.set("_spans_in", packed(none ? [] : chosen.spans));
      model.set("_lanes_in", packed(none ? [] : chosen.lanes));
      model.set("_events_in", packed(none ? [] : chosen.events));
      keepView();
    }, 120);
  }
  let keeping = 0;
  function keepView() {
    clearTimeout(keeping);
    const { t0, t1, filters, picked, brush, collapsed } = view;
    model.set("_view", { t0, t1, filters: { ...filters }, picked, brush, collapsed: [...collapsed] });
    model.save_changes();
  }
  function keepSoon() {
    clearTimeout(keeping);
    keeping = setTimeout(keepView, 400);
  }

  // -- notes
  function* placesOfNotes() {
    if (!places && Object.keys(notes).length) places = new Map();
    for (const id of Object.keys(notes)) {
      if (!places.has(id)) places.set(id, placeOf(board, id));
      const place = places.get(id);
      if (place >= 0) yield place;
    }
  }
  app.noteOf = (event) => {
    const note = notes[eventId(board, event)];
    return note || { star: false, text: "" };
  };
  app.keep = async (event, note) => {
    const answer = await app.ask("note", { event, star: note.star, text: note.text });
    say(answer.problem || "Note kept.");
  };
  function notesChanged() {
    notes = model.get("_notes") || {};
    scene.starred = new Set([...placesOfNotes()]);
    if (view.filters.starred) refilter();
    panel.repaint();
    const typing = app.root.contains(document.activeElement) && document.activeElement.classList.contains("et-note");
    if (!typing) panel.evidence(view, selected(board, view, scene.pass));
    redraw();
  }

  // -- moving about
  function setRange(t0, t1) {
    const { start, end } = board.table;
    const long = Math.min(Math.max(t1 - t0, LEAST), end - start);
    const from = Math.min(Math.max(t0, start), end - long);
    view.t0 = from;
    view.t1 = from + long;
    redraw();
    keepSoon();
  }
  const pan = (share) => setRange(view.t0 + (view.t1 - view.t0) * share, view.t1 + (view.t1 - view.t0) * share);
  const zoomAt = (time, factor) => setRange(time - (time - view.t0) * factor, time + (view.t1 - time) * factor);
  const timeAt = (x) => view.t0 + (x - LABELS) / scene.scale;
  app.zoom = (factor) => zoomAt((view.t0 + view.t1) / 2, factor);
  app.zoomTo = (from, to) => { const room = Math.max((to - from) * 0.05, LEAST); setRange(from - room, to + room); };
  app.fit = () => setRange(board.table.start, board.table.end);
  app.filter = (change) => { Object.assign(view.filters, change); refilter(); };
  app.clear = () => { Object.assign(view, { picked: null, brush: null }); Object.assign(view.filters, freshFilters()); refilter(); };
  app.focusCanvas = () => body.focus();
  app.pick = (picked, seek = false) => {
    view.picked = picked;
    if (picked && picked.lane !== null) {
      view.brush = null;
      reveal(picked, seek);
    }
    reselect();
  };
  app.pickFromTable = (event) => {
    const { picked } = view;
    const about = picked && !picked.mark ? picked : null;
    if (about) view.picked = { ...about, event };
    else view.picked = { lane: laneOf(event), span: null, event, mark: true };
    panel.evidence(view, selected(board, view, scene.pass));
    panel.mark(event);
    const time = board.event_time[event];
    if (time < view.t0 || time > view.t1) setRange(time - (view.t1 - view.t0) / 2, time + (view.t1 - view.t0) / 2);
    if (!about) tell(selected(board, view, scene.pass));
    redraw();
  };
  function laneOf(event) {
    const time = board.event_time[event];
    for (let lane = 0; lane < board.lanes; lane += 1) {
      const end = board.marks_at[lane + 1];
      for (let mark = firstNotBelow(board.mark_time, time, board.marks_at[lane], end); mark < end && board.mark_time[mark] === time; mark += 1) {
        if (board.mark_event[mark] === event) return lane;
      }
    }
    return board.lanes - 1;
  }
  function reveal(picked, seek) {
    const row = scene.rows.lanes.indexOf(picked.lane);
    if (row >= 0) {
      scene.focusRow = row;
      showRow(row);
    }
    if (!seek) return;
    const from = board.spans_at[picked.lane];
    const to = board.spans_at[picked.lane + 1];
    if (from < to && (board.span_end[to - 1] < view.t0 || board.span_start[from] > view.t1)) {
      app.zoomTo(board.span_start[from], board.span_end[to - 1]);
    }
  }
  function showRow(row) {
    const top = scene.rows.tops[row];
    const height = scene.rows.lanes[row] < 0 ? HEAD_HEIGHT : LANE_HEIGHT;
    if (top < body.scrollTop) body.scrollTop = top;
    if (top + height > body.scrollTop + body.clientHeight) body.scrollTop = top + height - body.clientHeight;
  }
  function say(text) {
    live.textContent = text;
  }

  // -- what stands where
  function hit(x, y) {
    const row = rowAt(scene.rows, y + body.scrollTop);
    if (row < 0) return null;
    const lane = scene.rows.lanes[row];
    if (lane < 0) return { row, kind: scene.rows.kinds[row] };
    if (x < LABELS) return { row, lane, span: null, event: null };
    const mark = nearestMark(lane, x);
    if (mark >= 0) return { row, lane, span: null, event: board.mark_event[mark], mark: true, kindOfMark: board.mark_kind[mark] };
    let best = null;
    for (let span = board.spans_at[lane]; span < board.spans_at[lane + 1]; span += 1) {
      const from = LABELS + (board.span_start[span] - view.t0) * scene.scale;
      const to = Math.max(from + 3, LABELS + (board.span_end[span] - view.t0) * scene.scale);
      if (x >= from - 1 && x <= to + 1) best = span;
    }
    return { row, lane, span: best, event: null };
  }
  function nearestMark(lane, x) {
    const room = 6 / scene.scale;
    const time = timeAt(x);
    const end = board.marks_at[lane + 1];
    let best = -1;
    let worth = Infinity;
    for (let mark = firstNotBelow(board.mark_time, time - room, board.marks_at[lane], end); mark < end && board.mark_time[mark] <= time + room; mark += 1) {
      if (!scene.pass.events[board.mark_event[mark]]) continue;
      const far = Math.abs(board.mark_time[mark] - time) * scene.scale + board.mark_kind[mark] * 0.2;
      if (far < worth) [best, worth] = [mark, far];
    }
    return best >= 0 && (board.mark_kind[best] !== board.mark.call || Math.abs(board.mark_time[best] - time) * scene.scale < 3) ? best : -1;
  }
  function describe(found) {
    const { table } = board;
    if (found.lane === undefined) {
      const group = scene.rows.groups[found.kind];
      return [table.kinds[found.kind].title, counted(group.shown, "lane")];
    }
    const name = [table.labels[found.lane], table.details[found.lane]].filter(Boolean).join(" · ");
    if (found.event !== null) {
      const error = word(table.errors, board.event_error[found.event]);
      const note = app.noteOf(found.event).text;
      return [name, `${word(table.names, board.event_name[found.event])}, ${words(table.outcomes[board.event_outcome[found.event]])}${error ? ` (${error})` : ""}`,
        `${moment(board.event_time[found.event])} UTC, ${word(table.actors, board.event_actor[found.event])}`, ...(note ? [`Note: ${note}`] : [])];
    }
    if (found.span === null) return [name, words(table.states[board.lane_state[found.lane]])];
    return [name, words(table.states[board.span_state[found.span]]), spanWords(board, found.span)];
  }
  function toggle(kind) {
    const { name } = board.table.kinds[kind];
    if (!view.collapsed.delete(name)) view.collapsed.add(name);
    relay();
    keepSoon();
  }

  const context = { app, scene, parts, redraw, setRange, pan, zoomAt, timeAt, hit, describe, toggle, showRow, say, reselect };
  const letGo = [onPointer(context), onKeys(context)];
  body.addEventListener("scroll", redraw, { passive: true });
  const watcher = new ResizeObserver(redraw);
  watcher.observe(body);
  const refresh = () => { stale = true; redraw(); };
  const themes = new MutationObserver(refresh);
  for (const one of [document.body, document.documentElement]) {
    themes.observe(one, { attributes: true, attributeFilter: ["class", "data-jp-theme-light", "data-theme"] });
  }
  const scheme = matchMedia("(prefers-color-scheme: dark)");
  scheme.addEventListener("change", refresh);
  const viewChanged = () => {
    const given = model.get("_view") || {};
    if (!given.reach && JSON.stringify(given.picked) === JSON.stringify(view.picked)) return;
    if (given.picked && given.picked.lane < board.lanes) {
      if (given.reach) app.zoomTo(given.reach[0], given.reach[1]);
      app.pick(given.picked);
    }
  };
  model.on("change:_view", viewChanged);
  model.on("change:_notes", notesChanged);
  notes = model.get("_notes") || {};
  refilter();
  if (view.picked) reveal(view.picked, false);
  return () => {
    letGo.forEach((one) => one());
    watcher.disconnect();
    themes.disconnect();
    scheme.removeEventListener("change", refresh);
    model.off("change:_view", viewChanged);
    model.off("change:_notes", notesChanged);
    cancelAnimationFrame(asked);
    clearTimeout(telling);
    clearTimeout(keeping);
  };
}

function placeOf(board, id) {
  for (let event = 0; event < board.events; event += 1) {
    if (board.ids_at[event + 1] - board.ids_at[event] === id.length && eventId(board, event) === id) return event;
  }
  return -1;
}

function packed(places) {
  const view = new DataView(new ArrayBuffer(places.length * 4));
  for (let place = 0; place < places.length; place += 1) view.setUint32(place * 4, places[place], true);
  return view;
}

// -- mouse and touch
function onPointer({ app, scene, parts, redraw, setRange, pan, zoomAt, timeAt, hit, describe, toggle, reselect }) {
  const { view } = scene;
  const { body, head, tip, frame } = parts;
  const spot = (event, over) => {
    const box = over.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };
  let drag = null;

  function start(event, over) {
    if (event.button !== 0) return;
    const [x, y] = spot(event, over);
    if (over === body && x > body.clientWidth) return; // the scroll bar
    const onHead = over === head;
    const kind = onHead && y < OVERVIEW && x > LABELS ? "window" : onHead || event.shiftKey ? "brush" : "pan";
    drag = { kind, x, y, t0: view.t0, t1: view.t1, top: body.scrollTop, moved: false, over, from: kind === "window" ? overviewTime(x) : timeAt(x) };
    over.setPointerCapture(event.pointerId);
  }
  const overviewTime = (x) => {
    const { start: from, end } = app.board.table;
    return from + ((x - LABELS) / scene.plot) * (end - from);
  };
  function move(event, over) {
    const [x, y] = spot(event, over);
    if (!drag) {
      hover(event, x, y, over);
      return;
    }
    if (!drag.moved && Math.abs(x - drag.x) + Math.abs(y - drag.y) < 4) return;
    drag.moved = true;
    tip.hidden = true;
    if (drag.kind === "pan") {
      const by = (drag.x - x) / scene.scale;
      setRange(drag.t0 + by, drag.t1 + by);
      body.scrollTop = drag.top + drag.y - y;
    } else if (drag.kind === "brush") {
      const to = timeAt(Math.max(x, LABELS));
      view.brush = [Math.max(Math.min(drag.from, to), app.board.table.start), Math.min(Math.max(drag.from, to), app.board.table.end)];
      view.picked = null;
      redraw();
    } else {
      const to = overviewTime(x);
      setRange(Math.min(drag.from, to), Math.max(drag.from, to));
    }
  }
  function end(event, over) {
    if (!drag) return;
    const was = drag;
    drag = null;
    if (was.kind === "brush" && was.moved) reselect();
    if (was.moved) return;
    const [x, y] = spot(event, over);
    if (was.kind === "window") {
      const half = (view.t1 - view.t0) / 2;
      setRange(was.from - half, was.from + half);
    } else if (over === body) {
      click(hit(x, y));
    }
  }
  function click(found) {
    if (!found) return;
    if (found.lane === undefined) {
      scene.focusRow = found.row;
      toggle(found.kind);
    } else {
      app.pick({ lane: found.lane, span: found.span, event: found.event, mark: Boolean(found.mark) });
    }
  }
  function hover(event, x, y, over) {
    scene.cursor = x > LABELS ? timeAt(x) : null;
    redraw();
    const found = over === body ? hit(x, y) : null;
    tip.hidden = !found || (found.lane !== undefined && x > LABELS && found.span === null && found.event === null);
    if (tip.hidden) return;
    tip.replaceChildren(...describe(found).map((line) => paragraph(line)));
    const box = frame.getBoundingClientRect();
    const left = event.clientX - box.left + 14;
    const top = event.clientY - box.top + 16;
    tip.style.left = `${Math.max(0, Math.min(left, box.width - tip.offsetWidth - 8))}px`;
    tip.style.top = `${top + tip.offsetHeight > box.height ? top - tip.offsetHeight - 26 : top}px`;
  }
  function leave() {
    scene.cursor = null;
    tip.hidden = true;
    redraw();
  }
  function wheel(event, over) {
    const [x, y] = spot(event, over);
    const unit = event.deltaMode === 1 ? 18 : event.deltaMode === 2 ? 400 : 1;
    const across = event.shiftKey ? event.deltaX || event.deltaY : event.deltaX;
    const zooming = event.ctrlKey || event.metaKey || event.altKey || (over === head && !event.shiftKey && Math.abs(event.deltaY) >= Math.abs(event.deltaX));
    if (zooming) {
      const factor = Math.exp(Math.max(-240, Math.min(240, event.deltaY * unit)) * 0.0025);
      zoomAt(over === head && y < OVERVIEW ? overviewTime(x) : timeAt(Math.max(x, LABELS)), factor);
    } else if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
      pan((across * unit) / Math.max(200, scene.plot));
    } else {
      return;
    }
    event.preventDefault();
    event.stopPropagation();
  }
  const bound = [];
  const listen = (over, name, act, options) => {
    const heard = (event) => act(event, over);
    over.addEventListener(name, heard, options);
    bound.push(() => over.removeEventListener(name, heard, options));
  };
  for (const over of [body, head]) {
    listen(over, "pointerdown", start);
    listen(over, "pointermove", move);
    listen(over, "pointerup", end);
    listen(over, "pointercancel", () => { drag = null; });
    listen(over, "pointerleave", leave);
    listen(over, "wheel", wheel, { passive: false });
  }
  return () => bound.forEach((one) => one());
}

// -- keys
function onKeys({ app, scene, parts, redraw, pan, describe, toggle, showRow, say, reselect }) {
  const { board, view } = scene;
  const { body, toolbar } = parts;
  let item = null; // the span or mark the keys stand on: {time, span, event}

  function lane() {
    return scene.rows.lanes[scene.focusRow];
  }
  function items() {
    const on = lane();
    if (on === undefined || on < 0) return [];
    const found = [];
    for (let span = board.spans_at[on]; span < board.spans_at[on + 1]; span += 1) found.push({ time: board.span_start[span], span, event: null });
    for (let mark = board.marks_at[on]; mark < board.marks_at[on + 1]; mark += 1) {
      const event = board.mark_event[mark];
      if (scene.pass.events[event]) found.push({ time: board.mark_time[mark], span: null, event });
    }
    return found.sort((a, b) => a.time - b.time || (a.event === null ? -1 : 1));
  }
  function row(step) {
    scene.focusRow = Math.min(Math.max(scene.focusRow + step, 0), scene.rows.lanes.length - 1);
    item = null;
    showRow(scene.focusRow);
    const on = lane();
    say(describe(on < 0 ? { kind: scene.rows.kinds[scene.focusRow] } : { lane: on, span: null, event: null }).join(". "));
    redraw();
  }
  function along(step) {
    const list = items();
    if (!list.length) return;
    const at = item ? list.findIndex((one) => one.span === item.span && one.event === item.event) : step > 0 ? -1 : list.length;
    item = list[Math.min(Math.max(at + step, 0), list.length - 1)];
    scene.cursor = item.time;
    if (item.time < view.t0 || item.time > view.t1) app.zoomTo(item.time - (view.t1 - view.t0) / 2, item.time + (view.t1 - view.t0) / 2);
    say(describe({ lane: lane(), span: item.span, event: item.event }).join(". "));
    redraw();
  }
  function enter() {
    const on = lane();
    if (on < 0) toggle(scene.rows.kinds[scene.focusRow]);
    else app.pick({ lane: on, span: item ? item.span : null, event: item ? item.event : null, mark: Boolean(item && item.event !== null) });
  }
  function fitPicked() {
    const on = view.picked ? view.picked.lane : lane();
    if (on === undefined || on < 0 || board.spans_at[on] === board.spans_at[on + 1]) return;
    app.zoomTo(board.span_start[board.spans_at[on]], board.span_end[board.spans_at[on + 1] - 1]);
  }
  function star() {
    const event = view.picked ? view.picked.event : null;
    if (event !== null && event !== undefined) app.keep(event, { ...app.noteOf(event), star: !app.noteOf(event).star });
  }
  const page = () => Math.max(1, Math.floor(body.clientHeight / LANE_HEIGHT) - 1);
  const acts = {
    ArrowDown: () => row(1), ArrowUp: () => row(-1), PageDown: () => row(page()), PageUp: () => row(-page()),
    ArrowRight: () => along(1), ArrowLeft: () => along(-1), Enter: enter, " ": enter,
    "+": () => app.zoom(1 / 1.4), "=": () => app.zoom(1 / 1.4), w: () => app.zoom(1 / 1.4), "-": () => app.zoom(1.4), s: () => app.zoom(1.4),
    a: () => pan(-0.15), d: () => pan(0.15), 0: () => app.fit(), Home: () => app.fit(), f: fitPicked,
    b: () => { view.brush = [view.t0, view.t1]; view.picked = null; reselect(); },
    n: () => { const field = app.root.querySelector(".et-note"); if (field) field.focus(); },
    "*": star, "/": () => toolbar.search.focus(), "?": () => { toolbar.help.hidden = !toolbar.help.hidden; },
    Escape: () => { view.brush = null; app.pick(null); },
  };
  const pressed = (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const act = acts[event.key];
    if (!act) return;
    act();
    event.preventDefault();
  };
  const focus = () => { scene.focused = body.matches(":focus-visible"); redraw(); };
  const blur = () => { scene.focused = false; redraw(); };
  // The notebook has keys of its own (a second d deletes a cell): none pressed in here may reach it.
  const hold = (event) => event.stopPropagation();
  const bound = [[body, "keydown", pressed], [body, "focus", focus], [body, "blur", blur], [app.root, "keydown", hold]];
  for (const [over, name, act] of bound) over.addEventListener(name, act);
  return () => { for (const [over, name, act] of bound) over.removeEventListener(name, act); };
}

function render({ model, el }) {
  let stop = null;
  let gone = false;
  mount(model, el).then((made) => {
    stop = made;
    if (gone) stop();
  }, () => {
    el.textContent = "The timeline cannot be drawn: its data did not arrive whole. Run the cell again.";
  });
  return () => {
    gone = true;
    if (stop) stop();
  };
}

export default { render };
