"use strict";
/* ---- Small tools ---- */
const $ = (id) => document.getElementById(id);
const el = (tag, cls, text) => {
  const node = document.createElement(tag);
  if (cls) node.className = cls;
  if (text !== undefined) node.textContent = text; // Text stays text: nothing here is ever parsed as HTML.
  return node;
};
const wsUrl = (path) => location.origin.replace(/^http/, "ws") + path;
const plural = (n, one, many) => `${n} ${n === 1 ? one : many}`;
const clip = (s) => [...(s ?? "").trim()].slice(0, 64).join("");
// Storage throws where cookies are blocked; the page then merely forgets.
const recall = (store, key) => { try { return window[store].getItem(key); } catch { return null; } };
const remember = (store, key, value) => { try { window[store].setItem(key, value); } catch { /* forgotten */ } };

const clockFace = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const fullDate = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "medium" });
const graphemes = window.Intl.Segmenter ? new Intl.Segmenter() : null;

function timeOf(ms) {
  const when = new Date(Number.isFinite(ms) ? ms : Date.now());
  const node = el("time", "", clockFace.format(when));
  node.dateTime = when.toISOString();
  node.title = fullDate.format(when);
  return node;
}
/** The same name has the same colour in every tab. */
function hueOf(name) {
  let hash = 2166136261;
  for (const c of name) hash = Math.imul(hash ^ c.codePointAt(0), 16777619);
  return (hash >>> 0) % 24 * 15;
}
function faceOf(name) {
  const first = graphemes ? [...graphemes.segment(name)][0]?.segment : [...name][0];
  const node = el("span", "face", (first ?? "?").toUpperCase());
  node.style.setProperty("--hue", hueOf(name));
  node.ariaHidden = "true";
  return node;
}

/* ---- The log ---- */
const LOG_LIMIT = 1000; // Older items go, so that a tab left open for a week stays quick.
const GROUP_MS = 5 * 60 * 1000; // Within a group only the head shows its time, so a group must be short.
const scroller = $("scroller"), log = $("log");
let last = null; // what the newest item is, to group by
let atBottom = true, unseen = 0, unread = 0;

function append(item) {
  log.append(item);
  while (log.childElementCount > LOG_LIMIT) log.firstElementChild.remove();
  if (atBottom) follow();
}
function addLine({ name, text, time }) {
  const own = name === chat.me;
  const first = !(last?.name === name && last.own === own && time - last.time < GROUP_MS);
  const stamp = timeOf(time);
  const item = el("li", `${first ? "first" : ""}${own ? " own" : ""}`.trim());
  item.dataset.type = "line";
  item.dataset.name = name;
  item.style.setProperty("--hue", hueOf(name));
  if (first) {
    const by = el("div", "by");
    by.append(el("span", own ? "sr" : "who", own ? "You" : name), stamp);
    if (!own) item.append(faceOf(name));
    item.append(by);
  } else {
    item.append(el("span", "sr", `${own ? "You" : name}: `));
  }
  const words = el("p", text.length > 4000 ? "text vast" : "text", text);
  words.dir = "auto"; // Hebrew and Arabic run their own way.
  words.title = stamp.title;
  item.append(words);
  last = { name, own, time: first ? time : last.time };
  if (own) setAtBottom(true); // The one who speaks wants to see it.
  append(item);
  if (!atBottom) showUnseen(unseen + 1);
  if (document.hidden && !own) { unread += 1; titleTab(); }
}
function addNotice(type, name, text, time) {
  const item = el("li");
  item.dataset.type = type;
  item.dataset.name = name;
  item.append(el("span", "text", text), timeOf(time));
  last = null;
  append(item);
}

let framed = false, followedTo = 0;
/** Scrolls down once per frame, however many items came in it. */
function follow() {
  if (framed) return;
  framed = true;
  requestAnimationFrame(() => {
    framed = false;
    if (!atBottom) return;
    scroller.scrollTop = scroller.scrollHeight;
    followedTo = scroller.scrollTop;
  });
}
function setAtBottom(yes) {
  atBottom = yes;
  // Anchoring holds a reader's place as old items go; at the bottom it would only look like scrolling up.
  scroller.style.overflowAnchor = yes ? "none" : "auto";
  if (yes && unseen) showUnseen(0);
}
function showUnseen(n) {
  unseen = n;
  $("newer").hidden = n === 0;
  $("newer").textContent = `↓ ${plural(n, "new message", "new messages")}`;
}
scroller.addEventListener("scroll", () => {
  // More lines may have come since `follow` scrolled: only upwards is the reader's doing then.
  if (atBottom && scroller.scrollTop >= followedTo - 1) return;
  setAtBottom(scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < 48);
}, { passive: true });
// A phone's keyboard or the banner takes height: stay where the reader was, at the bottom.
new ResizeObserver(() => { if (atBottom) follow(); }).observe(scroller);
$("newer").addEventListener("click", () => {
  setAtBottom(true);
  follow();
  $("line").focus();
});
function titleTab() {
  document.title = chat.wanted ? `${unread ? `(${unread}) ` : ""}#${chat.wanted.room} · ws` : "ws chat";
}

