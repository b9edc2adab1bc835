"""A salvager in an orange suit on a dead hull, a ringed planet behind her, the tug coming about.

Places are in pixels of the painting canvas (800 by 1200).
"""

from __future__ import annotations

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
    shape,
    stars,
    wash,
)
from tools.starter_art.weather import finish


def salvage() -> Image.Image:
    """The picture, in its final size and colours."""
    picture = gradient((0, (6, 8, 24)), (0.5, (14, 26, 52)), (1, (4, 8, 20)))
    picture = wash(picture, (20, 96, 110), clouds(2, 2, 1.3, 120, 210), 0.6)
    picture = wash(picture, (120, 44, 96), clouds(8, 2, 1.2, 140, 220), 0.55)
    picture = stars(picture, 3, 420, 1.0)
    picture = _planet(picture, (470, 400), 236)
    picture = _liner(picture)
    picture = _tug(picture, (176, 640))
    hull = shape([(-20, 1010), (140, 962), (330, 942), (560, 956), (820, 1030), (820, H + 20), (-20, H + 20)])
    picture = wash(picture, (20, 26, 38), hull)
    plates = blank()
    draw = ImageDraw.Draw(plates)
    for x in range(-400, 1200, 92):
        draw.line((x, H, 400 + (x - 400) * 0.62, 930), fill=150, width=3)
    for y in (1000, 1056, 1130):
        draw.arc((-500, y - 60, 1300, y + 400), 180, 360, fill=150, width=3)
    picture = light(picture, (44, 70, 84), both(plates, hull))
    rim = both(hull, ImageChops.invert(ImageChops.offset(hull, 0, 9)))
    picture = light(picture, (210, 150, 96), both(blurred(rim, 2), fade(0.3, 0.95, 255, 90)))
    picture = _astronaut(picture)
    return finish(picture, 43)


def _planet(picture: Image.Image, centre: Point, radius: float) -> Image.Image:
    x, y = centre
    disc = ellipse(centre, radius, radius)
    ring = ImageChops.subtract(
        ellipse(centre, radius * 1.95, radius * 0.42, -18), ellipse(centre, radius * 1.3, radius * 0.27, -18)
    )
    gap = ImageChops.subtract(
        ellipse(centre, radius * 1.66, radius * 0.352, -18),
        ellipse(centre, radius * 1.6, radius * 0.338, -18),
    )
    ring = ImageChops.subtract(ring, gap)
    picture = glow(picture, centre, radius * 1.7, (190, 112, 70), 2.2)
    picture = wash(picture, (206, 170, 130), blurred(ring, 1.5), 0.75)
    bands = gradient(
        (0.14, (250, 214, 160)),
        (0.2, (226, 160, 104)),
        (0.25, (246, 206, 150)),
        (0.31, (196, 116, 80)),
        (0.35, (240, 190, 130)),
        (0.41, (214, 138, 92)),
        (0.46, (246, 200, 146)),
        (0.52, (170, 92, 74)),
    ).rotate(12, resample=Image.Resampling.BICUBIC, center=centre)
    swirl = clouds(15, 4, 8.0, 100, 190).rotate(12, center=centre)
    planet = wash(bands, (150, 78, 62), swirl, 0.45)
    night = blurred(
        ImageChops.subtract(
            disc, ellipse((x - radius * 0.42, y - radius * 0.3), radius * 1.12, radius * 1.12)
        ),
        46,
    )
    planet = wash(planet, (12, 12, 30), night, 0.96)
    cast = ellipse((x, y + radius * 0.16), radius * 1.5, radius * 0.16, -18)
    planet = wash(planet, (70, 34, 40), blurred(cast, 8), 0.5)
    picture = Image.composite(planet, picture, blurred(disc, 1.2))
    front = shape([(-200, y + 130), (W + 200, y - 130 - 80), (W + 200, H), (-200, H)], smooth=False)
    near = both(ring, front)
    picture = wash(picture, (232, 200, 158), blurred(near, 1.5), 0.85)
    grooves = both(near, clouds(19, 14, 6.0, 120, 170))
    return wash(picture, (130, 92, 78), grooves, 0.5)


def _liner(picture: Image.Image) -> Image.Image:
    dark: Colour = (38, 52, 72)
    hull = shape(
        [
            (410, 850),
            (520, 792),
            (690, 736),
            (860, 690),
            (860, 800),
            (700, 850),
            (560, 884),
            (470, 888),
            (430, 876),
        ],
        smooth=False,
    )
    picture = wash(picture, dark, hull)
    draw = ImageDraw.Draw(picture)
    for index in range(5):  # bare ribs where the bow was
        x, y = 404 - index * 30, 852 + index * 12
        draw.arc((x - 26, y - 30, x + 34, y + 46), 150, 330, fill=dark, width=7)
    draw.polygon([(640, 752), (668, 676), (700, 668), (716, 730)], fill=dark)
    draw.line((688, 668, 700, 600), fill=dark, width=4)
    random = Random(4)
    for index in range(38):
        left = 500 + index * 9
        top = 822 - (left - 500) * 0.29 + 26 * (index % 3)
        if random.random() < 0.5:
            draw.rectangle((left, top, left + 4, top + 4), fill=(96, 122, 138))
    draw.rectangle((556, 838, 564, 846), fill=(140, 240, 190))
    picture = glow(picture, (560, 842), 46, (60, 190, 130), 1.8)
    edge = both(hull, ImageChops.invert(ImageChops.offset(hull, 0, 6)))
    return light(picture, (210, 150, 110), blurred(edge, 1.5))


