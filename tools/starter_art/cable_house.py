"""A woman with a lantern on a cliff, the cable house behind her, the ship that laid the cable far out.

Places are in pixels of the painting canvas (800 by 1200).
"""

from __future__ import annotations

from random import Random

from PIL import Image, ImageChops, ImageDraw

from tools.starter_art.brush import (
    Colour,
    H,
    W,
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
    stars,
    wash,
)
from tools.starter_art.weather import finish


def cable_house() -> Image.Image:
    """The picture, in its final size and colours."""
    picture = gradient(
        (0, (16, 32, 62)),
        (0.25, (38, 72, 106)),
        (0.42, (150, 140, 150)),
        (0.5, (250, 186, 126)),
        (0.53, (255, 220, 160)),
        (0.531, (90, 120, 140)),
        (1, (10, 30, 50)),
    )
    picture = stars(picture, 21, 90, 0.3)
    picture = wash(
        picture, (64, 76, 108), both(clouds(12, 3, 5.0, 110, 180), fade(0.05, 0.5, 120, 255)), 0.75
    )
    picture = light(picture, (240, 130, 80), both(clouds(17, 4, 7.0, 130, 190), fade(0.3, 0.5, 0, 200)))
    picture = _ship(picture)
    picture = _sea(picture)
    picture = _cliff(picture)
    picture = _house(picture)
    picture = _poles(picture)
    picture = _woman(picture)
    return finish(picture, 52)


def _ship(picture: Image.Image) -> Image.Image:
    dark: Colour = (58, 52, 70)
    draw = ImageDraw.Draw(picture)
    draw.polygon([(70, 616), (330, 616), (318, 640), (86, 640)], fill=dark)
    for index, x in enumerate((96, 136, 180, 226, 270, 306)):
        draw.line((x, 616, x - 4, 530 + abs(index - 2.5) * 8), fill=dark, width=4)
        draw.line((x - 18, 566, x + 14, 562), fill=dark, width=3)
    for x in (116, 158, 204, 248):
        draw.rectangle((x, 588, x + 10, 618), fill=dark)
    smoke = both(
        shape([(120, 588), (250, 588), (420, 520), (560, 470), (430, 470), (240, 530)]),
        clouds(5, 6, 2.0, 90, 170),
    )
    return wash(picture, (96, 88, 104), blurred(smoke, 8), 0.7)


def _sea(picture: Image.Image) -> Image.Image:
    random = Random(11)
    draw = ImageDraw.Draw(picture)
    y = 644.0
    while y < H:
        depth = (y - 640) / 560
        for _ in range(16):
            x, length = random.uniform(-60, W), random.uniform(20, 60) * (1 + depth * 3)
            tone = mix((240, 190, 140), (40, 86, 110), min(1.0, depth * 1.7 + random.uniform(0, 0.3)))
            draw.arc((x, y, x + length, y + 8 + depth * 26), 200, 340, fill=tone, width=2 + round(depth * 4))
        y += 7 + depth * 26
    return picture


def _cliff(picture: Image.Image) -> Image.Image:
    cliff = shape(
        [
            (H, 560),
            (700, 566),
            (620, 590),
            (560, 640),
            (470, 700),
            (330, 770),
            (190, 850),
            (60, 900),
            (-20, 910),
            (-20, H + 9),
            (H, H + 9),
        ],
        smooth=False,
    )
    picture = wash(picture, (34, 44, 46), cliff)
    picture = wash(picture, (58, 76, 56), both(cliff, clouds(22, 7, 2.0, 110, 180)), 0.7)
    picture = rim(picture, cliff, (220, 160, 110), 4, 9, 3)
    random = Random(9)
    draw = ImageDraw.Draw(picture)
    for _ in range(420):
        x = random.uniform(0, W)
        y = random.uniform(900, H) if x < 200 else random.uniform(max(640, 930 - x * 0.5), H)
        blade = mix((46, 66, 48), (150, 140, 90), random.random() * 0.7)
        draw.line((x, y, x + random.uniform(-4, 16), y - random.uniform(12, 34)), fill=blade, width=3)
    return picture


def _house(picture: Image.Image) -> Image.Image:
    draw = ImageDraw.Draw(picture)
    wall: Colour = (176, 166, 160)
    draw.polygon([(560, 650), (560, 510), (780, 510), (780, 650)], fill=wall)
    draw.polygon([(536, 518), (590, 424), (760, 424), (812, 518)], fill=(52, 52, 66))
    draw.rectangle((716, 376, 752, 440), fill=(112, 100, 100))
    for x in (588, 700):
        draw.rectangle((x, 552, x + 50, 612), fill=(255, 208, 120), outline=(50, 44, 48), width=6)
        draw.line((x + 25, 552, x + 25, 612), fill=(50, 44, 48), width=4)
        draw.line((x, 582, x + 50, 582), fill=(50, 44, 48), width=4)
    draw.rectangle((650, 566, 688, 650), fill=(46, 74, 74))
    smoke = shape([(730, 376), (744, 376), (760, 320), (740, 270), (770, 210), (744, 262), (722, 316)])
    picture = wash(picture, (150, 146, 150), blurred(smoke, 7), 0.5)
    for x in (612, 724):
        picture = glow(picture, (x, 584), 150, (200, 130, 56), 1.8)
    return picture


