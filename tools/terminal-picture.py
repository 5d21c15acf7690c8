#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Makes a picture (SVG) of a terminal from the text, with ANSI colours, that was written to it.

usage: tools/terminal-picture.py [--columns N] [--title TEXT] <TEXT >FILE.svg

docs/img/demo.svg is made by `tools/tour.py --picture`.
"""
import argparse
import re
import sys
from html import escape

CELL, LINE, MARGIN, BAR = 7.25, 15, 12, 26
BACK, FORE, FRAME = "#14181f", "#d3d9e3", "#2a313d"
COLOURS = {31: "#f07178", 32: "#a5d97a", 33: "#ffcb6b", 34: "#82aaff", 35: "#c792ea", 36: "#89ddff"}
TOKEN = re.compile(r"\x1b\[([0-9;]*)([A-Za-z])|\x1b\][^\x07]*\x07|([^\x1b]+)|\x1b.?")


def style_after(style, codes):
    """The style, as (bold, dim, colour), after a sequence such as 1;32."""
    bold, dim, colour = style
    for code in (int(word or 0) for word in codes.split(";")):
        if code == 0:
            bold, dim, colour = False, False, None
        elif code == 1:
            bold = True
        elif code == 2:
            dim = True
        elif code == 22:
            bold = dim = False
        elif code == 39:
            colour = None
        elif code in COLOURS or code - 60 in COLOURS:
            colour = COLOURS.get(code, COLOURS.get(code - 60))
    return bold, dim, colour


def cells_of(text, columns):
    """Lines of (style, character), broken where the terminal breaks them."""
    style, lines = (False, False, None), [[]]
    for token in TOKEN.finditer(text.replace("\r\n", "\n")):
        if token.group(2) == "m":
            style = style_after(style, token.group(1))
        for char in token.group(3) or "":
            if char == "\n":
                lines.append([])
            elif char == "\r":
                lines[-1] = []
            elif char == "\t":
                lines[-1] += [(style, " ")] * (8 - len(lines[-1]) % 8)
            elif char.isprintable():
                if len(lines[-1]) == columns:
                    lines.append([])
                lines[-1].append((style, char))
    while lines and not lines[-1]:
        lines.pop()
    while lines and not lines[0]:
        lines.pop(0)
    return lines


def pieces_of(line):
    """Stretches of one style without wide gaps, since some viewers close those up."""
    pieces = []
    for found in re.finditer(r"\S+( \S+)*", "".join(char for _, char in line)):
        for column in range(*found.span()):
            style, char = line[column]
            if column > found.start() and pieces[-1][1] == style:
                pieces[-1][2].append(char)
            else:
                pieces.append((column, style, [char]))
    return [(column, style, "".join(chars)) for column, style, chars in pieces]


def text_element(column, row, style, text):
    bold, dim, colour = style
    column += len(text) - len(text.lstrip())
    text = text.strip()
    if not text:
        return ""
    look = f' fill="{colour}"' if colour else ""
    look += ' font-weight="bold"' if bold else ""
    look += ' opacity=".6"' if dim else ""
    # The length is said, so that columns stand below each other in every font.
    return (f'<text x="{MARGIN + column * CELL:g}" y="{BAR + LINE * (row + 1):g}"'
            f' textLength="{len(text) * CELL:g}"{look}>{escape(text, quote=False)}</text>')


def picture(lines, columns, title):
    width = columns * CELL + 2 * MARGIN
    height = BAR + LINE * len(lines) + MARGIN
    yield (f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:g}" height="{height:g}" '
           f'viewBox="0 0 {width:g} {height:g}" font-size="12" fill="{FORE}" '
           'font-family="ui-monospace,SFMono-Regular,Menlo,Consolas,DejaVu Sans Mono,monospace">')
    yield f"<title>{escape(title)}</title>"
    yield f'<rect width="{width:g}" height="{height:g}" rx="8" fill="{BACK}"/>'
    yield f'<path d="M0 {BAR - 4}V8a8 8 0 0 1 8-8h{width - 16:g}a8 8 0 0 1 8 8v{BAR - 12}z" ' \
          f'fill="{FRAME}"/>'
    for number, colour in enumerate(("#f07178", "#ffcb6b", "#a5d97a")):
        yield f'<circle cx="{16 + 18 * number}" cy="{BAR / 2 - 2:g}" r="5" fill="{colour}"/>'
    yield (f'<text x="{width / 2:g}" y="{BAR / 2 + 2:g}" text-anchor="middle" opacity=".7">'
           f'{escape(title)}</text>')
    for row, line in enumerate(lines):
        for column, style, text in pieces_of(line):
            element = text_element(column, row, style, text)
            if element:
                yield element
    yield "</svg>"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--columns", type=int, default=100)
    parser.add_argument("--title", default="terminal")
    args = parser.parse_args()
    lines = cells_of(sys.stdin.read(), args.columns)
    print("\n".join(picture(lines, args.columns, args.title)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
