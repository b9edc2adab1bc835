"""A roof garden of bathtubs above the city in evening light, and the woman who waters it.

Places are in pixels of the painting canvas (800 by 1200).
"""

from __future__ import annotations

import math
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


def roof_garden() -> Image.Image:
    """The picture, in its final size and colours."""
    picture = gradient(
        (0, (88, 112, 168)),
        (0.22, (188, 150, 180)),
        (0.42, (252, 178, 128)),
        (0.58, (255, 222, 160)),
        (1, (150, 100, 90)),
    )
    picture = wash(picture, (255, 226, 206), both(clouds(8, 3, 4.0, 120, 190), fade(0.02, 0.4, 200, 80)), 0.7)
    picture = glow(picture, (250, 560), 420, (200, 120, 60), 1.7)
    picture = wash(picture, (255, 246, 214), blurred(ellipse((250, 560), 64, 64), 4))
    for seed, base, colour in (
        (3, 640, (206, 140, 140)),
        (8, 720, (160, 104, 124)),
        (5, 800, (112, 76, 104)),
    ):
        picture = _skyline(picture, seed, base, colour)
    picture = _tower(picture)
    picture = _floor(picture)
    picture = _bulbs(picture)
    picture = _hive(picture)
    picture = _woman(picture)
    picture = _tub(picture, (160, 1040), 1.0, 4)
    picture = _tub(picture, (640, 1090), 1.15, 9)
    return finish(picture, 55)