/* ---- Members ---- */
function showMembers(names) {
  chat.members = names;
  delete $("people").dataset.stale;
  $("people-h").textContent = "Here now";
  $("heads").textContent = $("here").textContent = names.length;
  $("members").replaceChildren(...names.map((name) => {
    const item = el("li"), label = el("b", "", name);
    item.dataset.name = name;
    label.dir = "auto";
    label.title = name;
    item.append(faceOf(name), label);
    if (name === chat.me) item.append(el("small", "", "you"));
    return item;
  }));
}

/** Without a connection nobody knows who is there; say so rather than show an empty room. */
function membersGone() {
  $("people").dataset.stale = "";
  $("people-h").textContent = "Last seen here";
}

/* ---- The connection ---- */
const MAX_LINE = 1024 * 1024; // what the server takes, in bytes of UTF-8
const MAX_WAIT = 60, STEADY_MS = 5000, CONNECT_MS = 15000;
const chat = { wanted: null, socket: null, me: "", members: [], state: "closed", attempt: 0, timer: 0, steady: 0, cameBack: false };

const CLOSE_REASONS = {
  1000: "The server ended the connection.", 1001: "The server is going away.", 1006: "The connection broke.",
  1007: "The server could not read that text.", 1008: "The server refused the connection.",
  1009: "That message was too big for the server.", 1011: "The server ran into trouble.",
  1012: "The server is restarting.", 1013: "The server is busy.",
};

function setState(state, word) {
  chat.state = state;
  $("state").dataset.state = state;
  if ($("word").textContent !== word) $("word").textContent = word;
  if (state !== "waiting") $("count").textContent = "";
  $("send").ariaDisabled = String(state !== "open");
  runClock();
}
function connect() {
  clearTimeout(chat.timer);
  drop();
  setState("connecting", chat.cameBack || chat.attempt ? "Reconnecting…" : "Connecting…");
  const { room, name } = chat.wanted;
  const socket = new WebSocket(wsUrl(`/chat?${new URLSearchParams({ room, name })}`));
  chat.socket = socket;
  let opened = false, greeted = false;
  // A handshake into a black hole can hang for minutes; give up on it and try afresh.
  chat.timer = setTimeout(() => lost("The server did not answer."), CONNECT_MS);
  // Every handler asks first whether this socket is still the one: an old one may speak after a switch.
  socket.onopen = () => {
    if (socket !== chat.socket) return;
    opened = true;
    clearTimeout(chat.timer);
    setState("open", "Connected");
    if (document.activeElement === $("retry")) $("line").focus();
    $("banner").hidden = true;
    // Only a connection that lasts earns a fresh start; else a crashing server would be hammered.
    chat.steady = setTimeout(() => { chat.attempt = 0; }, STEADY_MS);
  };
  socket.onmessage = ({ data }) => {
    if (socket !== chat.socket || typeof data !== "string") return;
    let event;
    try { event = JSON.parse(data); } catch { return; }
    if (event?.type === "line") {
      addLine(event);
    } else if (event?.type === "joined" && !greeted && event.you) {
      greeted = true;
      welcome(event);
    } else if (event?.type === "joined" || event?.type === "left") {
      addNotice(event.type, event.name, `${event.name} ${event.type}`, event.time);
      // Names are unique in a room.
      const others = chat.members.filter((name) => name !== event.name);
      showMembers(event.type === "joined" ? [...others, event.name] : others);
      showWhere(chat.members.length);
    }
  };
  socket.onclose = ({ code, reason }) => {
    if (socket !== chat.socket) return;
    if (!opened) lost("The server cannot be reached.");
    else lost(`${CLOSE_REASONS[code] ?? (reason || "The connection closed.")} (${code})`);
  };
}
/** Our own `joined`: it carries the name we really have. */
function welcome({ name, members, time }) {
  const { name: asked } = chat.wanted;
  chat.me = name;
  let words = chat.cameBack ? "You are back" : "You joined";
  if (name !== asked) words += ` as ${name}, since ${asked} is taken`;
  addNotice("joined", name, words, time);
  chat.cameBack = true;
  showMembers(members);
  showWhere(members.length);
  $("line").placeholder = `Message as ${name}`;
}
function showWhere(heads) {
  $("where").textContent = `${plural(heads, "person", "people")} here · you are ${chat.me}`;
}
/** Forgets the present socket; whatever it still says is ignored. */
function drop() {
  const old = chat.socket;
  chat.socket = null;
  clearTimeout(chat.steady);
  old?.close();
}
/** Waits before the next try: a random part of 1, 2, 4 … 60 s, so that a crowd does not return as one. */
function lost(why) {
  clearTimeout(chat.timer);
  drop();
  membersGone();
  $("where").textContent = "Nobody can hear you just now";
  $("why").textContent = `${why} What you type is kept.`;
  $("banner").hidden = false;
  const wait = Math.random() * Math.min(MAX_WAIT, 2 ** chat.attempt) * 1000;
  chat.attempt += 1;
  const due = performance.now() + wait;
  setState("waiting", navigator.onLine ? "Reconnecting" : "Offline, reconnecting");
  (function tick() {
    const left = due - performance.now();
    if (left <= 0) return connect();
    $("count").textContent = ` in ${Math.ceil(left / 1000)} s`;
    chat.timer = setTimeout(tick, Math.min(left, left % 1000 || 1000));
  })();
}
$("retry").addEventListener("click", () => { if (chat.state === "waiting") connect(); });
addEventListener("online", () => { if (chat.state === "waiting") { chat.attempt = 0; connect(); } });
addEventListener("offline", () => { if (chat.state === "waiting") $("word").textContent = "Offline, reconnecting"; });
// A page brought back from the browser's cache has lost its socket, at times without being told.
addEventListener("pageshow", (e) => { if (e.persisted && chat.wanted && chat.socket?.readyState !== WebSocket.OPEN) connect(); });

