// Where rows stand: groups with a head, lanes below it; heights add up to the length of the scroll.

const HEAD_HEIGHT = 28;
const LANE_HEIGHT = 21;
const LABELS = 250;

// Rows from top to bottom: `lane` >= 0, or -1 for the head of group `kind`.
function layRows(board, pass, collapsed) {
  const lanes = [];
  const kinds = [];
  const tops = [];
  const groups = board.table.kinds.map(() => ({ shown: 0, all: 0, lanes: [] }));
  for (let lane = 0; lane < board.lanes; lane += 1) {
    const group = groups[board.lane_kind[lane]];
    group.all += 1;
    if (pass.lanes[lane]) {
      group.shown += 1;
      group.lanes.push(lane);
    }
  }
  let top = 0;
  groups.forEach((group, kind) => {
    if (!group.all) return;
    lanes.push(-1);
    kinds.push(kind);
    tops.push(top);
    top += HEAD_HEIGHT;
    if (collapsed.has(board.table.kinds[kind].name)) return;
    for (const lane of group.lanes) {
      lanes.push(lane);
      kinds.push(kind);
      tops.push(top);
      top += LANE_HEIGHT;
    }
  });
  return { lanes, kinds, tops: Float64Array.from(tops), height: top, groups };
}

function rowAt(rows, y) {
  const place = firstNotBelow(rows.tops, y + 0.001, 0, rows.tops.length) - 1;
  if (place < 0) return -1;
  const height = rows.lanes[place] < 0 ? HEAD_HEIGHT : LANE_HEIGHT;
  return y < rows.tops[place] + height ? place : -1;
}

const STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 172800, 604800,
  1209600, 2592000, 7776000, 31536000].map((seconds) => seconds * 1000);

function ticks(from, to, width, room) {
  const least = ((to - from) / width) * room;
  const step = STEPS.find((one) => one >= least) || STEPS[STEPS.length - 1];
  const found = [];
  for (let time = Math.ceil(from / step) * step; time <= to; time += step) found.push(time);
  return { step, times: found };
}

const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

function tickText(time, step) {
  if (step >= 86400000 || time % 86400000 === 0) {
    const at = new Date(time);
    return `${at.getUTCDate()} ${MONTHS[at.getUTCMonth()]}`;
  }
  return clock(time, step < 60000);
}
