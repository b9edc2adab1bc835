"""An opera stage that lights itself, a singer with long sleeves, empty seats, a man with a white lantern.

Places are in pixels of the painting canvas (800 by 1200).
"""

from __future__ import annotations

import math
from random import Random

from PIL import Image, ImageChops, ImageDraw

from tools.starter_art.brush import (
    Colour,
    H,
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
    paint,
    rim,
    shape,
    wash,
)
from tools.starter_art.weather import finish


def old_stage() -> Image.Image:
    """The picture, in its final size and colours."""
    picture = gradient((0, (14, 6, 12)), (0.5, (40, 10, 18)), (1, (8, 4, 10)))
    picture = _backdrop(picture)
    picture = _floor(picture)
    picture = _shadows(picture)
    picture = _singer(picture)
    picture = _curtains(picture)
    picture = _lanterns(picture)
    picture = _seats(picture)
    picture = _keeper(picture)
    return finish(picture, 64)


def _backdrop(picture: Image.Image) -> Image.Image:
    """A painted moon and river on the cloth behind the stage."""
    cloth = shape([(120, 230), (680, 230), (680, 760), (120, 760)], smooth=False)
    scene = gradient(
        (0.19, (36, 70, 84)), (0.4, (96, 150, 146)), (0.52, (196, 204, 170)), (0.64, (92, 120, 120))
    )
    scene = wash(scene, (236, 236, 206), blurred(ellipse((400, 410), 128, 128), 2))
    scene = wash(
        scene,
        (40, 70, 78),
        shape(
            [
                (100, 640),
                (200, 560),
                (270, 600),
                (350, 520),
                (440, 610),
                (540, 540),
                (640, 600),
                (700, 560),
                (700, 700),
                (100, 700),
            ]
        ),
        0.8,
    )
    picture = Image.composite(scene, picture, cloth)
    picture = wash(picture, (16, 8, 14), both(cloth, clouds(17, 6, 1.0, 120, 200)), 0.55)
    scorch = both(cloth, blurred(shape([(560, 770), (590, 560), (640, 400), (700, 300), (700, 770)]), 26))
    picture = wash(picture, (14, 6, 8), both(scorch, clouds(8, 7, 1.0, 70, 150)), 0.95)
    return glow(picture, (400, 480), 400, (120, 130, 110), 1.8)


def _floor(picture: Image.Image) -> Image.Image:
    floor = shape([(90, 740), (710, 740), (790, 880), (10, 880)], smooth=False)
    picture = wash(picture, (96, 48, 38), floor)
    draw = ImageDraw.Draw(picture)
    for index in range(15):
        draw.line((100 + index * 43, 740, 20 + index * 55, 880), fill=(62, 30, 28), width=3)
    picture = light(picture, (130, 120, 90), both(floor, blurred(ellipse((400, 800), 250, 60), 30)))
    draw = ImageDraw.Draw(picture)
    draw.rectangle((0, 878, W, 960), fill=(70, 22, 26))
    draw.rectangle((0, 878, W, 892), fill=(186, 136, 62))
    for x in range(-10, W, 66):
        draw.rectangle((x + 6, 904, x + 52, 946), outline=(150, 100, 52), width=4)
    return picture


def _shadows(picture: Image.Image) -> Image.Image:
    """The company on both sides, without faces."""
    random = Random(9)
    for x in (150, 200, 246, 556, 604, 652):
        tall, dark = random.uniform(0, 26), (22, 16, 24)
        outline = [
            (x - 30, 780),
            (x - 34, 680 - tall),
            (x - 18, 620 - tall),
            (x - 14, 590 - tall),
            (x, 566 - tall),
            (x + 14, 590 - tall),
            (x + 18, 620 - tall),
            (x + 34, 680 - tall),
            (x + 30, 780),
        ]
        mask = shape(outline)
        picture = wash(picture, dark, blurred(mask, 4), 0.78)
        draw = ImageDraw.Draw(picture)
        if x in (200, 604):  # a general's feathers
            for side in (-1, 1):
                draw.line(
                    curve([(x, 570 - tall), (x + side * 26, 500), (x + side * 70, 470)], closed=False),
                    fill=dark,
                    width=5,
                )
    return picture


