"""A clerk and an owl before a wall of pigeonholes in which prophecies glow.

Places are in pixels of the painting canvas (800 by 1200).
"""

from __future__ import annotations

from random import Random

from PIL import Image, ImageDraw

from tools.starter_art.brush import (
    Colour,
    H,
    W,
    blurred,
    both,
    clouds,
    curve,
    ellipse,
    fade,
    glow,
    gradient,
    mix,
    paint,
    rim,
    shape,
    wash,
)
from tools.starter_art.weather import finish

CELL = 92


def pigeonholes() -> Image.Image:
    """The picture, in its final size and colours."""
    picture = gradient((0, (26, 18, 20)), (0.5, (92, 60, 40)), (1, (40, 26, 22)))
    picture = _wall(picture)
    picture = glow(picture, (560, 640), 460, (150, 110, 50), 1.8)
    picture = _ladder(picture)
    picture = _clerk(picture)
    picture = _owl(picture)
    picture = _desk(picture)
    picture = _lamp(picture)
    return finish(picture, 54)


def _wall(picture: Image.Image) -> Image.Image:
    random = Random(7)
    lights = []
    draw = ImageDraw.Draw(picture)
    for row in range(11):
        for column in range(9):
            left, top = column * CELL - 14, row * CELL - 30
            right, bottom = left + CELL - 12, top + CELL - 12
            draw.rectangle((left, top, right, bottom), fill=(30, 20, 22))
            kind = random.random()
            if kind < 0.14:
                lights.append(
                    (
                        ((left + right) / 2, bottom - 24),
                        random.choice([(80, 170, 170), (190, 150, 60), (150, 90, 170)]),
                    )
                )
            if kind < 0.55:  # rolls, seen from their ends
                for index in range(random.randint(2, 4)):
                    x, radius = left + 14 + index * 20, random.randint(9, 13)
                    paper = mix((206, 184, 140), (120, 90, 64), random.random())
                    draw.ellipse((x - radius, bottom - radius * 2 - 2, x + radius, bottom - 2), fill=paper)
                    draw.arc(
                        (x - 5, bottom - radius - 8, x + 5, bottom - radius + 2),
                        0,
                        300,
                        fill=(80, 56, 44),
                        width=2,
                    )
            elif kind < 0.86:  # bundles
                floor = bottom - 2
                while floor > top + 26:
                    thick = random.randint(6, 15)
                    draw.rectangle(
                        (left + 6, floor - thick, right - random.randint(6, 18), floor - 2),
                        fill=mix((190, 166, 124), (104, 74, 56), random.random()),
                    )
                    floor -= thick
            draw.rectangle((left + 22, bottom + 1, right - 22, bottom + 9), fill=(186, 146, 74))
    for place, colour in lights:
        picture = glow(picture, place, 84, colour, 1.7)
        picture = glow(picture, place, 22, (255, 250, 220), 1.2)
    return wash(picture, (14, 10, 16), fade(0.0, 0.42, 235, 0), 0.9)


def _ladder(picture: Image.Image) -> Image.Image:
    draw = ImageDraw.Draw(picture)
    wood: Colour = (136, 88, 52)
    for x, top in ((96, 120), (176, 120)):
        draw.line((x, top, x - 40, 1010), fill=wood, width=13)
    for step in range(14):
        y = 170 + step * 62
        x = 96 - (y - 120) * 0.045
        draw.line((x, y, x + 80, y), fill=mix(wood, (30, 20, 20), 0.2), width=9)
    return picture


