"use strict";
(() => {
  const $ = (id) => document.getElementById(id);
  const root = document.documentElement;
  const dark = matchMedia("(prefers-color-scheme: dark)");

  // Theme: the reader's system decides until the button does.
  const theme = $("theme");
  const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : dark.matches);
  const nameTheme = () => { theme.textContent = isDark() ? "Light" : "Dark"; };
  let recolor = () => {};
  theme.hidden = false;
  nameTheme();
  theme.addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    nameTheme();
    recolor();
  });
  dark.addEventListener("change", () => { nameTheme(); recolor(); });

  // Copying may be refused, as in a page opened from a file; then the text is selected instead.
  const copy = $("copy");
  copy.hidden = false;
  copy.addEventListener("click", () => {
    const select = () => {
      getSelection().selectAllChildren($("command"));
      copy.textContent = "Selected";
    };
    if (!navigator.clipboard) return select();
    navigator.clipboard.writeText($("command").textContent)
      .then(() => { copy.textContent = "Copied"; }, select);
  });

  // On paper, everything is open.
  let opened = [];
  addEventListener("beforeprint", () => {
    opened = [...document.querySelectorAll("details:not([open])")];
    opened.forEach((one) => { one.open = true; });
  });
  addEventListener("afterprint", () => { opened.forEach((one) => { one.open = false; }); });

  const data = JSON.parse($("timeline-data").textContent);
  const canvas = $("canvas");
  const pen = canvas.getContext("2d");
  const count = data.ops.index.length;
  if (!pen || count === 0) return;
  $("timeline-live").hidden = false;

  // Times in microseconds. Rows of one lane stand together, in the order of time.
  const { index, process, fate } = data.ops;
  const start = new Float64Array(count);
  const end = new Float64Array(count);
  const laneOf = new Int32Array(count);
  const first = [];
  const byIndex = new Map();
  const whole = { from: 0, to: Math.max(data.end, 1) };
  {
    let row = 0;
    data.lanes.forEach((lane, at) => {
      first.push(row);
      let time = 0;
      const last = row + lane.ops;
      for (; row < last; row++) {
        time += data.ops.start[row];
        start[row] = time;
        laneOf[row] = at;
        byIndex.set(index[row], row);
      }
      for (let back = last - 1; back >= first[at]; back--) {
        const took = data.ops.took[back];
        const next = back + 1 < last ? start[back + 1] : whole.to;
        end[back] = took >= 0 ? start[back] + took : Math.max(start[back], next);
      }
    });
    first.push(count);
  }
  const inTime = Uint32Array.from({ length: count }, (_, row) => row)
    .sort((a, b) => start[a] - start[b] || index[a] - index[b]);
  const marks = new Set(data.marks.map((mark) => byIndex.get(mark)).filter((row) => row >= 0));

  const text = (column, row) => {
    const id = data.ops[column][row];
    return id < 0 ? "" : data.texts[id];
  };
  const asked = (row) => (text("f", row) + " " + text("call", row)).trim();
  const label = (row) => {
    if (fate[row] === 1) return asked(row) + " → failed";
    if (fate[row] === 2) return asked(row) + " → ?";
    const reply = text("reply", row);
    return asked(row) + " → " + (reply === "" ? "ok" : reply === "null" ? "nothing" : reply);
  };
  const duration = (micros) =>
    micros < 1e3 ? micros.toFixed(0) + " µs" : micros < 1e6 ? (micros / 1e3).toFixed(2) + " ms"
      : (micros / 1e6).toFixed(3) + " s";
  const describe = (row) => {
    const node = data.lanes[laneOf[row]].node;
    const key = text("key", row);
    const error = text("error", row);
    const took = data.ops.took[row];
    return "#" + index[row] + "  " + label(row) + (key ? "   key " + key : "") + "\n"
      + (node ? node + ", " : "") + "process " + process[row] + ", at "
      + (start[row] / 1e6).toFixed(6) + " s, "
      + (took < 0 ? "never ended" : "took " + duration(took)) + (error ? "\n" + error : "")
      + (marks.has(row) ? "\npart of an anomaly" : "");
  };

  const GUTTER = 64;
  const HEAD = 38;
  const laneHeight = Math.max(5, Math.min(24, Math.floor(500 / data.lanes.length)));
  const height = HEAD + data.lanes.length * laneHeight + 4;
  const view = { ...whole };
  let width = 0;
  let selected = -1;
  let matches = null;
  let colors = {};
  const x = (time) => GUTTER + (time - view.from) / (view.to - view.from) * (width - GUTTER);
  const timeAt = (px) => view.from + (px - GUTTER) / (width - GUTTER) * (view.to - view.from);

  recolor = () => {
    const probe = document.createElement("span");
    document.body.append(probe);
    const names = ["card", "ink", "ink-2", "line", "ok", "fail", "info", "fault", "culprit"];
    for (const name of names) {
      probe.style.color = "var(--" + name + ")";
      colors[name] = getComputedStyle(probe).color;
    }
    probe.remove();
    draw();
  };

  let waiting = false;
  const draw = () => {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => { waiting = false; paint(); });
  };

  const paint = () => {
    if (width <= GUTTER) return;
    pen.fillStyle = colors.card;
    pen.fillRect(0, 0, width, height);
    pen.textBaseline = "middle";
    paintHead();
    paintFaults();
    for (let lane = 0; lane < data.lanes.length; lane++) paintLane(lane);
    if (selected >= 0) outline(selected);
    paintGutter();
    moveWindow();
  };

  const paintHead = () => {
    pen.font = "11px system-ui, sans-serif";
    pen.textAlign = "center";
    const raw = (view.to - view.from) / Math.max(2, (width - GUTTER) / 110);
    const power = 10 ** Math.floor(Math.log10(raw));
    const step = [1, 2, 5, 10].map((m) => m * power).find((s) => s >= raw);
    for (let tick = Math.ceil(view.from / step) * step; tick <= view.to; tick += step) {
      const at = x(tick);
      pen.fillStyle = colors.line;
      pen.fillRect(Math.round(at), 18, 1, height - 18);
      pen.fillStyle = colors["ink-2"];
      const digits = step >= 1e6 ? 0 : Math.min(6, Math.ceil(6 - Math.log10(step) - 1e-9));
      if (at > GUTTER + 16 && at < width - 24) pen.fillText((tick / 1e6).toFixed(digits) + " s", at, 10);
    }
  };

  const paintFaults = () => {
    pen.textAlign = "left";
    for (const fault of data.faults) {
      const from = Math.max(GUTTER, x(fault.start));
      const to = Math.min(width, x(fault.end === null ? whole.to : fault.end));
      if (to < GUTTER || from > width || to < from) continue;
      const wide = Math.max(to - from, 1);
      pen.globalAlpha = 0.13;
      pen.fillStyle = colors.fault;
      pen.fillRect(from, 20, wide, height - 20);
      pen.globalAlpha = 1;
      pen.fillRect(from, 20, wide, 2);
      const room = Math.floor((to - from - 8) / 6.2);
      if (room > 3) pen.fillText(cut(fault.fault + " " + fault.summary, room), from + 4, 30);
    }
  };

  const cut = (words, room) => (words.length <= room ? words : words.slice(0, room - 1) + "…");

  const paintLane = (lane) => {
    const y = HEAD + lane * laneHeight;
    const from = first[lane];
    const to = first[lane + 1];
    // The first operation that may be visible: those of a lane hardly ever overlap.
    let low = from;
    let high = to;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (start[middle] < view.from) low = middle + 1; else high = middle;
    }
    let lastPixel = -1;
    let lastFate = -1;
    for (let row = Math.max(from, low - 2); row < to && start[row] <= view.to; row++) {
      const left = x(start[row]);
      const right = x(end[row]);
      if (right < GUTTER) continue;
      const pixel = Math.floor(left);
      const plain = selected !== row && !marks.has(row) && matches === null;
      if (plain && right - left < 1 && pixel === lastPixel && fate[row] <= lastFate) continue;
      lastPixel = pixel;
      lastFate = fate[row];
      bar(row, left, Math.max(right, left + 1.5), y);
    }
  };

  // Outcomes differ in shape too: a full bar, a low outline, a tall dashed one that is open at its end.
  const bar = (row, from, to, y) => {
    const left = Math.max(from, GUTTER - 4);
    const right = Math.min(to, width + 4);
    const wide = right - left;
    const marked = marks.has(row);
    const kind = fate[row];
    const inset = laneHeight > 9 ? 2 : 1;
    const top = y + (kind === 1 ? Math.floor(laneHeight * 0.45) : kind === 2 ? 0 : inset);
    const tall = y + laneHeight - (kind === 2 ? 0 : inset) - top;
    pen.globalAlpha = matches !== null && !matches.has(row) ? 0.13 : 1;
    const color = marked ? colors.culprit : kind === 0 ? colors.ok : kind === 1 ? colors.fail : colors.info;
    pen.fillStyle = color;
    pen.strokeStyle = color;
    if (wide < 5 || laneHeight < 8) {
      pen.fillRect(left, top, wide, tall);
    } else {
      const before = pen.globalAlpha;
      pen.globalAlpha = before * (kind === 0 ? 0.3 : kind === 2 ? 0.14 : 0.06);
      pen.fillRect(left, top, wide, tall);
      pen.globalAlpha = before;
      pen.lineWidth = marked ? 2 : 1;
      pen.setLineDash(kind === 2 ? [4, 3] : []);
      pen.beginPath();
      pen.moveTo(right - 0.5, top + 0.5);
      pen.lineTo(left + 0.5, top + 0.5);
      pen.lineTo(left + 0.5, top + tall - 0.5);
      pen.lineTo(right - 0.5, top + tall - 0.5);
      if (kind !== 2) pen.closePath();
      pen.stroke();
      pen.setLineDash([]);
      const room = Math.floor((wide - 8) / 6.1);
      if (laneHeight >= 14 && room > 3) {
        pen.fillStyle = colors.ink;
        pen.font = "10.5px ui-monospace, Menlo, Consolas, monospace";
        pen.textAlign = "left";
        pen.fillText(cut(label(row), room), left + 4, y + laneHeight * (kind === 1 ? 0.7 : 0.54));
      }
    }
    if (marked) {
      pen.beginPath();
      pen.moveTo(left - 3, y - 4);
      pen.lineTo(left + 5, y - 4);
      pen.lineTo(left + 1, y + 3);
      pen.fillStyle = colors.culprit;
      pen.fill();
    }
    pen.globalAlpha = 1;
  };

  const outline = (row) => {
    const y = HEAD + laneOf[row] * laneHeight;
    const left = x(start[row]);
    pen.strokeStyle = colors.ink;
    pen.lineWidth = 2;
    pen.strokeRect(left - 2, y, Math.max(x(end[row]) - left, 2) + 4, laneHeight);
  };

  const paintGutter = () => {
    pen.fillStyle = colors.card;
    pen.fillRect(0, 18, GUTTER - 2, height);
    pen.textAlign = "left";
    data.lanes.forEach((lane, at) => {
      const y = HEAD + at * laneHeight;
      if (at > 0 && data.lanes[at - 1].node === lane.node) return;
      pen.fillStyle = colors.line;
      pen.fillRect(0, y, width, 1);
      pen.fillStyle = colors.ink;
      pen.font = "600 12px system-ui, sans-serif";
      pen.fillText(cut(lane.node === null ? "clients" : lane.node, 8), 8, y + Math.max(9, laneHeight / 2 + 1));
    });
  };

  // The overview shows which part is zoomed into, and selects another.
  const overview = $("overview");
  const picture = overview.querySelector("svg");
  const scale = () => {
    const box = picture.getBoundingClientRect();
    const unit = box.width / 1000;
    return { left: box.left + 56 * unit, wide: 944 * unit };
  };
  const moveWindow = () => {
    const { left, wide } = scale();
    const base = overview.getBoundingClientRect().left + overview.clientLeft;
    const frame = $("window");
    frame.hidden = view.from <= whole.from && view.to >= whole.to;
    frame.style.left = left - base + view.from / whole.to * wide + "px";
    frame.style.width = Math.max(3, (view.to - view.from) / whole.to * wide) + "px";
  };

  const show = (from, to) => {
    const span = Math.min(Math.max(to - from, Math.min(50, whole.to)), whole.to);
    const at = Math.min(Math.max(from, 0), whole.to - span);
    view.from = at;
    view.to = at + span;
    draw();
  };
  const zoom = (factor, around) => {
    const fixed = around === undefined ? (view.from + view.to) / 2 : around;
    show(fixed - (fixed - view.from) * factor, fixed + (view.to - fixed) * factor);
  };
  const pan = (share) => {
    const by = (view.to - view.from) * share;
    show(view.from + by, view.to + by);
  };
  const select = (row) => {
    selected = row;
    $("status").textContent = describe(row);
    const span = view.to - view.from;
    if (start[row] < view.from || start[row] > view.to) {
      show(start[row] - span / 2, start[row] + span / 2);
    }
    const y = HEAD + laneOf[row] * laneHeight;
    const box = $("canvasbox");
    if (y < box.scrollTop || y + laneHeight > box.scrollTop + box.clientHeight) box.scrollTop = y - 80;
    draw();
  };
  const step = (by) => {
    let at = selected < 0 ? -1 : inTime.indexOf(selected);
    if (selected < 0) at = inTime.findIndex((row) => start[row] >= view.from) - (by > 0 ? 1 : 0);
    do { at += by; } while (at >= 0 && at < count && matches !== null && !matches.has(inTime[at]));
    if (at >= 0 && at < count) select(inTime[at]);
  };
  const actions = {
    in: () => zoom(0.5), out: () => zoom(2), left: () => pan(-0.25), right: () => pan(0.25),
    all: () => show(whole.from, whole.to), previous: () => step(-1), next: () => step(1),
  };
  const keys = {
    "+": "in", "=": "in", "-": "out", ArrowLeft: "left", ArrowRight: "right", 0: "all",
    "[": "previous", "]": "next", Home: "all",
  };
  for (const button of document.querySelectorAll("[data-do]")) {
    button.addEventListener("click", () => actions[button.dataset.do]());
  }
  canvas.addEventListener("keydown", (event) => {
    const action = keys[event.key];
    if (!action || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    actions[action]();
  });

  const near = (event) => {
    const box = canvas.getBoundingClientRect();
    const lane = Math.floor((event.clientY - box.top - HEAD) / laneHeight);
    if (lane < 0 || lane >= data.lanes.length) return -1;
    const px = event.clientX - box.left;
    const time = timeAt(px);
    let low = first[lane];
    let high = first[lane + 1];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (start[middle] <= time) low = middle + 1; else high = middle;
    }
    let best = -1;
    let distance = 6;
    for (let row = Math.max(first[lane], low - 4); row < Math.min(first[lane + 1], low + 3); row++) {
      const away = Math.max(x(start[row]) - px, px - x(end[row]), 0);
      if (away < distance) { distance = away; best = row; }
    }
    return best;
  };

  const tip = $("tip");
  let drag = null;
  canvas.addEventListener("pointerdown", (event) => {
    drag = { x: event.clientX, y: event.clientY, from: view.from, moved: false };
    canvas.setPointerCapture(event.pointerId);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (drag) {
      const by = event.clientX - drag.x;
      if (Math.abs(by) > 3) drag.moved = true;
      const span = view.to - view.from;
      const from = drag.from - by / (width - GUTTER) * span;
      if (drag.moved) show(from, from + span);
      tip.hidden = true;
      return;
    }
    const row = near(event);
    tip.hidden = row < 0;
    if (row < 0) return;
    tip.textContent = describe(row);
    tip.style.left = Math.min(event.clientX + 14, innerWidth - tip.offsetWidth - 10) + "px";
    tip.style.top = Math.min(event.clientY + 16, innerHeight - tip.offsetHeight - 10) + "px";
  });
  canvas.addEventListener("pointerup", (event) => {
    const row = drag && !drag.moved ? near(event) : -1;
    drag = null;
    if (row >= 0) select(row);
  });
  canvas.addEventListener("pointercancel", () => { drag = null; });
  canvas.addEventListener("pointerleave", () => { tip.hidden = true; });
  canvas.addEventListener("dblclick", (event) =>
    zoom(0.3, timeAt(event.clientX - canvas.getBoundingClientRect().left)));
  canvas.addEventListener("wheel", (event) => {
    // A page that is being scrolled must not get stuck here.
    if (!event.ctrlKey && !event.metaKey && document.activeElement !== canvas) return;
    event.preventDefault();
    if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
      return pan((event.deltaX || event.deltaY) / 900);
    }
    zoom(Math.exp(Math.max(-300, Math.min(300, event.deltaY)) * 0.0022),
      timeAt(event.clientX - canvas.getBoundingClientRect().left));
  }, { passive: false });

  let brush = null;
  const overviewTime = (event) => {
    const { left, wide } = scale();
    return Math.min(Math.max((event.clientX - left) / wide, 0), 1) * whole.to;
  };
  overview.addEventListener("pointerdown", (event) => {
    brush = { time: overviewTime(event), x: event.clientX };
    overview.setPointerCapture(event.pointerId);
  });
  overview.addEventListener("pointermove", (event) => {
    if (!brush || Math.abs(event.clientX - brush.x) < 4) return;
    const time = overviewTime(event);
    show(Math.min(brush.time, time), Math.max(brush.time, time));
  });
  overview.addEventListener("pointerup", (event) => {
    if (brush && Math.abs(event.clientX - brush.x) < 4) {
      const span = Math.min(view.to - view.from, whole.to / 12);
      show(brush.time - span / 2, brush.time + span / 2);
    }
    brush = null;
  });

  // Links to an operation lead into the timeline.
  document.addEventListener("click", (event) => {
    const link = event.target.closest("[data-op]");
    const row = link ? byIndex.get(Number(link.getAttribute("data-op"))) : undefined;
    if (row === undefined) return;
    event.preventDefault();
    const span = Math.max((end[row] - start[row]) * 12, 20000);
    show(start[row] - span / 2, start[row] + span / 2);
    select(row);
    $("timeline").scrollIntoView();
    canvas.focus({ preventScroll: true });
  });

  const filter = $("filter");
  let later = 0;
  filter.addEventListener("input", () => {
    clearTimeout(later);
    later = setTimeout(() => {
      const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
      matches = words.length === 0 ? null : new Set();
      for (let row = 0; matches !== null && row < count; row++) {
        const node = data.lanes[laneOf[row]].node || "";
        const all = (label(row) + " key " + text("key", row) + " " + node + " #" + index[row] + " "
          + text("error", row)).toLowerCase();
        if (words.every((word) => all.includes(word))) matches.add(row);
      }
      $("status").textContent = matches === null ? "" : matches.size + " operations match.";
      draw();
    }, 150);
  });

  const fit = () => {
    if (width === $("canvasbox").clientWidth) return;
    width = $("canvasbox").clientWidth;
    const ratio = devicePixelRatio || 1;
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
    canvas.style.height = height + "px";
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    paint();
  };
  addEventListener("resize", () => requestAnimationFrame(fit));
  recolor();
  fit();
})();