def _singer(picture: Image.Image) -> Image.Image:
    red: Colour = (196, 34, 44)
    robe = shape(
        [
            (318, 806),
            (336, 700),
            (350, 600),
            (366, 548),
            (400, 536),
            (434, 548),
            (450, 600),
            (464, 700),
            (482, 806),
            (400, 822),
        ]
    )
    left = shape(
        [
            (372, 556),
            (320, 560),
            (262, 520),
            (214, 440),
            (176, 340),
            (150, 350),
            (160, 430),
            (196, 530),
            (150, 620),
            (168, 650),
            (236, 596),
            (320, 612),
            (366, 620),
        ]
    )
    right = shape(
        [
            (428, 556),
            (486, 590),
            (540, 600),
            (590, 640),
            (620, 730),
            (648, 720),
            (640, 640),
            (600, 574),
            (540, 540),
            (470, 540),
        ]
    )
    for mask in (left, right):
        picture = wash(picture, (244, 240, 230), blurred(mask, 1.2))
        picture = wash(picture, (150, 160, 166), both(mask, clouds(12, 9, 0.6, 130, 190)), 0.6)
        picture = rim(picture, mask, (255, 250, 230), 3, 6)
    picture = wash(picture, red, blurred(robe, 1))
    picture = wash(picture, (104, 14, 32), both(robe, clouds(21, 12, 0.4, 130, 180)), 0.7)
    picture = rim(picture, robe, (255, 190, 130), -6, 4, 3)
    draw = ImageDraw.Draw(picture)
    for x, y in ((360, 720), (420, 690), (440, 760), (384, 770), (400, 640)):  # embroidered flowers
        for turn in range(5):
            a = turn * 1.257
            draw.ellipse(
                (
                    x + 9 * math.cos(a) - 6,
                    y + 9 * math.sin(a) - 6,
                    x + 9 * math.cos(a) + 6,
                    y + 9 * math.sin(a) + 6,
                ),
                fill=(240, 190, 110),
            )
        draw.ellipse((x - 5, y - 5, x + 5, y + 5), fill=(250, 240, 210))
    draw.polygon([(384, 548), (400, 580), (416, 548)], fill=(240, 214, 150))
    picture = paint(
        picture,
        (18, 14, 20),
        [
            (352, 560),
            (350, 480),
            (362, 428),
            (400, 408),
            (438, 428),
            (450, 480),
            (448, 560),
            (430, 520),
            (370, 520),
        ],
    )
    face = shape(
        [(366, 484), (370, 448), (400, 436), (430, 448), (434, 484), (424, 520), (400, 538), (376, 520)]
    )
    picture = wash(picture, (250, 238, 226), blurred(face, 1))
    for x in (384, 416):
        picture = wash(
            picture, (226, 90, 100), blurred(ellipse((x + (4 if x > 400 else -4), 486), 15, 20), 6), 0.75
        )
    draw = ImageDraw.Draw(picture)
    for side in (-1, 1):
        x = 400 + side * 15
        draw.line(
            curve([(x - side * 9, 478), (x + side * 4, 472), (x + side * 17, 462)], closed=False),
            fill=(20, 14, 20),
            width=6,
        )
        draw.line((x - side * 8, 462, x + side * 16, 446), fill=(20, 14, 20), width=4)
    draw.polygon([(392, 514), (400, 509), (408, 514), (400, 522)], fill=(190, 24, 40))
    draw.ellipse((396, 446, 404, 458), fill=(206, 30, 40))
    for step in range(9):  # the crown of beads
        angle = math.pi * (0.08 + step * 0.105)
        x, y = 400 - 60 * math.cos(angle), 446 - 56 * math.sin(angle)
        draw.line((400, 440, x, y), fill=(120, 170, 190), width=3)
        draw.ellipse((x - 10, y - 10, x + 10, y + 10), fill=(240, 200, 110) if step % 2 else (110, 190, 200))
        draw.ellipse((x - 4, y - 6, x + 2, y), fill=(255, 250, 240))
    for side in (-1, 1):
        for drop in range(6):
            y = 486 + drop * 13
            draw.ellipse((400 + side * 50 - 4, y, 400 + side * 50 + 4, y + 8), fill=(250, 236, 200))
    return picture


def _curtains(picture: Image.Image) -> Image.Image:
    for side in (0, 1):
        random = Random(3 + side)
        outline = [
            (-20, 120),
            (190, 120),
            (176, 330),
            (120, 520),
            (96, 620),
            (120, 760),
            (110, 890),
            (-20, 890),
        ]
        if side:
            outline = [(W - x, y) for x, y in outline]
        mask = shape(outline)
        picture = wash(picture, (128, 16, 28), blurred(mask, 1))
        folds = blank()
        draw = ImageDraw.Draw(folds)
        for _ in range(9):
            x = random.uniform(0, 190)
            x = W - x if side else x
            draw.line(
                curve(
                    [
                        (x, 120),
                        (x + random.uniform(-10, 10), 420),
                        (x * 0.7 + (W * 0.3 if side else 0), 640),
                        (x, 890),
                    ],
                    closed=False,
                ),
                fill=255,
                width=16,
            )
        picture = wash(picture, (66, 6, 18), both(blurred(folds, 7), mask), 0.9)
        picture = rim(picture, mask, (255, 170, 110), 7 if side else -7, 0, 5)
        draw = ImageDraw.Draw(picture)
        x = 690 if side else 110
        draw.ellipse((x - 22, 606, x + 22, 644), fill=(214, 166, 76))
        draw.polygon([(x - 14, 640), (x + 14, 640), (x + 20, 720), (x - 20, 720)], fill=(190, 136, 56))
    draw = ImageDraw.Draw(picture)
    draw.rectangle((0, 60, W, 150), fill=(60, 18, 22))
    draw.rectangle((0, 140, W, 156), fill=(186, 136, 62))
    draw.rectangle((0, 56, W, 66), fill=(186, 136, 62))
    for x in range(0, W + 60, 100):
        draw.pieslice((x - 60, 100, x + 60, 214), 0, 180, fill=(146, 22, 34))
        draw.arc((x - 60, 100, x + 60, 214), 0, 180, fill=(214, 166, 76), width=7)
    draw.rounded_rectangle((270, 40, 530, 132), 10, fill=(26, 30, 34), outline=(214, 166, 76), width=7)
    for x in (322, 400, 478):
        draw.polygon([(x, 58), (x + 28, 86), (x, 114), (x - 28, 86)], outline=(190, 146, 70), width=5)
        draw.ellipse((x - 9, 77, x + 9, 95), fill=(190, 146, 70))
    return picture


