"""A hooded storyteller behind a candle; out of the map on the table rise mountains, a tower and a serpent.

Places are in pixels of the painting canvas (800 by 1200).
"""

from __future__ import annotations

from random import Random

from PIL import Image, ImageDraw

from tools.starter_art.brush import (
    Colour,
    H,
    Point,
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


def candle_map() -> Image.Image:
    """The picture, in its final size and colours."""
    picture = gradient((0, (16, 10, 22)), (0.5, (44, 26, 40)), (1, (20, 12, 18)))
    picture = wash(picture, (70, 40, 52), clouds(10, 3, 1.4, 120, 210), 0.5)
    picture = _keeper(picture)
    picture = _table(picture)
    picture = _land(picture)
    picture = _candle(picture)
    picture = _hands_and_dice(picture)
    random = Random(4)
    draw = ImageDraw.Draw(picture)
    for _ in range(60):  # sparks
        x, y, size = random.gauss(400, 170), random.uniform(120, 700), random.choice((2, 2, 3, 4))
        draw.ellipse((x - size, y - size, x + size, y + size), fill=(255, random.randint(170, 230), 110))
    return finish(picture, 56)


def _keeper(picture: Image.Image) -> Image.Image:
    cloak: Colour = (66, 58, 84)
    body = shape(
        [
            (60, 900),
            (84, 720),
            (150, 580),
            (240, 480),
            (330, 430),
            (400, 416),
            (470, 430),
            (560, 480),
            (650, 580),
            (716, 720),
            (740, 900),
        ]
    )
    picture = wash(picture, cloak, blurred(body, 1))
    folds = both(body, clouds(16, 9, 0.35, 120, 170))
    picture = wash(picture, (36, 30, 52), folds, 0.7)
    hood = shape(
        [
            (252, 470),
            (236, 350),
            (256, 230),
            (320, 150),
            (400, 110),
            (480, 150),
            (544, 230),
            (564, 350),
            (548, 470),
            (480, 540),
            (400, 556),
            (320, 540),
        ]
    )
    picture = wash(picture, (82, 72, 102), blurred(hood, 1))
    picture = wash(picture, (46, 38, 62), both(hood, clouds(19, 8, 0.4, 120, 170)), 0.6)
    picture = rim(picture, hood, (180, 120, 70), 6, -8, 6)
    picture = paint(
        picture,
        (16, 10, 20),
        [
            (300, 450),
            (292, 340),
            (330, 250),
            (400, 216),
            (470, 250),
            (508, 340),
            (500, 450),
            (450, 510),
            (400, 520),
            (350, 510),
        ],
        soft=6,
    )
    chin = shape(
        [(330, 430), (340, 380), (400, 360), (460, 380), (470, 430), (440, 492), (400, 510), (360, 492)]
    )
    picture = wash(picture, (208, 150, 112), both(blurred(chin, 5), fade(0.31, 0.4, 0, 235)))
    draw = ImageDraw.Draw(picture)
    draw.line(
        curve([(364, 452), (384, 466), (412, 466), (442, 444)], closed=False), fill=(110, 48, 44), width=8
    )
    draw.line(curve([(378, 461), (400, 468), (424, 460)], closed=False), fill=(250, 236, 214), width=4)
    for x in (362, 438):
        picture = glow(picture, (x, 352), 34, (220, 170, 80), 1.5)
        picture = wash(picture, (255, 236, 170), blurred(ellipse((x, 352), 8, 5), 1.5))
    return glow(picture, (400, 640), 420, (150, 80, 30), 1.8)


def _table(picture: Image.Image) -> Image.Image:
    table = shape([(-10, 850), (110, 780), (690, 780), (810, 850), (810, H + 9), (-10, H + 9)], smooth=False)
    picture = wash(picture, (78, 46, 32), table)
    picture = wash(picture, (44, 26, 22), both(table, clouds(23, 5, 10.0, 120, 170)), 0.7)
    sheet = shape(
        [(150, 800), (650, 800), (770, 1150), (720, 1166), (400, 1156), (90, 1168), (30, 1150)], smooth=False
    )
    picture = wash(picture, (226, 194, 138), blurred(sheet, 1))
    picture = wash(picture, (166, 116, 70), both(sheet, clouds(29, 6, 2.0, 130, 190)), 0.6)
    ink = blank()
    draw = ImageDraw.Draw(ink)
    coast: list[Point] = [
        (120, 1090),
        (200, 1030),
        (240, 1060),
        (330, 1010),
        (420, 1050),
        (520, 1000),
        (600, 1060),
        (700, 1040),
    ]
    draw.line(curve(coast, closed=False), fill=220, width=6)
    draw.line(curve([(x, y + 16) for x, y in coast], closed=False), fill=110, width=4)
    for step in range(12):
        draw.ellipse((250 + step * 26, 940 - step % 3 * 12, 259 + step * 26, 947 - step % 3 * 12), fill=220)
    for x, y in ((600, 920), (618, 904), (600, 904), (618, 920)):
        draw.line((x, y, 609, 912), fill=255, width=5)
    draw.ellipse((634, 1080, 700, 1126), outline=230, width=5)
    draw.line((667, 1070, 667, 1136), fill=230, width=4)
    draw.line((624, 1103, 710, 1103), fill=230, width=4)
    return wash(picture, (80, 44, 30), both(ink, sheet), 0.9)


def _land(picture: Image.Image) -> Image.Image:
    """What has risen from the map."""
    peaks = (
        ((214, 880), 0.9, (112, 92, 110)),
        ((300, 900), 1.25, (132, 104, 116)),
        ((150, 920), 0.8, (100, 84, 104)),
    )
    for at, size, colour in peaks:
        picture = paint(
            picture,
            colour,
            moved([(-90, 10), (-44, -70), (-18, -110), (0, -170), (22, -118), (52, -60), (94, 10)], at, size),
            smooth=False,
        )
        picture = paint(
            picture,
            (244, 232, 220),
            moved([(-24, -116), (0, -170), (26, -112), (10, -96), (0, -118), (-12, -98)], at, size),
            smooth=False,
        )
        picture = paint(
            picture,
            mix(colour, (250, 190, 120), 0.45),
            moved([(0, -170), (22, -118), (52, -60), (94, 10), (20, 10), (12, -70)], at, size),
            smooth=False,
            soft=2,
        )
    draw = ImageDraw.Draw(picture)
    stone: Colour = (150, 120, 110)
    for left, top, right in ((560, 690, 616), (520, 770, 566), (610, 780, 664)):
        draw.rectangle((left, top, right, 900), fill=stone)
        draw.rectangle((left, top, left + 16, 900), fill=(230, 176, 124))
        draw.polygon([(left - 8, top), ((left + right) / 2, top - 70), (right + 8, top)], fill=(126, 50, 56))
        draw.ellipse(
            ((left + right) / 2 - 8, top + 24, (left + right) / 2 + 8, top + 52), fill=(255, 226, 140)
        )
    draw.line((588, 620, 588, 586), fill=(60, 40, 40), width=4)
    draw.polygon([(588, 586), (630, 596), (588, 610)], fill=(220, 80, 60))
    scale: Colour = (44, 128, 124)
    for x, wide, tall in ((330, 60, 74), (430, 50, 60), (514, 38, 44)):
        draw.arc((x - wide, 1020 - tall, x + wide, 1020 + tall), 180, 360, fill=scale, width=26)
        draw.arc(
            (x - wide + 7, 1020 - tall + 7, x + wide - 7, 1020 + tall),
            190,
            350,
            fill=(140, 206, 180),
            width=5,
        )
    neck = curve([(240, 1024), (232, 960), (196, 930), (190, 890), (220, 868)], closed=False)
    draw.line(neck, fill=scale, width=28)
    picture = paint(
        picture, scale, [(206, 884), (214, 852), (246, 846), (290, 862), (302, 878), (262, 892), (226, 900)]
    )
    draw = ImageDraw.Draw(picture)
    draw.polygon([(222, 852), (196, 820), (214, 872)], fill=(230, 150, 70))
    draw.ellipse((240, 858, 253, 870), fill=(255, 230, 130))
    foam = blank()
    draw = ImageDraw.Draw(foam)
    for x in (240, 278, 384, 480, 552):
        draw.arc((x - 40, 1010, x + 40, 1040), 0, 360, fill=220, width=5)
    return light(picture, (200, 220, 210), blurred(foam, 2))


def _candle(picture: Image.Image) -> Image.Image:
    wax = shape([(362, 900), (364, 690), (374, 660), (400, 668), (430, 656), (438, 690), (440, 900)])
    picture = wash(picture, (246, 226, 184), blurred(wax, 1))
    picture = wash(picture, (210, 150, 96), both(wax, fade(0.6, 0.75, 0, 230)), 0.8)
    for x, length in ((370, 80), (424, 120), (404, 50)):
        picture = paint(
            picture,
            (255, 240, 206),
            [(x - 10, 680), (x + 10, 680), (x + 9, 680 + length), (x, 694 + length), (x - 9, 680 + length)],
        )
    draw = ImageDraw.Draw(picture)
    draw.ellipse((326, 880, 476, 922), fill=(176, 130, 64))
    draw.ellipse((346, 884, 456, 910), fill=(220, 176, 96))
    draw.line((400, 668, 400, 640), fill=(40, 26, 24), width=6)
    picture = glow(picture, (400, 610), 420, (190, 110, 40), 2.2)
    picture = glow(picture, (400, 600), 150, (255, 190, 90), 1.5)
    picture = paint(
        picture,
        (255, 176, 64),
        [(400, 514), (424, 572), (434, 612), (400, 650), (366, 612), (378, 572)],
        soft=3,
    )
    picture = paint(
        picture,
        (255, 244, 196),
        [(400, 556), (416, 596), (418, 624), (400, 644), (382, 624), (386, 594)],
        soft=3,
    )
    return picture


def _hands_and_dice(picture: Image.Image) -> Image.Image:
    skin: Colour = (204, 148, 110)
    left = [
        (40, 960),
        (70, 920),
        (110, 916),
        (168, 960),
        (196, 996),
        (176, 1004),
        (150, 984),
        (176, 1024),
        (150, 1034),
        (118, 996),
        (128, 1040),
        (104, 1040),
        (84, 1000),
        (52, 1000),
    ]
    right = [(800 - x, y + 6) for x, y in left]
    for outline, sleeve in (
        (left, [(-20, 830), (60, 860), (110, 930), (60, 1000), (-20, 1010)]),
        (right, [(820, 836), (740, 866), (690, 936), (740, 1006), (820, 1016)]),
    ):
        picture = paint(picture, skin, outline)
        mask = shape(sleeve)
        picture = wash(picture, (66, 58, 84), blurred(mask, 1))
        picture = rim(picture, mask, (190, 120, 70), 0, 7, 3)
    draw = ImageDraw.Draw(picture)
    for x, y, pips in (
        (330, 1096, ((0, 0),)),
        (440, 1110, ((-20, -20), (20, -20), (-20, 0), (20, 0), (-20, 20), (20, 20))),
    ):
        draw.polygon(
            [(x - 44, y - 44), (x - 26, y - 70), (x + 62, y - 70), (x + 44, y - 44)], fill=(255, 250, 236)
        )
        draw.polygon(
            [(x + 44, y - 44), (x + 62, y - 70), (x + 62, y + 18), (x + 44, y + 44)], fill=(176, 150, 130)
        )
        draw.rounded_rectangle((x - 44, y - 44, x + 44, y + 44), 8, fill=(238, 222, 196))
        for across, down in pips:
            draw.ellipse((x + across - 8, y + down - 8, x + across + 8, y + down + 8), fill=(150, 36, 40))
    return picture
