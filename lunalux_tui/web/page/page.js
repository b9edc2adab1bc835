// The terminal takes the keys as soon as it is there, without a click.
new MutationObserver((changes, observer) => {
  const keys = document.querySelector(".xterm-helper-textarea");
  if (keys && document.body.classList.contains("-first-byte")) {
    observer.disconnect();
    keys.focus();
  }
}).observe(document, { subtree: true, childList: true, attributes: true });
