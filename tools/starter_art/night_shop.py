"""A convenience store at the end of an alley, lanterns, a huge moon, carp swimming through the sky.

Places are in pixels of the painting canvas (800 by 1200).
"""

from __future__ import annotations

from random import Random

from PIL import Image, ImageChops, ImageDraw

from tools.starter_art.brush import (
    Colour,
    H,
    Point,
    W,
    blank,
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
    moon,
    shape,
    stars,
    wash,
)
from tools.starter_art.weather import finish, rain, street


def night_shop() -> Image.Image:
    """The picture, in its final size and colours."""
    picture = gradient(
        (0, (12, 16, 48)),
        (0.32, (26, 58, 96)),
        (0.55, (66, 100, 128)),
        (0.75, (30, 34, 66)),
        (1, (10, 10, 26)),
    )
    picture = stars(picture, 9, 120, 0.45)
    picture = moon(picture, (410, 350), 196, (226, 240, 232), 6)
    picture = wash(picture, (36, 52, 96), both(clouds(4, 3, 3.0, 120, 180), fade(0.1, 0.5, 60, 255)), 0.6)
    for at, size, turn, colour in (
        ((300, 250), 1.15, -20, (255, 132, 92)),
        ((556, 170), 0.75, 14, (255, 214, 150)),
        ((560, 440), 0.6, -32, (240, 110, 120)),
    ):
        picture = _carp(picture, at, size, turn, colour)
    picture = _alley(picture)
    picture = _store(picture)
    for start, end, sag, count in (
        ((40, 470), (420, 560), 70, 4),
        ((780, 420), (400, 560), 80, 4),
        ((30, 330), (330, 470), 60, 2),
    ):
        picture = _lanterns(picture, start, end, sag, count)
    picture = street(picture, 985, (36, 60, 84))
    picture = _fox(picture)
    picture = rain(picture, 22, 200, (150, 200, 220), 0.1)
    return finish(picture, 44)


def _carp(picture: Image.Image, at: Point, size: float, turn: float, colour: Colour) -> Image.Image:
    body = [
        (-120, 0),
        (-84, -22),
        (-20, -36),
        (50, -28),
        (100, -8),
        (112, 2),
        (96, 16),
        (40, 30),
        (-30, 30),
        (-86, 16),
    ]
    tail = [(-100, 0), (-150, -16), (-206, -62), (-196, -10), (-218, 44), (-154, 16)]
    fins = [
        [(-10, 26), (-40, 74), (-4, 60), (24, 30)],
        [(-30, -32), (-50, -66), (10, -56), (34, -30)],
        [(44, 22), (30, 58), (58, 46), (64, 20)],
    ]
    placed = blank()
    for outline, strength in ((tail, 150), *((fin, 140) for fin in fins), (body, 235)):
        part = Image.new("L", (W, H))
        points = [(at[0] + x * size, at[1] + y * size) for x, y in outline]
        ImageDraw.Draw(part).polygon(curve(points), fill=strength)
        placed = ImageChops.lighter(placed, part)
    placed = blurred(placed.rotate(turn, center=at), 1.4)
    halo = blurred(placed, 26)
    picture = light(picture, mix(colour, (40, 40, 90), 0.3), halo)
    picture = wash(picture, colour, placed, 0.86)
    patches = both(placed, clouds(round(at[0]), 8, 1.0, 125, 150))
    picture = wash(picture, (255, 244, 232), patches, 0.75)
    eye = blank()
    ex, ey = at[0] + 84 * size, at[1] - 6 * size
    ImageDraw.Draw(eye).ellipse((ex - 5 * size, ey - 5 * size, ex + 5 * size, ey + 5 * size), fill=255)
    return wash(picture, (30, 20, 40), eye.rotate(turn, center=at))


