// Keeps each explorer of a page readable in its column, and in the colours of the site.

const LEAST = 1000; // pixels: narrower, its parts stand below each other or are cut off

for (const frame of document.querySelectorAll(".watch-it iframe")) {
  const box = frame.parentElement;
  const first = frame.getAttribute("src");
  new ResizeObserver(() => {
    const scale = Math.min(1, box.clientWidth / LEAST);
    Object.assign(frame.style, {
      width: `${box.clientWidth / scale}px`, height: `${box.clientHeight / scale}px`, transform: `scale(${scale})`,
    });
  }).observe(box);
  const colours = () => {
    const theme = `theme=${document.documentElement.dataset.theme === "dark" ? "dark" : "light"}`;
    frame.src = first.endsWith("#") ? first + theme : `${first}&${theme}`;
  };
  colours();
  new MutationObserver(colours).observe(document.documentElement, { attributeFilter: ["data-theme"] });
}
