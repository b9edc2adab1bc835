"""Brushes: what the starter pictures are painted with.

Everything is seeded, so a picture is always the same.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from random import Random

from PIL import Image, ImageChops, ImageDraw, ImageFilter

WIDTH, HEIGHT = 400, 600
SCALE = 2
"""Painted at twice the size and shrunk at the end, which makes every edge soft."""
W, H = WIDTH * SCALE, HEIGHT * SCALE

Colour = tuple[int, int, int]
Point = tuple[float, float]


def mix(one: Colour, other: Colour, share: float) -> Colour:
    """The colour `share` of the way from one to the other."""
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(one, other, strict=True))
    return red, green, blue


def gradient(*stops: tuple[float, Colour]) -> Image.Image:
    """A vertical gradient over the whole canvas; stops are (share of the height, colour), from the top."""
    column = Image.new("RGB", (1, H))
    for y in range(H):
        share = y / (H - 1)
        low = max((stop for stop in stops if stop[0] <= share), default=stops[0])
        high = min((stop for stop in stops if stop[0] >= share), default=stops[-1])
        along = (share - low[0]) / (high[0] - low[0]) if high[0] > low[0] else 0.0
        column.putpixel((0, y), mix(low[1], high[1], along))
    return column.resize((W, H))


def fade(top: float, bottom: float, first: int, last: int) -> Image.Image:
    """A mask that goes from `first` to `last` between two heights (shares of the canvas)."""
    column = Image.new("L", (1, H))
    for y in range(H):
        along = min(max((y / H - top) / (bottom - top), 0.0), 1.0)
        column.putpixel((0, y), round(first + (last - first) * along))
    return column.resize((W, H))


def clouds(seed: int, cells: int = 4, stretch: float = 1.0, low: int = 80, high: int = 180) -> Image.Image:
    """Fractal noise as a mask; values up to `low` become black, from `high` on white.

    `cells` is the number of blobs across the canvas; `stretch` above 1 draws them out sideways.
    """
    random = Random(seed)
    mask = Image.new("L", (W, H), 128)
    for octave in (4, 3, 2, 1, 0):
        wide = max(2, round(cells * 2**octave / stretch))
        tall = max(2, round(cells * 2**octave * H / W))
        noise = Image.frombytes("L", (wide, tall), random.randbytes(wide * tall))
        mask = Image.blend(noise.resize((W, H), Image.Resampling.BICUBIC), mask, 0.42)
    return mask.point([min(max(round((v - low) * 255 / (high - low)), 0), 255) for v in range(256)])


def wash(picture: Image.Image, colour: Colour, mask: Image.Image, strength: float = 1.0) -> Image.Image:
    """Colour laid over the picture where the mask is bright."""
    if strength < 1.0:
        mask = mask.point([round(v * strength) for v in range(256)])
    return Image.composite(Image.new("RGB", picture.size, colour), picture, mask)


def light(picture: Image.Image, colour: Colour, mask: Image.Image) -> Image.Image:
    """Light of a colour added where the mask is bright; it brightens and never darkens."""
    shine = Image.composite(Image.new("RGB", picture.size, colour), Image.new("RGB", picture.size), mask)
    return ImageChops.screen(picture, shine)


def glow(
    picture: Image.Image, centre: Point, radius: float, colour: Colour, power: float = 2.0
) -> Image.Image:
    """A round light that fades outwards; a larger `power` keeps it closer to the centre."""
    size = max(2, round(radius * 2))
    fall = [round(255 * max(0.0, 1 - v * 1.42 / 255) ** power) for v in range(256)]  # 180 at the rim
    disc = Image.radial_gradient("L").resize((size, size), Image.Resampling.BICUBIC).point(fall)
    mask = Image.new("L", (W, H))
    mask.paste(disc, (round(centre[0] - radius), round(centre[1] - radius)))
    return light(picture, colour, mask)


def shape(points: Sequence[Point], *, smooth: bool = True) -> Image.Image:
    """A mask of a closed outline, rounded through its points unless `smooth` is False."""
    mask = Image.new("L", (W, H))
    outline = curve(points) if smooth else list(points)
    ImageDraw.Draw(mask).polygon(outline, fill=255)
    return mask


def curve(points: Sequence[Point], steps: int = 10, closed: bool = True) -> list[Point]:
    """A Catmull-Rom curve through the points."""
    count = len(points)
    around = [*points] if closed else [points[0], *points, points[-1]]
    found: list[Point] = []
    for index in range(count if closed else count - 1):
        if closed:
            p0, p1, p2, p3 = (around[(index + offset) % count] for offset in (-1, 0, 1, 2))
        else:
            p0, p1, p2, p3 = around[index : index + 4]
        for step in range(steps):
            t = step / steps
            found.append((_spline(p0[0], p1[0], p2[0], p3[0], t), _spline(p0[1], p1[1], p2[1], p3[1], t)))
    return found


def _spline(a: float, b: float, c: float, d: float, t: float) -> float:
    return 0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3)


def ridge(seed: int, base: float, height: float, rough: float = 0.55, peaks: int = 5) -> Image.Image:
    """A mask of a mountain range: `base` and `height` in pixels, summits by midpoint displacement."""
    random = Random(seed)
    line = [random.uniform(-1, 1) for _ in range(peaks + 1)]
    strength = 1.0
    while len(line) < W / 3:
        strength *= rough
        between = [(a + b) / 2 + random.uniform(-strength, strength) for a, b in pairwise(line)]
        line = [value for pair in zip(line, between, strict=False) for value in pair] + [line[-1]]
    step = W / (len(line) - 1)
    top = [(index * step, base - value * height / 2) for index, value in enumerate(line)]
    return shape([(0, H), *top, (W, H)], smooth=False)


def stars(picture: Image.Image, seed: int, count: int, lowest: float) -> Image.Image:
    """Stars of three sizes over the upper part of the picture, down to a share of its height."""
    random = Random(seed)
    mask = Image.new("L", (W, H))
    draw = ImageDraw.Draw(mask)
    for _ in range(count):
        x, y = random.uniform(0, W), random.uniform(0, H * lowest) * random.uniform(0.4, 1)
        radius = random.choice((0.8, 0.8, 1.2, 1.2, 1.8, 2.6))
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=random.randint(90, 255))
    bright = mask.filter(ImageFilter.GaussianBlur(3)).point([min(v * 3, 255) for v in range(256)])
    return light(light(picture, (150, 170, 230), bright), (255, 250, 235), mask)


def moon(picture: Image.Image, centre: Point, radius: float, colour: Colour, seed: int) -> Image.Image:
    """A full moon with its seas and a wide halo."""
    picture = glow(picture, centre, radius * 4.2, mix(colour, (70, 80, 120), 0.55), 2.4)
    picture = glow(picture, centre, radius * 1.9, mix(colour, (90, 90, 110), 0.3), 1.6)
    disc = ellipse(centre, radius, radius)
    picture = wash(picture, colour, disc)
    seas = ImageChops.multiply(clouds(seed, 9, low=110, high=170), disc)
    picture = wash(picture, mix(colour, (120, 120, 150), 0.45), seas.filter(ImageFilter.GaussianBlur(4)), 0.5)
    rim = ImageChops.subtract(
        disc, ellipse((centre[0] - radius * 0.16, centre[1] - radius * 0.1), radius, radius)
    )
    return wash(
        picture, mix(colour, (90, 90, 130), 0.5), rim.filter(ImageFilter.GaussianBlur(radius / 7)), 0.5
    )


def ellipse(centre: Point, across: float, down: float, turn: float = 0.0) -> Image.Image:
    """A mask of an ellipse with its half axes, turned by degrees."""
    steps = 120
    cos, sin = math.cos(math.radians(turn)), math.sin(math.radians(turn))
    points = []
    for step in range(steps):
        angle = 2 * math.pi * step / steps
        x, y = across * math.cos(angle), down * math.sin(angle)
        points.append((centre[0] + x * cos - y * sin, centre[1] + x * sin + y * cos))
    return shape(points, smooth=False)


def blank() -> Image.Image:
    """An empty mask."""
    return Image.new("L", (W, H))


def blurred(mask: Image.Image, radius: float) -> Image.Image:
    return mask.filter(ImageFilter.GaussianBlur(radius))


def both(one: Image.Image, other: Image.Image) -> Image.Image:
    """Where both masks are bright."""
    return ImageChops.multiply(one, other)


def paint(
    picture: Image.Image, colour: Colour, points: Sequence[Point], *, smooth: bool = True, soft: float = 1.0
) -> Image.Image:
    """A filled outline with a soft edge."""
    return wash(picture, colour, blurred(shape(points, smooth=smooth), soft))


def rim(
    picture: Image.Image, mask: Image.Image, colour: Colour, across: int, down: int, soft: float = 2.0
) -> Image.Image:
    """Light along one side of a shape: the strip that the shape leaves when it is moved by so many pixels."""
    shifted = mask.copy()
    shifted.paste(mask, (across, down))
    return light(picture, colour, blurred(both(mask, ImageChops.invert(shifted)), soft))


def moved(points: Sequence[Point], at: Point, size: float = 1.0) -> list[Point]:
    """An outline around (0, 0), scaled and put in its place."""
    return [(at[0] + x * size, at[1] + y * size) for x, y in points]
