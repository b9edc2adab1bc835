"""A radio mast and a lit studio on a hill, and fog that comes up the hill like a hand.

Places are in pixels of the painting canvas (800 by 1200).
"""

from __future__ import annotations

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
    ellipse,
    fade,
    glow,
    gradient,
    light,
    mix,
    moon,
    paint,
    ridge,
    shape,
    stars,
    wash,
)
from tools.starter_art.weather import finish


def hill_radio() -> Image.Image:
    """The picture, in its final size and colours."""
    picture = gradient((0, (6, 14, 24)), (0.4, (14, 46, 56)), (0.65, (44, 84, 84)), (1, (6, 14, 20)))
    picture = stars(picture, 14, 130, 0.5)
    picture = moon(picture, (600, 210), 90, (210, 226, 206), 3)
    picture = wash(picture, (30, 60, 70), both(clouds(31, 3, 4.0, 110, 180), fade(0.1, 0.6, 80, 255)), 0.6)
    picture = wash(picture, (26, 58, 64), ridge(12, 690, 170, 0.55, 5))
    picture = _mast(picture)
    hill = shape(
        [
            (-20, 930),
            (120, 850),
            (260, 770),
            (380, 732),
            (470, 730),
            (590, 780),
            (720, 860),
            (820, 900),
            (820, H),
            (-20, H),
        ]
    )
    picture = wash(picture, (8, 20, 26), hill)
    picture = _trees(picture)
    picture = _studio(picture)
    picture = _hand(picture)
    return finish(picture, 53)


def _mast(picture: Image.Image) -> Image.Image:
    rings = blank()
    draw = ImageDraw.Draw(rings)
    for radius in (90, 160, 240, 330):
        draw.ellipse(
            (300 - radius, 190 - radius, 300 + radius, 190 + radius), outline=230 - radius // 2, width=7
        )
    picture = light(picture, (150, 70, 64), both(blurred(rings, 4), fade(0.0, 0.5, 255, 30)))
    draw = ImageDraw.Draw(picture)
    steel: Colour = (112, 124, 128)
    top, foot = 190, 790
    for y in range(top, foot, 30):
        wide, next_wide = 6 + (y - top) * 0.095, 6 + (y + 30 - top) * 0.095
        draw.line((300 - wide, y, 300 + next_wide, y + 30), fill=steel, width=4)
        draw.line((300 + wide, y, 300 - next_wide, y + 30), fill=steel, width=4)
        draw.line((300 - wide, y, 300 + wide, y), fill=steel, width=4)
    for side in (-1, 1):
        draw.line((300 + side * 6, top, 300 + side * 63, foot), fill=steel, width=7)
        draw.line((300, 360, 300 + side * 250, 830), fill=(70, 86, 92), width=2)
    draw.line((300, 110, 300, top), fill=steel, width=6)
    for y, size in ((110, 1.0), (340, 0.7), (560, 0.7)):
        picture = glow(picture, (300, y), 150 * size, (220, 50, 40), 2.0)
        picture = glow(picture, (300, y), 44 * size, (255, 150, 120), 1.2)
    return picture


def _trees(picture: Image.Image) -> Image.Image:
    random = Random(6)
    draw = ImageDraw.Draw(picture)
    for row, (base, colour) in enumerate(
        (((930), (8, 24, 30)), ((1050), (6, 18, 24)), ((1200), (4, 10, 14)))
    ):
        for index in range(13 - row * 2):
            x = index * (70 + row * 16) + random.uniform(-20, 20)
            if row == 0 and 250 < x < 640:
                continue
            height = random.uniform(150, 250) * (1 + row * 0.22)
            foot = base + random.uniform(-16, 40)
            for step in range(7):
                wide, y = height * 0.03 + step * height * 0.036, foot - height + step * height * 0.15
                draw.polygon(
                    [(x, y - 26), (x - wide - 10, y + height * 0.14), (x + wide + 10, y + height * 0.14)],
                    fill=colour,
                )
    for x, y in ((86, 1010), (150, 1070), (690, 1000), (742, 1060), (640, 1090)):  # who listens
        for side in (-9, 9):
            draw.ellipse((x + side - 5, y - 3, x + side + 5, y + 4), fill=(216, 232, 190))
    return picture


