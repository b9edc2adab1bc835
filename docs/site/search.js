// Finds what was typed anywhere in the titles and texts of index.js. Every word has to be there; a title counts more
// than a text. The index is loaded as a script, which also works where the page was opened from a file.

(function () {
  "use strict";
  var MOST = 40;
  var AROUND = 80;

  function score(page, words) {
    var title = page.title.toLowerCase();
    var text = page.text.toLowerCase();
    var total = 0;
    for (var i = 0; i < words.length; i++) {
      var inTitle = title.indexOf(words[i]) >= 0;
      var times = text.split(words[i]).length - 1;
      if (!inTitle && !times) return 0;
      total += (inTitle ? 100 : 0) + Math.min(times, 20);
    }
    return total;
  }

  function excerpt(page, words) {
    var at = Math.max(0, page.text.toLowerCase().indexOf(words[0]) - AROUND);
    var piece = page.text.slice(at, at + 3 * AROUND).replace(/\s+/g, " ");
    return (at ? "… " : "") + piece + (at + 3 * AROUND < page.text.length ? " …" : "");
  }

  function element(kind, text, parent) {
    var made = document.createElement(kind);
    made.textContent = text;
    parent.appendChild(made);
    return made;
  }

  function show(query, place) {
    var words = query.toLowerCase().split(/\s+/).filter(Boolean);
    var hits = !words.length ? [] : sitePages
      .map(function (page) { return { page: page, score: score(page, words) }; })
      .filter(function (hit) { return hit.score; })
      .sort(function (one, other) { return other.score - one.score; })
      .slice(0, MOST);
    place.textContent = "";
    if (!hits.length) element("p", words.length ? place.dataset.noResultsText : "", place);
    hits.forEach(function (hit) {
      var entry = element("article", "", place);
      var link = element("a", hit.page.title, element("h3", "", entry));
      link.href = base_url.replace(/\/$/, "") + "/" + hit.page.location;
      element("p", excerpt(hit.page, words), entry);
    });
  }

  function begin() {
    var place = document.getElementById("mkdocs-search-results");
    var input = document.getElementById("mkdocs-search-query");
    if (!place || !input) return;
    var asked = new URLSearchParams(window.location.search).get("q") || "";
    var index = document.createElement("script");
    index.src = base_url.replace(/\/$/, "") + "/search/index.js";
    index.onload = function () {
      input.value = asked;
      show(asked, place);
      input.addEventListener("input", function () { show(input.value, place); });
      input.form.addEventListener("submit", function (event) { event.preventDefault(); });
    };
    document.head.appendChild(index);
  }

  begin();
})();
