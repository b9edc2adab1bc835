"""A lit bookshop in a wet harbour street, somebody with a teacup in the window, a cat beside her.

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
    mix,
    moon,
    shape,
    stars,
    wash,
)
from tools.starter_art.weather import finish, rain, street


def bookshop() -> Image.Image:
    """The picture, in its final size and colours."""
    picture = gradient(
        (0, (18, 22, 52)),
        (0.3, (52, 46, 88)),
        (0.5, (118, 82, 108)),
        (0.62, (170, 112, 100)),
        (1, (30, 24, 38)),
    )
    picture = stars(picture, 5, 70, 0.3)
    picture = moon(picture, (196, 190), 78, (250, 234, 200), 4)
    picture = wash(picture, (38, 36, 74), clouds(9, 3, 3.0, 110, 180), 0.6)
    picture = _roofs(picture, 2, 560, (84, 62, 92), 0.35)
    picture = _roofs(picture, 6, 640, (54, 42, 70), 0.6)
    house: Colour = (44, 33, 44)
    picture = wash(
        picture,
        house,
        shape(
            [(128, 1010), (128, 520), (96, 530), (392, 280), (688, 530), (656, 520), (656, 1010)],
            smooth=False,
        ),
    )
    picture = wash(
        picture,
        (30, 23, 34),
        shape([(84, 540), (392, 270), (700, 540), (686, 556), (392, 306), (98, 556)], smooth=False),
    )
    picture = wash(
        picture, (30, 23, 34), shape([(540, 400), (540, 300), (596, 300), (596, 450)], smooth=False)
    )
    picture = _panelled(picture, (322, 420, 462, 570), (236, 156, 84), 2, 2)
    picture = _shop_window(picture, (176, 690, 500, 930))
    picture = _panelled(picture, (556, 700, 632, 850), (252, 190, 104), 1, 2)
    draw = ImageDraw.Draw(picture)
    draw.rectangle((540, 684, 648, 1006), outline=(24, 60, 62), width=14)
    draw.rectangle((556, 862, 632, 992), fill=(30, 74, 74))
    draw.ellipse((618, 890, 630, 902), fill=(236, 200, 110))
    for index in range(12):  # the awning
        left = 148 + index * 32
        colour = (196, 76, 66) if index % 2 else (240, 222, 190)
        draw.polygon([(left + 8, 626), (left + 40, 626), (left + 32, 678), (left, 678)], fill=colour)
        draw.pieslice((left, 662, left + 32, 694), 0, 180, fill=colour)
    draw.rectangle((148, 610, 540, 628), fill=(24, 60, 62))
    draw.line((648, 600, 752, 600), fill=(20, 16, 24), width=7)  # the sign, an open book
    for x in (690, 740):
        draw.line((x, 600, x, 632), fill=(20, 16, 24), width=4)
    draw.rounded_rectangle((664, 630, 766, 706), 10, fill=(24, 60, 62), outline=(226, 190, 110), width=4)
    draw.polygon([(680, 652), (715, 662), (715, 690), (680, 680)], fill=(250, 238, 208))
    draw.polygon([(750, 652), (715, 662), (715, 690), (750, 680)], fill=(226, 206, 170))
    for x, y, radius in ((338, 800, 330), (594, 780, 190), (392, 500, 150)):
        picture = glow(picture, (x, y), radius, (150, 84, 34), 1.7)
    picture = street(picture, 1004, (70, 60, 82))
    picture = rain(picture, 12, 420, (170, 178, 210))
    return finish(picture, 42)


def _roofs(picture: Image.Image, seed: int, base: int, colour: Colour, lit: float) -> Image.Image:
    """A row of gables with chimneys; `lit` is the share of bright windows."""
    random = Random(seed)
    draw = ImageDraw.Draw(picture)
    x = -60.0
    while x < W:
        width, height = random.uniform(90, 170), random.uniform(60, 160)
        top = base - height
        draw.polygon(
            [(x, H), (x, top), (x + width / 2, top - width * 0.46), (x + width, top), (x + width, H)],
            fill=colour,
        )
        draw.rectangle((x + width * 0.68, top - width * 0.46, x + width * 0.8, top), fill=colour)
        for row in range(2):
            for column in (0.28, 0.6):
                if random.random() < lit:
                    left, up = x + width * column, top + 16 + row * 52
                    draw.rectangle((left, up, left + 15, up + 22), fill=mix(colour, (250, 190, 110), 0.75))
        x += width * random.uniform(0.82, 1.05)
    haze = fade((base - 120) / H, (base + 60) / H, 0, 200)
    return wash(picture, (150, 104, 108), both(haze, clouds(seed, 3, 2.0, 40, 200)), 0.35)


def _panelled(
    picture: Image.Image, box: tuple[int, int, int, int], colour: Colour, across: int, down: int
) -> Image.Image:
    """A lit window with bars."""
    left, top, right, bottom = box
    draw = ImageDraw.Draw(picture)
    for y in range(top, bottom):
        draw.line(
            (left, y, right, y),
            fill=mix(mix(colour, (255, 244, 200), 0.3), (150, 74, 40), (y - top) / (bottom - top)),
        )
    frame: Colour = (24, 18, 28)
    draw.rectangle((left - 6, top - 6, right + 6, bottom + 6), outline=frame, width=10)
    for column in range(1, across):
        x = left + (right - left) * column // across
        draw.line((x, top, x, bottom), fill=frame, width=6)
    for row in range(1, down):
        y = top + (bottom - top) * row // down
        draw.line((left, y, right, y), fill=frame, width=6)
    return picture


def _shop_window(picture: Image.Image, box: tuple[int, int, int, int]) -> Image.Image:
    left, top, right, bottom = box
    random = Random(17)
    picture = _panelled(picture, box, (255, 204, 116), 1, 1)
    draw = ImageDraw.Draw(picture)
    for shelf in range(4):
        floor = top + 52 + shelf * 56
        x = left + 6.0
        while x < right - 16:
            width, height = random.uniform(8, 17), random.uniform(30, 46)
            warm = random.choice(
                [(150, 58, 44), (84, 74, 60), (46, 84, 82), (176, 112, 52), (104, 52, 66), (60, 66, 98)]
            )
            if random.random() < 0.9:
                draw.rectangle((x, floor - height, x + width, floor), fill=mix(warm, (250, 180, 96), 0.34))
            x += width + random.uniform(1, 3)
        draw.rectangle((left, floor, right, floor + 6), fill=(96, 52, 34))
    lamp: Point = (300, 742)
    picture = glow(picture, lamp, 170, (255, 200, 110), 1.6)
    dark: Colour = (40, 22, 26)
    body = [
        (262, 934),
        (268, 868),
        (286, 832),
        (318, 816),
        (332, 812),
        (330, 796),
        (354, 796),
        (356, 812),
        (386, 824),
        (410, 852),
        (424, 934),
    ]
    head = ellipse((344, 776), 27, 33)
    hair = shape(
        [
            (314, 784),
            (312, 756),
            (330, 736),
            (356, 734),
            (374, 752),
            (376, 780),
            (366, 762),
            (342, 756),
            (324, 764),
        ]
    )
    bun = ellipse((350, 728), 20, 17)
    arm = shape([(392, 838), (424, 866), (430, 886), (400, 890), (372, 874), (366, 862), (392, 866)])
    for mask, colour in (
        (shape(body), (56, 66, 72)),
        (head, (176, 116, 88)),
        (hair, (196, 190, 190)),
        (bun, (206, 200, 200)),
        (arm, (64, 76, 82)),
    ):
        picture = wash(picture, colour, blurred(mask, 1.2))
    draw = ImageDraw.Draw(picture)
    draw.line((326, 712, 378, 738), fill=(214, 160, 60), width=5)  # the pencil in her hair
    for x in (334, 358):
        draw.ellipse((x - 11, 768, x + 11, 790), outline=(70, 44, 32), width=3)
    draw.rounded_rectangle((352, 850, 384, 876), 8, fill=(246, 238, 226))
    steam = curve([(366, 846), (356, 828), (374, 814), (364, 796)], closed=False)
    draw.line(steam, fill=(255, 240, 214), width=3)
    cat = [
        (452, 932),
        (440, 900),
        (448, 866),
        (458, 852),
        (454, 828),
        (464, 838),
        (478, 836),
        (488, 826),
        (488, 852),
        (496, 876),
        (498, 932),
    ]
    picture = wash(picture, dark, blurred(shape(cat), 1))
    draw = ImageDraw.Draw(picture)
    draw.ellipse((474, 848, 483, 856), fill=(252, 214, 80))
    draw.rectangle((left - 16, bottom - 4, right + 16, bottom + 18), fill=(24, 60, 62))
    draw.rectangle((left - 6, top - 6, right + 6, bottom), outline=(24, 60, 62), width=10)
    for x in (left + 106, left + 218):
        draw.line((x, top, x, bottom), fill=(24, 60, 62), width=5)
    return picture
