"""The last bus of the evening in falling snow, its driver at the wheel, the street lamps on.

Places are in pixels of the painting canvas (800 by 1200).
"""

from __future__ import annotations

from random import Random

from PIL import Image, ImageDraw

from tools.starter_art.brush import (
    Colour,
    H,
    Point,
    W,
    blurred,
    both,
    clouds,
    curve,
    ellipse,
    fade,
    glow,
    gradient,
    light,
    mix,
    paint,
    rim,
    shape,
    wash,
)
from tools.starter_art.weather import finish, flakes

SEGMENTS = {"4": "bcfg", "5": "acdfg"}
"""Which bars of a seven-segment display are lit for a digit."""


def night_bus() -> Image.Image:
    """The picture, in its final size and colours."""
    picture = gradient(
        (0, (26, 36, 74)),
        (0.3, (62, 70, 116)),
        (0.55, (150, 120, 140)),
        (0.7, (196, 190, 206)),
        (1, (150, 156, 186)),
    )
    picture = wash(picture, (90, 92, 130), both(clouds(7, 3, 3.0, 120, 190), fade(0.0, 0.5, 220, 40)), 0.6)
    picture = _blocks(picture)
    picture = _trees(picture)
    picture = _street(picture)
    for x, turn in ((96, 1), (724, -1)):
        picture = _street_lamp(picture, x, turn)
    picture = _bus(picture)
    picture = flakes(picture, 19, 420)
    return finish(picture, 65)


def _blocks(picture: Image.Image) -> Image.Image:
    random = Random(4)
    draw = ImageDraw.Draw(picture)
    for left, top, right, colour in (
        (-20, 300, 190, (70, 66, 100)),
        (180, 400, 330, (92, 82, 112)),
        (470, 390, 640, (92, 82, 112)),
        (620, 270, 830, (66, 62, 98)),
    ):
        draw.rectangle((left, top, right, 860), fill=colour)
        draw.rectangle((left - 8, top - 12, right + 8, top), fill=(226, 230, 240))
        for y in range(top + 26, 820, 58):
            for x in range(left + 20, right - 30, 46):
                lit = random.random() < 0.42
                shade = (
                    random.choice([(255, 212, 130), (255, 190, 110), (240, 220, 170)])
                    if lit
                    else mix(colour, (24, 24, 50), 0.5)
                )
                draw.rectangle((x, y, x + 26, y + 34), fill=shade)
                draw.line((x + 13, y, x + 13, y + 34), fill=colour, width=3)
    return wash(picture, (180, 170, 200), fade(0.45, 0.72, 0, 170), 0.6)


def _trees(picture: Image.Image) -> Image.Image:
    random = Random(8)
    draw = ImageDraw.Draw(picture)

    def branch(x: float, y: float, lean: float, length: float, width: float) -> None:
        end: Point = (x + lean * length, y - length)
        draw.line((x, y, *end), fill=(50, 40, 58), width=max(2, round(width)))
        draw.line(
            (x, y - width / 2, end[0], end[1] - width / 2),
            fill=(226, 230, 242),
            width=max(1, round(width / 3)),
        )
        if length > 26:
            for _ in range(3 if length > 90 else 2):
                branch(
                    end[0],
                    end[1],
                    lean + random.uniform(-0.85, 0.85),
                    length * random.uniform(0.6, 0.78),
                    width * 0.62,
                )

    branch(40, 880, 0.1, 190, 26)
    branch(770, 890, -0.12, 200, 28)
    return picture


def _street(picture: Image.Image) -> Image.Image:
    ground = shape([(-10, 840), (810, 840), (810, H + 9), (-10, H + 9)], smooth=False)
    picture = wash(picture, (196, 204, 226), ground)
    road = shape([(250, 840), (550, 840), (800, H + 9), (0, H + 9)], smooth=False)
    picture = wash(picture, (96, 96, 126), blurred(road, 4))
    for left, right in (
        ((300, 840), (120, H)),
        ((380, 840), (330, H)),
        ((430, 840), (480, H)),
        ((505, 840), (690, H)),
    ):
        tracks = shape([left, (left[0] + 12, 840), (right[0] + 46, H), right], smooth=False)
        picture = wash(picture, (214, 220, 238), blurred(tracks, 6), 0.75)
    return light(picture, (170, 120, 60), both(road, fade(0.78, 1.0, 60, 190)))