def _clerk(picture: Image.Image) -> Image.Image:
    cardigan, skin = (96, 108, 74), (226, 182, 152)
    body = [
        (232, 960),
        (240, 790),
        (268, 700),
        (318, 662),
        (372, 650),
        (430, 664),
        (482, 700),
        (512, 790),
        (524, 960),
    ]
    mask = shape(body)
    picture = wash(picture, cardigan, blurred(mask, 1))
    picture = wash(picture, (66, 74, 54), both(mask, clouds(12, 14, 1.0, 130, 180)), 0.5)
    picture = rim(picture, mask, (220, 180, 100), -6, 6, 3)
    picture = paint(
        picture,
        (238, 230, 212),
        [(336, 664), (374, 648), (412, 664), (394, 760), (374, 820), (354, 760)],
        smooth=False,
    )
    picture = paint(
        picture, (124, 40, 46), [(364, 672), (386, 672), (392, 760), (375, 800), (358, 760)], smooth=False
    )
    head = shape(
        [
            (312, 560),
            (308, 488),
            (320, 424),
            (350, 394),
            (384, 390),
            (420, 402),
            (438, 446),
            (440, 510),
            (434, 570),
            (412, 622),
            (378, 648),
            (338, 626),
        ]
    )
    picture = wash(picture, skin, blurred(head, 1))
    picture = rim(picture, head, (240, 190, 110), -7, 3, 4)
    picture = wash(picture, (200, 140, 120), blurred(ellipse((404, 560), 24, 16), 8), 0.6)
    draw = ImageDraw.Draw(picture)
    for side in (
        [(312, 500), (292, 440), (314, 404), (338, 398), (326, 440)],
        [(438, 500), (452, 446), (438, 410), (416, 398), (428, 442)],
    ):
        draw.polygon(curve(side), fill=(120, 112, 108))
    draw.line(curve([(336, 396), (374, 378), (416, 394)], closed=False), fill=(120, 112, 108), width=7)
    for x in (346, 406):
        draw.ellipse((x - 6, 498, x + 6, 514), fill=(44, 36, 38))
        draw.chord((x - 28, 484, x + 28, 540), 0, 180, outline=(214, 176, 90), width=4)
        draw.line(curve([(x - 22, 472), (x, 460), (x + 22, 474)], closed=False), fill=(110, 102, 98), width=7)
    draw.line((374, 512, 378, 512), fill=(214, 176, 90), width=4)
    draw.line(curve([(376, 506), (390, 556), (370, 562)], closed=False), fill=(186, 134, 110), width=5)
    picture = paint(
        picture,
        (132, 122, 116),
        [(374, 578), (338, 574), (306, 600), (330, 598), (372, 598), (418, 598), (446, 596), (412, 572)],
    )
    draw = ImageDraw.Draw(picture)
    draw.line(curve([(358, 612), (376, 618), (394, 611)], closed=False), fill=(160, 84, 74), width=5)
    sleeve = [(486, 716), (530, 790), (548, 880), (500, 930), (420, 920), (410, 886), (470, 876), (462, 810)]
    mask = shape(sleeve)
    picture = wash(picture, (106, 118, 82), blurred(mask, 1))
    picture = rim(picture, mask, (230, 190, 110), -6, 5, 3)
    draw = ImageDraw.Draw(picture)
    draw.line((470, 812, 536, 800), fill=(180, 60, 56), width=9)  # the sleeve garter
    return paint(picture, skin, [(424, 884), (388, 880), (366, 898), (380, 922), (424, 924)])


def _owl(picture: Image.Image) -> Image.Image:
    body = shape(
        [
            (196, 700),
            (180, 620),
            (186, 550),
            (216, 510),
            (260, 506),
            (292, 544),
            (304, 620),
            (290, 700),
            (244, 726),
        ]
    )
    picture = wash(picture, (190, 140, 84), blurred(body, 1))
    picture = wash(picture, (120, 84, 56), both(body, clouds(33, 18, 1.0, 140, 165)), 0.6)
    picture = paint(
        picture, (240, 226, 200), [(214, 690), (208, 620), (246, 590), (282, 620), (280, 690), (246, 716)]
    )
    face = shape(
        [(246, 600), (206, 572), (198, 530), (222, 508), (246, 524), (270, 508), (294, 530), (286, 572)]
    )
    picture = wash(picture, (250, 242, 226), blurred(face, 1))
    picture = rim(picture, body, (240, 190, 110), -5, 4)
    draw = ImageDraw.Draw(picture)
    for x in (225, 267):
        draw.ellipse((x - 13, 534, x + 13, 562), fill=(30, 22, 24))
        draw.ellipse((x - 2, 538, x + 7, 547), fill=(250, 240, 220))
    draw.polygon([(240, 562), (252, 562), (246, 586)], fill=(224, 160, 90))
    draw.line(
        curve([(212, 610), (246, 650), (280, 610)], closed=False), fill=(60, 130, 140), width=5
    )  # the lanyard
    draw.rectangle((234, 648, 262, 684), fill=(240, 240, 236), outline=(60, 130, 140), width=4)
    for x in (228, 262):
        draw.line((x, 716, x - 4, 736), fill=(210, 160, 90), width=8)
    return picture


