// The canvas. Only rows in sight are drawn, and of a lane no more than its pixels can show: marks are gathered by pixel,
// the most telling of each stays. Group heads show how many of their lanes are in trouble over time.

const FONT = '12px system-ui, -apple-system, "Segoe UI", sans-serif';
const BOLD = '600 12px system-ui, -apple-system, "Segoe UI", sans-serif';
const SMALL = '11px system-ui, -apple-system, "Segoe UI", sans-serif';
const OVERVIEW = 40;
const AXIS = 24;

function sized(canvas, width, height, ratio) {
  const w = Math.round(width * ratio);
  const h = Math.round(height * ratio);
  if (canvas.width !== w || canvas.height !== h) {
    canvas.width = w;
    canvas.height = h;
    canvas.style.width = `${width}px`;
    canvas.style.height = `${height}px`;
  }
  const on = canvas.getContext("2d");
  on.setTransform(ratio, 0, 0, ratio, 0, 0);
  return on;
}

// Text cut to a width, remembered: measuring is dear, labels repeat in every frame.
function fitter() {
  const known = new Map();
  return (on, text, width) => {
    const key = `${on.font}|${Math.round(width)}|${text}`;
    let shown = known.get(key);
    if (shown === undefined) {
      shown = cut(on, text, width);
      if (known.size > 20000) known.clear();
      known.set(key, shown);
    }
    return shown;
  };
}

function cut(on, text, width) {
  if (on.measureText(text).width <= width) return text;
  let low = 0;
  let high = text.length;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (on.measureText(`${text.slice(0, middle)}…`).width <= width) low = middle;
    else high = middle - 1;
  }
  return low ? `${text.slice(0, low)}…` : "";
}

function drawBody(scene) {
  const { on, board, view, rows, theme, width, height, scroll } = scene;
  on.fillStyle = theme.back;
  on.fillRect(0, 0, width, height);
  const first = Math.max(0, firstNotBelow(rows.tops, scroll, 0, rows.tops.length) - 1);
  let last = first;
  while (last < rows.tops.length && rows.tops[last] < scroll + height) last += 1;
  scene.plot = width - LABELS;
  scene.scale = scene.plot / (view.t1 - view.t0);
  for (let row = first; row < last; row += 1) rowBack(scene, row);
  drawTickLines(scene);
  on.save();
  on.beginPath();
  on.rect(LABELS, 0, scene.plot, height);
  on.clip();
  for (let row = first; row < last; row += 1) {
    const lane = rows.lanes[row];
    const y = rows.tops[row] - scroll;
    if (lane >= 0) drawSpans(scene, lane, y);
    else drawTrouble(scene, rows.kinds[row], y);
  }
  drawGuides(scene);
  for (let row = first; row < last; row += 1) {
    if (rows.lanes[row] >= 0) drawMarks(scene, rows.lanes[row], rows.tops[row] - scroll);
  }
  for (const [span, from, wide, y] of scene.texts) spanText(scene, span, from, wide, y);
  scene.texts.length = 0;
  drawBrush(scene, 0, height);
  if (scene.cursor !== null) drawCursor(scene);
  on.restore();
  for (let row = first; row < last; row += 1) rowLabel(scene, row);
  on.fillStyle = theme.line;
  on.fillRect(LABELS - 1, 0, 1, height);
}

function rowBack(scene, row) {
  const { on, rows, theme, width, scroll, view } = scene;
  const lane = rows.lanes[row];
  const y = rows.tops[row] - scroll;
  const picked = view.picked && view.picked.lane === lane && lane >= 0;
  const kin = lane >= 0 && scene.kin && scene.kin[lane];
  const odd = row % 2 === 1;
  const fill = lane < 0 ? theme.group : picked ? theme.pick : kin ? theme.kin : odd ? theme.stripe : null;
  if (fill) {
    on.fillStyle = fill;
    on.fillRect(0, y, width, lane < 0 ? HEAD_HEIGHT : LANE_HEIGHT);
  }
}

