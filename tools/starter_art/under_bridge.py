"""A troll with a cauldron under a stone arch, fire below it, the evening and the river behind.

Places are in pixels of the painting canvas (800 by 1200).
"""

from __future__ import annotations

import math
from random import Random

from PIL import Image, ImageChops, ImageDraw

from tools.starter_art.brush import (
    Colour,
    H,
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
    ridge,
    rim,
    shape,
    stars,
    wash,
)
from tools.starter_art.weather import finish


def under_bridge() -> Image.Image:
    """The picture, in its final size and colours."""
    picture = gradient(
        (0, (30, 52, 92)),
        (0.3, (96, 110, 140)),
        (0.5, (244, 176, 118)),
        (0.58, (250, 208, 150)),
        (1, (40, 60, 80)),
    )
    picture = stars(picture, 8, 60, 0.25)
    picture = wash(picture, (255, 214, 170), both(clouds(6, 3, 4.0, 120, 190), fade(0.2, 0.5, 40, 255)), 0.5)
    picture = wash(picture, (104, 104, 136), ridge(4, 640, 150, 0.5, 4))
    picture = wash(picture, (70, 84, 100), ridge(9, 700, 90, 0.5, 5))
    picture = _river(picture)
    picture = _arch(picture)
    picture = _troll(picture)
    picture = _hearth(picture)
    return finish(picture, 51)


def _river(picture: Image.Image) -> Image.Image:
    water = shape([(-10, 720), (810, 720), (810, 980), (-10, 980)], smooth=False)
    picture = wash(picture, (74, 96, 116), water)
    shine = both(water, clouds(31, 6, 9.0, 120, 160))
    picture = light(picture, (250, 190, 120), both(shine, fade(0.58, 0.84, 220, 20)))
    return wash(picture, (52, 58, 60), both(ridge(14, 930, 60, 0.5, 6), fade(0.7, 0.78, 0, 255)))


