"""A radio dish on the far side of the moon, a lit greenhouse with a sunflower, a rover, the Milky Way above.

Places are in pixels of the painting canvas (800 by 1200).
"""

from __future__ import annotations

from random import Random

from PIL import Image, ImageChops, ImageDraw

from tools.starter_art.brush import (
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
    ridge,
    rim,
    shape,
    stars,
    wash,
)
from tools.starter_art.weather import finish


def moon_dish() -> Image.Image:
    """The picture, in its final size and colours."""
    picture = gradient((0, (4, 6, 16)), (0.55, (12, 18, 40)), (1, (8, 10, 20)))
    band = shape(
        [
            (-60, 560),
            (220, 330),
            (520, 120),
            (760, -60),
            (900, -60),
            (900, 160),
            (600, 380),
            (300, 580),
            (60, 740),
            (-60, 740),
        ]
    )
    milk = both(blurred(band, 70), clouds(3, 5, 1.2, 90, 200))
    picture = light(picture, (120, 116, 170), milk)
    picture = light(picture, (150, 90, 120), both(blurred(band, 40), clouds(9, 7, 1.0, 140, 210)))
    picture = stars(picture, 6, 520, 0.95)
    picture = wash(picture, (58, 60, 74), ridge(4, 700, 130, 0.5, 4))
    picture = wash(picture, (30, 32, 46), both(ridge(4, 716, 120, 0.5, 4), clouds(5, 6, 1.6, 110, 170)), 0.7)
    picture = _ground(picture)
    picture = _dish(picture)
    picture = _station(picture)
    picture = _rover(picture)
    picture = _woman(picture)
    return finish(picture, 61)


def _ground(picture: Image.Image) -> Image.Image:
    ground = shape([(-20, 800), (200, 770), (420, 780), (640, 764), (820, 790), (820, H + 10), (-20, H + 10)])
    picture = wash(picture, (112, 112, 122), ground)
    picture = wash(picture, (74, 76, 92), both(ground, clouds(18, 7, 2.4, 110, 180)), 0.8)
    for x, y, across in ((130, 1090, 110), (620, 1130, 150), (330, 1010, 50), (90, 900, 46), (700, 880, 60)):
        bowl = ellipse((x, y), across, across * 0.3)
        picture = wash(picture, (52, 54, 70), blurred(bowl, 3))
        picture = rim(picture, bowl, (170, 170, 180), 0, -6, 2)
        picture = wash(
            picture,
            (150, 150, 156),
            blurred(ImageChops.subtract(ellipse((x, y), across * 1.08, across * 0.34), bowl), 2),
            0.7,
        )
    return picture


def _dish(picture: Image.Image) -> Image.Image:
    draw = ImageDraw.Draw(picture)
    for x, to in ((250, 300), (430, 376), (340, 340)):
        draw.line((x, 860, to, 560), fill=(128, 130, 142), width=13)
    for y in (660, 740, 810):
        draw.line((270, y, 412, y - 20), fill=(128, 130, 142), width=7)
    bowl = ellipse((330, 420), 250, 142, -34)
    back = shape(
        [(122, 556), (170, 616), (260, 640), (360, 616), (470, 520), (540, 400), (540, 290), (330, 420)]
    )
    picture = wash(picture, (96, 100, 118), blurred(back, 1))
    picture = wash(picture, (226, 228, 236), blurred(bowl, 1))
    picture = wash(
        picture,
        (120, 126, 152),
        blurred(ImageChops.subtract(bowl, ellipse((300, 390), 236, 126, -34)), 14),
        0.9,
    )
    lines = blank()
    draw = ImageDraw.Draw(lines)
    for angle in range(12):
        spoke = ellipse((330, 420), 250, 142 * abs(1 - angle / 6) + 1, -34)
        lines = ImageChops.lighter(
            lines,
            ImageChops.subtract(spoke, ellipse((330, 420), 247, max(1.0, 142 * abs(1 - angle / 6) - 3), -34)),
        )
    for share in (0.3, 0.55, 0.8):
        ring = ImageChops.subtract(
            ellipse((330, 420), 250 * share, 142 * share, -34),
            ellipse((330, 420), 250 * share - 3, 142 * share - 3, -34),
        )
        lines = ImageChops.lighter(lines, ring)
    picture = wash(picture, (120, 126, 150), both(lines, bowl), 0.7)
    picture = rim(picture, bowl, (255, 244, 220), 6, 8, 3)
    draw = ImageDraw.Draw(picture)
    for start in ((160, 500), (500, 330), (350, 540)):
        draw.line((*start, 220, 238), fill=(176, 178, 190), width=5)
    draw.ellipse((200, 214, 246, 262), fill=(210, 212, 220))
    picture = glow(picture, (222, 238), 130, (210, 60, 60), 2.0)
    ImageDraw.Draw(picture).ellipse((214, 230, 230, 246), fill=(255, 170, 150))
    rings = blank()
    draw = ImageDraw.Draw(rings)
    for radius in (90, 150, 215):
        draw.arc(
            (222 - radius, 238 - radius, 222 + radius, 238 + radius),
            190,
            275,
            fill=220 - radius // 2,
            width=6,
        )
    return light(picture, (120, 200, 220), blurred(rings, 2))


