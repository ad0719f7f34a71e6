/* Copyright (c) 2026, PolarisMesh Maintenance contributors
   GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
   SPDX-License-Identifier: GPL-3.0-or-later

   Sorting, filtering, unfolding and copying. The page is complete without it: what it adds is hidden until it runs. */
(function () {
  "use strict";
  const all = (selector, root) => Array.from((root || document).querySelectorAll(selector));
  document.documentElement.classList.add("scripted");

  /* A table and its folded continuation become one, so that it can be sorted and filtered as a whole. */
  all("details.more").forEach((details) => {
    const first = document.getElementById(details.dataset.table).querySelector("tbody");
    all("tbody > tr", details).forEach((row) => {
      row.classList.add("extra");
      first.append(row);
    });
    const button = document.createElement("button");
    button.type = "button";
    button.className = "unfold";
    button.textContent = details.querySelector("summary").textContent;
    button.addEventListener("click", () => {
      all(".extra", first).forEach((row) => row.classList.remove("extra"));
      button.remove();
    });
    details.replaceWith(button);
  });

  const value = (row, column) => {
    const cell = row.cells[column];
    if (!cell) return "";
    const given = cell.dataset.sort;
    return given === undefined ? cell.textContent.trim() : given;
  };
  const compare = (one, other) => {
    const a = parseFloat(one), b = parseFloat(other);
    const numbers = one !== "" && other !== "" && String(a) !== "NaN" && String(b) !== "NaN" && !isNaN(one) && !isNaN(other);
    if (numbers) return a - b;
    if ((one === "") !== (other === "")) return one === "" ? 1 : -1;
    return one.localeCompare(other, undefined, { numeric: true });
  };

  all("table").forEach((table) => {
    const body = table.tBodies[0];
    if (!table.tHead || !body || body.rows.length < 2) return;
    all("th", table.tHead).forEach((head) => {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "sort";
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => {
        const down = head.getAttribute("aria-sort") === "ascending";
        all("th", table.tHead).forEach((other) => other.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", down ? "descending" : "ascending");
        const folded = all("tr.extra", body).length;
        const rows = Array.from(body.rows);
        rows.forEach((row) => row.classList.remove("extra"));
        rows.sort((one, other) => compare(value(one, head.cellIndex), value(other, head.cellIndex)) * (down ? -1 : 1));
        rows.slice(rows.length - folded).forEach((row) => row.classList.add("extra"));
        body.append(...rows);
      });
    });
  });

  /* What does not match the text, or has another severity, is hidden. Folded rows that match are shown. */
  const text = document.getElementById("filter-text");
  const severity = document.getElementById("filter-severity");
  const filter = () => {
    const wanted = text.value.trim().toLowerCase();
    document.documentElement.classList.toggle("filtered", wanted !== "");
    all("tbody > tr, .warnings > li, .node").forEach((part) => {
      const matches = wanted === "" || part.textContent.toLowerCase().includes(wanted);
      const listed = !part.matches(".warnings > li") || severity.value === "" || part.dataset.severity === severity.value;
      part.hidden = !(matches && listed);
    });
  };
  text.addEventListener("input", filter);
  severity.addEventListener("change", filter);

  const unfold = () => {
    all("details").forEach((details) => { details.open = true; });
    all("button.unfold").forEach((button) => button.click());
  };
  document.getElementById("unfold-all").addEventListener("click", unfold);

  /* Paper has everything; the screen gets back what it had. */
  let folded = [];
  window.addEventListener("beforeprint", () => {
    folded = all("details:not([open])");
    folded.forEach((details) => { details.open = true; });
  });
  window.addEventListener("afterprint", () => {
    folded.forEach((details) => { details.open = false; });
  });

  const copied = (button) => {
    const before = button.textContent;
    button.textContent = button.dataset.done;
    window.setTimeout(() => { button.textContent = before; }, 1500);
  };
  const select = (element) => {
    const range = document.createRange();
    range.selectNodeContents(element);
    const selection = window.getSelection();
    selection.removeAllRanges();
    selection.addRange(range);
  };
  all("button.copy").forEach((button) => {
    const source = document.getElementById(button.dataset.copy);
    button.addEventListener("click", () => {
      select(source);
      const old = () => { if (document.execCommand("copy")) copied(button); };
      if (navigator.clipboard) navigator.clipboard.writeText(source.textContent).then(() => copied(button), old);
      else old();
    });
  });

  /* A link to a node opens it. */
  const open = () => {
    const target = document.getElementById(window.location.hash.slice(1));
    if (target && target.tagName === "DETAILS") {
      target.open = true;
      target.scrollIntoView();
    }
  };
  window.addEventListener("hashchange", open);
  open();
})();