def _arch(picture: Image.Image) -> Image.Image:
    """The inside of the arch, as a frame of wedge-shaped stones."""
    wall: Colour = (40, 44, 58)
    opening = ImageChops.lighter(
        ellipse((400, 560), 350, 430), shape([(50, 560), (750, 560), (750, H), (50, H)], smooth=False)
    )
    stone = ImageChops.invert(opening)
    picture = wash(picture, wall, stone)
    random = Random(5)
    joints, faces = blank(), blank()
    draw, face = ImageDraw.Draw(joints), ImageDraw.Draw(faces)
    for index in range(25):
        angle = math.pi * (1 - index / 24)
        cos, sin = math.cos(angle), -math.sin(angle)
        draw.line((400 + cos * 340, 560 + sin * 420, 400 + cos * 460, 560 + sin * 550), fill=255, width=6)
        turned = math.pi * (1 - (index + 1) / 24)
        tone = random.randint(20, 130)
        face.polygon(
            [
                (400 + math.cos(a) * across, 560 - math.sin(a) * down)
                for a, across, down in (
                    (angle, 350, 430),
                    (turned, 350, 430),
                    (turned, 450, 540),
                    (angle, 450, 540),
                )
            ],
            fill=tone,
        )
    for y in range(600, H, 92):
        for left, right in ((-20, 50), (750, 820)):
            face.rectangle((left, y, right, y + 86), fill=random.randint(20, 110))
    picture = light(picture, (92, 86, 84), both(faces, stone))
    picture = wash(picture, (22, 24, 34), both(blurred(joints, 1.2), stone), 0.8)
    picture = rim(picture, stone, (220, 150, 96), 8, 4, 5)
    picture = rim(picture, stone, (150, 120, 100), -8, 4, 5)
    draw = ImageDraw.Draw(picture)
    for start, length in ((150, 120), (236, 70), (600, 150), (668, 84), (690, 60)):  # ivy
        top = 560 - 430 * math.sqrt(max(0.0, 1 - ((start - 400) / 350) ** 2))
        for step in range(length // 9):
            y = top + step * 9
            x = start + 6 * math.sin(step)
            draw.ellipse((x - 7, y - 5, x + 7, y + 6), fill=mix((38, 66, 48), (86, 116, 66), random.random()))
    return picture


def _troll(picture: Image.Image) -> Image.Image:
    skin: Colour = (86, 112, 104)
    body = [
        (170, 1010),
        (160, 880),
        (178, 760),
        (216, 668),
        (288, 606),
        (400, 584),
        (512, 606),
        (584, 668),
        (622, 760),
        (640, 880),
        (630, 1010),
    ]
    head = [
        (318, 590),
        (300, 520),
        (306, 446),
        (344, 398),
        (400, 382),
        (456, 398),
        (494, 446),
        (500, 520),
        (482, 590),
        (442, 630),
        (400, 640),
        (358, 630),
    ]
    ears = [
        [(308, 476), (250, 440), (236, 462), (262, 506), (310, 524)],
        [(492, 476), (550, 440), (564, 462), (538, 506), (490, 524)],
    ]
    for outline in (body, *ears, head):
        mask = shape(outline)
        picture = wash(picture, skin, blurred(mask, 1.2))
        shadow = both(mask, ImageChops.invert(ImageChops.offset(mask, 0, -60)))
        picture = light(picture, (150, 96, 44), blurred(shadow, 26))
        picture = wash(picture, (48, 66, 72), both(mask, clouds(len(outline), 8, 1.0, 130, 190)), 0.4)
        picture = rim(picture, mask, (210, 170, 120), 5, 8)
    random = Random(3)
    draw = ImageDraw.Draw(picture)
    for centre, across in (((232, 668), 66), ((568, 668), 66), ((400, 392), 56)):  # moss, with flowers
        for _ in range(130):
            x, y = random.gauss(centre[0], across / 2), random.gauss(centre[1], 15)
            draw.ellipse(
                (x - 8, y - 6, x + 8, y + 6), fill=mix((62, 96, 50), (126, 160, 78), random.random())
            )
        for _ in range(7):
            x, y = random.gauss(centre[0], across / 2.4), random.gauss(centre[1] - 4, 9)
            draw.ellipse((x - 5, y - 5, x + 5, y + 5), fill=(250, 236, 214))
    apron = [(268, 1010), (276, 760), (318, 690), (400, 676), (482, 690), (524, 760), (532, 1010)]
    picture = paint(picture, (214, 196, 160), apron)
    picture = wash(picture, (150, 118, 84), both(shape(apron), clouds(41, 10, 1.0, 140, 180)), 0.4)
    draw = ImageDraw.Draw(picture)
    draw.line(curve([(318, 694), (300, 640), (330, 606)], closed=False), fill=(190, 170, 134), width=10)
    draw.line(curve([(482, 694), (500, 640), (470, 606)], closed=False), fill=(190, 170, 134), width=10)
    draw.rounded_rectangle((430, 742, 500, 802), 10, fill=(190, 168, 130), outline=(140, 112, 80), width=4)
    draw.ellipse((446, 716, 486, 752), fill=(130, 88, 56))  # the wren in the pocket
    draw.polygon([(482, 730), (500, 726), (484, 738)], fill=(240, 180, 70))
    draw.ellipse((470, 724, 477, 731), fill=(20, 16, 16))
    for x in (356, 444):
        draw.ellipse((x - 21, 478, x + 21, 514), fill=(244, 236, 210))
        draw.ellipse((x - 12, 486, x + 12, 512), fill=(96, 62, 38))
        draw.ellipse((x - 4, 490, x + 4, 498), fill=(255, 250, 240))
    draw.line(curve([(328, 466), (352, 454), (380, 466)], closed=False), fill=(44, 60, 60), width=9)
    draw.line(curve([(420, 466), (448, 454), (472, 466)], closed=False), fill=(44, 60, 60), width=9)
    nose = shape([(374, 508), (400, 496), (426, 508), (440, 548), (420, 568), (380, 568), (360, 548)])
    picture = wash(picture, (124, 144, 120), blurred(nose, 2))
    picture = wash(picture, (60, 80, 80), both(blurred(nose, 2), fade(0.45, 0.475, 0, 255)), 0.7)
    draw = ImageDraw.Draw(picture)
    draw.line(
        curve([(346, 586), (372, 602), (428, 602), (454, 586)], closed=False), fill=(44, 54, 56), width=8
    )
    draw.polygon([(362, 596), (376, 602), (367, 578)], fill=(240, 230, 204))
    draw.polygon([(438, 596), (424, 602), (433, 578)], fill=(240, 230, 204))
    return picture


def _hearth(picture: Image.Image) -> Image.Image:
    picture = glow(picture, (400, 1080), 430, (210, 110, 40), 1.8)
    draw = ImageDraw.Draw(picture)
    for x, lean in ((250, 60), (330, -40), (470, 40), (550, -60)):
        draw.line((x, 1150, x + lean, 1080), fill=(58, 36, 28), width=22)
    for scale, colour in ((1.0, (226, 88, 32)), (0.8, (248, 150, 50)), (0.56, (255, 228, 140))):
        tongues = [
            (-230, 0),
            (-262, -90),
            (-236, -150),
            (-214, -250),
            (-186, -160),
            (-150, -200),
            (-110, -110),
            (-40, -130),
            (0, -90),
            (50, -130),
            (110, -110),
            (156, -210),
            (186, -150),
            (222, -236),
            (238, -140),
            (264, -80),
            (230, 0),
        ]
        picture = paint(picture, colour, moved(tongues, (400, 1160), scale), soft=3)
    pot: Colour = (30, 32, 40)
    bowl = shape(
        [
            (190, 900),
            (196, 980),
            (240, 1060),
            (320, 1098),
            (400, 1106),
            (480, 1098),
            (560, 1060),
            (604, 980),
            (610, 900),
        ]
    )
    picture = wash(picture, pot, blurred(bowl, 1))
    picture = rim(picture, bowl, (240, 130, 50), 0, -9, 4)
    picture = wash(picture, (66, 66, 74), ellipse((400, 896), 218, 44))
    picture = wash(picture, (216, 140, 60), ellipse((400, 896), 194, 32))
    random = Random(8)
    draw = ImageDraw.Draw(picture)
    for _ in range(46):
        x, y = random.uniform(230, 570), random.uniform(878, 914)
        chip = random.choice([(236, 110, 44), (120, 160, 70), (250, 220, 150), (250, 190, 80)])
        draw.ellipse((x - 9, y - 5, x + 9, y + 5), fill=chip)
    draw.line((520, 900, 640, 720), fill=(120, 82, 52), width=16)  # the ladle, and the hand that holds it
    picture = paint(
        picture, (92, 118, 108), [(600, 770), (606, 726), (640, 704), (676, 722), (680, 766), (644, 790)]
    )
    steam = blank()
    draw = ImageDraw.Draw(steam)
    for x, phase in ((300, 0.0), (396, 1.6), (480, 3.0)):
        line = [(x + 26 * math.sin(phase + step * 0.9), 872 - step * 34) for step in range(9)]
        draw.line(curve(line, closed=False), fill=150, width=18)
    picture = light(picture, (190, 176, 160), both(blurred(steam, 12), fade(0.44, 0.72, 30, 220)))
    draw = ImageDraw.Draw(picture)
    draw.ellipse((60, 1060, 180, 1096), fill=(120, 78, 48))  # the guest's stool
    for x in (78, 120, 162):
        draw.line((x, 1084, x, 1160), fill=(88, 56, 38), width=12)
    draw.line((690, 150, 690, 268), fill=(26, 26, 32), width=5)
    draw.rounded_rectangle((668, 268, 712, 330), 8, fill=(250, 206, 116), outline=(34, 30, 34), width=7)
    return glow(picture, (690, 300), 170, (210, 140, 60), 2.0)