def _alley(picture: Image.Image) -> Image.Image:
    random = Random(13)
    sides = (
        ([(-10, 160), (110, 250), (150, 420), (150, 1010), (-10, 1010)], (24, 24, 50)),
        ([(110, 400), (196, 450), (196, 1010), (110, 1010)], (34, 36, 66)),
        ([(810, 90), (700, 210), (660, 400), (660, 1010), (810, 1010)], (22, 22, 46)),
        ([(690, 420), (606, 470), (606, 1010), (690, 1010)], (32, 34, 62)),
    )
    for outline, colour in reversed(sides):
        picture = wash(picture, colour, shape(outline, smooth=False))
    draw = ImageDraw.Draw(picture)
    for left, right, first in ((14, 96, 300), (716, 790, 250)):
        for row in range(6):
            for column in range(2):
                x, y = left + column * (right - left) / 2, first + row * 92
                lit = random.choice([(250, 196, 120), (90, 170, 180), (44, 46, 78), (40, 40, 70)])
                draw.rectangle((x, y, x + 28, y + 44), fill=lit)
                draw.line((x, y + 22, x + 28, y + 22), fill=(20, 20, 40), width=3)
    for x, y in ((104, 520), (118, 640), (666, 560), (660, 700)):
        draw.rectangle((x, y, x + 40, y + 30), fill=(58, 62, 90))
        draw.ellipse((x + 8, y + 4, x + 30, y + 26), outline=(30, 32, 56), width=4)
    for x, y, colour in ((150, 600, (250, 90, 130)), (626, 620, (90, 220, 220))):  # upright neon signs
        draw.rounded_rectangle((x, y, x + 30, y + 130), 8, fill=(24, 20, 44), outline=colour, width=4)
        for row in range(4):
            draw.rectangle((x + 9, y + 14 + row * 29, x + 21, y + 30 + row * 29), fill=colour)
    picture = glow(picture, (165, 665), 130, (150, 40, 80), 2)
    picture = glow(picture, (641, 685), 130, (30, 120, 130), 2)
    wires = blank()
    draw = ImageDraw.Draw(wires)
    for a, b, c in (((0, 230), (380, 420), (800, 190)), ((0, 280), (420, 470), (800, 330))):
        draw.line(curve([a, b, c], steps=30, closed=False), fill=255, width=3)
    return wash(picture, (14, 14, 32), wires)


def _store(picture: Image.Image) -> Image.Image:
    draw = ImageDraw.Draw(picture)
    draw.rectangle((196, 600, 606, 990), fill=(28, 34, 58))
    for y in range(690, 976):
        share = (y - 690) / 286
        draw.line((216, y, 586, y), fill=mix((236, 252, 240), (250, 214, 150), share))
    for index, colour in enumerate(((40, 180, 170), (246, 250, 244), (250, 150, 70))):
        draw.rectangle((188, 616 + index * 22, 614, 638 + index * 22), fill=colour)
    draw.ellipse(
        (366, 606, 436, 692), fill=(250, 240, 214), outline=(40, 120, 120), width=5
    )  # the lantern sign
    draw.ellipse((386, 616, 416, 682), outline=(236, 130, 70), width=4)
    draw.line((401, 610, 401, 688), fill=(236, 130, 70), width=4)
    random = Random(23)
    jars = [
        (250, 170, 110),
        (140, 200, 220),
        (250, 220, 120),
        (220, 130, 160),
        (150, 210, 150),
        (170, 150, 220),
    ]
    for left, right in ((226, 356), (486, 580)):
        for row in range(4):
            floor = 760 + row * 56
            draw.rectangle((left, floor, right, floor + 6), fill=(120, 130, 130))
            for x in range(left + 3, right - 16, 21):
                top = floor - random.randint(24, 38)
                draw.rounded_rectangle(
                    (x, top, x + 16, floor), 4, fill=random.choice(jars), outline=(110, 110, 120)
                )
    draw.rectangle((366, 712, 476, 976), fill=(252, 244, 214), outline=(60, 80, 90), width=6)
    for x in (356, 481):
        draw.line((x, 694, x, 976), fill=(60, 80, 90), width=6)
    draw.rectangle((196, 974, 606, 992), fill=(60, 66, 84))
    picture = glow(picture, (400, 830), 420, (90, 110, 96), 1.6)
    picture = glow(picture, (401, 650), 150, (150, 110, 70), 1.8)
    skin, hair = (238, 196, 168), (40, 34, 52)
    parts: tuple[tuple[list[Point], Colour], ...] = (
        ([(396, 974), (398, 900), (444, 900), (446, 974), (426, 974), (421, 916), (416, 974)], (46, 48, 70)),
        (
            [(384, 916), (390, 850), (400, 834), (421, 828), (442, 834), (452, 850), (458, 916), (421, 924)],
            (240, 236, 226),
        ),
        ([(394, 934), (398, 862), (412, 852), (430, 852), (444, 862), (448, 934), (421, 940)], (44, 66, 120)),
        ([(390, 848), (380, 880), (386, 906), (398, 900), (398, 864)], (240, 236, 226)),
        ([(450, 846), (474, 826), (486, 792), (476, 788), (462, 812), (442, 836)], (240, 236, 226)),
    )
    for outline, colour in parts:
        picture = wash(picture, colour, blurred(shape(outline), 0.8))
    for mask, colour in (
        (
            shape(
                [
                    (390, 814),
                    (388, 780),
                    (402, 760),
                    (424, 756),
                    (446, 764),
                    (456, 786),
                    (452, 818),
                    (460, 826),
                    (440, 824),
                    (402, 824),
                    (384, 828),
                ]
            ),
            hair,
        ),
        (ellipse((421, 798), 22, 26), skin),
        (
            shape(
                [
                    (396, 796),
                    (400, 768),
                    (424, 762),
                    (446, 774),
                    (446, 796),
                    (436, 780),
                    (420, 786),
                    (408, 780),
                ]
            ),
            hair,
        ),
        (ellipse((481, 786), 8, 9), skin),
    ):
        picture = wash(picture, colour, blurred(mask, 0.7))
    draw = ImageDraw.Draw(picture)
    for x in (412, 430):
        draw.arc((x - 5, 794, x + 5, 804), 200, 340, fill=(60, 40, 50), width=3)
    draw.arc((413, 802, 429, 814), 20, 160, fill=(190, 90, 90), width=3)
    draw.rectangle((428, 870, 444, 880), fill=(252, 248, 236))
    return picture


