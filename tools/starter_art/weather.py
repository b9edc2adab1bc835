"""What lies over a finished picture: rain, snow, a wet street, and the last touches."""

from __future__ import annotations

from random import Random

from PIL import Image, ImageChops, ImageDraw, ImageFilter

from tools.starter_art.brush import (
    HEIGHT,
    WIDTH,
    Colour,
    H,
    W,
    both,
    clouds,
    ellipse,
    fade,
    light,
    mix,
    wash,
)


def rain(picture: Image.Image, seed: int, count: int, colour: Colour, slant: float = 0.18) -> Image.Image:
    """Streaks of rain."""
    random = Random(seed)
    mask = Image.new("L", (W, H))
    draw = ImageDraw.Draw(mask)
    for _ in range(count):
        x, y = random.uniform(-40, W), random.uniform(-40, H)
        length = random.uniform(14, 60)
        draw.line((x, y, x - length * slant, y + length), fill=random.randint(25, 110), width=2)
    return light(picture, colour, mask.filter(ImageFilter.GaussianBlur(0.7)))


def flakes(picture: Image.Image, seed: int, count: int) -> Image.Image:
    """Falling snow, near flakes large and out of focus."""
    random = Random(seed)
    for size, share, blur in ((1.6, 0.6, 0.6), (3.2, 0.3, 1.4), (6.5, 0.1, 4.0)):
        mask = Image.new("L", (W, H))
        draw = ImageDraw.Draw(mask)
        for _ in range(round(count * share)):
            x, y = random.uniform(0, W), random.uniform(0, H)
            radius = size * random.uniform(0.6, 1.3)
            draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=random.randint(120, 235))
        picture = wash(picture, (250, 252, 255), mask.filter(ImageFilter.GaussianBlur(blur)), 0.85)
    return picture


def street(picture: Image.Image, level: int, tint: Colour) -> Image.Image:
    """Wet ground from `level` down: what stands above, upside down, drawn out and broken up."""
    depth = H - level
    above = picture.crop((0, level - depth * 2, W, level)).transpose(Image.Transpose.FLIP_TOP_BOTTOM)
    mirrored = above.resize((W, depth)).filter(ImageFilter.BoxBlur((2, 16)))
    ground = Image.blend(mirrored, Image.new("RGB", mirrored.size, mix(tint, (10, 10, 20), 0.6)), 0.42)
    painted = picture.copy()
    painted.paste(ground, (0, level))
    stones = both(clouds(77, 9, 3.0, 120, 160), fade(level / H, level / H + 0.001, 0, 255))
    return wash(painted, mix(tint, (6, 8, 16), 0.75), stones, 0.5)


def finish(picture: Image.Image, seed: int, grain: float = 0.06) -> Image.Image:
    """The last touches: brush texture, paper grain, a vignette; then the final size and 256 colours."""
    brushed = picture.filter(ImageFilter.ModeFilter(7))
    picture = Image.blend(picture, brushed, 0.55)
    random = Random(seed)
    noise = Image.frombytes("L", (W // 2, H // 2), random.randbytes(W * H // 4)).resize((W, H))
    paper = Image.merge("RGB", [noise.filter(ImageFilter.GaussianBlur(1.5))] * 3)
    picture = Image.blend(picture, ImageChops.overlay(picture, paper), grain * 4)
    edge = ellipse((W / 2, H / 2), W * 0.56, H * 0.54).filter(ImageFilter.GaussianBlur(130))
    picture = wash(picture, (8, 8, 18), ImageChops.invert(edge), 0.42)
    small = picture.resize((WIDTH, HEIGHT), Image.Resampling.LANCZOS)
    return small.quantize(256, Image.Quantize.MEDIANCUT, dither=Image.Dither.FLOYDSTEINBERG)