def _lanterns(picture: Image.Image) -> Image.Image:
    for x, y in ((210, 250), (590, 250), (290, 222), (510, 222)):
        picture = glow(picture, (x, y), 130, (200, 60, 40), 1.9)
        draw = ImageDraw.Draw(picture)
        draw.line((x, 150, x, y - 40), fill=(20, 10, 14), width=4)
        draw.ellipse((x - 36, y - 40, x + 36, y + 38), fill=(222, 60, 44))
        draw.ellipse((x - 18, y - 38, x + 18, y + 36), fill=(250, 140, 80))
        for edge in (y - 44, y + 34):
            draw.rectangle((x - 17, edge, x + 17, edge + 9), fill=(200, 150, 64))
        draw.line((x, y + 42, x, y + 74), fill=(214, 60, 50), width=5)
    return picture


def _seats(picture: Image.Image) -> Image.Image:
    for row, (top, size, step) in enumerate(((960, 62, 86), (1040, 84, 112), (1140, 112, 148))):
        draw = ImageDraw.Draw(picture)
        shift = (row % 2) * step / 2
        x = -shift
        while x < W + step:
            back = mix((92, 16, 26), (34, 6, 14), row / 2.4)
            draw.rounded_rectangle((x - size * 0.56, top, x + size * 0.56, top + 190), size * 0.3, fill=back)
            draw.arc(
                (x - size * 0.56, top, x + size * 0.56, top + size * 0.8),
                185,
                355,
                fill=mix(back, (250, 170, 120), 0.45),
                width=5,
            )
            x += step
    return wash(picture, (8, 4, 10), fade(0.8, 1.0, 0, 210), 0.8)


def _keeper(picture: Image.Image) -> Image.Image:
    gown = shape([(560, 1220), (572, 1080), (594, 1000), (640, 970), (690, 1000), (714, 1080), (726, 1220)])
    picture = wash(picture, (78, 84, 96), blurred(gown, 1))
    picture = rim(picture, gown, (230, 220, 190), -7, 5, 3)
    sleeve = shape([(594, 1010), (556, 1050), (510, 1070), (500, 1096), (560, 1108), (616, 1080)])
    picture = wash(picture, (90, 96, 108), blurred(sleeve, 1))
    picture = rim(picture, sleeve, (240, 230, 200), -3, 5)
    picture = wash(picture, (186, 40, 60), ellipse((506, 1084), 9, 14))
    head = shape([(606, 930), (606, 880), (640, 856), (674, 880), (674, 930), (656, 970), (626, 970)])
    picture = wash(picture, (214, 190, 170), blurred(head, 1))
    picture = paint(
        picture,
        (30, 28, 34),
        [(598, 910), (600, 866), (636, 840), (676, 860), (684, 910), (670, 884), (612, 884)],
    )
    draw = ImageDraw.Draw(picture)
    for x in (622, 650):
        draw.line((x - 8, 912, x + 8, 914), fill=(40, 34, 38), width=5)
    draw.line(curve([(622, 950), (636, 954), (652, 948)], closed=False), fill=(120, 70, 70), width=4)
    for y in (1040, 1074, 1108):
        draw.ellipse((652, y, 664, y + 10), fill=(40, 42, 50))
    draw.line((500, 1086, 452, 1040), fill=(60, 44, 40), width=7)
    draw.line((452, 1040, 452, 1066), fill=(60, 44, 40), width=4)
    lamp = ellipse((452, 1112), 48, 50)
    picture = glow(picture, (452, 1112), 250, (170, 170, 150), 2.0)
    picture = wash(picture, (246, 244, 230), blurred(lamp, 1))
    picture = wash(
        picture,
        (196, 186, 160),
        both(lamp, ImageChops.invert(blurred(ellipse((452, 1112), 30, 34), 12))),
        0.6,
    )
    draw = ImageDraw.Draw(picture)
    for across in (16, 34):
        draw.arc((452 - across, 1062, 452 + across, 1162), 0, 360, fill=(200, 192, 170), width=2)
    for y in (1058, 1156):
        draw.rectangle((434, y, 470, y + 9), fill=(60, 44, 40))
    return wash(picture, (6, 4, 8), fade(0.97, 1.02, 0, H % 255), 0.6)
