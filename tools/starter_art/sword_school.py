"""A flying lesson: an instructor and a pupil on a broad sword over a sea of clouds.

Places are in pixels of the painting canvas (800 by 1200).
"""

from __future__ import annotations

import math
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
    moved,
    paint,
    rim,
    shape,
    wash,
)
from tools.starter_art.weather import finish


def sword_school() -> Image.Image:
    """The picture, in its final size and colours."""
    picture = gradient(
        (0, (52, 132, 190)),
        (0.35, (120, 192, 214)),
        (0.6, (226, 240, 232)),
        (0.8, (250, 236, 206)),
        (1, (236, 206, 180)),
    )
    picture = wash(picture, (255, 255, 255), both(clouds(5, 3, 4.0, 125, 190), fade(0.0, 0.4, 220, 60)), 0.7)
    picture = glow(picture, (640, 200), 380, (120, 100, 60), 1.8)
    picture = wash(picture, (255, 248, 220), blurred(ellipse((640, 200), 66, 66), 3))
    for at, size, seed in (((130, 470), 0.8, 2), ((690, 560), 1.0, 7), ((420, 380), 0.5, 4)):
        picture = _island(picture, at, size, seed)
    picture = _sea(picture, 860, 31, 0.75)
    picture = _crane(picture, (240, 250), 1.0)
    picture = _crane(picture, (130, 330), 0.6)
    for x, y in ((84, 770), (726, 830), (640, 960)):
        picture = _cone(picture, (x, y))
    picture = _sword(picture)
    picture = _pupil(picture)
    picture = _coach(picture)
    picture = _sea(picture, 1060, 47, 1.0)
    return finish(picture, 63, 0.045)


def _island(picture: Image.Image, at: Point, size: float, seed: int) -> Image.Image:
    """A peak that floats, with pines on it and a waterfall."""
    rock = moved(
        [
            (-130, 0),
            (-96, -46),
            (-40, -40),
            (-10, -120),
            (30, -150),
            (60, -60),
            (110, -40),
            (136, 0),
            (80, 90),
            (30, 200),
            (-6, 250),
            (-40, 150),
            (-94, 70),
        ],
        at,
        size,
    )
    mask = shape(rock)
    far = size < 0.7
    picture = wash(picture, (150, 176, 190) if far else (104, 120, 128), blurred(mask, 1))
    picture = wash(picture, (74, 88, 104), both(mask, clouds(seed, 10, 0.6, 130, 180)), 0.5)
    picture = rim(picture, mask, (255, 236, 200), -5, 6, 3)
    draw = ImageDraw.Draw(picture)
    random = Random(seed)
    for _ in range(round(46 * size)):
        x = at[0] + random.uniform(-120, 120) * size
        y = at[1] - random.uniform(0, 54) * size
        tall = random.uniform(26, 50) * size
        green = mix((44, 96, 78), (120, 160, 96), random.random())
        draw.polygon([(x, y - tall), (x - tall * 0.36, y + 6), (x + tall * 0.36, y + 6)], fill=green)
    fall = blank()
    ImageDraw.Draw(fall).polygon(moved([(40, -20), (58, -20), (64, 300), (40, 300)], at, size), fill=255)
    return wash(
        picture, (246, 252, 255), both(blurred(fall, 3), fade(at[1] / H, (at[1] + 300 * size) / H, 230, 0))
    )


def _sea(picture: Image.Image, level: float, seed: int, strength: float) -> Image.Image:
    random = Random(seed)
    mask = blank()
    draw = ImageDraw.Draw(mask)
    for _ in range(60):
        x, radius = random.uniform(-40, W + 40), random.uniform(40, 100)
        y = level + random.uniform(10, 90) + radius * 0.4
        draw.ellipse((x - radius, y - radius * 0.7, x + radius, y + radius * 0.7), fill=255)
    draw.rectangle((0, level + 90, W, H), fill=255)
    picture = wash(picture, (252, 250, 244), blurred(mask, 5), strength)
    shade = both(mask, ImageChops.invert(ImageChops.offset(blurred(mask, 10), 0, -34)))
    picture = wash(
        picture, (176, 196, 216), both(blurred(mask, 4), clouds(seed, 5, 2.0, 130, 190)), 0.55 * strength
    )
    return light(picture, (120, 90, 60), blurred(shade, 8))


