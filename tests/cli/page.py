# SPDX-License-Identifier: Apache-2.0
"""page.py PAGE SECTION...: is the page well-formed, self-contained, and are exactly these sections in it, in order?"""
import base64
import re
import sys
from html.parser import HTMLParser

VOID = {"meta", "img", "br", "path"}


class Page(HTMLParser):
    def __init__(self):
        super().__init__()
        self.open, self.faults, self.sections, self.pictures = [], [], [], 0

    def handle_starttag(self, tag, attrs):
        a = dict(attrs)
        for name, value in attrs:
            if name in ("href", "srcset", "action", "data") or name.startswith("on"):
                self.faults.append(f"<{tag} {name}>")
            if name == "src":
                head, _, data = value.partition(",")
                png = base64.b64decode(data, validate=True)
                if head != "data:image/png;base64" or png[:8] != b"\x89PNG\r\n\x1a\n" or png[-8:-4] != b"IEND":
                    self.faults.append("a picture is no PNG")
                self.pictures += 1
            if name in ("d", "x", "y", "transform", "viewbox") and re.search("nan|inf", value or "", re.I):
                self.faults.append(f"<{tag} {name}> is not finite: {value[:80]}")
        if tag in ("script", "link", "iframe", "object", "embed"):
            self.faults.append(f"<{tag}>")
        if tag == "img" and not a.get("alt"):
            self.faults.append("a picture without description")
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.faults.append(f"</{tag}> closes nothing")

    def handle_data(self, data):
        if self.open and self.open[-1] == "h2":
            self.sections.append(data)


text = open(sys.argv[1], encoding="utf-8").read()
page = Page()
page.feed(text)
page.close()
if page.open:
    page.faults.append(f"never closed: {page.open}")
for word in ("http:", "https:", "url(", "@import", "//"):
    plain = re.sub(r'src="data:[^"]*"', "", re.sub(r"<pre>.*?</pre>", "", text, flags=re.S))
    if word in plain:
        page.faults.append(f"refers elsewhere: {word}")
if 'name="viewport"' not in text or "prefers-color-scheme" not in text:
    page.faults.append("not made for phones or the dark")
if page.sections != sys.argv[2:]:
    page.faults.append(f"sections {page.sections}, wanted {sys.argv[2:]}")
print(f"{page.pictures} pictures, {len(text)} bytes")
sys.exit("\n".join(page.faults) or 0)
