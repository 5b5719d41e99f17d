// Colours, patterns and glyphs. No meaning rests on colour alone: bad states are hatched, and every mark has a shape.
// The hues are spaced for red-green blindness (blue, vermilion, amber, pink, green of differing lightness).

const SHADES = {
  //          light      dark       pattern
  bad:       ["#c8500a", "#ff8f57", "hatch"],
  lost:      ["#a8477f", "#f09ac8", "cross"],
  risk:      ["#d9930a", "#f5b942", "dots"],
  busy:      ["#8f7a00", "#d8c64a", "dots"],
  mended:    ["#0b8a66", "#45cfa4", ""],
  good:      ["#2f74ad", "#4f9fdc", ""],
  early:     ["#8fc1e3", "#2f5f86", ""],
  late:      ["#a9b8c4", "#56636f", ""],
  idle:      ["#b9c0c6", "#4a535b", ""],
  unsure:    ["#9aa3ab", "#76808a", "sparse"],
};
const SHADE_OF = {
  broken: "bad", stuck: "bad", blocked: "bad",
  leaked: "lost", failed_to_start: "lost", removed_by_other: "lost",
  at_risk: "risk", rotation_overdue: "risk",
  stopping: "busy",
  recovered: "mended",
  able: "good", running: "good", healthy: "good", attached: "good",
  created: "early", detached: "late", kept: "late",
  stopped: "idle", deleted: "idle", active: "idle", absent: "idle",
  unknown: "unsure", unable: "unsure",
};
const THIN = new Set(["active", "absent", "stopped", "deleted"]);
const BAD = new Set(["broken", "stuck", "blocked", "leaked", "failed_to_start", "removed_by_other", "rotation_overdue"]);

const PALETTES = {
  light: { back: "#ffffff", stripe: "#f6f8fa", text: "#1f2328", soft: "#59636e", line: "#d8dee4", focus: "#0550ae",
           group: "#eef1f4", pick: "#fff3c4", kin: "#eaf3ff", brush: "rgba(5,80,174,.13)", guide: "rgba(200,80,10,.55)",
           guideUp: "rgba(11,138,102,.6)", plain: "#6b7680" },
  dark:  { back: "#14181d", stripe: "#191e24", text: "#e6edf3", soft: "#9da7b3", line: "#333b44", focus: "#79b8ff",
           group: "#20262d", pick: "#4a3f14", kin: "#1b2c40", brush: "rgba(121,184,255,.18)", guide: "rgba(255,143,87,.6)",
           guideUp: "rgba(69,207,164,.6)", plain: "#8b95a0" },
};
const MARK_SHADE = {
  break: "bad", denied: "bad", error: "risk", restore: "mended", recovered: "mended", stop: "busy", launch: "good",
  create: "good", attach: "good", detach: "late", delete: "idle", issue: "good", rotate: "mended", change: "text", call: "plain",
};
const GLYPH = 15;

function darkNow() {
  const body = document.body;
  if (body.dataset.jpThemeLight) return body.dataset.jpThemeLight === "false";
  const classes = `${body.className} ${document.documentElement.className}`;
  if (/\bvscode-(dark|high-contrast)\b(?!-light)/.test(classes) || /(^|\s)dark(-theme)?(\s|$)/.test(classes)) return true;
  if (/\bvscode-light\b|(^|\s)light(-theme)?(\s|$)/.test(classes)) return false;
  return matchMedia("(prefers-color-scheme: dark)").matches;
}

function makeTheme(context, board, ratio) {
  const dark = darkNow();
  const side = dark ? 1 : 0;
  const palette = PALETTES[dark ? "dark" : "light"];
  const theme = { ...palette, dark, fills: [], patterns: [], bad: [], thin: [], inks: [], sprites: [] };
  for (const state of board.table.states) {
    const shade = SHADES[SHADE_OF[state]];
    theme.fills.push(shade[side]);
    theme.patterns.push(shade[2] ? pattern(context, shade[2], shade[side], palette, ratio) : null);
    theme.bad.push(BAD.has(state));
    theme.inks.push(inkOn(shade[side]));
    theme.thin.push(THIN.has(state));
  }
  theme.sprites = board.table.marks.map((kind) => sprite(kind, palette, side, ratio));
  theme.star = starSprite(palette, ratio);
  return theme;
}

// Black or white, whichever reads better on a colour (WCAG 2.2, relative luminance).
function inkOn(colour) {
  const parts = [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16) / 255);
  const [r, g, b] = parts.map((one) => (one <= 0.04045 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4));
  const light = 0.2126 * r + 0.7152 * g + 0.0722 * b;
  return 1.05 / (light + 0.05) > (light + 0.05) / 0.05 ? "#ffffff" : "#000000";
}

// A pattern is drawn over the colour in the colour of the page, so that it reads without any hue.
function pattern(context, kind, colour, palette, ratio) {
  const size = Math.round(8 * ratio);
  const tile = document.createElement("canvas");
  tile.width = tile.height = size;
  const on = tile.getContext("2d");
  on.fillStyle = colour;
  on.fillRect(0, 0, size, size);
  on.strokeStyle = on.fillStyle = palette.back;
  on.globalAlpha = 0.55;
  on.lineWidth = 1.6 * ratio;
  const line = (x0, y0, x1, y1) => { on.beginPath(); on.moveTo(x0, y0); on.lineTo(x1, y1); on.stroke(); };
  if (kind === "hatch" || kind === "cross") {
    for (const shift of [-size, 0, size]) line(shift, size, shift + size, 0);
  }
  if (kind === "cross") {
    for (const shift of [-size, 0, size]) line(shift, 0, shift + size, size);
  }
  if (kind === "sparse") line(size / 2, 0, size / 2, size);
  if (kind === "dots") {
    for (const [x, y] of [[2, 2], [6, 6]]) {
      on.beginPath();
      on.arc(x * ratio, y * ratio, 1.25 * ratio, 0, 7);
      on.fill();
    }
  }
  const made = context.createPattern(tile, "repeat");
  made.setTransform(new DOMMatrix().scale(1 / ratio));
  return made;
}