def _lanterns(picture: Image.Image, start: Point, end: Point, sag: float, count: int) -> Image.Image:
    middle = ((start[0] + end[0]) / 2, (start[1] + end[1]) / 2 + sag)
    line = curve([start, middle, end], steps=24, closed=False)
    draw = ImageDraw.Draw(picture)
    draw.line(line, fill=(20, 18, 36), width=3)
    for index in range(count):
        x, y = line[round((index + 0.5) * (len(line) - 1) / count)]
        size = 26 - 3.2 * index
        y += size * 1.3
        picture = glow(picture, (x, y), size * 4, (200, 62, 34), 1.9)
        draw = ImageDraw.Draw(picture)
        draw.ellipse((x - size, y - size * 1.1, x + size, y + size * 1.1), fill=(228, 70, 44))
        draw.ellipse((x - size * 0.55, y - size * 0.8, x + size * 0.55, y + size * 0.9), fill=(255, 160, 84))
        for edge in (-1, 1):
            draw.rectangle(
                (x - size * 0.5, y + edge * size * 1.1 - 3, x + size * 0.5, y + edge * size * 1.1 + 3),
                fill=(90, 40, 30),
            )
        draw.line((x, y + size * 1.1, x, y + size * 1.8), fill=(240, 180, 80), width=3)
    return picture


def _fox(picture: Image.Image) -> Image.Image:
    tails = (
        [(236, 1070), (180, 1050), (150, 980), (176, 930), (196, 968), (206, 1010), (246, 1046)],
        [(244, 1066), (204, 1020), (206, 950), (240, 912), (248, 956), (240, 1000), (262, 1044)],
        [(236, 1076), (168, 1080), (116, 1046), (112, 1000), (150, 1030), (196, 1046), (246, 1058)],
    )
    body = [(236, 1086), (232, 1046), (250, 1008), (272, 990), (292, 996), (300, 1030), (302, 1086)]
    head = [
        (262, 998),
        (258, 966),
        (254, 936),
        (272, 954),
        (292, 954),
        (308, 936),
        (308, 966),
        (316, 984),
        (290, 1006),
    ]
    orange, white, black = (224, 128, 62), (248, 240, 228), (52, 40, 44)
    picture = wash(picture, (8, 8, 18), blurred(ellipse((250, 1090), 110, 14), 8), 0.7)
    for outline in tails:
        mask = shape(outline)
        picture = wash(picture, orange, blurred(mask, 0.8))
        tip = both(mask, fade(0.76, 0.86, 255, 0))
        picture = wash(picture, white, tip)
    for outline, colour in ((body, orange), (head, orange)):
        picture = wash(picture, colour, blurred(shape(outline), 0.8))
    picture = wash(
        picture, white, blurred(shape([(276, 1000), (296, 1006), (298, 1050), (280, 1080), (270, 1040)]), 1)
    )
    picture = wash(picture, black, both(shape(body), ellipse((244, 1050), 20, 26)), 0.9)
    picture = wash(picture, white, shape([(284, 984), (300, 978), (316, 984), (300, 1000), (288, 1000)]))
    draw = ImageDraw.Draw(picture)
    draw.line((274, 972, 284, 976), fill=black, width=4)
    draw.line((300, 974, 308, 970), fill=black, width=4)
    draw.ellipse((308, 980, 317, 988), fill=black)
    return glow(picture, (176, 940), 70, (70, 110, 190), 1.8)