def _desk(picture: Image.Image) -> Image.Image:
    desk = shape([(-10, 930), (810, 930), (810, H + 5), (-10, H + 5)], smooth=False)
    picture = wash(picture, (92, 54, 36), desk)
    picture = wash(picture, (60, 34, 26), both(desk, clouds(18, 5, 12.0, 120, 170)), 0.6)
    picture = rim(picture, desk, (220, 150, 80), 0, 9, 2)
    scroll = [
        (250, 950),
        (520, 944),
        (540, 1010),
        (500, 1080),
        (520, 1150),
        (470, 1210),
        (216, 1210),
        (244, 1140),
        (222, 1070),
        (262, 1010),
    ]
    mask = shape(scroll)
    picture = wash(picture, (240, 222, 180), blurred(mask, 1))
    picture = wash(picture, (200, 164, 112), both(mask, clouds(27, 5, 1.0, 130, 190)), 0.5)
    random = Random(2)
    draw = ImageDraw.Draw(picture)
    for row in range(8):
        y, x = 972 + row * 28, 284.0 - (row % 3) * 8
        while x < 480:
            length = random.uniform(12, 40)
            draw.line((x, y, min(x + length, 486), y), fill=(110, 84, 64), width=5)
            x += length + 10
    draw.ellipse((354, 1044, 424, 1092), fill=(70, 56, 60))  # the smudge
    draw.ellipse((400, 1060, 452, 1090), fill=(96, 78, 74))
    draw.ellipse((440, 1118, 492, 1166), fill=(176, 40, 44))
    draw.line((392, 902, 340, 990), fill=(250, 244, 230), width=7)  # the quill
    draw.polygon([(392, 902), (430, 838), (420, 886), (398, 912)], fill=(250, 244, 230))
    for index in range(9):
        top = 912 - index * 15
        draw.rectangle(
            (64 + index % 3 * 8, top, 196 - index % 2 * 10, top + 13),
            fill=mix((214, 190, 144), (150, 116, 84), random.random()),
        )
    draw.rounded_rectangle((86, 746, 146, 786), 6, fill=(40, 40, 46))  # the date stamp
    draw.rounded_rectangle((104, 704, 128, 750), 8, fill=(140, 40, 40))
    return picture


def _lamp(picture: Image.Image) -> Image.Image:
    draw = ImageDraw.Draw(picture)
    brass: Colour = (206, 160, 76)
    draw.ellipse((580, 948, 740, 990), fill=brass)
    draw.line((660, 970, 660, 690), fill=brass, width=14)
    shade = shape([(540, 716), (566, 640), (620, 612), (700, 612), (754, 640), (780, 716)], smooth=False)
    picture = wash(picture, (24, 110, 84), blurred(shade, 1))
    picture = rim(picture, shade, (110, 200, 150), 8, 10, 6)
    beam = shape([(548, 716), (772, 716), (W + 80, 1010), (400, 1010)], smooth=False)
    picture = wash(picture, (255, 226, 150), both(blurred(beam, 14), fade(0.59, 0.84, 130, 10)))
    picture = wash(picture, (255, 246, 206), blurred(ellipse((660, 716), 96, 12), 3))
    return glow(picture, (660, 724), 300, (190, 140, 60), 2.2)
