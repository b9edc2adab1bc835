"""A caravan leader with a camel before red dunes, her camels in a line under a huge setting sun.

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
    moved,
    paint,
    rim,
    shape,
    wash,
)
from tools.starter_art.weather import finish

CAMEL: tuple[Point, ...] = (
    (-150, 160),
    (-146, 60),
    (-150, 10),
    (-128, -36),
    (-96, -50),
    (-74, -110),
    (-44, -118),
    (-22, -62),
    (8, -62),
    (34, -118),
    (64, -108),
    (84, -46),
    (110, -40),
    (138, -60),
    (152, -110),
    (156, -158),
    (184, -178),
    (226, -166),
    (238, -148),
    (206, -140),
    (190, -132),
    (186, -80),
    (168, -14),
    (136, 26),
    (122, 60),
    (126, 160),
    (104, 160),
    (98, 60),
    (70, 40),
    (-80, 44),
    (-104, 60),
    (-112, 160),
    (-132, 160),
)
"""The outline of a two-humped camel that goes to the right, around its belly."""


def caravan() -> Image.Image:
    """The picture, in its final size and colours."""
    picture = gradient(
        (0, (84, 44, 88)),
        (0.25, (186, 74, 82)),
        (0.45, (246, 142, 78)),
        (0.6, (255, 206, 120)),
        (1, (150, 70, 50)),
    )
    picture = wash(
        picture, (255, 190, 140), both(clouds(15, 3, 6.0, 120, 190), fade(0.05, 0.5, 90, 255)), 0.5
    )
    picture = glow(picture, (520, 470), 520, (230, 130, 60), 1.7)
    picture = wash(picture, (255, 232, 170), blurred(ellipse((520, 470), 170, 170), 2))
    picture = _fort(picture)
    for seed, outline, colour in (
        (3, [(-20, 660), (180, 620), (420, 650), (640, 600), (820, 640), (820, H), (-20, H)], (214, 120, 80)),
        (6, [(-20, 760), (160, 700), (360, 690), (560, 740), (820, 690), (820, H), (-20, H)], (186, 92, 64)),
    ):
        picture = _dune(picture, outline, colour, seed)
    for index, (x, y) in enumerate(((70, 676), (212, 652), (352, 650), (492, 684), (640, 688))):
        picture = paint(picture, (88, 40, 48), moved(CAMEL, (x, y), 0.34), soft=0.8)
        rider = (
            [(-20, -40), (-22, -96), (0, -128), (22, -96), (20, -40)]
            if index % 2
            else [(-60, -60), (-50, -110), (50, -110), (60, -60)]
        )
        picture = paint(
            picture, (120, 40, 48) if index % 2 else (70, 60, 84), moved(rider, (x, y - 8), 0.4), soft=0.8
        )
    picture = _dune(
        picture,
        [(-20, 900), (200, 860), (460, 900), (700, 840), (820, 850), (820, H + 9), (-20, H + 9)],
        (150, 68, 54),
        9,
    )
    picture = _near_camel(picture)
    picture = _leader(picture)
    return finish(picture, 62)


def _fort(picture: Image.Image) -> Image.Image:
    wall: Colour = (136, 74, 76)
    draw = ImageDraw.Draw(picture)
    draw.polygon([(40, 660), (58, 520), (250, 520), (268, 660)], fill=wall)
    for x in range(58, 250, 28):
        draw.rectangle((x, 504, x + 16, 522), fill=wall)
    draw.rectangle((104, 460, 204, 506), fill=(112, 56, 66))
    for low, wide in ((462, 76), (426, 56)):  # two roofs, corners turned up
        draw.polygon(
            curve(
                [
                    (154 - wide - 14, low - 12),
                    (154 - wide + 14, low),
                    (154 + wide - 14, low),
                    (154 + wide + 14, low - 12),
                    (154 + wide * 0.4, low - 32),
                    (154 - wide * 0.4, low - 32),
                ],
                steps=6,
            ),
            fill=(84, 40, 58),
        )
    draw.chord((124, 590, 184, 730), 180, 360, fill=(250, 190, 110))
    draw.line((154, 396, 154, 350), fill=(84, 40, 58), width=4)
    draw.polygon([(154, 350), (200, 362), (154, 376)], fill=(220, 70, 56))
    return wash(picture, (255, 190, 120), fade(0.36, 0.56, 0, 150), 0.35)


def _dune(picture: Image.Image, outline: list[Point], colour: Colour, seed: int) -> Image.Image:
    mask = shape(outline)
    picture = wash(picture, colour, blurred(mask, 1))
    picture = wash(picture, (70, 30, 50), both(mask, clouds(seed, 4, 5.0, 120, 190)), 0.45)
    return rim(picture, mask, (255, 190, 120), -4, 8, 3)


def _near_camel(picture: Image.Image) -> Image.Image:
    at, size = (330, 870), 1.62
    mask = shape(moved(CAMEL, at, size))
    picture = wash(picture, (166, 112, 74), blurred(mask, 1))
    picture = wash(picture, (104, 62, 50), both(mask, fade(0.66, 0.92, 0, 255)), 0.8)
    picture = wash(picture, (120, 74, 54), both(mask, clouds(22, 18, 1.0, 130, 180)), 0.5)
    picture = rim(picture, mask, (255, 206, 130), -5, 7, 4)
    rug = [
        (-128, -30),
        (-60, -52),
        (-20, -48),
        (30, -50),
        (96, -36),
        (104, 30),
        (40, 46),
        (-70, 46),
        (-122, 28),
    ]
    picture = paint(picture, (164, 38, 50), moved(rug, at, size))
    rugged = shape(moved(rug, at, size))
    for y, colour in ((-18, (240, 190, 90)), (4, (40, 90, 110)), (26, (240, 190, 90))):
        stripe = shape(moved([(-140, y), (120, y - 4), (120, y + 8), (-140, y + 12)], at, size), smooth=False)
        picture = wash(picture, colour, both(stripe, rugged))
    draw = ImageDraw.Draw(picture)
    for index in range(12):
        x = at[0] + (-112 + index * 18) * size
        draw.line((x, at[1] + 44 * size, x, at[1] + 60 * size), fill=(240, 190, 90), width=6)
    for x in (-76, 34):  # bales
        draw.rounded_rectangle(
            (at[0] + (x - 40) * size, at[1] - 40 * size, at[0] + (x + 36) * size, at[1] + 8 * size),
            22,
            fill=(212, 180, 130),
            outline=(110, 70, 54),
            width=5,
        )
        draw.line(
            (at[0] + x * size, at[1] - 40 * size, at[0] + x * size, at[1] + 8 * size),
            fill=(110, 70, 54),
            width=6,
        )
    eye = (at[0] + 196 * size, at[1] - 160 * size)
    draw.ellipse((eye[0] - 8, eye[1] - 6, eye[0] + 8, eye[1] + 8), fill=(34, 20, 24))
    draw.line((eye[0] - 12, eye[1] - 8, eye[0] + 12, eye[1] - 5), fill=(70, 40, 40), width=5)
    draw.line(
        (at[0] + 232 * size, at[1] - 148 * size, at[0] + 208 * size, at[1] - 145 * size),
        fill=(70, 40, 40),
        width=4,
    )
    halter = [(at[0] + x * size, at[1] + y * size) for x, y in ((160, -160), (182, -136), (214, -172))]
    draw.line(halter, fill=(164, 38, 50), width=8)
    neck = (at[0] + 174 * size, at[1] - 66 * size)
    draw.line(
        (at[0] + 150 * size, at[1] - 74 * size, at[0] + 188 * size, at[1] - 72 * size),
        fill=(164, 38, 50),
        width=11,
    )
    draw.polygon(
        [
            (neck[0] - 16, neck[1] + 30),
            (neck[0] - 10, neck[1]),
            (neck[0] + 10, neck[1]),
            (neck[0] + 16, neck[1] + 30),
        ],
        fill=(236, 190, 80),
    )
    return glow(picture, (neck[0], neck[1] + 18), 60, (190, 140, 60), 1.8)


def _leader(picture: Image.Image) -> Image.Image:
    skin: Colour = (216, 160, 124)
    coat = [
        (112, 1210),
        (124, 1060),
        (136, 940),
        (160, 880),
        (210, 862),
        (258, 880),
        (284, 940),
        (294, 1060),
        (312, 1210),
    ]
    mask = shape(coat)
    picture = wash(picture, (34, 92, 100), blurred(mask, 1))
    picture = wash(picture, (22, 60, 74), both(mask, clouds(8, 12, 0.5, 130, 180)), 0.5)
    picture = rim(picture, mask, (255, 200, 120), -6, 5, 3)
    for lapel in (
        [(206, 900), (150, 884), (166, 930), (206, 960)],
        [(214, 900), (270, 884), (254, 930), (214, 960)],
    ):
        picture = paint(picture, (214, 90, 56), lapel, smooth=False)
    picture = paint(picture, (236, 214, 180), [(186, 884), (210, 868), (234, 884), (212, 936)], smooth=False)
    for arm in (
        [(270, 892), (322, 940), (372, 944), (424, 900), (446, 920), (396, 990), (318, 1000), (268, 960)],
        [(150, 892), (112, 950), (100, 1020), (130, 1060), (170, 1040), (150, 1000), (168, 950)],
    ):
        sleeve = shape(arm)
        picture = wash(picture, (40, 102, 108), blurred(sleeve, 1))
        picture = rim(picture, sleeve, (255, 200, 120), -4, 6, 3)
    picture = paint(picture, skin, [(420, 900), (430, 872), (456, 868), (466, 890), (446, 924)])
    draw = ImageDraw.Draw(picture)
    draw.line(
        curve([(450, 886), (540, 800), (620, 660), (664, 640)], closed=False), fill=(110, 50, 44), width=6
    )  # the rein
    draw.rectangle((126, 1048, 296, 1074), fill=(70, 40, 36))
    for x in (150, 186, 222, 258):
        draw.ellipse((x - 9, 1052, x + 9, 1070), fill=(236, 190, 80))
        draw.line((x, 1070, x + 4, 1116), fill=(70, 40, 36), width=5)
    draw.rectangle((182, 1110, 202, 1150), fill=(226, 214, 190))
    picture = paint(
        picture,
        (60, 32, 30),
        [
            (150, 880),
            (140, 800),
            (156, 730),
            (210, 704),
            (262, 730),
            (276, 800),
            (282, 900),
            (262, 960),
            (254, 880),
            (166, 880),
        ],
    )
    face = shape(
        [(166, 790), (170, 750), (210, 732), (250, 750), (254, 790), (242, 838), (210, 862), (178, 838)]
    )
    picture = wash(picture, skin, blurred(face, 1))
    picture = rim(picture, face, (255, 206, 140), -6, 2, 4)
    draw = ImageDraw.Draw(picture)
    for x in (192, 230):
        inner, outer = (x + 13, x - 15) if x < 210 else (x - 13, x + 15)
        draw.line(curve([(inner, 774), (x, 765), (outer, 771)], closed=False), fill=(50, 26, 28), width=6)
        draw.ellipse((x - 6, 784, x + 6, 797), fill=(40, 56, 60))
    draw.line(curve([(212, 784), (220, 816), (206, 818)], closed=False), fill=(170, 110, 84), width=4)
    draw.line(curve([(184, 826), (210, 840), (238, 824)], closed=False), fill=(176, 60, 60), width=6)
    hat = shape(
        [
            (136, 756),
            (150, 690),
            (186, 640),
            (206, 590),
            (220, 590),
            (240, 640),
            (272, 690),
            (286, 756),
            (210, 738),
        ]
    )
    picture = wash(picture, (190, 52, 50), blurred(hat, 1))
    picture = rim(picture, hat, (255, 190, 120), -6, 4, 3)
    picture = paint(
        picture, (240, 214, 170), [(126, 764), (136, 736), (210, 716), (284, 736), (296, 764), (210, 748)]
    )
    draw = ImageDraw.Draw(picture)
    random = Random(5)
    for _ in range(9):
        x = random.uniform(150, 272)
        draw.ellipse((x - 5, 676, x + 5, 688), fill=(240, 200, 100))
    for x in (158, 262):
        draw.ellipse((x - 6, 838, x + 6, 858), fill=(236, 190, 80))
    return wash(picture, (255, 190, 120), both(fade(0.6, 1.0, 0, 60), clouds(W % 97, 3, 6.0, 100, 200)), 0.5)