function rowLabel(scene, row) {
  const { on, board, rows, theme, scroll, fit } = scene;
  const lane = rows.lanes[row];
  const y = rows.tops[row] - scroll;
  on.textBaseline = "middle";
  if (lane < 0) {
    groupLabel(scene, row, y);
  } else {
    const middle = y + LANE_HEIGHT / 2;
    const state = board.lane_state[lane];
    on.fillStyle = theme.patterns[state] || theme.fills[state];
    on.fillRect(10, middle - 5, 10, 10);
    const detail = board.table.details[lane];
    on.font = SMALL;
    const shownDetail = detail ? fit(on, detail, 92) : "";
    const room = LABELS - 38 - (shownDetail ? on.measureText(shownDetail).width + 8 : 0);
    on.fillStyle = theme.soft;
    on.textAlign = "right";
    if (shownDetail) on.fillText(shownDetail, LABELS - 9, middle + 0.5);
    on.textAlign = "left";
    on.font = FONT;
    on.fillStyle = theme.text;
    on.fillText(fit(on, board.table.labels[lane], room), 27, middle + 0.5);
  }
  if (scene.focused && scene.focusRow === row) {
    on.strokeStyle = theme.focus;
    on.lineWidth = 2;
    const height = lane < 0 ? HEAD_HEIGHT : LANE_HEIGHT;
    on.strokeRect(1, y + 1, scene.width - 2, height - 2);
  }
}

function groupLabel(scene, row, y) {
  const { on, board, rows, theme, view } = scene;
  const kind = rows.kinds[row];
  const group = rows.groups[kind];
  const middle = y + HEAD_HEIGHT / 2;
  const closed = view.collapsed.has(board.table.kinds[kind].name);
  on.fillStyle = theme.soft;
  on.beginPath();
  if (closed) { on.moveTo(11, middle - 5); on.lineTo(19, middle); on.lineTo(11, middle + 5); }
  else { on.moveTo(10, middle - 4); on.lineTo(20, middle - 4); on.lineTo(15, middle + 4); }
  on.fill();
  on.font = BOLD;
  on.fillStyle = theme.text;
  on.textAlign = "left";
  on.fillText(board.table.kinds[kind].title, 27, middle + 0.5);
  on.font = SMALL;
  on.fillStyle = theme.soft;
  on.textAlign = "right";
  const all = group.all.toLocaleString("en-US");
  on.fillText(group.shown === group.all ? all : `${group.shown.toLocaleString("en-US")} of ${all}`, LABELS - 9, middle + 0.5);
  on.textAlign = "left";
}

function drawTickLines(scene) {
  const { on, theme, view, height } = scene;
  const { times } = scene.ticks;
  on.fillStyle = theme.line;
  on.globalAlpha = 0.55;
  for (const time of times) on.fillRect(Math.round(LABELS + (time - view.t0) * scene.scale), 0, 1, height);
  on.globalAlpha = 1;
}

function drawSpans(scene, lane, y) {
  const { on, board, view, theme, scale, plot } = scene;
  const top = y + 4;
  const tall = LANE_HEIGHT - 8;
  const dim = view.filters.state ? board.state[view.filters.state] : -1;
  let lastPixel = -1;
  let lastState = -1;
  for (let span = board.spans_at[lane]; span < board.spans_at[lane + 1]; span += 1) {
    if (board.span_start[span] > view.t1 || board.span_end[span] < view.t0) continue;
    const state = board.span_state[span];
    const from = Math.max(-4, (board.span_start[span] - view.t0) * scale);
    const to = Math.min(plot + 4, (board.span_end[span] - view.t0) * scale);
    const wide = Math.max(to - from, 1.5);
    if (wide <= 1.5) {
      if (Math.round(from) === lastPixel && state >= lastState) continue;
      lastPixel = Math.round(from);
      lastState = state;
    }
    const quiet = theme.thin[state];
    on.globalAlpha = dim >= 0 && dim !== state ? 0.3 : 1;
    on.fillStyle = theme.patterns[state] || theme.fills[state];
    if (quiet) on.fillRect(LABELS + from, top + tall / 2 - 1, wide, 2);
    else on.fillRect(LABELS + from, top, wide, tall);
    if (wide > 46 && !quiet) scene.texts.push([span, from, wide, y]);
    if (view.picked && view.picked.span === span) {
      on.strokeStyle = theme.text;
      on.lineWidth = 2;
      on.strokeRect(LABELS + from, top - 1, wide, tall + 2);
    }
  }
  on.globalAlpha = 1;
}

