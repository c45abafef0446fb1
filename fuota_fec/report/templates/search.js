"use strict";
(() => {
  const box = document.getElementById("search");
  if (!box) return;
  const input = box.querySelector("input"), told = box.querySelector("output");
  const table = document.getElementById("found"), body = table.querySelector("tbody");
  let devices;
  const read = () => [...document.querySelectorAll("[data-about]")].flatMap((part) => {
    const about = [part.closest("details").dataset.title, part.dataset.about];
    const words = about.join(" ").toLowerCase();
    return part.textContent.trim().split(/\s+/).map((rest) => ({ id: part.dataset.prefix + rest, about, words }));
  });
  const search = () => {
    const text = input.value.trim().toLowerCase(), id = text.replace(/[-: ]/g, "");
    devices ??= read();
    const found = text ? devices.filter((device) => device.id.includes(id) || device.words.includes(text)) : [];
    const shown = found.slice(0, 100);
    told.value = text ? `${found.length} of ${devices.length}` + (found.length > 100 ? ", the first 100" : "") : "";
    body.replaceChildren(...shown.map((device) => {
      const row = document.createElement("tr");
      for (const cell of [device.id, ...device.about]) row.insertCell().textContent = cell;
      return row;
    }));
    table.hidden = !shown.length;
  };
  input.addEventListener("input", search);
  box.hidden = false;
  if (input.value) search();
})();
let folded = [];
addEventListener("beforeprint", () => {
  folded = [...document.querySelectorAll("details:not([open])")];
  for (const part of folded) part.open = true;
});
addEventListener("afterprint", () => {
  for (const part of folded) part.open = false;
});
