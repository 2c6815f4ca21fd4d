// The fixed start script of the page. It reads what the charts show from the
// data blocks, never from markup, and writes text only through textContent.
(function () {
  "use strict";
  var hosts = Array.prototype.slice.call(document.querySelectorAll(".plot"));
  var dark = window.matchMedia("(prefers-color-scheme: dark)");
  var charts = [];

  function css(name) { return getComputedStyle(document.documentElement).getPropertyValue(name).trim(); }

  function short(v) {
    var a = Math.abs(v), u = [[1e9, " G"], [1e6, " M"], [1e4, " k"]];
    for (var i = 0; i < u.length; i++) {
      if (a >= u[i][0]) { var d = u[i][0] === 1e4 ? 1e3 : u[i][0]; return +(v / d).toFixed(1) + u[i][1]; }
    }
    return String(+v.toFixed(a < 10 ? 2 : 1));
  }
  function format(kind, v) {
    if (v === null || v === undefined || v !== v || v === "-") { return "–"; }
    return kind === "share" ? +v.toFixed(3) + "" : short(v);
  }

  function row(box, colour, name, text) {
    var r = document.createElement("div"), s = document.createElement("span"), n = document.createElement("span"), t = document.createElement("b");
    r.className = "tip-row"; s.className = "tip-dot"; s.style.background = colour;
    n.textContent = name; t.textContent = text;
    r.appendChild(s); r.appendChild(n); r.appendChild(t); box.appendChild(r);
  }
  // One tooltip for all charts, built from nodes: no string becomes markup.
  function tip(spec) {
    return function (params) {
      var list = Array.isArray(params) ? params : [params];
      var box = document.createElement("div"), head = document.createElement("div");
      if (!list.length) { return box; }
      head.className = "tip-head";
      head.textContent = spec.xname ? spec.xname + " " + format("share", Array.isArray(list[0].value) ? list[0].value[0] : list[0].axisValue) : list[0].name;
      box.appendChild(head);
      list.forEach(function (p) {
        if (p.seriesName.charAt(0) === "\u0000" || (spec.hide || []).indexOf(p.seriesIndex) >= 0) { return; }
        var v = Array.isArray(p.value) ? p.value[1] : p.value;
        if (v === null || v === undefined || v === "-") { return; }
        row(box, p.color, p.seriesName, format(spec.format, v));
      });
      (spec.bands || []).forEach(function (b) {
        var i = list[0].dataIndex;
        if (b.lo[i] !== null && b.lo[i] !== undefined) { row(box, "transparent", b.name, format(spec.format, b.lo[i]) + " – " + format(spec.format, b.hi[i])); }
      });
      return box;
    };
  }

  function axis(a, spec, value) {
    a.axisLine = { lineStyle: { color: css("--line-strong") } };
    a.axisTick = { show: false };
    a.nameTextStyle = { color: css("--muted") };
    a.axisLabel = Object.assign({ hideOverlap: true }, a.axisLabel, { color: css("--muted") });
    if (value) {
      a.axisLabel.formatter = function (v) { return format(spec.format, v); };
      a.splitLine = { lineStyle: { color: css("--line") } };
    } else {
      a.splitLine = { show: false };
    }
  }

  function draw(forPrint) {
    charts.forEach(function (c) { c.dispose(); });
    charts = [];
    if (forPrint) { document.documentElement.classList.add("printing"); }
    hosts.forEach(function (host) {
      var spec;
      try { spec = JSON.parse(document.getElementById(host.id + "-data").textContent); } catch (e) { return; }
      var o = spec.option;
      o.textStyle = { fontFamily: css("--font"), color: css("--text") };
      o.backgroundColor = "transparent";
      o.animation = false;
      (o.xAxis || []).forEach(function (a) { axis(a, spec, a.type === "value"); });
      (o.yAxis || []).forEach(function (a) { axis(a, spec, true); });
      o.legend = Object.assign(o.legend || {}, { textStyle: { color: css("--text") }, inactiveColor: css("--muted"), pageTextStyle: { color: css("--muted") }, pageIconColor: css("--accent"), pageIconInactiveColor: css("--line-strong") });
      if (spec.bands) { o.legend.selectedMode = false; }
      if (spec.legend) { o.legend.data = spec.legend; }
      o.tooltip = Object.assign(o.tooltip || {}, { formatter: tip(spec), confine: true, extraCssText: "max-width:min(30rem,80vw);white-space:normal;overflow-wrap:anywhere", backgroundColor: css("--card"), borderColor: css("--line-strong"), textStyle: { color: css("--text"), fontSize: 13 } });
      (o.dataZoom || []).forEach(function (z) {
        z.height = 22; z.bottom = 6; z.brushSelect = false; z.showDetail = false; z.showDataShadow = false;
        z.borderColor = css("--line"); z.fillerColor = css("--zoom"); z.handleStyle = { color: css("--card"), borderColor: css("--line-strong") }; z.moveHandleStyle = { color: css("--line-strong") };
      });
      focus(o, spec);
      var c = echarts.init(host, null, { renderer: "svg" });
      c.setOption(o);
      host.classList.add("drawn");
      charts.push(c);
    });
    document.documentElement.classList.remove("printing");
  }

  // The filter: rows by text, type, template and time; charts over time by time,
  // those of attack types by type, that of templates by template. Its state is in
  // the address, after # and the place on the page: #security-incidents&type=xss.
  var field = {}, state = { q: "", type: "", template: "", from: "", to: "" }, place = "";
  var parts = { q: "filter-text", type: "filter-class", template: "filter-template", from: "filter-from", to: "filter-to" };
  Object.keys(parts).forEach(function (k) { if (!document.getElementById(parts[k])) { delete parts[k]; } });
  function seconds(text) { var t = Date.parse(text + "Z"); return t === t ? t / 1000 : null; }
  function focus(o, spec) {
    if (!spec.points || !spec.step) { return; }
    var from = seconds(state.from), to = seconds(state.to), axis = o.xAxis && o.xAxis[0];
    if (axis && (from !== null || to !== null)) {
      var lo = from === null ? 0 : Math.floor((from - spec.start) / spec.step), hi = to === null ? spec.points - 1 : Math.ceil((to - spec.start) / spec.step) - 1;
      lo = Math.min(Math.max(lo, 0), spec.points - 1); hi = Math.min(Math.max(hi, lo), spec.points - 1);
      axis.min = lo; axis.max = hi;
    }
    only(o, spec.class, state.type);
    only(o, spec.template, state.template);
  }
  // only leaves one series of a chart on, if it is among the keys.
  function only(o, keys, one) {
    if (!one || !keys || keys.indexOf(one) < 0 || !o.legend) { return; }
    o.legend.selected = {};
    o.series.forEach(function (s, i) { o.legend.selected[s.name] = keys[i] === one; });
  }
  function hidden(tr, from, to) {
    var c = tr.getAttribute("data-class"), m = tr.getAttribute("data-template"), a = tr.getAttribute("data-from"), b = tr.getAttribute("data-to");
    if (state.type && c !== null && c.split(", ").indexOf(state.type) < 0) { return true; }
    if (state.template && m !== null && m !== state.template) { return true; }
    if (b && from !== null && +b < from || a && to !== null && +a >= to) { return true; }
    return state.q !== "" && tr.textContent.toLowerCase().indexOf(state.q.toLowerCase()) < 0;
  }
  function filter() {
    var from = seconds(state.from), to = seconds(state.to), all = 0, shown = 0, active = state.q || state.type || state.template || from !== null || to !== null;
    Array.prototype.forEach.call(document.querySelectorAll("table.sort > tbody > tr, table.filtered > tbody > tr"), function (tr) {
      var off = !!active && hidden(tr, from, to);
      tr.hidden = off;
      all++; if (!off) { shown++; }
    });
    document.getElementById("filter-count").textContent = active ? shown + " of " + all + " rows; the figures in words are of the whole report" : "";
  }
  // read takes place and state from the address; false if they are not there.
  function read() {
    var h = location.hash.slice(1), pairs = h.split("&");
    if (h === "") { return false; }
    place = pairs[0].indexOf("=") < 0 ? pairs.shift() : "";
    if (!pairs.length && place) { write(); return false; } // a link on the page: the filter stays
    Object.keys(parts).forEach(function (k) { state[k] = ""; });
    pairs.forEach(function (pair) {
      var i = pair.indexOf("="), k = pair.slice(0, i);
      if (!Object.prototype.hasOwnProperty.call(parts, k)) { return; }
      try { state[k] = decodeURIComponent(pair.slice(i + 1)); } catch (e) { state[k] = ""; }
    });
    Object.keys(parts).forEach(function (k) { field[k].value = state[k]; state[k] = field[k].value; });
    return true;
  }
  function address() {
    return Object.keys(parts).filter(function (k) { return state[k]; }).map(function (k) { return k + "=" + encodeURIComponent(state[k]); });
  }
  function write() {
    var h = (place ? [place] : []).concat(address()).join("&");
    try { history.replaceState(null, "", h ? "#" + h : location.pathname + location.search); } catch (e) { /* an address that cannot change, as in a frame */ }
  }
  // show scrolls to the place, which the browser does not find by itself where the
  // filter stands behind it.
  function show() {
    var e = place && document.getElementById(place);
    if (!e) { return; }
    for (var d = e.closest("details"); d; d = d.parentElement.closest("details")) { d.open = true; }
    e.scrollIntoView({ behavior: "instant" });
  }
  function changed() {
    Object.keys(parts).forEach(function (k) { state[k] = field[k].value; });
    write(); filter(); draw(false);
  }

  function resize() { charts.forEach(function (c) { c.resize(); }); }

  // Tables sort by their header. The key is data-v where a cell has one.
  function key(tr, i) {
    var cell = tr.cells[i], v = cell.getAttribute("data-v");
    if (v === null) { v = cell.textContent.trim(); }
    var n = parseFloat(v);
    return cell.classList.contains("n") ? (n !== n ? -Infinity : n) : v;
  }
  function sortable(table) {
    var body = table.tBodies[0];
    if (!body || body.rows.length < 2) { return; }
    Array.prototype.forEach.call(table.tHead.rows[0].cells, function (th, i) {
      if (th.tagName !== "TH") { return; }
      var b = document.createElement("button");
      b.type = "button";
      while (th.firstChild) { b.appendChild(th.firstChild); }
      th.appendChild(b);
      b.addEventListener("click", function () {
        var down = th.getAttribute("aria-sort") !== "descending";
        Array.prototype.forEach.call(table.tHead.rows[0].cells, function (o) { o.removeAttribute("aria-sort"); });
        th.setAttribute("aria-sort", down ? "descending" : "ascending");
        Array.prototype.slice.call(body.rows).sort(function (x, y) {
          var p = key(x, i), q = key(y, i), s = p < q ? -1 : p > q ? 1 : 0;
          return down ? -s : s;
        }).forEach(function (tr) { body.appendChild(tr); });
      });
    });
  }

  document.documentElement.classList.add("js");
  Object.keys(parts).forEach(function (k) {
    field[k] = document.getElementById(parts[k]);
    field[k].value = "";
    var wait;
    field[k].addEventListener("input", function () { clearTimeout(wait); wait = setTimeout(changed, k === "q" ? 200 : 0); });
  });
  document.getElementById("filter-clear").addEventListener("click", function () {
    Object.keys(parts).forEach(function (k) { field[k].value = ""; });
    changed();
  });
  window.addEventListener("hashchange", function () { if (read()) { filter(); draw(false); show(); } });
  if (read()) { filter(); }
  document.getElementById("filter-open").addEventListener("click", function () {
    var all = document.querySelectorAll("main details"), open = this.textContent.charAt(0) === "O";
    Array.prototype.forEach.call(all, function (d) { d.open = open; });
    this.textContent = open ? "Close all details" : "Open all details";
  });
  // A link to each card, with the filter as it is when it is followed.
  Array.prototype.forEach.call(document.querySelectorAll("main [id] > h3, main article h3[id], main h4[id]"), function (h) {
    var a = document.createElement("a"), to = h.id || h.parentElement.id;
    a.className = "anchor"; a.href = "#" + to; a.textContent = "#";
    a.setAttribute("aria-label", "Link to " + h.textContent);
    h.appendChild(a);
  });
  Array.prototype.forEach.call(document.querySelectorAll("table.sort"), sortable);
  draw(false);
  show();
  var timer;
  window.addEventListener("resize", function () { clearTimeout(timer); timer = setTimeout(resize, 80); });
  if (dark.addEventListener) { dark.addEventListener("change", function () { draw(false); }); }
  window.addEventListener("beforeprint", function () { draw(true); });
  window.addEventListener("afterprint", function () { draw(false); });
  document.documentElement.classList.add("ready");
})();