/* ---- The door: who and where ---- */
const form = $("who-where");

function enter(name, room) {
  const before = chat.wanted;
  if (before?.name === name && before.room === room && chat.state === "open") return;
  if (before?.room !== room) { // Another room is another talk.
    log.replaceChildren();
    last = null;
    setAtBottom(true);
  }
  chat.cameBack = Boolean(before) && before.room === room && before.name === name;
  chat.wanted = { name, room };
  chat.attempt = 0;
  unread = 0;
  remember("localStorage", "ws.name", name);
  remember("localStorage", "ws.room", room);
  // This tab's own seat, so that a reload returns to it even if another tab has since chosen otherwise.
  remember("sessionStorage", "ws.seat", JSON.stringify({ name, room }));
  // The address names the room only: a person who gets it should not come in under your name.
  history.replaceState(null, "", `?${new URLSearchParams({ room })}`);
  $("title").textContent = `#${room}`;
  $("title").title = room;
  $("where").textContent = "";
  $("line").placeholder = `Message as ${name}`;
  titleTab();
  if (!before) moveIn();
  showMembers([]);
  $("banner").hidden = true;
  connect();
}
function moveIn() {
  $("place").append(form);
  $("door").remove();
  for (const id of ["log", "foot", "people", "place"]) $(id).hidden = false;
  $("copy").hidden = !navigator.clipboard; // absent on plain http:// away from localhost; the address bar serves
  $("join").textContent = "Switch";
  $("join").className = "quiet";
  scroller.setAttribute("role", "log");
  scroller.ariaLabel = "Messages";
  scroller.tabIndex = 0; // so that the arrow keys can scroll it
}
form.addEventListener("submit", (e) => {
  e.preventDefault();
  const name = clip($("name").value), room = clip($("room").value) || "lobby";
  $("name").ariaInvalid = String(!name);
  $("wrong").hidden = Boolean(name);
  $("wrong").textContent = name ? "" : "A name, please, so that others know who speaks.";
  if (!name) return $("name").focus();
  $("name").value = name;
  $("room").value = room;
  form.dispatchEvent(new Event("input"));
  enter(name, room);
  closePanel();
  $("line").focus();
});
form.addEventListener("input", () => {
  if (!chat.wanted) return;
  const same = clip($("name").value) === chat.wanted.name && clip($("room").value) === chat.wanted.room;
  $("join").className = same ? "quiet" : "solid";
});
$("copy").addEventListener("click", async () => {
  try { await navigator.clipboard.writeText(location.href); } catch { return; }
  $("copy").textContent = "Copied";
  setTimeout(() => { $("copy").textContent = "Copy link"; }, 2000);
});