def _studio(picture: Image.Image) -> Image.Image:
    draw = ImageDraw.Draw(picture)
    draw.rectangle((330, 640, 590, 860), fill=(26, 34, 42))
    draw.polygon([(312, 646), (608, 646), (590, 616), (330, 616)], fill=(16, 22, 30))
    for y in range(664, 860, 22):
        draw.line((330, y, 590, y), fill=(20, 27, 34), width=3)
    box = (366, 676, 556, 812)
    for y in range(box[1], box[3]):
        draw.line(
            (box[0], y, box[2], y),
            fill=mix((255, 214, 140), (200, 116, 60), (y - box[1]) / (box[3] - box[1])),
        )
    dark: Colour = (44, 26, 28)
    picture = paint(picture, dark, [(398, 814), (404, 772), (436, 756), (486, 756), (514, 774), (520, 814)])
    picture = paint(
        picture,
        dark,
        [(430, 752), (424, 716), (440, 692), (466, 688), (488, 700), (494, 728), (486, 756), (458, 766)],
    )
    draw = ImageDraw.Draw(picture)
    draw.arc((418, 678, 500, 766), 190, 350, fill=(190, 60, 48), width=9)  # headphones
    for x in (416, 486):
        draw.rounded_rectangle((x, 712, x + 18, 748), 6, fill=(190, 60, 48))
    draw.line((540, 812, 512, 748), fill=dark, width=6)
    draw.ellipse((494, 730, 520, 758), fill=(60, 60, 66))
    draw.rectangle(box, outline=(12, 16, 22), width=8)
    draw.line((461, 676, 461, 690), fill=(12, 16, 22), width=6)
    draw.rectangle((400, 624, 520, 642), fill=(210, 44, 40))  # on the air
    picture = glow(picture, (460, 632), 120, (200, 40, 36), 2.0)
    picture = glow(picture, (460, 744), 300, (190, 110, 44), 1.9)
    draw = ImageDraw.Draw(picture)
    for index, tone in enumerate(((120, 230, 160), (120, 230, 160), (120, 230, 160), (240, 60, 50))):
        draw.ellipse((380 + index * 16, 792, 390 + index * 16, 802), fill=tone)
    return picture


def _hand(picture: Image.Image) -> Image.Image:
    """Fingers of fog over the crest, the palm below."""
    fingers = (
        [(90, 1010), (60, 860), (100, 736), (150, 660), (184, 676), (176, 760), (160, 870), (210, 1000)],
        [(250, 1020), (232, 900), (244, 800), (290, 742), (318, 770), (304, 860), (316, 1010)],
        [(400, 1040), (390, 930), (404, 856), (442, 836), (470, 862), (460, 950), (480, 1040)],
        [(548, 1020), (566, 900), (602, 800), (650, 756), (672, 790), (646, 890), (632, 1020)],
        [(690, 1040), (724, 960), (776, 900), (806, 920), (790, 990), (740, 1060)],
    )
    mask = shape([(20, 1230), (60, 1000), (230, 960), (420, 1000), (620, 970), (770, 1010), (800, 1230)])
    for outline in fingers:
        mask = ImageChops.lighter(mask, shape(outline))
    drift = ImageChops.add(clouds(44, 6, 2.4, 70, 200), Image.new("L", (W, H), 90))
    soft = both(blurred(mask, 13), drift)
    picture = light(picture, (120, 160, 150), both(soft, fade(0.52, 1.0, 235, 120)))
    edge = both(blurred(mask, 3), ImageChops.invert(blurred(mask, 18)))
    picture = light(picture, (150, 186, 170), both(edge, fade(0.5, 0.9, 200, 30)))
    low = both(ellipse((400, 1150), 620, 110), clouds(52, 4, 5.0, 60, 190))
    return light(picture, (90, 124, 120), blurred(low, 16))