const SHAPES = {
  break: (on, r) => polygon(on, [[-r, -r * 0.8], [r, -r * 0.8], [0, r]]),
  restore: (on, r) => polygon(on, [[-r, r * 0.8], [r, r * 0.8], [0, -r]]),
  recovered: (on, r) => tick(on, r),
  denied: (on, r) => cross(on, r * 0.85),
  error: (on, r) => bang(on, r),
  stop: (on, r) => square(on, r * 0.75),
  launch: (on, r) => polygon(on, [[-r * 0.7, -r], [r, 0], [-r * 0.7, r]]),
  create: (on, r) => plus(on, r),
  attach: (on, r) => circle(on, r * 0.8, true),
  detach: (on, r) => circle(on, r * 0.75, false),
  delete: (on, r) => square(on, r * 0.72, false),
  issue: (on, r) => polygon(on, [[0, -r], [r, 0], [0, r], [-r, 0]]),
  rotate: (on, r) => ring(on, r * 0.75),
  change: (on, r) => polygon(on, [[0, -r * 0.8], [r * 0.8, 0], [0, r * 0.8], [-r * 0.8, 0]], false),
  call: (on, r) => { on.fillRect(-0.6, -r * 0.75, 1.2, r * 1.5); },
};

function polygon(on, points, full = true) {
  on.beginPath();
  points.forEach(([x, y], place) => (place ? on.lineTo(x, y) : on.moveTo(x, y)));
  on.closePath();
  on.stroke();
  if (full) on.fill();
  else { on.save(); on.lineWidth = 1.5; on.strokeStyle = on.fillStyle; on.stroke(); on.restore(); }
}
function strokes(on, lines, width = 2.1) {
  for (const [wide, style] of [[width + 2.2, on.strokeStyle], [width, on.fillStyle]]) {
    on.save();
    on.lineWidth = wide;
    on.strokeStyle = style;
    on.lineCap = "round";
    for (const points of lines) {
      on.beginPath();
      points.forEach(([x, y], place) => (place ? on.lineTo(x, y) : on.moveTo(x, y)));
      on.stroke();
    }
    on.restore();
  }
}
const cross = (on, r) => strokes(on, [[[-r, -r], [r, r]], [[-r, r], [r, -r]]]);
const plus = (on, r) => strokes(on, [[[-r, 0], [r, 0]], [[0, -r], [0, r]]]);
const tick = (on, r) => strokes(on, [[[-r, 0], [-r * 0.2, r * 0.8], [r, -r * 0.8]]]);
const bang = (on, r) => strokes(on, [[[0, -r], [0, r * 0.2]], [[0, r * 0.9], [0, r]]]);
function square(on, r, full = true) {
  polygon(on, [[-r, -r], [r, -r], [r, r], [-r, r]], full);
}
function circle(on, r, full) {
  on.beginPath();
  on.arc(0, 0, r, 0, 7);
  on.stroke();
  if (full) on.fill();
  else { on.save(); on.lineWidth = 1.7; on.strokeStyle = on.fillStyle; on.stroke(); on.restore(); }
}
function ring(on, r) {
  on.save();
  const colour = on.fillStyle;
  for (const [wide, style] of [[4, on.strokeStyle], [2, colour]]) {
    on.lineWidth = wide;
    on.strokeStyle = style;
    on.beginPath();
    on.arc(0, 0, r, 0.6, 5.6);
    on.stroke();
  }
  on.restore();
  polygon(on, [[r * 0.2, -r * 0.3], [r * 1.25, -r * 0.1], [r * 0.85, -r * 1.2]]);
}

function sprite(kind, palette, side, ratio) {
  const shade = MARK_SHADE[kind];
  const colour = SHADES[shade] ? SHADES[shade][side] : palette[shade];
  return drawn(ratio, (on) => {
    on.fillStyle = colour;
    on.strokeStyle = palette.back;
    on.lineWidth = 2.4;
    on.lineJoin = "round";
    SHAPES[kind](on, 4.6);
  });
}

function starSprite(palette, ratio) {
  return drawn(ratio, (on) => {
    on.fillStyle = palette.dark ? "#ffd75e" : "#b58100";
    on.strokeStyle = palette.back;
    on.lineWidth = 2;
    const points = [];
    for (let corner = 0; corner < 10; corner += 1) {
      const r = corner % 2 ? 2.4 : 5.6;
      const angle = (corner * Math.PI) / 5 - Math.PI / 2;
      points.push([r * Math.cos(angle), r * Math.sin(angle)]);
    }
    polygon(on, points);
  });
}

function drawn(ratio, draw) {
  const made = document.createElement("canvas");
  made.width = made.height = Math.round(GLYPH * ratio);
  const on = made.getContext("2d");
  on.scale(ratio, ratio);
  on.translate(GLYPH / 2, GLYPH / 2);
  draw(on);
  return made;
}
