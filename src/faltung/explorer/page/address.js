// How does a link lead back to what one sees? The state stands behind the # of the page's address, and follows it.

const PAUSE = 250; // milliseconds between two writings: browsers allow about 20 a second

export function keepInAddress(app, store) {
  let written = location.hash.slice(1);
  let view = store.get("view");
  let timer = 0;
  // Another view is another entry of the history, so that "back" leads to the view before.
  const write = () => {
    clearTimeout(timer);
    timer = 0;
    const text = store.toText();
    if (text === written) return;
    const address = `${location.pathname}${location.search}${text && `#${text}`}`;
    const turned = store.get("view") !== view;
    history[turned && window === window.top ? "pushState" : "replaceState"](null, "", address);
    [written, view] = [text, store.get("view")];
  };
  const read = () => {
    clearTimeout(timer);
    timer = 0;
    written = location.hash.slice(1);
    const refused = store.fromText(written);
    view = store.get("view");
    if (refused.length) app.warn(`The link says what this page does not know, and that was left out: ${refused.join(", ")}.`);
  };
  read();
  app.untilClosed(store.on(["view"], write));
  app.untilClosed(store.on([""], () => { timer ||= setTimeout(write, PAUSE); }));
  const follow = () => {
    if (location.hash.slice(1) !== written) read();
  };
  for (const [event, listener] of [["popstate", follow], ["hashchange", follow], ["pagehide", write]]) {
    addEventListener(event, listener);
    app.untilClosed(() => removeEventListener(event, listener));
  }
  app.untilClosed(() => clearTimeout(timer));
}