def _skyline(picture: Image.Image, seed: int, base: int, colour: Colour) -> Image.Image:
    random = Random(seed)
    draw = ImageDraw.Draw(picture)
    x = -30.0
    while x < W:
        width, height = random.uniform(46, 110), random.uniform(40, 210)
        top = base - height
        draw.rectangle((x, top, x + width, H), fill=colour)
        if random.random() < 0.3:
            draw.line((x + width / 2, top - 50, x + width / 2, top), fill=colour, width=5)
        for row in range(int(height // 26) + 3):
            for column in range(int(width // 22)):
                if random.random() < 0.34:
                    left, up = x + 8 + column * 22, top + 10 + row * 26
                    draw.rectangle((left, up, left + 9, up + 13), fill=mix(colour, (255, 226, 140), 0.75))
        x += width + random.uniform(-4, 10)
    return wash(picture, (255, 200, 150), fade((base - 200) / H, (base + 60) / H, 0, 110), 0.6)


def _tower(picture: Image.Image) -> Image.Image:
    wood: Colour = (122, 74, 62)
    draw = ImageDraw.Draw(picture)
    for x in (578, 640, 702):
        draw.line((x, 520, x + (x - 640) * 0.3, 850), fill=(74, 48, 56), width=11)
    draw.line((570, 690, 716, 610), fill=(74, 48, 56), width=6)
    draw.line((566, 610, 714, 690), fill=(74, 48, 56), width=6)
    draw.rectangle((552, 320, 728, 530), fill=wood)
    for x in range(566, 728, 22):
        draw.line((x, 320, x, 530), fill=mix(wood, (40, 24, 30), 0.4), width=3)
    for y in (362, 428, 494):
        draw.line((552, y, 728, y), fill=(66, 44, 50), width=5)
    draw.polygon([(534, 322), (640, 226), (746, 322)], fill=(88, 54, 62))
    body = shape([(552, 320), (728, 320), (728, 530), (552, 530)], smooth=False)
    return rim(picture, body, (250, 170, 100), 12, 0, 5)


def _floor(picture: Image.Image) -> Image.Image:
    floor = shape([(-10, 846), (810, 846), (810, H + 10), (-10, H + 10)], smooth=False)
    picture = wash(picture, (142, 92, 84), floor)
    draw = ImageDraw.Draw(picture)
    for y in range(860, H, 34):
        draw.line((0, y, W, y), fill=(122, 76, 74), width=3)
    draw.rectangle((-10, 816, 810, 856), fill=(168, 108, 90))
    for x in range(-10, 810, 56):
        draw.line((x, 816, x, 856), fill=(128, 80, 74), width=3)
    draw.rectangle((-10, 806, 810, 820), fill=(206, 146, 112))
    return light(picture, (90, 50, 20), both(floor, fade(0.7, 0.95, 220, 0)))


def _bulbs(picture: Image.Image) -> Image.Image:
    draw = ImageDraw.Draw(picture)
    bulbs: list[Point] = []
    for start, end, sag in (((-20, 330), (560, 360), 110), ((-20, 480), (820, 250), 180)):
        line = [
            (
                start[0] + (end[0] - start[0]) * t / 24,
                start[1] + (end[1] - start[1]) * t / 24 + sag * math.sin(math.pi * t / 24),
            )
            for t in range(25)
        ]
        draw.line(line, fill=(70, 48, 60), width=4)
        bulbs += line[2:-1:3]
    for x, y in bulbs:
        picture = glow(picture, (x, y + 12), 60, (200, 140, 60), 1.7)
    draw = ImageDraw.Draw(picture)
    for x, y in bulbs:
        draw.ellipse((x - 9, y + 2, x + 9, y + 24), fill=(255, 240, 180))
    return picture


def _hive(picture: Image.Image) -> Image.Image:
    draw = ImageDraw.Draw(picture)
    for index, colour in enumerate(((230, 220, 200), (112, 168, 170), (236, 190, 96))):
        top = 764 + index * 50
        draw.rectangle((44, top, 148, top + 47), fill=colour, outline=(90, 64, 60), width=3)
    draw.polygon([(34, 766), (46, 738), (146, 738), (158, 766)], fill=(150, 90, 80))
    draw.rectangle((80, 896, 112, 904), fill=(50, 34, 36))
    random = Random(6)
    for _ in range(13):
        x, y = random.uniform(20, 330), random.uniform(640, 900)
        draw.ellipse((x - 7, y - 5, x + 7, y + 5), fill=(246, 196, 60))
        draw.line((x - 1, y - 5, x - 1, y + 5), fill=(50, 34, 30), width=3)
        draw.ellipse((x - 3, y - 11, x + 6, y - 4), fill=(250, 246, 236))
    return picture


def _woman(picture: Image.Image) -> Image.Image:
    skin, overall = (196, 134, 100), (62, 92, 134)
    legs = [
        (326, 1120),
        (330, 980),
        (346, 890),
        (460, 890),
        (478, 980),
        (486, 1120),
        (424, 1120),
        (406, 980),
        (390, 1120),
    ]
    shirt = [
        (336, 900),
        (326, 800),
        (334, 730),
        (364, 700),
        (404, 692),
        (444, 700),
        (474, 730),
        (480, 800),
        (470, 900),
    ]
    arm = [(456, 718), (500, 752), (534, 812), (566, 838), (554, 866), (508, 850), (468, 806)]
    other = [(346, 724), (310, 774), (300, 830), (322, 872), (348, 862), (338, 826), (358, 780)]
    for outline, colour in ((legs, overall), (other, skin), (shirt, (240, 196, 96)), (arm, skin)):
        mask = shape(outline, smooth=outline is not legs)
        picture = wash(picture, colour, blurred(mask, 1))
        picture = rim(picture, mask, (250, 180, 110), 7, 4, 3)
    picture = paint(picture, overall, [(352, 900), (358, 782), (452, 782), (458, 900)], smooth=False)
    draw = ImageDraw.Draw(picture)
    for x, to in ((366, 360), (444, 448)):
        draw.line((x, 786, to, 708), fill=overall, width=15)
        draw.ellipse((x - 7, 784, x + 7, 798), fill=(240, 210, 120))
    draw.rectangle((380, 816, 430, 858), outline=(40, 64, 100), width=4)
    random = Random(12)
    for _ in range(74):  # curls
        angle, reach = random.uniform(0, 2 * math.pi), random.uniform(30, 78)
        x, y = 404 + math.cos(angle) * reach, 606 + math.sin(angle) * reach * 0.92
        draw.ellipse((x - 18, y - 18, x + 18, y + 18), fill=mix((64, 36, 34), (112, 62, 46), random.random()))
    picture = paint(picture, skin, [(386, 700), (388, 664), (424, 664), (424, 700), (404, 712)])
    face = shape(
        [(356, 604), (358, 570), (404, 552), (450, 570), (454, 610), (442, 656), (406, 682), (368, 654)]
    )
    picture = wash(picture, (206, 144, 108), blurred(face, 1))
    picture = rim(picture, face, (250, 190, 120), 7, 3, 3)
    picture = paint(
        picture, (212, 66, 66), [(342, 584), (352, 544), (404, 522), (456, 544), (468, 584), (404, 566)]
    )
    draw = ImageDraw.Draw(picture)
    for x, y in ((380, 550), (406, 542), (432, 550), (366, 566), (446, 568)):
        draw.ellipse((x - 4, y - 4, x + 4, y + 4), fill=(250, 236, 220))
    for x in (384, 426):
        draw.arc((x - 12, 602, x + 12, 624), 190, 350, fill=(56, 30, 30), width=6)
    draw.chord((382, 628, 430, 664), 5, 175, fill=(250, 244, 236))
    draw.arc((382, 628, 430, 664), 5, 175, fill=(140, 60, 52), width=4)
    for x, y in ((366, 630), (374, 638), (438, 634), (446, 628), (400, 618), (410, 620)):
        draw.ellipse((x - 2, y - 2, x + 2, y + 2), fill=(150, 90, 66))
    can: Colour = (92, 160, 150)
    draw.polygon([(548, 846), (640, 846), (648, 920), (540, 920)], fill=can)
    draw.line((642, 900, 716, 836), fill=can, width=13)
    draw.ellipse((702, 816, 734, 848), fill=can)
    draw.arc((556, 800, 634, 880), 180, 360, fill=can, width=9)
    for index in range(7):
        x = 722 + index * 7
        draw.line((x, 846, x + 10 + index * 2, 930 + index % 3 * 24), fill=(214, 236, 240), width=3)
    return picture


def _tub(picture: Image.Image, at: Point, size: float, seed: int) -> Image.Image:
    """A bathtub of tomatoes."""
    random = Random(seed)
    x, y = at
    draw = ImageDraw.Draw(picture)
    for _ in range(9):
        stem = x + random.uniform(-130, 130) * size
        top = y - random.uniform(120, 220) * size
        draw.line((stem, y, stem + random.uniform(-12, 12), top), fill=(86, 110, 56), width=5)
        for _ in range(17):
            leaf_x, leaf_y = stem + random.gauss(0, 26) * size, random.uniform(top, y - 10)
            green = mix((52, 96, 52), (150, 178, 84), random.random())
            draw.ellipse((leaf_x - 17, leaf_y - 10, leaf_x + 17, leaf_y + 10), fill=green)
    for _ in range(15):
        fruit_x, fruit_y = x + random.uniform(-140, 140) * size, y - random.uniform(20, 170) * size
        draw.ellipse(
            (fruit_x - 14, fruit_y - 13, fruit_x + 14, fruit_y + 13),
            fill=random.choice([(220, 60, 44), (236, 120, 50), (200, 44, 40)]),
        )
        draw.ellipse((fruit_x - 7, fruit_y - 8, fruit_x - 1, fruit_y - 3), fill=(255, 214, 190))
    tub = moved([(-190, -16), (190, -16), (176, 60), (130, 96), (-130, 96), (-176, 60)], at, size)
    mask = shape(tub, smooth=False)
    picture = wash(picture, (240, 234, 226), blurred(mask, 1.4))
    picture = wash(picture, (170, 140, 150), both(mask, fade((y + 6) / H, (y + 100) / H, 0, 220)), 0.8)
    draw = ImageDraw.Draw(picture)
    draw.rounded_rectangle(
        (x - 200 * size, y - 26 * size, x + 200 * size, y + 2 * size), 12, fill=(252, 248, 240)
    )
    for side in (-1, 1):
        foot = x + side * 128 * size
        draw.ellipse((foot - 18, y + 84 * size, foot + 18, y + 118 * size), fill=(206, 166, 96))
    return picture
