"""Ink mountains under a winter moon, a ferry with its one lamp, snow.

Places are in pixels of the painting canvas (800 by 1200).
"""

from __future__ import annotations

from itertools import pairwise
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
    ridge,
    shape,
    wash,
)
from tools.starter_art.weather import finish, flakes


def cold_river() -> Image.Image:
    """The picture, in its final size and colours."""
    picture = gradient(
        (0, (38, 52, 78)),
        (0.3, (92, 116, 140)),
        (0.56, (196, 204, 206)),
        (0.64, (160, 178, 188)),
        (1, (34, 48, 68)),
    )
    picture = wash(picture, (30, 42, 66), clouds(3, 3, 2.4, 100, 190), 0.45)
    picture = moon(picture, (540, 250), 104, (246, 240, 220), 8)
    picture = wash(picture, (120, 138, 160), both(clouds(5, 3, 4.0, 115, 180), fade(0.08, 0.3, 0, 255)), 0.5)
    layers: list[tuple[int, float, float, Colour]] = [
        (11, 520, 260, (142, 160, 176)),
        (12, 590, 300, (104, 124, 146)),
        (14, 660, 240, (70, 90, 114)),
        (17, 716, 150, (44, 60, 84)),
    ]
    for seed, base, height, colour in layers:
        mountain = ridge(seed, base, height, 0.5, 4)
        picture = wash(picture, colour, blurred(mountain, 1.5))
        snow = both(
            ImageChops.subtract(mountain, ImageChops.offset(mountain, 14, 26)), clouds(seed, 7, 1, 90, 150)
        )
        picture = wash(picture, (226, 232, 238), blurred(snow, 2), 0.5)
        mist = both(mountain, fade((base - 20) / H, (base + 90) / H, 0, 255))
        picture = wash(picture, (206, 214, 218), blurred(mist, 14), 0.62)
    river = shape([(0, 770), (W, 762), (W, H), (0, H)], smooth=False)
    water = gradient((0, (150, 166, 178)), (0.62, (176, 188, 194)), (0.78, (86, 106, 128)), (1, (18, 28, 46)))
    picture = Image.composite(water, picture, river)
    ripples = both(clouds(21, 5, 9.0, 120, 170), river)
    picture = wash(picture, (44, 62, 86), ripples, 0.4)
    column = blurred(shape([(505, 765), (575, 765), (620, H), (460, H)], smooth=False), 26)
    path = both(both(column, clouds(23, 4, 14.0, 112, 160)), fade(0.64, 1.0, 255, 60))
    picture = light(picture, (196, 192, 172), blurred(path, 2))
    picture = _ferry(picture)
    picture = _pine(picture)
    picture = flakes(picture, 31, 420)
    draw = ImageDraw.Draw(picture)
    draw.rounded_rectangle((60, 1068, 118, 1126), 8, fill=(168, 44, 40))
    for box in ((71, 1079, 86, 1115), (92, 1079, 107, 1091), (92, 1099, 107, 1115)):
        draw.rectangle(box, outline=(240, 226, 210), width=4)
    return finish(picture, 41)