/* ---- Saying something ---- */
$("say").addEventListener("submit", (e) => {
  e.preventDefault();
  const text = $("line").value;
  const size = new TextEncoder().encode(text).length;
  $("tip").textContent = size > MAX_LINE ? `That is ${(size / MAX_LINE).toFixed(1)} MiB; the server takes 1 MiB at most.` : "";
  if (!text.trim() || size > MAX_LINE || chat.state !== "open") return; // The box keeps what was not sent.
  chat.socket.send(text);
  $("line").value = "";
  $("line").focus();
});
$("line").addEventListener("keydown", (e) => {
  // Enter that picks a candidate is not Enter that sends. Safari ends composition first and leaves only 229.
  if (e.key === "Enter" && (e.isComposing || e.keyCode === 229)) e.preventDefault();
});
$("line").addEventListener("input", () => { $("tip").textContent = ""; });

/* ---- The panel: beside the talk when there is room, else a sheet over it ---- */
const narrow = matchMedia("(max-width: 56rem)");
const panel = $("panel"), behind = [document.querySelector("header"), $("main"), document.querySelector(".skip")];

function openPanel() {
  panel.dataset.open = "";
  panel.setAttribute("role", "dialog");
  panel.ariaModal = "true";
  for (const node of behind) node.inert = true;
  $("panel-close").focus();
  runClock();
}
function closePanel() {
  if (!("open" in panel.dataset)) return;
  delete panel.dataset.open;
  panel.removeAttribute("role");
  panel.ariaModal = null;
  for (const node of behind) node.inert = false;
  $("panel-open").focus();
  runClock();
}
$("panel-open").addEventListener("click", openPanel);
$("panel-close").addEventListener("click", closePanel);
$("scrim").addEventListener("click", closePanel);
addEventListener("keydown", (e) => { if (e.key === "Escape" && !e.isComposing) closePanel(); });
narrow.addEventListener("change", () => { closePanel(); runClock(); });
document.querySelector(".skip").addEventListener("click", (e) => {
  e.preventDefault(); // The address is kept clean for sharing.
  (chat.wanted ? $("line") : $("name")).focus();
});

/* ---- The server's clock: listened to only while someone can see it ---- */
let ticking = null;
function runClock() {
  const useful = chat.state === "open" && !document.hidden && (!narrow.matches || "open" in panel.dataset);
  if (useful === Boolean(ticking)) return;
  const stop = () => { ticking = null; $("clock").textContent = ""; };
  if (!useful) {
    const old = ticking;
    stop();
    return old.close();
  }
  const socket = ticking = new WebSocket(wsUrl("/clock"));
  socket.onmessage = ({ data }) => {
    const at = /T(\d\d:\d\d:\d\d)/.exec(data);
    if (socket === ticking && at) $("clock").textContent = ` · its clock says ${at[1]} UTC`;
  };
  socket.onclose = () => { if (socket === ticking) stop(); };
}
document.addEventListener("visibilitychange", () => {
  runClock();
  if (!document.hidden) { unread = 0; titleTab(); }
});

/* ---- Echo: round trips, measured ---- */
const PROBES = 20, PROBE_MS = 5000, GAP_MS = 30;
let probing = null; // the socket of the run under way