// Words on a span stand on a plain ground of its colour, over marks and pattern, and begin beside a mark at its start.
function spanText(scene, span, from, wide, y) {
  const { on, board, theme, fit } = scene;
  const state = board.span_state[span];
  const long = duration(board.span_end[span] - board.span_start[span]);
  const open = board.span_open[span] & 2 ? " so far" : "";
  const left = Math.max(from, 0) + (from >= 0 ? 11 : 5);
  const room = Math.min(from + wide, scene.plot) - left - 10;
  if (room < 34) return;
  on.font = SMALL;
  const text = fit(on, `${words(board.table.states[state])} ${long}${open}`, Math.floor(room / 8) * 8);
  if (text.length < 4) return;
  if (theme.patterns[state]) {
    on.fillStyle = theme.fills[state];
    on.fillRect(LABELS + left - 3, y + 4, on.measureText(text).width + 6, LANE_HEIGHT - 8);
  }
  on.fillStyle = theme.inks[state];
  on.textBaseline = "middle";
  on.fillText(text, LABELS + left, y + LANE_HEIGHT / 2 + 0.5);
}

function drawMarks(scene, lane, y) {
  const { on, board, view, theme, scale, plot, pass, bins } = scene;
  const end = board.marks_at[lane + 1];
  const room = 8 / scale;
  let mark = firstNotBelow(board.mark_time, view.t0 - room, board.marks_at[lane], end);
  if (mark >= end || board.mark_time[mark] > view.t1 + room) return;
  bins.fill(255);
  let star = -1;
  let seen = 0;
  for (; mark < end; mark += 1) {
    const x = (board.mark_time[mark] - view.t0) * scale;
    if (x > plot + 8) break;
    const event = board.mark_event[mark];
    if (!pass.events[event]) continue;
    const pixel = (x + 8) | 0;
    const kind = board.mark_kind[mark];
    seen |= 1 << kind;
    if (kind < bins[pixel]) bins[pixel] = kind;
    if (scene.starred.size && scene.starred.has(event)) {
      star = pixel;
      scene.stars.push(pixel);
    }
  }
  const middle = y + LANE_HEIGHT / 2;
  const low = board.mark.call;
  on.fillStyle = theme.plain;
  for (let pixel = 0; pixel < bins.length; pixel += 1) {
    if (bins[pixel] === low) on.fillRect(LABELS + pixel - 8, middle - 4, 1, 8);
  }
  for (let kind = low - 1; kind >= 0; kind -= 1) {
    if (!(seen & (1 << kind))) continue;
    let after = -9;
    for (let pixel = 0; pixel < bins.length; pixel += 1) {
      if (bins[pixel] !== kind || pixel - after < 4) continue;
      on.drawImage(theme.sprites[kind], LABELS + pixel - 8 - GLYPH / 2, middle - GLYPH / 2, GLYPH, GLYPH);
      after = pixel;
    }
  }
  if (star >= 0) {
    for (const pixel of scene.stars) on.drawImage(theme.star, LABELS + pixel - 8 - GLYPH / 2, y - 3, GLYPH, GLYPH);
    scene.stars.length = 0;
  }
  pickedMark(scene, lane, middle);
}

function pickedMark(scene, lane, middle) {
  const { on, board, view, theme, scale } = scene;
  const picked = view.picked;
  if (!picked || picked.event === null || picked.event === undefined) return;
  const time = board.event_time[picked.event];
  const end = board.marks_at[lane + 1];
  for (let mark = firstNotBelow(board.mark_time, time, board.marks_at[lane], end); mark < end; mark += 1) {
    if (board.mark_time[mark] > time) return;
    if (board.mark_event[mark] !== picked.event) continue;
    on.strokeStyle = theme.text;
    on.lineWidth = 1.5;
    on.beginPath();
    on.arc(LABELS + (board.mark_time[mark] - view.t0) * scale, middle, 8.5, 0, 7);
    on.stroke();
    return;
  }
}

// The moments a role broke or was mended, through all lanes: what follows them is seen at once.
function drawGuides(scene) {
  const { on, view, theme, scale, height } = scene;
  const inSight = scene.turns.filter((turn) => turn.time >= view.t0 && turn.time <= view.t1);
  if (inSight.length > 60) return;
  on.lineWidth = 1;
  on.setLineDash([4, 3]);
  for (const turn of inSight) {
    const x = Math.round(LABELS + (turn.time - view.t0) * scale) + 0.5;
    on.strokeStyle = turn.up ? theme.guideUp : theme.guide;
    on.beginPath();
    on.moveTo(x, 0);
    on.lineTo(x, height);
    on.stroke();
  }
  on.setLineDash([]);
}

