// What Python sent (packing.py): one buffer of typed arrays, and the words beside it.

const NONE = 0xffffffff;
const ARRAYS = { u1: Uint8Array, u4: Uint32Array, f8: Float64Array };

async function openBoard(table, bytes) {
  const packed = bytes instanceof DataView
    ? new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    : new Uint8Array(bytes);
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
  const buffer = await new Response(stream).arrayBuffer();
  const board = { table };
  for (const [name, [kind, offset, length]] of Object.entries(table.columns)) {
    board[name] = new ARRAYS[kind](buffer, offset, length);
  }
  board.lanes = board.lane_kind.length;
  board.events = board.event_time.length;
  board.state = Object.fromEntries(table.states.map((name, place) => [name, place]));
  board.mark = Object.fromEntries(table.marks.map((name, place) => [name, place]));
  board.outcome = Object.fromEntries(table.outcomes.map((name, place) => [name, place]));
  return board;
}

// The first place in [from, to) whose value is not below `wanted`.
function firstNotBelow(values, wanted, from, to) {
  let low = from;
  let high = to;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (values[middle] < wanted) low = middle + 1;
    else high = middle;
  }
  return low;
}

const decoder = new TextDecoder();
function eventId(board, event) {
  return decoder.decode(board.ids.subarray(board.ids_at[event], board.ids_at[event + 1]));
}

function word(list, place) {
  return place === NONE ? "" : list[place];
}

function words(name) {
  return name.replaceAll("_", " ");
}

const two = (number) => String(number).padStart(2, "0");

function clock(time, seconds = true) {
  const at = new Date(time);
  return `${two(at.getUTCHours())}:${two(at.getUTCMinutes())}${seconds ? `:${two(at.getUTCSeconds())}` : ""}`;
}

function day(time) {
  const at = new Date(time);
  return `${at.getUTCFullYear()}-${two(at.getUTCMonth() + 1)}-${two(at.getUTCDate())}`;
}

function moment(time) {
  return `${day(time)} ${clock(time)}`;
}

function duration(milliseconds) {
  let left = Math.max(0, Math.round(milliseconds / 1000));
  const parts = [];
  for (const [unit, size] of [["d", 86400], ["h", 3600], ["min", 60], ["s", 1]]) {
    const amount = Math.floor(left / size);
    left -= amount * size;
    if (amount) parts.push(`${amount} ${unit}`);
  }
  return parts.slice(0, 2).join(" ") || "0 s";
}

function counted(number, one, many = `${one}s`) {
  return `${number.toLocaleString("en-US")} ${number === 1 ? one : many}`;
}