def _street_lamp(picture: Image.Image, x: float, turn: int) -> Image.Image:
    draw = ImageDraw.Draw(picture)
    iron: Colour = (44, 44, 60)
    draw.line((x, 980, x, 430), fill=iron, width=12)
    draw.line(curve([(x, 440), (x + turn * 14, 396), (x + turn * 66, 388)], closed=False), fill=iron, width=9)
    draw.polygon(
        [(x + turn * 40, 388), (x + turn * 96, 388), (x + turn * 84, 414), (x + turn * 52, 414)],
        fill=(255, 236, 180),
    )
    cone = shape(
        [(x + turn * 50, 414), (x + turn * 86, 414), (x + turn * 230, 980), (x - turn * 70, 980)],
        smooth=False,
    )
    picture = light(picture, (150, 110, 60), both(blurred(cone, 16), fade(0.34, 0.82, 190, 10)))
    return glow(picture, (x + turn * 68, 404), 170, (220, 160, 80), 1.8)


def _bus(picture: Image.Image) -> Image.Image:
    green, cream = (46, 120, 92), (240, 230, 204)
    body = shape(
        [(184, 1080), (180, 520), (196, 458), (236, 432), (564, 432), (604, 458), (620, 520), (616, 1080)]
    )
    body = both(body, shape([(100, 400), (700, 400), (700, 1082), (100, 1082)], smooth=False))
    picture = wash(picture, (30, 34, 54), blurred(ellipse((400, 1096), 270, 34), 14), 0.8)
    picture = wash(picture, cream, blurred(body, 1))
    lower = both(body, shape([(100, 860), (700, 860), (700, 1100), (100, 1100)], smooth=False))
    picture = wash(picture, green, lower)
    picture = wash(picture, (24, 70, 60), both(lower, fade(0.82, 0.92, 0, 220)), 0.7)
    draw = ImageDraw.Draw(picture)
    draw.rectangle((184, 846, 616, 862), fill=(214, 76, 56))
    draw.rounded_rectangle((240, 452, 560, 524), 12, fill=(22, 22, 28))
    for index, digit in enumerate("45"):
        _digit(draw, digit, 356 + index * 52, 462)
    for x in (262, 500):
        for step in range(3):
            draw.rectangle((x + step * 14, 486, x + step * 14 + 8, 492), fill=(250, 150, 40))
    glass = (212, 548, 588, 800)
    for y in range(glass[1], glass[3]):
        draw.line((glass[0], y, glass[2], y), fill=mix((255, 226, 160), (226, 150, 84), (y - glass[1]) / 252))
    for x in range(236, 588, 58):  # seats and handles inside
        draw.rounded_rectangle((x, 690, x + 40, 800), 12, fill=(176, 110, 84))
        draw.line((x + 18, 548, x + 18, 590), fill=(150, 110, 84), width=4)
        draw.ellipse((x + 7, 588, x + 29, 612), outline=(150, 110, 84), width=5)
    picture = _driver(picture)
    draw = ImageDraw.Draw(picture)
    draw.rounded_rectangle(glass, 16, outline=(40, 44, 54), width=11)
    draw.line((400, 548, 400, 640), fill=(40, 44, 54), width=7)
    for x, to in ((300, 240), (500, 440)):
        draw.line((x, 804, to, 716), fill=(30, 32, 40), width=6)
    draw.polygon([(230, 560), (300, 560), (250, 660), (230, 660)], fill=(255, 240, 206))
    for x in (228, 572):  # mirrors
        side = -1 if x < 400 else 1
        draw.line((x - side * 0, 560, x + side * 66, 590), fill=(40, 44, 54), width=8)
        draw.rounded_rectangle((x + side * 66 - 18, 584, x + side * 66 + 18, 660), 8, fill=(40, 44, 54))
    draw.rounded_rectangle((330, 884, 470, 930), 8, fill=(30, 80, 66))
    for y in (894, 906, 918):
        draw.line((338, y, 462, y), fill=(150, 190, 160), width=3)
    draw.rectangle((352, 980, 448, 1020), fill=(244, 244, 236))
    draw.rectangle((168, 1040, 632, 1082), fill=(60, 66, 80))
    for x in (204, 596):
        draw.rounded_rectangle((x - 30, 1076, x + 30, 1118), 10, fill=(24, 24, 30))
    for x in (258, 542):
        draw.ellipse((x - 40, 920, x + 40, 1000), fill=(214, 214, 206))
        draw.ellipse((x - 29, 931, x + 29, 989), fill=(255, 248, 216))
        picture = glow(picture, (x, 960), 230, (220, 180, 100), 1.8)
        draw = ImageDraw.Draw(picture)
    roof = shape(
        [
            (196, 470),
            (210, 436),
            (260, 416),
            (400, 410),
            (540, 416),
            (590, 436),
            (604, 470),
            (560, 446),
            (400, 438),
            (240, 446),
        ]
    )
    picture = wash(picture, (246, 248, 255), blurred(roof, 2))
    return rim(picture, body, (255, 250, 240), 0, 5, 2)