def _crane(picture: Image.Image, at: Point, size: float) -> Image.Image:
    picture = paint(
        picture,
        (250, 250, 248),
        moved(
            [(-20, 0), (-80, -70), (-150, -84), (-96, -40), (-50, 14), (0, 20), (60, 10), (20, -14)], at, size
        ),
    )
    picture = paint(
        picture, (250, 250, 248), moved([(-10, 0), (20, -90), (80, -130), (56, -66), (40, 4)], at, size)
    )
    picture = paint(
        picture, (40, 44, 54), moved([(-150, -84), (-120, -70), (-92, -38), (-108, -44)], at, size)
    )
    picture = paint(picture, (40, 44, 54), moved([(80, -130), (70, -96), (56, -66), (60, -104)], at, size))
    draw = ImageDraw.Draw(picture)
    draw.line(
        curve(moved([(54, 10), (100, -4), (128, -24)], at, size), closed=False),
        fill=(250, 250, 248),
        width=max(4, round(9 * size)),
    )
    draw.line(moved([(128, -24), (168, -30)], at, size), fill=(220, 180, 90), width=max(3, round(5 * size)))
    x, y = moved([(130, -28)], at, size)[0]
    draw.ellipse((x - 8 * size, y - 9 * size, x + 8 * size, y + 4 * size), fill=(214, 50, 44))
    draw.line(moved([(-46, 14), (-110, 34)], at, size), fill=(40, 44, 54), width=max(3, round(5 * size)))
    return picture


def _cone(picture: Image.Image, at: Point) -> Image.Image:
    x, y = at
    puff = ellipse((x, y + 8), 54, 18)
    picture = wash(picture, (255, 255, 255), blurred(puff, 5), 0.9)
    draw = ImageDraw.Draw(picture)
    draw.polygon([(x - 36, y), (x - 9, y - 96), (x + 9, y - 96), (x + 36, y)], fill=(240, 106, 40))
    for low, high in ((-30, -48), (-62, -78)):
        draw.polygon(
            [
                (x + 36 + low * 0.28 - 72 - low * 0.56, y + low),
                (x + 36 + low * 0.28, y + low),
                (x + 36 + high * 0.28, y + high),
                (x - 36 - high * 0.28, y + high),
            ],
            fill=(250, 246, 236),
        )
    draw.ellipse((x - 46, y - 9, x + 46, y + 11), fill=(214, 84, 34))
    return picture


def _sword(picture: Image.Image) -> Image.Image:
    turn = -9.0
    mask, edge, guard, hilt = blank(), blank(), blank(), blank()
    ImageDraw.Draw(mask).polygon([(120, 900), (60, 930), (120, 960), (620, 960), (620, 900)], fill=255)
    ImageDraw.Draw(edge).polygon([(76, 926), (610, 922), (610, 936), (76, 934)], fill=255)
    ImageDraw.Draw(guard).rounded_rectangle((612, 868, 650, 992), 14, fill=255)
    ImageDraw.Draw(hilt).rounded_rectangle((648, 908, 764, 952), 16, fill=255)
    trail = blank()
    ImageDraw.Draw(trail).polygon([(700, 900), (1000, 820), (1000, 1060), (700, 960)], fill=255)
    picture = light(
        picture,
        (80, 170, 180),
        both(blurred(trail.rotate(turn, center=(400, 930)), 24), clouds(3, 6, 6.0, 100, 170)),
    )
    for part, colour in (
        (mask, (206, 216, 222)),
        (edge, (140, 160, 176)),
        (hilt, (110, 60, 40)),
        (guard, (222, 178, 76)),
    ):
        turned = part.rotate(turn, resample=Image.Resampling.BICUBIC, center=(400, 930))
        picture = wash(picture, colour, blurred(turned, 1))
        picture = rim(picture, turned, (255, 255, 240), 0, 6)
    plate = blank()  # the yellow plate of a learner
    ImageDraw.Draw(plate).polygon([(150, 930), (190, 890), (230, 930), (190, 970)], fill=255)
    plate = plate.rotate(turn, center=(400, 930))
    picture = wash(picture, (250, 204, 60), plate)
    picture = rim(picture, plate, (255, 255, 220), 3, 3)
    glowing = blank()
    ImageDraw.Draw(glowing).line((90, 980, 610, 980), fill=255, width=26)
    return light(picture, (110, 200, 190), blurred(glowing.rotate(turn, center=(400, 930)), 12))