def _poles(picture: Image.Image) -> Image.Image:
    draw = ImageDraw.Draw(picture)
    dark: Colour = (28, 28, 34)
    tops = []
    for x, foot, height in ((548, 670, 250), (300, 800, 370), (-30, 930, 520)):
        width = max(6, round(height / 26))
        draw.line((x, foot, x + 4, foot - height), fill=dark, width=width)
        arm = height * 0.13
        for drop in (0.04, 0.13):
            y = foot - height * (1 - drop)
            draw.line((x - arm, y, x + arm, y), fill=dark, width=max(4, width // 2))
            for side in (-arm, arm):
                draw.ellipse((x + side - 5, y - 12, x + side + 5, y), fill=(120, 170, 170))
        tops.append((x, foot - height * 0.96, arm))
    for (x, y, arm), (to_x, to_y, to_arm) in ((tops[0], tops[1]), (tops[1], tops[2])):
        for side in (-1, 1):
            start, end = (x + side * arm, y), (to_x + side * to_arm, to_y)
            sag = ((start[0] + end[0]) / 2, (start[1] + end[1]) / 2 + 46)
            draw.line(curve([start, sag, end], closed=False), fill=dark, width=3)
    return picture


def _woman(picture: Image.Image) -> Image.Image:
    at, size = (400, 1120), 1.0
    skirt = moved(
        [(-96, 0), (-70, -130), (-44, -250), (0, -280), (44, -250), (84, -130), (120, 0), (10, 16)], at, size
    )
    shawl = moved(
        [
            (-62, -150),
            (-66, -262),
            (-44, -330),
            (-14, -352),
            (20, -352),
            (52, -326),
            (72, -250),
            (108, -150),
            (30, -176),
            (0, -130),
        ],
        at,
        size,
    )
    arm = moved([(40, -310), (84, -270), (150, -300), (160, -282), (92, -228), (44, -240)], at, size)
    for outline, colour in ((skirt, (40, 52, 66)), (arm, (92, 52, 56)), (shawl, (112, 60, 60))):
        mask = shape(outline)
        picture = wash(picture, colour, blurred(mask, 1))
        picture = rim(picture, mask, (210, 150, 110), 5, 5)
        picture = rim(picture, mask, (230, 150, 70), -7, 0, 3)
    hair = [
        (372, 800),
        (286, 838),
        (330, 786),
        (270, 782),
        (332, 742),
        (362, 694),
        (402, 684),
        (440, 700),
        (456, 740),
        (450, 764),
        (424, 730),
        (392, 736),
        (384, 784),
    ]
    picture = paint(picture, (176, 72, 36), hair)
    picture = rim(picture, shape(hair), (250, 150, 80), -6, 4)
    picture = paint(
        picture,
        (226, 176, 146),
        [(380, 716), (412, 706), (438, 722), (444, 752), (426, 782), (398, 786), (378, 760)],
    )
    draw = ImageDraw.Draw(picture)
    draw.line(curve([(372, 722), (396, 700), (436, 712)], closed=False), fill=(176, 72, 36), width=16)
    for x in (402, 430):
        draw.ellipse((x - 4, 740, x + 4, 750), fill=(34, 44, 50))
    draw.line((408, 768, 426, 766), fill=(150, 84, 72), width=4)
    draw.line((556, 820, 556, 850), fill=(24, 22, 26), width=4)
    draw.rounded_rectangle((534, 850, 578, 916), 8, fill=(255, 226, 150), outline=(30, 26, 30), width=6)
    draw.polygon([(534, 850), (556, 830), (578, 850)], fill=(30, 26, 30))
    picture = glow(picture, (556, 884), 260, (220, 140, 56), 2.0)
    picture = glow(picture, (556, 884), 70, (255, 220, 140), 1.4)
    paper = [(300, 980), (356, 966), (364, 1010), (308, 1026)]
    picture = paint(picture, (240, 232, 210), paper, smooth=False)  # the message in her other hand
    draw = ImageDraw.Draw(picture)
    for row in range(3):
        draw.line((310, 990 + row * 10, 350, 980 + row * 10), fill=(90, 80, 80), width=3)
    gull = [(-26, -8), (-10, -14), (0, -4), (10, -14), (26, -8), (8, -6), (0, 4), (-8, -6)]
    for place in ((250, 300), (330, 250), (460, 340)):
        picture = paint(picture, (230, 226, 222), moved(gull, place, 1.1), smooth=False, soft=0.6)
    moon = ImageChops.subtract(ellipse((150, 170), 50, 50), ellipse((172, 158), 46, 46))
    picture = glow(picture, (140, 176), 150, (110, 120, 140), 2.2)
    return wash(picture, (250, 244, 222), blurred(moon, 1))