def _digit(draw: ImageDraw.ImageDraw, digit: str, x: float, y: float) -> None:
    """A digit of the route board; 36 wide and 54 high."""
    bars = {
        "a": (x, y, x + 36, y),
        "b": (x + 36, y, x + 36, y + 26),
        "c": (x + 36, y + 26, x + 36, y + 52),
        "d": (x, y + 52, x + 36, y + 52),
        "f": (x, y, x, y + 26),
        "g": (x, y + 26, x + 36, y + 26),
    }
    for bar in SEGMENTS[digit]:
        draw.line(bars[bar], fill=(255, 164, 48), width=9)


def _driver(picture: Image.Image) -> Image.Image:
    skin: Colour = (232, 180, 146)
    jacket = shape([(414, 802), (420, 742), (452, 716), (490, 710), (530, 716), (560, 742), (566, 802)])
    picture = wash(picture, (46, 66, 104), blurred(jacket, 1))
    picture = paint(picture, (240, 240, 240), [(468, 718), (490, 712), (512, 718), (490, 756)], smooth=False)
    picture = paint(
        picture, (150, 44, 50), [(484, 730), (496, 730), (500, 790), (490, 800), (480, 790)], smooth=False
    )
    head = ellipse((490, 654), 56, 60)
    picture = wash(picture, skin, blurred(head, 1))
    picture = paint(
        picture,
        (196, 196, 200),
        [(432, 654), (434, 604), (466, 584), (514, 584), (546, 604), (548, 654), (534, 618), (446, 618)],
    )
    picture = wash(picture, (226, 130, 110), blurred(ellipse((458, 676), 14, 10), 5), 0.6)
    picture = wash(picture, (226, 130, 110), blurred(ellipse((522, 676), 14, 10), 5), 0.6)
    draw = ImageDraw.Draw(picture)
    for x in (468, 512):
        draw.ellipse((x - 19, 636, x + 19, 672), outline=(60, 56, 66), width=4)
        draw.arc((x - 9, 648, x + 9, 664), 190, 350, fill=(50, 40, 44), width=5)
        draw.line((x - 12, 628, x + 12, 626), fill=(150, 146, 150), width=6)
    draw.line((487, 652, 493, 652), fill=(60, 56, 66), width=4)
    draw.line((530, 650, 544, 646), fill=(70, 130, 200), width=6)  # the taped side of the glasses
    draw.chord((466, 672, 516, 704), 5, 175, fill=(250, 246, 240))
    draw.arc((466, 672, 516, 704), 5, 175, fill=(150, 70, 64), width=4)
    draw.arc((430, 756, 550, 840), 180, 360, fill=(190, 44, 50), width=15)  # the red wool on the wheel
    for x in (448, 532):
        draw.ellipse((x - 15, 760, x + 15, 788), fill=skin)
    draw.ellipse((404, 786, 426, 806), fill=(244, 150, 40))  # a tangerine on the ledge
    random = Random(3)
    for _ in range(5):
        x, y = random.uniform(230, 400), random.uniform(590, 640)
        draw.ellipse((x - 3, y - 3, x + 3, y + 3), fill=(255, 250, 230))
    return wash(picture, (255, 226, 170), both(fade(0.45, 0.67, 40, 0), clouds(W % 89, 3)), 0.3)