def _station(picture: Image.Image) -> Image.Image:
    hull = shape([(560, 900), (552, 800), (580, 742), (640, 716), (730, 716), (810, 740), (810, 900)])
    picture = wash(picture, (196, 198, 206), blurred(hull, 1))
    picture = wash(picture, (110, 114, 134), both(hull, fade(0.64, 0.76, 0, 255)), 0.8)
    picture = rim(picture, hull, (255, 246, 226), 5, 7, 3)
    draw = ImageDraw.Draw(picture)
    draw.rounded_rectangle((716, 790, 774, 900), 18, fill=(84, 88, 104))
    draw.ellipse((730, 806, 760, 836), fill=(255, 214, 130))
    dome = ellipse((490, 870), 122, 120)
    upper = both(dome, shape([(300, 700), (700, 700), (700, 900), (300, 900)], smooth=False))
    picture = wash(picture, (60, 96, 100), upper, 0.85)
    picture = wash(picture, (255, 220, 140), both(blurred(upper, 10), fade(0.64, 0.75, 20, 230)), 0.75)
    draw = ImageDraw.Draw(picture)
    random = Random(2)
    for _ in range(60):
        x, y = random.uniform(396, 584), random.uniform(862, 896)
        draw.ellipse((x - 12, y - 8, x + 12, y + 8), fill=mix((40, 100, 52), (140, 180, 80), random.random()))
    draw.line(curve([(490, 890), (484, 840), (494, 806)], closed=False), fill=(74, 120, 50), width=7)
    draw.polygon([(488, 860), (456, 842), (466, 866)], fill=(90, 140, 60))
    for index in range(12):
        petal = ellipse((494, 796), 40, 9, index * 30)
        picture = wash(picture, (255, 204, 50), petal)
    picture = wash(picture, (96, 54, 30), ellipse((494, 796), 17, 17))
    draw = ImageDraw.Draw(picture)
    draw.arc((368, 750, 612, 990), 180, 360, fill=(226, 230, 236), width=6)
    draw.arc((430, 750, 550, 990), 180, 360, fill=(226, 230, 236), width=3)
    draw.rectangle((360, 892, 620, 908), fill=(150, 154, 168))
    return glow(picture, (492, 850), 230, (150, 120, 60), 2.1)


