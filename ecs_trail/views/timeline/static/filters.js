// Which lanes and events pass the filters, and what a pick selects. Plain functions over the arrays.

function freshFilters() {
  return { role: "", cluster: "", service: "", state: "", outcome: "", search: "", starred: false };
}

function anyFilter(filters) {
  return Object.values(filters).some(Boolean);
}

function passing(board, filters, starred) {
  const lanes = new Uint8Array(board.lanes);
  const events = new Uint8Array(board.events);
  const needle = filters.search.trim().toLowerCase();
  const eventHit = needle ? hitEvents(board, needle) : null;
  const placed = placedRoles(board, filters);
  for (let lane = 0; lane < board.lanes; lane += 1) {
    if (!lanePasses(board, filters, lane, placed)) continue;
    const named = !needle || laneText(board, lane).includes(needle);
    let seen = false;
    for (let mark = board.marks_at[lane]; mark < board.marks_at[lane + 1]; mark += 1) {
      const event = board.mark_event[mark];
      if (filters.outcome && !outcomeFits(board, filters.outcome, event)) continue;
      if (!named && !eventHit[event]) continue;
      if (filters.starred && !starred.has(event)) continue;
      events[event] = 1;
      seen = true;
    }
    if (filters.starred || filters.outcome) lanes[lane] = seen ? 1 : 0;
    else lanes[lane] = named || seen ? 1 : 0;
  }
  return { lanes, events };
}

function outcomeFits(board, wanted, event) {
  const is = board.table.outcomes[board.event_outcome[event]];
  return wanted === "failed" ? is !== "ok" : is === wanted;
}

// Roles have no cluster and no service of their own: they pass where a lane that has one passes.
function placedRoles(board, filters) {
  if (!filters.cluster && !filters.service) return null;
  const roles = new Set();
  for (let lane = 0; lane < board.lanes; lane += 1) {
    if (placeFits(board, filters, lane)) roles.add(board.lane_role[lane]);
  }
  return roles;
}

function placeFits(board, filters, lane) {
  const { table } = board;
  if (filters.cluster && word(table.clusters, board.lane_cluster[lane]) !== filters.cluster) return false;
  return !filters.service || word(table.services, board.lane_service[lane]) === filters.service;
}

function lanePasses(board, filters, lane, placed) {
  const { table } = board;
  const kind = table.kinds[board.lane_kind[lane]].name;
  if (filters.role && word(table.roles, board.lane_role[lane]) !== filters.role) return false;
  if (placed) {
    if (kind === "role" ? !placed.has(board.lane_role[lane]) : !placeFits(board, filters, lane)) return false;
  }
  if (!filters.state) return true;
  const wanted = board.state[filters.state];
  if (board.lane_state[lane] === wanted) return true;
  for (let span = board.spans_at[lane]; span < board.spans_at[lane + 1]; span += 1) {
    if (board.span_state[span] === wanted) return true;
  }
  return false;
}

function laneText(board, lane) {
  const { table } = board;
  return [table.labels[lane], table.details[lane], table.keys[lane], word(table.roles, board.lane_role[lane]),
    word(table.clusters, board.lane_cluster[lane]), word(table.services, board.lane_service[lane]),
    words(table.states[board.lane_state[lane]])].join("\n").toLowerCase();
}

function hitEvents(board, needle) {
  const { table } = board;
  const hits = (list) => Uint8Array.from(list, (text) => (text.toLowerCase().includes(needle) ? 1 : 0));
  const names = hits(table.names);
  const errors = hits(table.errors);
  const actors = hits(table.actors);
  const found = new Uint8Array(board.events);
  for (let event = 0; event < board.events; event += 1) {
    const error = board.event_error[event];
    const actor = board.event_actor[event];
    const name = board.event_name[event];
    if ((name !== NONE && names[name]) || (error !== NONE && errors[error]) || (actor !== NONE && actors[actor])) {
      found[event] = 1;
    }
  }
  if (needle.length >= 4) hitIds(board, needle, found);
  return found;
}

function hitIds(board, needle, found) {
  const all = decoder.decode(board.ids).toLowerCase();
  if (all.length !== board.ids.length) return; // an id that is no ASCII: places no longer fit
  for (let at = all.indexOf(needle); at >= 0; at = all.indexOf(needle, at + 1)) {
    const event = firstNotBelow(board.ids_at, at + 1, 0, board.ids_at.length) - 1;
    if (at + needle.length <= board.ids_at[event + 1]) found[event] = 1;
  }
}

