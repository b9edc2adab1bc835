"""A storyteller with a fan before a lit screen on which shadow puppets play: a rider, a dragon, a tower.

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
    moved,
    paint,
    rim,
    shape,
    wash,
)
from tools.starter_art.weather import finish

SCREEN = (70, 110, 730, 690)


def shadow_play() -> Image.Image:
    """The picture, in its final size and colours."""
    picture = gradient((0, (20, 18, 40)), (0.5, (46, 34, 58)), (1, (16, 12, 26)))
    picture = wash(picture, (66, 50, 70), clouds(6, 4, 1.0, 130, 200), 0.4)
    picture = _screen(picture)
    picture = _frame(picture)
    picture = _table(picture)
    picture = _teller(picture)
    picture = _things(picture)
    return finish(picture, 66)


def _screen(picture: Image.Image) -> Image.Image:
    left, top, right, bottom = SCREEN
    cloth = shape([(left, top), (right, top), (right, bottom), (left, bottom)], smooth=False)
    picture = wash(picture, (214, 132, 62), cloth)
    lamp = both(cloth, blurred(ellipse((400, 420), 300, 250), 110))
    picture = wash(picture, (255, 236, 180), lamp)
    picture = wash(picture, (190, 104, 50), both(cloth, clouds(14, 9, 1.0, 140, 200)), 0.3)
    picture = glow(picture, (400, 420), 560, (120, 70, 30), 1.8)
    ink: Colour = (56, 22, 30)
    stage = Image.new("L", picture.size)
    draw = ImageDraw.Draw(stage)
    _tower(draw)
    _dragon(draw)
    _rider(draw, (540, 560))
    draw.polygon(
        curve([(60, 700), (60, 640), (180, 620), (320, 650), (480, 630), (640, 654), (740, 630), (740, 700)]),
        fill=255,
    )
    stage = both(stage, cloth)
    picture = wash(picture, (150, 60, 40), blurred(ImageChops.offset(stage, 7, 5), 6), 0.5)
    picture = wash(picture, ink, blurred(stage, 1.2))
    tints = blank()
    draw = ImageDraw.Draw(tints)
    for x in range(90, 730, 22):
        for y in range(130, 690, 22):
            draw.ellipse((x - 4, y - 4, x + 4, y + 4), fill=255)
    coloured = both(tints, stage)
    picture = wash(picture, (226, 92, 50), both(coloured, fade(0.0, 0.34, 255, 0)), 0.9)
    return wash(picture, (60, 140, 110), both(coloured, fade(0.34, 0.5, 0, 255)), 0.9)


def _tower(draw: ImageDraw.ImageDraw) -> None:
    for level in range(5):
        y, half = 600 - level * 74, 66 - level * 9
        draw.rectangle((176 - half + 14, y - 44, 176 + half - 14, y + 30), fill=255)
        roof: list[Point] = [
            (176 - half - 30, y - 40),
            (176 - half, y - 54),
            (176 - half * 0.4, y - 76),
            (176 + half * 0.4, y - 76),
            (176 + half, y - 54),
            (176 + half + 30, y - 40),
            (176 + half, y - 36),
            (176 - half, y - 36),
        ]
        draw.polygon(roof, fill=255)
        draw.ellipse((166, y - 26, 186, y + 2), fill=0)
    draw.line((176, 240, 176, 190), fill=255, width=7)
    draw.ellipse((166, 200, 186, 220), fill=255)


def _dragon(draw: ImageDraw.ImageDraw) -> None:
    spine = [(300 + step * 10, 270 + 60 * math.sin(step * 0.3) - step * 0.6) for step in range(38)]
    for index, (x, y) in enumerate(spine):
        radius = 7 + 18 * math.sin(math.pi * min(1.0, (index + 3) / 34))
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=255)
        draw.polygon([(x - 9, y - radius + 3), (x + 2, y - radius - 17), (x + 9, y - radius + 3)], fill=255)
    for index in (10, 24):
        x, y = spine[index]
        draw.line(curve([(x, y + 10), (x - 18, y + 52), (x + 14, y + 66)], closed=False), fill=255, width=10)
        for claw in (-10, 0, 10):
            draw.line((x + 14, y + 66, x + 30, y + 70 + claw), fill=255, width=5)
    head_x, head_y = spine[0]
    head = [
        (30, -20),
        (6, -36),
        (-20, -30),
        (-54, -22),
        (-80, -6),
        (-78, 4),
        (-46, 2),
        (-76, 18),
        (-60, 28),
        (-20, 24),
        (20, 26),
    ]
    draw.polygon(moved(head, (head_x, head_y)), fill=255)
    for horn in ([(0, -30), (24, -70), (60, -84)], [(-14, -30), (0, -66), (24, -92)]):
        draw.line(curve(moved(horn, (head_x, head_y)), closed=False), fill=255, width=8)
    for whisker in ([(-74, 0), (-110, -26), (-130, 10)], [(-70, 20), (-100, 44), (-84, 76)]):
        draw.line(curve(moved(whisker, (head_x, head_y)), closed=False), fill=255, width=5)
    draw.ellipse((head_x - 26, head_y - 18, head_x - 12, head_y - 5), fill=0)
    draw.ellipse((236, 180, 286, 230), fill=255)  # the pearl it chases
    draw.ellipse((247, 191, 275, 219), fill=0)


def _rider(draw: ImageDraw.ImageDraw, at: Point) -> None:
    horse = [
        (110, 70),
        (96, 24),
        (104, -10),
        (122, -40),
        (90, -54),
        (10, -46),
        (-54, -56),
        (-86, -116),
        (-118, -150),
        (-122, -170),
        (-104, -162),
        (-128, -136),
        (-164, -104),
        (-170, -92),
        (-150, -88),
        (-118, -98),
        (-96, -60),
        (-92, -20),
        (-128, 6),
        (-150, 42),
        (-134, 48),
        (-110, 22),
        (-66, 8),
        (-60, 60),
        (-74, 84),
        (-52, 84),
        (-40, 12),
        (40, 10),
        (66, 30),
        (70, 70),
        (56, 86),
        (82, 86),
        (92, 40),
    ]
    draw.polygon(moved(horse, at), fill=255)
    draw.polygon(
        curve(moved([(118, -40), (170, -64), (200, 0), (190, 40), (168, -10), (124, -20)], at)), fill=255
    )
    rider = [
        (-40, -44),
        (-44, -120),
        (-24, -170),
        (10, -176),
        (36, -150),
        (44, -90),
        (40, -40),
        (14, 20),
        (-12, 20),
    ]
    draw.polygon(curve(moved(rider, at)), fill=255)
    x, y = at
    draw.ellipse((x - 36, y - 232, x + 20, y - 172), fill=255)
    draw.polygon(moved([(-34, -212), (-8, -262), (22, -212)], at), fill=255)
    for feather in ([(0, -250), (40, -300), (110, -306)], [(6, -246), (60, -280), (120, -270)]):
        draw.line(curve(moved(feather, at), closed=False), fill=255, width=6)
    draw.line(moved([(120, -20), (-210, -250)], at), fill=255, width=9)
    draw.polygon(moved([(-196, -256), (-244, -276), (-214, -232)], at), fill=255)
    draw.line(moved([(-20, -120), (-70, -130)], at), fill=255, width=17)
    for flag in (16, 34, 52):
        draw.line(moved([(20, -140), (flag + 40, -230)], at), fill=255, width=4)
        draw.polygon(moved([(flag + 40, -230), (flag + 66, -206), (flag + 30, -200)], at), fill=255)
    draw.ellipse((x - 24, y - 210, x - 14, y - 200), fill=0)


def _frame(picture: Image.Image) -> Image.Image:
    left, top, right, bottom = SCREEN
    draw = ImageDraw.Draw(picture)
    wood: Colour = (86, 40, 36)
    draw.rectangle((left - 26, top - 30, right + 26, bottom + 22), outline=wood, width=28)
    draw.rectangle((left - 4, top - 6, right + 4, bottom - 2), outline=(206, 150, 76), width=5)
    draw.polygon(
        [(left - 70, top - 22), (left - 30, top - 64), (right + 30, top - 64), (right + 70, top - 22)],
        fill=(60, 30, 34),
    )
    for x in range(left - 20, right + 40, 68):
        draw.pieslice((x - 34, top - 54, x + 34, top + 16), 0, 180, fill=(160, 40, 44))
    for x in (34, 766):
        picture = glow(picture, (x, 300), 100, (200, 70, 40), 1.8)
        draw = ImageDraw.Draw(picture)
        draw.line((x, 60, x, 264), fill=(30, 20, 26), width=4)
        draw.ellipse((x - 32, 262, x + 32, 336), fill=(216, 64, 46))
        draw.ellipse((x - 14, 264, x + 14, 334), fill=(250, 150, 84))
        draw.line((x, 336, x, 380), fill=(216, 64, 46), width=5)
    return picture


def _table(picture: Image.Image) -> Image.Image:
    table = shape([(-10, 960), (810, 960), (810, H + 9), (-10, H + 9)], smooth=False)
    picture = wash(picture, (112, 34, 40), table)
    picture = wash(picture, (60, 16, 26), both(table, clouds(11, 8, 0.5, 130, 190)), 0.6)
    draw = ImageDraw.Draw(picture)
    draw.rectangle((-10, 950, 810, 984), fill=(92, 50, 38))
    draw.rectangle((-10, 950, 810, 957), fill=(206, 150, 90))
    for x in range(20, 810, 95):
        draw.ellipse((x, 1060, x + 56, 1116), outline=(206, 150, 76), width=5)
        draw.ellipse((x + 16, 1076, x + 40, 1100), outline=(206, 150, 76), width=4)
    draw.line((0, 1016, 800, 1016), fill=(206, 150, 76), width=5)
    draw.line((0, 1160, 800, 1160), fill=(206, 150, 76), width=5)
    return picture


def _teller(picture: Image.Image) -> Image.Image:
    robe, skin = (38, 72, 112), (232, 186, 150)
    body = shape(
        [
            (262, 970),
            (272, 860),
            (300, 776),
            (352, 734),
            (400, 724),
            (448, 734),
            (500, 776),
            (528, 860),
            (538, 970),
        ]
    )
    picture = wash(picture, robe, blurred(body, 1))
    picture = wash(picture, (22, 42, 76), both(body, clouds(9, 12, 0.5, 130, 180)), 0.6)
    picture = rim(picture, body, (255, 190, 110), 0, 8, 3)
    picture = paint(picture, (240, 230, 210), [(368, 738), (400, 726), (432, 738), (404, 800)], smooth=False)
    for outline in (
        [(300, 786), (240, 840), (190, 880), (178, 920), (220, 940), (290, 900), (326, 850)],
        [(496, 780), (560, 790), (620, 740), (650, 700), (684, 716), (664, 790), (596, 860), (508, 860)],
    ):
        mask = shape(outline)
        picture = wash(picture, (46, 84, 126), blurred(mask, 1))
        picture = rim(picture, mask, (255, 190, 110), 0, 7, 3)
    fan = blank()
    draw = ImageDraw.Draw(fan)
    draw.pieslice((540, 540, 820, 820), 200, 330, fill=255)
    fan = ImageChops.subtract(fan, ellipse((680, 680), 40, 40))
    picture = wash(picture, (246, 232, 200), blurred(fan, 1))
    draw = ImageDraw.Draw(picture)
    for step in range(14):
        angle = math.radians(200 + step * 10)
        cos, sin = math.cos(angle), math.sin(angle)
        draw.line(
            (680 + cos * 40, 680 + sin * 40, 680 + cos * 138, 680 + sin * 138), fill=(196, 160, 116), width=3
        )
        draw.line((680, 690, 680 + cos * 44, 680 + sin * 44), fill=(110, 66, 44), width=5)
    for step, tall in ((0, 26), (1, 40), (2, 30), (3, 20)):  # mountains painted on it
        x = 632 + step * 28
        draw.polygon([(x - 20, 610), (x, 610 - tall), (x + 20, 610)], fill=(90, 110, 126))
    picture = paint(picture, skin, [(656, 706), (664, 676), (690, 668), (706, 690), (690, 722)])
    picture = paint(picture, skin, [(186, 900), (160, 908), (152, 934), (180, 948), (212, 934)])
    head = shape(
        [
            (340, 660),
            (338, 600),
            (360, 560),
            (400, 546),
            (440, 560),
            (462, 600),
            (460, 660),
            (436, 712),
            (400, 734),
            (364, 712),
        ]
    )
    picture = wash(picture, skin, blurred(head, 1))
    picture = rim(picture, head, (255, 210, 140), 0, 5, 3)
    picture = paint(
        picture,
        (28, 26, 36),
        [
            (332, 640),
            (334, 576),
            (366, 532),
            (434, 532),
            (466, 576),
            (468, 640),
            (452, 590),
            (400, 574),
            (348, 590),
        ],
    )
    picture = paint(
        picture, (28, 40, 66), [(344, 560), (352, 500), (400, 484), (448, 500), (456, 560), (400, 544)]
    )
    draw = ImageDraw.Draw(picture)
    draw.rectangle((346, 546, 454, 562), fill=(206, 150, 76))
    draw.rounded_rectangle((388, 516, 412, 546), 4, fill=(120, 190, 160))
    for side in (-1, 1):
        x = 400 + side * 28
        draw.line(
            curve([(x - side * 16, 612), (x, 600), (x + side * 20, 604)], closed=False),
            fill=(36, 28, 34),
            width=7,
        )
        draw.arc((x - 14, 622, x + 14, 646), 195, 345, fill=(40, 30, 36), width=7)
        draw.line(
            curve([(400 + side * 5, 686), (400 + side * 30, 690), (400 + side * 48, 714)], closed=False),
            fill=(36, 28, 34),
            width=5,
        )
    draw.chord((378, 686, 424, 716), 5, 175, fill=(140, 50, 50))
    draw.line(curve([(402, 640), (408, 666), (396, 668)], closed=False), fill=(190, 134, 104), width=5)
    draw.line((400, 720, 400, 752), fill=(36, 28, 34), width=7)
    return picture


def _things(picture: Image.Image) -> Image.Image:
    draw = ImageDraw.Draw(picture)
    draw.polygon([(130, 934), (150, 920), (216, 920), (196, 934)], fill=(150, 96, 60))
    draw.rectangle((130, 934, 196, 962), fill=(96, 54, 36))  # the block he strikes
    draw.polygon([(196, 934), (216, 920), (216, 948), (196, 962)], fill=(70, 38, 28))
    random = Random(1)
    for angle in (-150, -120, -90, -60, -30):
        cos, sin = math.cos(math.radians(angle)), math.sin(math.radians(angle))
        reach = random.uniform(84, 100)
        draw.line(
            (170 + cos * 62, 926 + sin * 62, 170 + cos * reach, 926 + sin * reach),
            fill=(255, 214, 130),
            width=6,
        )
    draw.ellipse((520, 936, 716, 984), fill=(150, 104, 66))
    draw.ellipse((534, 938, 702, 974), fill=(188, 136, 88))
    for x, y, pips in (
        (576, 930, ((0, 0),)),
        (646, 938, ((-11, -11), (11, 11), (0, 0), (11, -11), (-11, 11))),
    ):
        draw.rounded_rectangle(
            (x - 26, y - 26, x + 26, y + 26), 7, fill=(250, 240, 222), outline=(180, 150, 120), width=3
        )
        for across, down in pips:
            draw.ellipse((x + across - 5, y + down - 5, x + across + 5, y + down + 5), fill=(196, 36, 40))
    draw.ellipse((334, 960, 466, 990), fill=(60, 90, 100))
    draw.polygon([(348, 916), (452, 916), (436, 976), (364, 976)], fill=(206, 226, 222))
    draw.ellipse((348, 906, 452, 928), fill=(176, 130, 70))
    steam = blank()
    ImageDraw.Draw(steam).line(
        curve([(400, 906), (386, 876), (412, 850), (398, 820)], closed=False), fill=170, width=12
    )
    return light(picture, (170, 160, 150), blurred(steam, 6))
