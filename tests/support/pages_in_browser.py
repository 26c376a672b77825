"""What every page must hold in a browser, at any width, by day and in the dark."""

from browser import Page

SCHEMES = ("light", "dark")
DARK = {"name": "prefers-color-scheme", "value": "dark"}
BACK = "getComputedStyle(document.body).backgroundColor"
OPEN = "document.querySelectorAll('details').forEach(each => { each.open = true; })"
TOO_WIDE = """[...document.querySelectorAll('main *')].filter(each => {
  const box = each.getBoundingClientRect();
  const width = document.documentElement.clientWidth;
  return box.width && box.right > 0 && (box.left < -1 || box.right > width + 1)
    && !each.closest('[tabindex]');
}).map(each => each.outerHTML.slice(0, 120))"""
CLIPPED = """[...document.querySelectorAll('.scroll:not([tabindex])')].filter(
  each => each.scrollWidth > each.clientWidth + 1).map(each => each.textContent.slice(0, 120))"""
# The contrast ratio of WCAG 2, of each text against what it stands on.
PALE_TEXTS = """(() => {
  const parts = colour => (colour.match(/[\\d.]+/g) || []).map(Number);
  const light = colour => parts(colour).slice(0, 3).map(each => each / 255).map(
    each => each <= 0.04045 ? each / 12.92 : ((each + 0.055) / 1.055) ** 2.4
  ).reduce((sum, each, place) => sum + each * [0.2126, 0.7152, 0.0722][place], 0);
  const below = element => {
    for (let each = element; each; each = each.parentElement) {
      const colour = getComputedStyle(each).backgroundColor;
      if (parts(colour)[3] !== 0) return colour;
    }
  };
  return [...document.querySelectorAll('main *')].filter(each =>
    [...each.childNodes].some(node => node.nodeType === 3 && node.data.trim())
    && !each.closest('style')
  ).map(each => {
    const style = getComputedStyle(each);
    const one = light(each.closest('svg') ? style.fill : style.color), other = light(below(each));
    const ratio = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
    return [ratio, each.textContent.slice(0, 40)];
  }).filter(each => each[0] < 4.5);
})()"""
JUMPS = """[...document.querySelectorAll('h1, h2, h3, h4')].map(each => +each.tagName[1]).filter(
  (level, place, all) => place ? level > all[place - 1] + 1 : level !== 1)"""
UNLABELLED = """[...document.querySelectorAll('svg')].filter(
  each => (each.getAttribute('aria-label') || '').length < 20
).map(each => each.getAttribute('aria-label'))"""


def look_over(page: Page, width: int) -> None:
    """Look at an open page in each scheme, with all of it unfolded."""
    page.run(OPEN)
    assert page.run("document.documentElement.scrollWidth") <= width
    assert page.run(TOO_WIDE) == []
    assert page.run(CLIPPED) == []
    backs = []
    for scheme in SCHEMES:
        page.call("Emulation.setEmulatedMedia", features=[{**DARK, "value": scheme}])
        assert page.run(PALE_TEXTS) == [], scheme
        backs.append(page.run(BACK))
    assert len(set(backs)) == len(SCHEMES)
    page.call("Emulation.setEmulatedMedia", media="print", features=[DARK])
    assert page.run(BACK) == backs[0]
    page.call("Emulation.setEmulatedMedia", media="", features=[])
    assert page.run(JUMPS) == []
    assert page.run(UNLABELLED) == []
    assert page.run("[...document.querySelectorAll('th')].every(each => each.scope)")
    assert page.run("performance.getEntriesByType('resource').map(each => each.name)") == []
    assert page.complaints == []