def _robe(picture: Image.Image, parts: tuple[tuple[list[Point], Colour], ...]) -> Image.Image:
    for outline, colour in parts:
        mask = shape(outline)
        picture = wash(picture, colour, blurred(mask, 1))
        picture = wash(
            picture,
            mix(colour, (30, 40, 70), 0.6),
            blurred(both(mask, ImageChops.invert(ImageChops.offset(mask, 14, -8))), 6),
            0.6,
        )
        picture = rim(picture, mask, (255, 246, 220), -5, 5)
    return picture


def _pupil(picture: Image.Image) -> Image.Image:
    """In front, knees bent, both arms out."""
    robe: Colour = (108, 160, 190)
    picture = _robe(
        picture,
        (
            ([(176, 930), (172, 870), (190, 810), (232, 796), (240, 850), (222, 936)], (64, 84, 116)),
            ([(262, 928), (276, 860), (256, 806), (292, 790), (326, 840), (318, 918)], (64, 84, 116)),
            (
                [
                    (180, 836),
                    (192, 740),
                    (212, 690),
                    (254, 676),
                    (296, 690),
                    (316, 744),
                    (326, 830),
                    (252, 856),
                ],
                robe,
            ),
            ([(212, 700), (150, 690), (84, 640), (66, 664), (130, 730), (204, 752)], robe),
            ([(296, 700), (350, 676), (390, 606), (414, 620), (386, 712), (306, 756)], robe),
        ),
    )
    skin: Colour = (240, 198, 166)
    for hand in ((72, 646), (402, 608)):
        picture = wash(picture, skin, ellipse(hand, 19, 19))
    picture = wash(picture, (34, 32, 40), ellipse((254, 566), 22, 26))
    head = ellipse((254, 622), 56, 58)
    picture = wash(picture, skin, blurred(head, 1))
    picture = paint(
        picture,
        (34, 32, 40),
        [
            (198, 622),
            (196, 578),
            (230, 556),
            (280, 556),
            (312, 580),
            (310, 622),
            (290, 592),
            (250, 598),
            (222, 590),
        ],
    )
    draw = ImageDraw.Draw(picture)
    for x in (236, 276):
        draw.ellipse((x - 12, 612, x + 12, 638), fill=(255, 255, 250), outline=(40, 36, 40), width=3)
        draw.ellipse((x - 4, 621, x + 4, 630), fill=(30, 28, 34))
    draw.ellipse((242, 648, 270, 672), fill=(140, 50, 50))
    for x, y in ((190, 580), (182, 606), (322, 576), (332, 600)):
        draw.polygon([(x, y), (x - 5, y + 16), (x + 5, y + 16)], fill=(150, 210, 240))
    draw.line(
        curve([(252, 800), (380, 850), (470, 800)], closed=False), fill=(236, 180, 80), width=8
    )  # the safety line
    return picture


