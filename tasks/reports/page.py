"""The HTML writer: elements, tables, figures, folds and the one self-contained page around them.

Owns markup, escaping and the style sheet. What is not `Html` is escaped, so that names and levels
from data are never read as markup. Refuses to know what a page is about.
"""

from collections.abc import Iterable, Mapping, Sequence
from html import escape


class Html(str):
    """Text that is markup already, and is not escaped again."""


def document(title: str, *children: object) -> str:
    """Make a whole page, which refers to nothing outside itself."""
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"{tag('title', title)}<style>{_STYLE}</style></head>\n"
        f"<body>{tag('main', *children)}</body></html>\n"
    )


def document_of(
    title: str, head: Iterable[object], sections: Mapping[str, Iterable[object]]
) -> str:
    """Make a whole page of sections by their titles, with a head that leads to each of them."""
    links = [tag("a", each, href=f"#{each.lower()}") for each in sections]
    header = tag("header", *head, tag("nav", *links, aria_label="Sections"))
    body = [
        tag("section", tag("h2", each), *parts, id=each.lower()) for each, parts in sections.items()
    ]
    return document(title, header, *body)


def tag(name: str, *children: object, **attributes: object) -> Html:
    """Make an element; `class_` is class, other underscores are hyphens."""
    given = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(str(value))}"'
        for key, value in attributes.items()
    )
    return Html(f"<{name}{given}>{join(children)}</{name}>")


def join(children: Iterable[object]) -> Html:
    parts = (each if isinstance(each, Html) else escape(str(each)) for each in children)
    return Html("".join(parts))


def table(heads: Sequence[object], rows: Iterable[Sequence[object]], class_: str = "") -> Html:
    """Make a table whose first column names its rows; it scrolls where it is too wide."""
    head = tag("tr", *(tag("th", each, scope="col") for each in heads))
    body = [
        tag("tr", tag("th", first, scope="row"), *(tag("td", each) for each in rest))
        for first, *rest in rows
    ]
    made = tag("table", tag("thead", head), tag("tbody", *body), class_=class_)
    return tag("div", made, class_="scroll")


def figure(title: str, text: str, svg: str) -> Html:
    return tag("figure", tag("figcaption", tag("b", title), text), Html(svg))


def stamp(passed: bool) -> Html:
    return tag("b", "✓ passed" if passed else "✗ failed", class_="yes" if passed else "no")


def command(line: str) -> Html:
    """Show a command so that no line breaks inside a word of it."""
    spaced = [each for word in line.split() for each in (tag("span", word), " ")]
    return tag("code", *spaced[:-1], class_="run")


def grid(*children: object) -> Html:
    """Set children side by side, in two columns where there is room."""
    return tag("div", *children, class_="grid")


def fold(summary: str, *children: object) -> Html:
    """Hide children behind a summary until they are asked for; in print they are open."""
    return tag("details", tag("summary", summary), *children)


_STYLE = """
:root{--ink:#1c2530;--muted:#5d6b7a;--line:#dfe4e9;--accent:#23598c;--pass:#1f7a4d;--fail:#b3261e}
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%;print-color-adjust:exact;-webkit-print-color-adjust:exact}
body{margin:0;background:#fff;color:var(--ink);font:15px/1.5 system-ui,-apple-system,"Segoe UI",
Roboto,"Helvetica Neue",Arial,sans-serif}
main{max-width:1080px;margin:0 auto;padding:40px 28px 80px}
h1{font-size:30px;line-height:1.2;margin:2px 0 6px;letter-spacing:-.01em;text-wrap:balance}
h2{font-size:20px;margin:32px 0 12px}
h3{font-size:15px;margin:30px 0 8px}
header h2{font-size:15px;margin:24px 0 6px}
p{margin:6px 0}
ul{margin:0 0 12px;padding-left:20px}
li{margin:3px 0}
section{border-top:1px solid var(--line);margin-top:36px}
code{font:13px/1.5 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;overflow-wrap:anywhere}
nav{display:flex;flex-wrap:wrap;gap:4px 18px;margin-top:20px;font-size:14px}
a,summary{color:var(--accent)}
small{display:block;color:var(--muted);font-weight:400;font-size:12.5px;line-height:1.4}
.muted,.eyebrow,figcaption{color:var(--muted);font-size:13.5px}
.eyebrow{font-weight:600}
.verdict{--tone:var(--pass);margin:22px 0;padding:20px 24px;background:#f1f8f4;
border-left:5px solid var(--tone);border-radius:0 6px 6px 0}
.refused{--tone:var(--fail);background:#fcf3f2}
.stamp{color:var(--tone);font-size:22px;font-weight:700;margin:0}
.why{font-size:17px;max-width:46em;margin:4px 0 14px;text-wrap:pretty}
.tiles{display:flex;flex-wrap:wrap;gap:6px 44px;margin:0 0 16px}
.tiles dt{color:var(--muted);font-size:13px}
.tiles dd{margin:0;font-size:26px;line-height:1.25;font-variant-numeric:tabular-nums}
.tiles div:first-child dd{font-weight:700}
.run{display:block;margin-top:2px;padding:7px 12px;background:#fff;border:1px solid var(--line);
border-radius:5px}
.scroll{overflow-x:auto;margin:10px 0}
table{border-collapse:collapse;width:100%;font-size:14px;font-variant-numeric:tabular-nums}
th,td{text-align:left;vertical-align:top;padding:7px 16px 7px 0;border-bottom:1px solid var(--line)}
thead th{color:var(--muted);font-size:12.5px;font-weight:600;vertical-align:bottom}
.numbers td,.numbers th+th{text-align:right}
.numbers td,.run span,.checks td:nth-child(2){white-space:nowrap}
.numbers tbody th{min-width:120px}
.columns :is(td,th):nth-child(2),:is(.columns,.parts) :is(td,th):last-child{text-align:left}
:is(.columns,.parts) :is(td,th):last-child{white-space:normal;padding-left:12px}
.checks svg{display:block;width:250px;height:auto}
.yes{color:var(--pass)}
.no{color:var(--fail)}
.grid{display:grid;grid-template-columns:repeat(2,minmax(0,1fr));gap:28px 44px;align-items:start}
figure{margin:14px 0 0;max-width:520px;break-inside:avoid}
figcaption{margin-bottom:8px}
figcaption b{display:block;color:var(--ink);font-size:15px}
figure svg{display:block;width:100%;height:auto;overflow:visible}
svg text{font-family:inherit}
details{margin-top:26px}
summary{cursor:pointer}
.strip{display:flex;height:20px;gap:2px;margin:10px 0 14px}
.strip i{min-width:3px}
.swatch{display:inline-block;width:11px;height:11px;margin-right:8px}
.fit{background:#23598c}
.stop{background:#7fa3c4}
.gap{background:#c3cad1}
.holdout{background:#d1962a}
@media screen and (max-width:700px){
main{padding:24px 16px 60px}
h1{font-size:24px}
.grid{grid-template-columns:minmax(0,1fr)}
.verdict{padding:16px}
.tiles{gap:8px 28px}
.checks thead{display:none}
.checks tr{display:block;padding:9px 0;border-bottom:1px solid var(--line)}
.checks :is(th,td){display:block;border:0;padding:1px 0}
}
@media print{
@page{margin:14mm}
body{zoom:.75}
main{max-width:none;padding:0}
nav,summary{display:none}
tr,.verdict{break-inside:avoid}
details::details-content{content-visibility:visible;display:block;height:auto}
}
"""