def _rover(picture: Image.Image) -> Image.Image:
    draw = ImageDraw.Draw(picture)
    for x in (108, 168, 228):
        draw.ellipse((x - 26, 986, x + 26, 1038), fill=(50, 52, 62))
        draw.ellipse((x - 11, 1001, x + 11, 1023), fill=(150, 152, 160))
    draw.rounded_rectangle((82, 936, 256, 992), 14, fill=(220, 200, 150))
    draw.rectangle((82, 962, 256, 970), fill=(190, 90, 50))
    draw.line((204, 940, 204, 876), fill=(170, 172, 180), width=8)
    draw.rounded_rectangle((176, 840, 244, 882), 10, fill=(236, 236, 240))
    for x in (194, 226):
        draw.ellipse((x - 11, 850, x + 11, 872), fill=(40, 60, 90))
        draw.ellipse((x - 3, 854, x + 5, 862), fill=(170, 220, 250))
    draw.polygon([(92, 936), (70, 900), (160, 900), (170, 936)], fill=(50, 70, 120))
    beam = shape([(256, 960), (420, 1010), (410, 1080), (256, 976)], smooth=False)
    picture = light(picture, (170, 150, 100), both(blurred(beam, 8), clouds(61, 2, 1, 0, 120)))
    picture = glow(picture, (254, 966), 80, (220, 190, 120), 1.8)
    draw = ImageDraw.Draw(picture)
    for step in range(9):
        draw.line(
            (60 - step * 10, 1046 + step * 9, 80 - step * 10, 1050 + step * 9), fill=(70, 72, 86), width=4
        )
    return picture


def _woman(picture: Image.Image) -> Image.Image:
    suit, shade = (222, 224, 230), (112, 116, 138)
    parts = (
        [(508, 1150), (514, 1070), (524, 1010), (560, 1006), (564, 1080), (560, 1152)],
        [(570, 1152), (572, 1080), (566, 1006), (600, 1010), (612, 1070), (618, 1150)],
        [(480, 960), (500, 900), (562, 884), (624, 900), (642, 960), (636, 1030), (562, 1046), (490, 1030)],
        [(500, 912), (462, 950), (452, 1010), (470, 1034), (494, 1014), (500, 970)],
        [(622, 912), (660, 930), (676, 880), (690, 828), (716, 836), (708, 900), (690, 966), (650, 984)],
    )
    for outline in parts:
        mask = shape(outline)
        picture = wash(picture, suit, blurred(mask, 1))
        picture = wash(
            picture, shade, blurred(both(mask, ImageChops.invert(ImageChops.offset(mask, -14, -4))), 5), 0.9
        )
        picture = rim(picture, mask, (255, 220, 160), 4, 4)
    helmet = ellipse((562, 846), 58, 56)
    picture = wash(picture, (238, 240, 244), helmet)
    picture = paint(
        picture,
        (230, 184, 150),
        [(526, 850), (532, 818), (562, 806), (592, 818), (598, 850), (582, 884), (542, 884)],
    )
    picture = paint(
        picture,
        (30, 26, 34),
        [
            (522, 850),
            (522, 816),
            (548, 796),
            (588, 798),
            (604, 828),
            (600, 850),
            (588, 824),
            (552, 824),
            (534, 836),
        ],
    )
    draw = ImageDraw.Draw(picture)
    for x in (548, 578):
        draw.ellipse((x - 4, 844, x + 4, 853), fill=(34, 28, 34))
    draw.arc((552, 852, 576, 870), 20, 160, fill=(150, 80, 70), width=4)
    picture = light(
        picture, (90, 120, 160), both(blurred(ellipse((562, 846), 46, 44), 2), fade(0.66, 0.75, 160, 20))
    )
    draw = ImageDraw.Draw(picture)
    draw.arc((514, 800, 570, 860), 190, 265, fill=(255, 255, 255), width=5)
    draw.rounded_rectangle((536, 936, 592, 976), 8, fill=(90, 96, 116))
    draw.line((604, 924, 616, 968), fill=(236, 180, 60), width=8)  # the pencil
    draw.polygon([(612, 968), (621, 966), (620, 982)], fill=(60, 50, 50))
    shadow = shape([(500, 1150), (620, 1150), (800, 1196), (W, 1210), (600, 1200)])
    return wash(picture, (30, 32, 46), blurred(shadow, 5), 0.6)