// What is selected: spans, lanes (with their kin) and events, as sorted places. `empty`: nothing was asked for.
function selected(board, view, pass) {
  const { picked, brush, filters } = view;
  if (picked && picked.lane !== null && picked.lane !== undefined) return selectedByPick(board, picked);
  if (brush) return selectedByRange(board, pass, brush[0], brush[1], filters);
  return { ...selectedByRange(board, pass, -Infinity, Infinity, filters), empty: !anyFilter(filters) };
}

function selectedByPick(board, picked) {
  const { lane, span, event } = picked;
  const lanes = [...new Set([lane, ...kinOf(board, lane, span)])].sort((a, b) => a - b);
  if (picked.mark && event !== null) {
    const spans = spansOf(board, lane).filter((one) => touches(board, one, board.event_time[event], board.event_time[event]));
    return { spans, lanes, events: [event] };
  }
  const evidence = Array.from(board.evidence.subarray(board.evidence_at[lane], board.evidence_at[lane + 1]));
  if (span === null || span === undefined) return { spans: spansOf(board, lane), lanes, events: evidence };
  const from = board.span_start[span];
  const to = board.span_end[span];
  const inside = evidence.filter((one) => board.event_time[one] >= from && board.event_time[one] <= to);
  const causes = board.causes.subarray(board.causes_at[span], board.causes_at[span + 1]);
  return { spans: [span], lanes, events: [...new Set([...causes, ...inside])].sort((a, b) => a - b) };
}

function spansOf(board, lane) {
  const found = [];
  for (let span = board.spans_at[lane]; span < board.spans_at[lane + 1]; span += 1) found.push(span);
  return found;
}

function touches(board, span, from, to) {
  return board.span_start[span] <= to && board.span_end[span] >= from;
}

// The lanes that belong to one: a task's volumes, a volume's task, the role of either; of a role what lived with it in
// that time, and of a broken role only what it held up.
function kinOf(board, lane, span) {
  const kin = Array.from(board.related.subarray(board.related_at[lane], board.related_at[lane + 1]));
  const role = board.lane_role[lane];
  if (role === NONE) return kin;
  const isRole = board.lane_kind[lane] === 0;
  const bad = span !== null && span !== undefined && board.table.states[board.span_state[span]] === "broken";
  for (let other = 0; other < board.lanes; other += 1) {
    if (other === lane || board.lane_role[other] !== role) continue;
    if (!isRole) {
      if (board.lane_kind[other] === 0) kin.push(other);
    } else if (board.lane_kind[other] !== 0 && (span === null || span === undefined || heldUp(board, other, span, bad))) {
      kin.push(other);
    }
  }
  return kin;
}

function heldUp(board, lane, span, bad) {
  return spansOf(board, lane).some((one) => {
    if (!touches(board, one, board.span_start[span], board.span_end[span])) return false;
    const state = board.table.states[board.span_state[one]];
    return !bad || BAD.has(state) || state === "at_risk";
  });
}

function selectedByRange(board, pass, from, to, filters) {
  const spans = [];
  const lanes = [];
  const wanted = filters.state ? board.state[filters.state] : -1;
  for (let lane = 0; lane < board.lanes; lane += 1) {
    if (!pass.lanes[lane]) continue;
    let here = false;
    for (let span = board.spans_at[lane]; span < board.spans_at[lane + 1]; span += 1) {
      if (!touches(board, span, from, to) || (wanted >= 0 && board.span_state[span] !== wanted)) continue;
      spans.push(span);
      here = true;
    }
    if (!here) {
      const end = board.marks_at[lane + 1];
      const first = firstNotBelow(board.mark_time, from, board.marks_at[lane], end);
      here = wanted < 0 && first < end && board.mark_time[first] <= to;
    }
    if (here) lanes.push(lane);
  }
  const events = [];
  const last = board.events;
  for (let event = firstNotBelow(board.event_time, from, 0, last); event < last && board.event_time[event] <= to; event += 1) {
    if (pass.events[event]) events.push(event);
  }
  return { spans, lanes, events };
}