def _coach(picture: Image.Image) -> Image.Image:
    robe, skin = (74, 84, 110), (178, 118, 88)
    picture = _robe(
        picture,
        (
            ([(440, 900), (430, 800), (452, 760), (500, 750), (512, 830), (500, 898)], (46, 50, 66)),
            ([(530, 888), (528, 800), (522, 750), (576, 756), (600, 810), (596, 880)], (46, 50, 66)),
            (
                [
                    (424, 812),
                    (420, 690),
                    (440, 596),
                    (470, 548),
                    (520, 528),
                    (574, 546),
                    (604, 596),
                    (622, 690),
                    (618, 806),
                    (520, 836),
                ],
                robe,
            ),
            (
                [
                    (444, 600),
                    (396, 600),
                    (340, 560),
                    (300, 500),
                    (280, 520),
                    (312, 596),
                    (380, 664),
                    (446, 684),
                ],
                robe,
            ),
            ([(596, 600), (640, 650), (648, 730), (604, 762), (568, 740), (606, 706), (588, 660)], robe),
        ),
    )
    picture = paint(picture, (236, 226, 206), [(488, 548), (520, 532), (552, 548), (524, 640)], smooth=False)
    picture = paint(
        picture,
        skin,
        [
            (304, 506),
            (286, 480),
            (262, 464),
            (256, 476),
            (272, 490),
            (244, 486),
            (242, 500),
            (270, 512),
            (288, 528),
        ],
    )
    draw = ImageDraw.Draw(picture)
    draw.rectangle((426, 740, 618, 764), fill=(140, 80, 46))
    gourd = ImageChops.lighter(ellipse((606, 800), 34, 36), ellipse((606, 752), 21, 22))
    picture = wash(picture, (206, 134, 66), blurred(gourd, 1))
    picture = rim(picture, gourd, (255, 226, 170), -4, 4)
    head = shape(
        [
            (456, 470),
            (456, 410),
            (480, 372),
            (520, 360),
            (562, 372),
            (586, 410),
            (586, 470),
            (560, 520),
            (520, 536),
            (480, 520),
        ]
    )
    picture = wash(picture, skin, blurred(head, 1))
    beard = [
        (454, 460),
        (470, 480),
        (520, 474),
        (572, 480),
        (588, 460),
        (586, 520),
        (560, 566),
        (520, 584),
        (480, 566),
        (456, 520),
    ]
    picture = paint(picture, (38, 34, 40), beard)
    picture = paint(
        picture,
        (38, 34, 40),
        [
            (450, 430),
            (456, 376),
            (490, 344),
            (550, 344),
            (586, 376),
            (592, 430),
            (574, 394),
            (520, 378),
            (470, 394),
        ],
    )
    picture = wash(picture, (38, 34, 40), ellipse((520, 330), 28, 26))
    draw = ImageDraw.Draw(picture)
    draw.line((486, 338, 556, 324), fill=(222, 178, 76), width=7)
    for x in (488, 552):
        draw.rounded_rectangle((x - 29, 412, x + 29, 450), 14, fill=(22, 24, 34))
        draw.line((x - 18, 422, x - 4, 440), fill=(140, 190, 210), width=5)
    draw.line((516, 424, 524, 424), fill=(22, 24, 34), width=7)
    for x, lean in ((488, 8), (552, -8)):
        draw.line((x - 24, 396 - lean / 2, x + 24, 396 + lean), fill=(30, 28, 34), width=9)
    draw.chord((494, 492, 552, 540), 0, 360, fill=(120, 36, 40))
    draw.rectangle((502, 494, 544, 504), fill=(250, 246, 236))
    for angle in (-30, 0, 30):  # how loud he is
        cos, sin = math.cos(math.radians(180 + angle)), math.sin(math.radians(180 + angle))
        draw.line(
            (440 + cos * 20, 510 + sin * 20, 440 + cos * 62, 510 + sin * 62), fill=(240, 106, 40), width=7
        )
    return picture
