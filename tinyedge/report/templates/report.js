"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const plot = document.getElementById("class-plot");
  const tip = document.getElementById("tip");
  const dialog = document.getElementById("examples");
  const area = plot.querySelector("[data-mark='area']");
  const column = document.createElementNS("http://www.w3.org/2000/svg", "rect");
  const last = data.order.length - 1;
  let current = -1;

  const percent = (share, digits = 0) => `${(100 * share).toFixed(digits)} %`;
  const element = (name, text) => {
    const made = document.createElement(name);
    if (text !== undefined) made.textContent = text;
    return made;
  };

  function figures(index) {
    const [images, before, after, wrong, right] = data.classes[index];
    const change = (100 * (after - before)).toFixed(0);
    const sign = change > 0 ? "+" : change < 0 ? "−" : "";
    return `${percent(before)} to ${percent(after)} (${sign}${Math.abs(change)} pp), ` +
      `${wrong} newly wrong, ${right} newly right, of ${images.toLocaleString("en")} images`;
  }

  // The class at a place in the plot, whose columns are of equal width.
  function at(event) {
    const box = area.getBoundingClientRect();
    const position = Math.floor(((event.clientX - box.left) / box.width) * (last + 1));
    return Math.max(0, Math.min(last, position));
  }

  function point(position) {
    current = position;
    tip.hidden = position < 0;
    column.remove();
    if (position < 0) return;
    const box = area.getBBox();
    const width = box.width / (last + 1);
    const place = { x: box.x + position * width, y: box.y, width: width, height: box.height, class: "column" };
    for (const [name, value] of Object.entries(place)) column.setAttribute(name, value);
    area.before(column);
    const index = data.order[position];
    tip.replaceChildren(element("b", data.names[index]), element("span", figures(index)));
    const shown = column.getBoundingClientRect();
    const left = shown.left + shown.width / 2 - plot.getBoundingClientRect().left - tip.offsetWidth / 2;
    tip.style.left = `${Math.max(0, Math.min(plot.clientWidth - tip.offsetWidth, left))}px`;
  }

  function card([id, before, after, confidence, picture], label) {
    const item = element("li");
    if (picture) {
      const image = element("img");
      image.src = `data:image/png;base64,${picture}`;
      image.alt = "";
      image.width = image.height = 72;
      item.append(image);
    }
    const text = element("dl");
    const line = (term, ...found) => {
      const described = element("dd");
      described.append(...found);
      text.append(element("dt", term), described);
    };
    line("true", data.names[label]);
    line("float", data.names[before]);
    line("deployed", element("b", data.names[after]), ` ${percent(confidence)}`);
    line("image", element("code", id.slice(0, 8)));
    item.append(text);
    return item;
  }

  function open(index) {
    const rows = data.wrong[index] || [];
    const unlisted = data.classes[index][3] - rows.length;
    document.getElementById("examples-title").textContent = data.names[index];
    const missing = data.pictures ? rows.filter((row) => !row[4]).length : 0;
    document.getElementById("examples-figures").textContent = `${figures(index)}.` +
      (rows.length || unlisted ? "" : " No image is newly wrong.") +
      (unlisted ? ` The ${rows.length} most confident are listed, to keep this file small.` : "") +
      (missing ? ` ${missing} without a picture, to keep this file small.` : "");
    document.getElementById("examples-list").replaceChildren(...rows.map((row) => card(row, index)));
    dialog.showModal();
    dialog.scrollTop = 0;
  }

  area.addEventListener("pointermove", (event) => point(at(event)));
  area.addEventListener("pointerleave", () => point(-1));
  area.addEventListener("click", (event) => open(data.order[at(event)]));
  plot.addEventListener("blur", () => point(-1));
  plot.addEventListener("keydown", (event) => {
    const to = { ArrowRight: Math.min(current + 1, last), ArrowLeft: Math.max(current - 1, 0), Home: 0, End: last };
    if (event.key in to) {
      event.preventDefault();
      point(to[event.key]);
    } else if ((event.key === "Enter" || event.key === " ") && current >= 0) {
      event.preventDefault();
      open(data.order[current]);
    }
  });
  document.getElementById("class-table").addEventListener("click", (event) => {
    const button = event.target.closest("[data-class]");
    if (button) open(button.dataset.class);
  });
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog) dialog.close();
  });

  const toggle = document.getElementById("all-classes");
  if (toggle) {
    const table = document.getElementById("class-table");
    const all = toggle.textContent;
    const show = (whole) => {
      table.classList.toggle("short", !whole);
      toggle.setAttribute("aria-expanded", String(whole));
      toggle.textContent = whole ? "Fewer classes" : all;
    };
    toggle.addEventListener("click", () => show(table.classList.contains("short")));
    toggle.hidden = false;
    show(false);
  }
})();