def _tug(picture: Image.Image, at: Point) -> Image.Image:
    x, y = at
    beam = shape([(x + 66, y + 20), (x + 420, y + 232), (x + 330, y + 310)], smooth=False)
    picture = light(picture, (90, 124, 130), both(blurred(beam, 8), fade(0.45, 0.74, 170, 20)))
    picture = glow(picture, (x - 84, y - 4), 120, (70, 150, 230), 2.0)
    picture = glow(picture, (x - 74, y - 2), 40, (200, 230, 255), 1.4)
    draw = ImageDraw.Draw(picture)
    metal: Colour = (62, 74, 88)
    draw.rounded_rectangle((x - 66, y - 34, x + 40, y + 28), 14, fill=metal)
    draw.polygon(
        [(x + 30, y - 40), (x + 74, y - 18), (x + 78, y + 12), (x + 30, y + 30)],
        fill=mix(metal, (210, 110, 50), 0.7),
    )
    draw.polygon(
        [(x - 40, y - 34), (x - 20, y - 62), (x + 16, y - 62), (x + 24, y - 34)],
        fill=mix(metal, (20, 20, 30), 0.35),
    )
    draw.rectangle((x - 86, y - 26, x - 62, y + 18), fill=(34, 40, 52))
    for offset in (-46, -22, 2):
        draw.rectangle((x + offset, y - 14, x + offset + 13, y - 2), fill=(255, 216, 140))
    draw.line((x + 4, y + 28, x + 40, y + 60, x + 70, y + 56), fill=metal, width=8)
    draw.ellipse((x + 58, y + 6, x + 76, y + 24), fill=(240, 250, 255))
    return glow(picture, (x + 68, y + 16), 46, (210, 236, 240), 1.6)


def _astronaut(picture: Image.Image) -> Image.Image:
    suit, shade = (208, 104, 40), (120, 52, 30)
    legs = [
        [(300, 1016), (304, 950), (306, 872), (342, 868), (346, 950), (344, 1018)],
        [(354, 1018), (356, 950), (352, 868), (392, 872), (398, 950), (404, 1014)],
    ]
    torso = [
        (292, 884),
        (288, 800),
        (286, 748),
        (314, 722),
        (352, 714),
        (390, 722),
        (416, 750),
        (410, 806),
        (404, 884),
        (348, 896),
    ]
    left_arm = [(300, 738), (272, 756), (254, 810), (242, 868), (262, 882), (282, 836), (304, 788)]
    right_arm = [
        (398, 736),
        (428, 752),
        (456, 726),
        (486, 682),
        (508, 694),
        (484, 752),
        (448, 796),
        (408, 786),
    ]
    pack = [(282, 740), (306, 704), (394, 704), (422, 742), (418, 850), (284, 850)]
    picture = wash(picture, (52, 58, 70), blurred(shape(pack), 1))
    for outline in (*legs, torso, left_arm, right_arm):
        mask = shape(outline)
        picture = wash(picture, suit, blurred(mask, 1))
        shadow = both(mask, ImageChops.invert(ImageChops.offset(mask, -16, -4)))
        picture = wash(picture, shade, blurred(shadow, 5), 0.9)
        rim = both(mask, ImageChops.invert(ImageChops.offset(mask, -5, 5)))
        picture = light(picture, (200, 150, 90), blurred(rim, 2))
    draw = ImageDraw.Draw(picture)
    for box in ((288, 998, 350, 1036), (350, 998, 412, 1036)):
        draw.rounded_rectangle(box, 12, fill=(46, 50, 62))
    draw.rectangle((290, 838, 408, 856), fill=(60, 64, 76))
    draw.rounded_rectangle((318, 762, 382, 810), 8, fill=(58, 62, 74))
    for x, colour in ((330, (120, 230, 180)), (350, (250, 200, 90)), (370, (230, 90, 70))):
        draw.ellipse((x - 5, 780, x + 5, 790), fill=colour)
    draw.polygon([(428, 764), (448, 750), (458, 770), (438, 784)], fill=(60, 120, 130))
    draw.polygon([(266, 800), (282, 808), (276, 830), (260, 822)], fill=(220, 206, 180))
    helmet = ellipse((350, 668), 62, 60)
    picture = wash(picture, (214, 216, 220), helmet)
    picture = wash(
        picture,
        (80, 86, 104),
        blurred(both(helmet, ImageChops.invert(ImageChops.offset(helmet, -18, -10))), 6),
    )
    visor = ellipse((354, 670), 46, 40)
    glass = gradient(
        (0.5, (40, 70, 110)), (0.545, (250, 190, 120)), (0.56, (190, 96, 64)), (0.6, (16, 22, 44))
    )
    picture = Image.composite(glass, picture, blurred(visor, 1.2))
    draw = ImageDraw.Draw(picture)
    draw.arc((318, 640, 376, 700), 190, 270, fill=(255, 250, 240), width=4)
    lantern: Point = (500, 672)
    picture = glow(picture, lantern, 190, (120, 170, 150), 2.4)
    picture = glow(picture, lantern, 56, (220, 255, 230), 1.6)
    tether = blank()
    ImageDraw.Draw(tether).line(
        curve([(292, 850), (220, 930), (120, 900), (40, 990), (-30, 970)], closed=False), fill=255, width=5
    )
    return wash(picture, (230, 190, 120), tether, 0.9)