// How many lanes of a group are in trouble at each moment, as an area; for callers how many calls were refused.
function drawTrouble(scene, kind, y) {
  const { on, board, rows, view, theme, scale, plot, sums, pass } = scene;
  const name = board.table.kinds[kind].name;
  sums.fill(0);
  const limit = sums.length - 2;
  if (name === "caller") {
    for (let event = firstNotBelow(board.event_time, view.t0, 0, board.events); event < board.events; event += 1) {
      const x = ((board.event_time[event] - view.t0) * scale) | 0;
      if (x > limit) break;
      if (pass.events[event] && board.event_outcome[event] === board.outcome.denied) sums[x] += 1;
    }
  } else {
    for (const lane of rows.groups[kind].lanes) {
      for (let span = board.spans_at[lane]; span < board.spans_at[lane + 1]; span += 1) {
        if (!theme.bad[board.span_state[span]]) continue;
        const from = (board.span_start[span] - view.t0) * scale;
        const to = (board.span_end[span] - view.t0) * scale;
        if (to < 0 || from > limit) continue;
        sums[Math.max(0, from) | 0] += 1;
        sums[(Math.min(limit, to) | 0) + 1] -= 1;
      }
    }
    for (let x = 1; x < sums.length; x += 1) sums[x] += sums[x - 1];
  }
  let most = 0;
  for (let x = 0; x <= limit; x += 1) if (sums[x] > most) most = sums[x];
  if (!most) return;
  const tall = HEAD_HEIGHT - 8;
  const base = y + HEAD_HEIGHT - 3;
  on.fillStyle = theme.fills[board.state.stuck];
  on.globalAlpha = 0.85;
  on.beginPath();
  on.moveTo(LABELS, base);
  for (let x = 0; x <= Math.min(limit, plot); x += 1) {
    const up = sums[x] ? Math.max(1.5, (sums[x] / most) * tall) : 0;
    on.lineTo(LABELS + x, base - up);
    on.lineTo(LABELS + x + 1, base - up);
  }
  on.lineTo(LABELS + plot, base);
  on.fill();
  on.globalAlpha = 1;
  on.font = SMALL;
  on.textBaseline = "middle";
  const text = name === "caller" ? "denied calls" : `at most ${most.toLocaleString("en-US")} in trouble at once`;
  const wide = on.measureText(text).width;
  on.fillStyle = theme.group;
  on.globalAlpha = 0.85;
  on.fillRect(LABELS + 4, y + 6, wide + 8, HEAD_HEIGHT - 12);
  on.globalAlpha = 1;
  on.fillStyle = theme.soft;
  on.fillText(text, LABELS + 8, y + HEAD_HEIGHT / 2 + 0.5);
}

function drawBrush(scene, top, height) {
  const { on, view, theme, scale } = scene;
  if (!view.brush) return;
  const from = LABELS + (view.brush[0] - view.t0) * scale;
  const to = LABELS + (view.brush[1] - view.t0) * scale;
  on.fillStyle = theme.brush;
  on.fillRect(from, top, to - from, height);
  on.fillStyle = theme.focus;
  on.fillRect(from, top, 1, height);
  on.fillRect(to, top, 1, height);
}

function drawCursor(scene) {
  const { on, theme, view, scale, height } = scene;
  on.fillStyle = theme.soft;
  on.globalAlpha = 0.6;
  on.fillRect(Math.round(LABELS + (scene.cursor - view.t0) * scale), 0, 1, height);
  on.globalAlpha = 1;
}

// The head: the whole of time with a window on it, and the axis of what is in sight.
function drawHead(scene) {
  const { headOn: on, board, view, theme, width } = scene;
  const plot = width - LABELS;
  scene.plot = plot;
  scene.scale = plot / (view.t1 - view.t0);
  scene.ticks = ticks(view.t0, view.t1, plot, 78);
  on.fillStyle = theme.back;
  on.fillRect(0, 0, width, OVERVIEW + AXIS);
  on.drawImage(scene.overview, LABELS, 0, plot, OVERVIEW);
  const { start, end } = board.table;
  const whole = plot / (end - start);
  const from = LABELS + (view.t0 - start) * whole;
  const to = LABELS + (view.t1 - start) * whole;
  on.fillStyle = theme.back;
  on.globalAlpha = 0.62;
  on.fillRect(LABELS, 0, from - LABELS, OVERVIEW);
  on.fillRect(to, 0, width - to, OVERVIEW);
  on.globalAlpha = 1;
  on.strokeStyle = theme.focus;
  on.lineWidth = 1.5;
  on.strokeRect(Math.max(from, LABELS) + 0.5, 1, Math.max(to - from, 3) - 1, OVERVIEW - 2);
  headLabels(scene, on);
  axis(scene, on);
}