/** Some browsers' clocks tick in whole milliseconds; a decimal would then be made up. */
const inMs = (ms, times) => {
  if (times.some((t) => Math.abs(t - Math.round(t)) > 0.01)) return ms.toFixed(ms < 100 ? 1 : 0);
  return ms < 1 ? "<1" : ms.toFixed(0);
};
const svg = (tag, attributes) => {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  return node;
};
/** The socket's next event; a close, or silence for too long, is an error. */
function next(socket, type) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error("No answer within 5 s.")), PROBE_MS);
    socket.onopen = socket.onmessage = (e) => { if (e.type === type) { clearTimeout(timer); resolve(e); } };
    socket.onclose = (e) => { clearTimeout(timer); reject(new Error(`The connection closed (${e.code}).`)); };
  });
}
async function probe(size) {
  const out = $("echo-result"), times = [];
  const payload = crypto.getRandomValues(new Uint8Array(size));
  const socket = probing = new WebSocket(wsUrl("/echo"));
  socket.binaryType = "arraybuffer";
  out.dataset.state = "running";
  out.replaceChildren();
  $("echo-run").textContent = "Stop";
  try {
    await next(socket, "open");
    while (times.length < PROBES) {
      if (socket.readyState !== WebSocket.OPEN) throw new Error("The connection closed.");
      const started = performance.now();
      socket.send(payload);
      const { data } = await next(socket, "message");
      times.push(performance.now() - started);
      const back = new Uint8Array(data);
      if (back.length !== size || back.some((byte, i) => byte !== payload[i])) throw new Error("The echo differs from what was sent.");
      draw(out, times);
      await new Promise((resolve) => setTimeout(resolve, GAP_MS));
    }
    out.dataset.state = "done";
    const { min, median, max } = summary(times);
    $("echo-said").textContent = `Round trips in milliseconds: least ${inMs(min, times)}, median ${inMs(median, times)}, most ${inMs(max, times)}.`;
  } catch (error) {
    if (probing !== socket) return; // stopped on purpose; what was measured stands
    out.dataset.state = "failed";
    out.append(el("p", "wrong", error.message));
    $("echo-said").textContent = error.message;
  }
  endProbe();
}
function endProbe() {
  probing.close();
  probing = null;
  $("echo-run").textContent = "Measure round trips";
}
function summary(times) {
  const sorted = [...times].sort((a, b) => a - b), n = sorted.length;
  return { min: sorted[0], median: (sorted[(n - 1) >> 1] + sorted[n >> 1]) / 2, max: sorted[n - 1] };
}
function draw(out, times) {
  const { min, median, max } = summary(times);
  const high = max || 1; // Clocks may be coarse enough to see no time pass at all.
  const label = `Round-trip times of ${plural(times.length, "probe", "probes")}, ${inMs(min, times)} to ${inMs(max, times)} ms`;
  const chart = svg("svg", { viewBox: `0 0 ${PROBES * 10} 100`, preserveAspectRatio: "none", role: "img", "aria-label": label });
  times.forEach((t, i) => {
    const height = Math.max(3, t / high * 100);
    const extreme = i === times.indexOf(max) ? "high" : i === times.indexOf(min) ? "low" : "";
    chart.append(svg("rect", { x: i * 10 + 1.5, y: 100 - height, width: 7, height, class: extreme }));
  });
  const y = 100 - median / high * 100;
  chart.append(svg("line", { x1: 0, x2: PROBES * 10, y1: y, y2: y }));
  const figures = el("dl");
  for (const [word, value, cls] of [["min", min, "low"], ["median", median, ""], ["max", max, "high"]]) {
    const cell = el("div"), figure = el("dd", cls, inMs(value, times));
    figure.append(el("small", "", " ms"));
    cell.append(el("dt", "", word), figure);
    figures.append(cell);
  }
  const each = el("ol");
  each.ariaLabel = "Each probe, in milliseconds";
  each.append(...times.map((t) => el("li", "", inMs(t, times))));
  out.replaceChildren(chart, figures, each);
}
$("echo-run").addEventListener("click", () => {
  if (!probing) return void probe(Number(document.querySelector("[name=size]:checked").value));
  $("echo-result").dataset.state = "stopped";
  endProbe();
});

/* ---- Start: the address first, then this tab's seat, then what was last chosen ---- */
{
  const asked = new URLSearchParams(location.search);
  let seat = null;
  try { seat = JSON.parse(recall("sessionStorage", "ws.seat")); } catch { /* not ours */ }
  const name = clip(asked.get("name") ?? seat?.name ?? recall("localStorage", "ws.name"));
  const room = clip(asked.get("room") ?? seat?.room ?? recall("localStorage", "ws.room")) || "lobby";
  $("name").value = name;
  $("room").value = room;
  const invited = asked.has("name") && asked.has("room"); // by a link with both
  const returned = seat?.name === name && seat.room === room; // by a reload
  if (name && (invited || returned)) enter(name, room);
  // On a touch screen focus would raise the keyboard over the greeting.
  if (matchMedia("(hover: hover)").matches) (chat.wanted ? $("line") : name ? $("join") : $("name")).focus();
}