def _ferry(picture: Image.Image) -> Image.Image:
    ink: Colour = (16, 22, 34)
    lamp: Point = (516, 850)
    hull = shape(
        [
            (150, 908),
            (200, 950),
            (300, 972),
            (430, 970),
            (520, 946),
            (566, 892),
            (520, 914),
            (420, 930),
            (300, 932),
            (210, 924),
        ]
    )
    shadow = blurred(ImageChops.offset(hull, 0, 46), 12)
    picture = wash(picture, (10, 16, 28), shadow, 0.7)
    cloak = shape(
        [
            (346, 714),
            (318, 738),
            (296, 792),
            (270, 862),
            (236, 926),
            (286, 918),
            (312, 944),
            (350, 932),
            (388, 946),
            (420, 934),
            (426, 870),
            (420, 800),
            (410, 744),
            (384, 716),
        ]
    )
    arm = shape([(392, 738), (424, 762), (458, 792), (462, 812), (440, 814), (404, 800)])
    head = ellipse((365, 704), 20, 26)
    hat = shape(
        [
            (278, 712),
            (316, 690),
            (346, 660),
            (366, 640),
            (388, 662),
            (416, 690),
            (454, 714),
            (410, 716),
            (366, 708),
            (320, 716),
        ]
    )
    scarf = shape(
        [
            (340, 722),
            (372, 736),
            (398, 722),
            (396, 744),
            (360, 752),
            (330, 742),
            (276, 758),
            (222, 740),
            (178, 752),
            (228, 762),
            (280, 776),
        ]
    )
    for mask, colour in ((hull, ink), (cloak, (30, 42, 58)), (arm, (24, 34, 50)), (head, (22, 28, 40))):
        picture = wash(picture, colour, blurred(mask, 1))
    picture = _straw(picture, cloak)
    picture = wash(picture, (158, 50, 46), blurred(scarf, 1))
    picture = wash(picture, ink, blurred(hat, 1))
    for mask, across, down in ((cloak, -9, 3), (arm, -5, 7), (hat, -4, 8), (hull, -4, 9)):
        rim = both(mask, ImageChops.invert(ImageChops.offset(mask, across, down)))
        picture = light(picture, (132, 132, 126), blurred(rim, 2))
    draw = ImageDraw.Draw(picture)
    draw.line((474, 560, 412, 1080), fill=ink, width=8)
    draw.line((520, 912, 540, 800), fill=ink, width=7)
    draw.line((540, 800, 516, 812), fill=ink, width=6)
    dog = [
        (196, 926),
        (190, 888),
        (198, 862),
        (190, 836),
        (200, 818),
        (206, 834),
        (222, 830),
        (234, 816),
        (236, 840),
        (252, 850),
        (240, 862),
        (246, 890),
        (254, 926),
    ]
    picture = wash(picture, (44, 40, 42), blurred(shape(dog), 1))
    picture = glow(picture, lamp, 190, (236, 150, 62), 2.2)
    picture = glow(picture, lamp, 60, (255, 210, 130), 1.4)
    picture = wash(picture, (255, 236, 186), blurred(ellipse(lamp, 15, 20), 2))
    reflection = both(
        shape([(494, 960), (538, 960), (560, 1130), (476, 1130)], smooth=False), clouds(25, 7, 8.0, 110, 150)
    )
    return light(picture, (230, 140, 60), blurred(reflection, 4))


def _straw(picture: Image.Image, cloak: Image.Image) -> Image.Image:
    """The layers of a straw cape."""
    random = Random(3)
    strokes = blank()
    draw = ImageDraw.Draw(strokes)
    for row in range(6):
        y = 742 + row * 34
        for _ in range(60):
            x = random.uniform(230, 440)
            lean = (x - 365) * 0.16
            draw.line((x, y, x + lean, y + random.uniform(26, 48)), fill=random.randint(40, 150), width=2)
    return light(picture, (84, 96, 108), both(strokes, cloak))


def _pine(picture: Image.Image) -> Image.Image:
    random = Random(7)
    ink: Colour = (18, 24, 36)
    branch = curve([(-20, 120), (90, 150), (180, 140), (270, 178), (350, 172)], closed=False)
    draw = ImageDraw.Draw(picture)
    for index, (a, b) in enumerate(pairwise(branch)):
        draw.line((*a, *b), fill=ink, width=max(4, 20 - index // 3))
    snow = blank()
    snowing = ImageDraw.Draw(snow)
    for x, y in branch[4::4]:
        for _ in range(26):
            angle = random.uniform(-60, 34)
            length = random.uniform(28, 66)
            ex, ey = x + length * random.uniform(0.6, 1.1), y + angle
            draw.line((x, y, ex, ey), fill=mix(ink, (40, 66, 72), random.random()), width=3)
        snowing.ellipse((x - 12, y - 26, x + 52, y - 8), fill=220)
    return wash(picture, (240, 244, 248), blurred(snow, 5), 0.8)