function headLabels(scene, on) {
  const { theme, view, width } = scene;
  on.fillStyle = theme.soft;
  on.font = SMALL;
  on.textBaseline = "middle";
  on.textAlign = "left";
  on.fillText("All events", 10, 13);
  on.fillStyle = theme.fills[scene.board.state.stuck];
  on.fillRect(10, 24, 8, 8);
  on.fillStyle = theme.soft;
  on.fillText("denied", 23, 28.5);
  on.fillStyle = theme.plain;
  on.fillRect(66, 24, 8, 8);
  on.fillStyle = theme.soft;
  on.fillText("other", 79, 28.5);
  on.font = BOLD;
  on.fillStyle = theme.text;
  on.fillText(`${day(view.t0)} UTC`, 10, OVERVIEW + AXIS / 2 + 0.5);
  on.font = SMALL;
  on.textAlign = "right";
  on.fillStyle = theme.soft;
  on.fillText(duration(view.t1 - view.t0), LABELS - 9, OVERVIEW + AXIS / 2 + 0.5);
  on.fillStyle = theme.line;
  on.fillRect(0, OVERVIEW + AXIS - 1, width, 1);
  on.fillRect(0, OVERVIEW, width, 1);
  on.textAlign = "left";
}

function axis(scene, on) {
  const { theme, view } = scene;
  on.save();
  on.beginPath();
  on.rect(LABELS, OVERVIEW, scene.plot, AXIS);
  on.clip();
  on.font = SMALL;
  on.textBaseline = "middle";
  for (const time of scene.ticks.times) {
    const x = LABELS + (time - view.t0) * scene.scale;
    on.fillStyle = theme.line;
    on.fillRect(Math.round(x), OVERVIEW + AXIS - 7, 1, 7);
    on.fillStyle = theme.text;
    on.fillText(tickText(time, scene.ticks.step), x + 4, OVERVIEW + AXIS / 2 + 0.5);
  }
  if (view.brush) {
    const old = scene.on;
    scene.on = on;
    drawBrush(scene, OVERVIEW, AXIS);
    scene.on = old;
  }
  if (scene.cursor !== null) {
    const x = LABELS + (scene.cursor - view.t0) * scene.scale;
    const text = clock(scene.cursor);
    const wide = on.measureText(text).width + 8;
    const left = Math.min(x - wide / 2, scene.width - wide);
    on.fillStyle = theme.text;
    on.fillRect(left, OVERVIEW + 3, wide, AXIS - 7);
    on.fillStyle = theme.back;
    on.fillText(text, left + 4, OVERVIEW + AXIS / 2);
  }
  on.restore();
}

// Events over the whole of time, drawn once for every change of filter, width or theme.
function drawOverview(scene) {
  const { board, theme, pass, width, ratio } = scene;
  const plot = Math.max(1, Math.round(width - LABELS));
  const on = sized(scene.overview, plot, OVERVIEW, ratio);
  on.clearRect(0, 0, plot, OVERVIEW);
  const { start, end } = board.table;
  const columns = Math.ceil(plot / 2);
  const all = new Uint32Array(columns + 1);
  const denied = new Uint32Array(columns + 1);
  for (let event = 0; event < board.events; event += 1) {
    if (!pass.events[event]) continue;
    const column = Math.min(columns, (((board.event_time[event] - start) / (end - start)) * columns) | 0);
    all[column] += 1;
    if (board.event_outcome[event] === board.outcome.denied) denied[column] += 1;
  }
  const most = Math.sqrt(all.reduce((high, value) => Math.max(high, value), 1));
  for (let column = 0; column <= columns; column += 1) {
    if (!all[column]) continue;
    const tall = Math.max(2, (Math.sqrt(all[column]) / most) * (OVERVIEW - 6));
    on.fillStyle = theme.plain;
    on.fillRect(column * 2, OVERVIEW - 2 - tall, 1.6, tall);
    if (denied[column]) {
      const part = Math.max(2, tall * (denied[column] / all[column]));
      on.fillStyle = theme.fills[board.state.stuck];
      on.fillRect(column * 2, OVERVIEW - 2 - part, 1.6, part);
    }
  }
}
