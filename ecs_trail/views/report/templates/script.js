"use strict";
(() => {
  const root = document.documentElement;
  const dark = () => root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  document.getElementById("theme").addEventListener("click", () => { root.dataset.theme = dark() ? "light" : "dark"; });

  const views = [...document.querySelectorAll("input[name=view]")];
  const show = () => views.forEach((one) => { document.getElementById(one.value).hidden = !one.checked; });
  views.forEach((one) => one.addEventListener("change", show));
  show();

  const open = () => {
    const target = location.hash.length > 1 && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (!target) { return; }
    const folded = target.closest("details");
    if (folded) {
      folded.hidden = false;
      folded.open = true;
      folded.querySelector("summary").focus({ preventScroll: true });
    }
    target.hidden = false;
    target.scrollIntoView();
  };
  addEventListener("hashchange", open);
  open();

  document.querySelectorAll(".copy").forEach((button) => button.addEventListener("click", async () => {
    const code = button.parentElement.querySelector("code");
    const chosen = getSelection();
    chosen.selectAllChildren(code);
    let done = false;
    try { await navigator.clipboard.writeText(code.textContent); done = true; } catch { done = document.execCommand("copy"); }
    button.textContent = done ? "Copied" : "Selected";
    setTimeout(() => { button.textContent = "Copy"; }, 1600);
  }));

  document.querySelectorAll(".filter").forEach((input) => {
    const list = input.closest("section");
    const rows = [...list.querySelectorAll("tbody tr, details.record")];
    const texts = rows.map((row) => row.textContent.toLowerCase());
    input.addEventListener("input", () => {
      const wanted = input.value.trim().toLowerCase();
      rows.forEach((row, at) => { row.hidden = !texts[at].includes(wanted); });
    });
  });

  const hint = document.createElement("div");
  hint.id = "hint";
  hint.hidden = true;
  hint.setAttribute("role", "tooltip");
  document.body.append(hint);
  const words = new WeakMap();
  document.querySelectorAll(".scene .tip").forEach((one) => {
    const title = one.querySelector("title");
    words.set(one, title.textContent);
    if (one.closest("a")) { title.remove(); }
    else { title.textContent = ""; one.setAttribute("aria-label", words.get(one)); }
  });
  const place = (x, y) => {
    hint.style.left = Math.max(8, Math.min(x + 12, innerWidth - hint.offsetWidth - 8)) + "px";
    hint.style.top = (y + 18 + hint.offsetHeight > innerHeight ? y - hint.offsetHeight - 10 : y + 16) + "px";
  };
  const tell = (event) => {
    const one = event.target.closest && (event.target.closest(".tip") || (event.type === "focusin" && event.target.querySelector && event.target.querySelector(".tip")));
    hint.hidden = !one || !words.has(one);
    if (hint.hidden) { return; }
    hint.textContent = words.get(one);
    const box = one.getBoundingClientRect();
    place(event.type === "focusin" ? box.left : event.clientX, event.type === "focusin" ? box.top : event.clientY);
  };
  document.addEventListener("mousemove", tell);
  document.addEventListener("focusin", tell);
  document.addEventListener("focusout", () => { hint.hidden = true; });
  addEventListener("keydown", (event) => { if (event.key === "Escape") { hint.hidden = true; } });
})();
