"""Small pictures of every kind that a training folder may hold, and the pixels they must give.

Writes `images/` (the files), `goldens/images.safetensors` (their upright RGB pixels, [height, width, 3] by file
name) and `goldens/resizing.safetensors` (one picture in many sizes, and the numbers torchvision makes of bytes).
"""

import io
import struct
import zlib

import numpy
import torch
from PIL import Image, ImageOps

import common

FOLDER = common.FIXTURES / "images"
RANDOM = numpy.random.default_rng(20)


def scene(width, height, channels=3, maximum=255):
    """A picture with smooth colours, a hard edge and some noise: it tells the orientations and filters apart."""
    y, x = numpy.mgrid[0:height, 0:width]
    planes = [
        x / (width - 1),
        y / (height - 1),
        ((x > width // 3) ^ (y > height // 4)) * 0.8,
        1 - (x + y) / (width + height - 2),
    ]
    values = numpy.stack(planes[:channels], -1) * 0.85 + RANDOM.random((height, width, channels)) * 0.15
    return numpy.round(values * maximum).astype(numpy.uint16 if maximum > 255 else numpy.uint8)


def chunk(name, data):
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(rows, width, height, depth, color_type, *, before_data=b"", interlaced=False):
    """A PNG file of ready-made rows (bytes), for what Pillow cannot write: Adam7, 16-bit colour, odd depths."""
    header = struct.pack(">IIBBBBB", width, height, depth, color_type, 0, 0, int(interlaced))
    data = zlib.compress(b"".join(b"\0" + row for row in rows))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + before_data + chunk(b"IDAT", data)
            + chunk(b"IEND", b""))


def pack(samples, depth):
    """Rows of samples [height, width x channels] as PNG stores them."""
    if depth == 16:
        return [row.astype(">u2").tobytes() for row in samples]
    if depth == 8:
        return [row.astype(numpy.uint8).tobytes() for row in samples]
    bits = (samples[..., None] >> numpy.arange(depth - 1, -1, -1)) & 1
    return [numpy.packbits(row.reshape(-1)).tobytes() for row in bits]


def adam7(samples, depth):
    """The rows of the seven passes; `samples` is [height, width, channels]."""
    passes = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]
    rows = []
    for x, y, across, down in passes:
        part = samples[y::down, x::across]
        if part.size:
            rows += pack(part.reshape(part.shape[0], -1), depth)
    return rows


def to_8_bits(samples, maximum):
    """Full range to full range. Pillow's own conversion clamps 16-bit grey to white and cuts the low byte of colour."""
    return ((samples.astype(numpy.int64) * 255 + maximum // 2) // maximum).astype(numpy.uint8)


def rgb(samples):
    """Grey as RGB."""
    return numpy.repeat(samples, 3, -1) if samples.shape[-1] == 1 else samples


def on_background(samples, alpha, background=(255, 255, 255)):
    """Transparent pixels over a colour. Pillow's `convert("RGB")` drops alpha and shows the colours it was hiding."""
    alpha = alpha.astype(numpy.int64)
    mixed = rgb(samples).astype(numpy.int64) * alpha + numpy.array(background) * (255 - alpha)
    return ((mixed + 127) // 255).astype(numpy.uint8)


def by_pillow(data):
    """What Pillow makes of a file without traps: upright, RGB."""
    return numpy.array(ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB"))


def saved(image, kind, **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def png_files():
    """Yields (name, file, upright RGB pixels)."""
    width, height = 21, 13
    for depth in (1, 2, 4, 8, 16):
        maximum = 2**depth - 1
        grey = RANDOM.integers(0, maximum, (height, width, 1), endpoint=True)
        expected = rgb(to_8_bits(grey, maximum))
        yield f"grey{depth}.png", png(pack(grey[..., 0], depth), width, height, depth, 0), expected
        yield (f"grey{depth}-interlaced.png",
               png(adam7(grey, depth), width, height, depth, 0, interlaced=True), expected)
        # One grey value is transparent; it is compared before the scaling to 8 bits.
        key = int(grey[5, 7, 0])
        transparency = chunk(b"tRNS", struct.pack(">H", key))
        yield (f"grey{depth}-transparent.png",
               png(pack(grey[..., 0], depth), width, height, depth, 0, before_data=transparency),
               on_background(to_8_bits(grey, maximum), numpy.where(grey == key, 0, 255)))
    for depth in (8, 16):
        maximum = 2**depth - 1
        color = scene(width, height, 4, maximum)
        color[2:6, 3:9, 3] = 0
        color[8:11, 3:9, 3] = maximum
        for name, color_type, channels in (("grey-alpha", 4, [0, 3]), ("rgb", 2, [0, 1, 2]), ("rgba", 6, [0, 1, 2, 3])):
            samples = color[..., channels]
            pixels = to_8_bits(samples, maximum)
            expected = pixels if name == "rgb" else on_background(pixels[..., :-1], pixels[..., -1:])
            flat = samples.reshape(height, -1)
            yield f"{name}{depth}.png", png(pack(flat, depth), width, height, depth, color_type), expected
            yield (f"{name}{depth}-interlaced.png",
                   png(adam7(samples, depth), width, height, depth, color_type, interlaced=True), expected)
        samples = color[..., :3]
        key = samples[4, 4]
        transparency = chunk(b"tRNS", struct.pack(">HHH", *map(int, key)))
        yield (f"rgb{depth}-transparent.png",
               png(pack(samples.reshape(height, -1), depth), width, height, depth, 2, before_data=transparency),
               on_background(to_8_bits(samples, maximum), numpy.where((samples == key).all(-1, keepdims=True), 0, 255)))
    for depth in (1, 2, 4, 8):
        palette = RANDOM.integers(0, 256, (2**depth, 3), dtype=numpy.uint8)
        alphas = RANDOM.integers(0, 256, 2**depth // 2, dtype=numpy.uint8)
        indices = RANDOM.integers(0, 2**depth, (height, width))
        colors = chunk(b"PLTE", palette.tobytes())
        yield (f"palette{depth}.png", png(pack(indices, depth), width, height, depth, 3, before_data=colors),
               palette[indices])
        # A tRNS chunk may be shorter than the palette; the colours behind its end are opaque.
        all_alphas = numpy.concatenate([alphas, numpy.full(2**depth - len(alphas), 255, numpy.uint8)])
        yield (f"palette{depth}-transparent.png",
               png(pack(indices, depth), width, height, depth, 3, before_data=colors + chunk(b"tRNS", alphas.tobytes())),
               on_background(palette[indices], all_alphas[indices][..., None]))
    exif = Image.Exif()
    exif[0x0112] = 6
    data = saved(Image.fromarray(scene(width, height)), "PNG", exif=exif)
    yield "exif6.png", data, by_pillow(data)
    # A gamma and a profile change nothing.
    samples = scene(width, height)
    yield ("gamma.png",
           png(pack(samples.reshape(height, -1), 8), width, height, 8, 2,
               before_data=chunk(b"gAMA", struct.pack(">I", 100000))), samples)
    # The smallest interlaced pictures leave passes empty.
    samples = scene(3, 2)
    yield "tiny-interlaced.png", png(adam7(samples, 8), 3, 2, 8, 2, interlaced=True), samples


def jpeg_files():
    """Yields (name, file, upright RGB pixels)."""
    width, height = 37, 22
    color = Image.fromarray(scene(width, height))
    kinds = {
        "grey": (color.convert("L"), {}),
        "color-444": (color, {"subsampling": 0}),
        "color-422": (color, {"subsampling": 1}),
        "color-420": (color, {"subsampling": 2}),
        "progressive": (color, {"progressive": True}),
        "restart": (color, {"restart_marker_blocks": 2}),
        "keep-rgb": (color, {"keep_rgb": True}),
        "cmyk": (Image.fromarray(scene(width, height, 4), "CMYK"), {}),
    }
    for name, (image, options) in kinds.items():
        data = saved(image, "JPEG", quality=90, **options)
        yield f"{name}.jpg", data, by_pillow(data)
    # Pillow writes CMYK with Adobe's transform 0. With 2 the same numbers mean YCCK.
    data = saved(kinds["cmyk"][0], "JPEG", quality=90)
    start = data.index(b"\xff\xee")
    ycck = data[:start + 15] + b"\x02" + data[start + 16:]
    yield "ycck.jpg", ycck, by_pillow(ycck)
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[0x010E] = "an entry before it"
        exif[0x0112] = orientation
        data = saved(color, "JPEG", quality=90, exif=exif, subsampling=0)
        yield f"exif{orientation}.jpg", data, by_pillow(data)
    # The same block in the other byte order, as some cameras write it.
    little = b"Exif\0\0II*\0" + struct.pack("<IHHHIHHI", 8, 1, 0x0112, 3, 1, 8, 0, 0)
    data = saved(color, "JPEG", quality=90, exif=little, subsampling=0)
    yield "exif8-little-endian.jpg", data, by_pillow(data)


def broken_files(files):
    """Yields (name, file): what a reader must refuse. The names say how."""
    whole = {"png": files["rgb8.png"], "interlaced.png": files["rgb8-interlaced.png"],
             "jpg": files["color-420.jpg"], "progressive.jpg": files["progressive.jpg"]}
    for kind, data in whole.items():
        yield f"truncated-half.{kind}", data[: len(data) // 2]
        yield f"truncated-end.{kind}", data[:-2]
        yield f"truncated-header.{kind}", data[:18]
    yield "corrupt-data.png", whole["png"][:60] + bytes([whole["png"][60] ^ 1]) + whole["png"][61:]
    yield "corrupt-data.jpg", whole["jpg"][:-40] + b"\xff\xd3" * 10 + whole["jpg"][-20:]
    yield "bomb.png", png([b""], 2**31 - 1, 2**31 - 1, 8, 2)
    yield "short.png", png([b"\0" * 30], 10_000, 10_000, 8, 2)
    start = whole["jpg"].index(b"\xff\xc0")
    yield "bomb.jpg", whole["jpg"][: start + 5] + struct.pack(">HH", 65500, 65500) + whole["jpg"][start + 9:]
    yield "notes.png", b"These are words, whatever the name says.\n"
    yield "empty.jpg", b""
    picture = Image.fromarray(scene(8, 8))
    for kind in ("gif", "bmp", "webp", "tiff"):
        yield f"picture.{kind}", saved(picture, kind.upper())


def resizing_tensors():
    """One picture in many sizes by every filter, keyed `filter.WIDTHxHEIGHT`, and torchvision's arithmetic."""
    source = scene(40, 27)
    image = Image.fromarray(source)
    tensors = {"source": source}
    filters = {"nearest": Image.Resampling.NEAREST, "box": Image.Resampling.BOX,
               "bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC,
               "lanczos": Image.Resampling.LANCZOS}
    sizes = [(40, 27), (20, 27), (40, 9), (13, 11), (23, 17), (1, 1), (5, 40), (80, 54), (97, 61), (41, 28), (7, 3)]
    # Since version 13 Pillow resizes rows first where the height shrinks by more than twice what the width does.
    sizes += [(80, 13), (55, 26), (37, 20), (36, 19)]
    for name, method in filters.items():
        for width, height in sizes:
            tensors[f"{name}.{width}x{height}"] = numpy.array(image.resize((width, height), method))
    # ToTensor is division by 255 in float32, Normalize([0.5], [0.5]) subtraction and division by a tensor.
    half = torch.tensor(0.5)
    tensors["normalized"] = torch.arange(256, dtype=torch.uint8).to(torch.float32).div(255).sub(half).div(half)
    # diffusers' way back: VaeImageProcessor.postprocess, on values in, between and beyond the range.
    from diffusers.image_processor import VaeImageProcessor

    values = torch.cat([torch.linspace(-1.2, 1.2, 1531), (torch.arange(256) + 0.5) / 255 * 2 - 1,
                        torch.tensor([float("inf"), -float("inf"), 1, -1, 0])])
    values = values[: len(values) // 3 * 3].reshape(1, 3, 1, -1)
    picture = VaeImageProcessor().postprocess(values, output_type="pil")[0]
    tensors["postprocess.input"] = values[0]
    tensors["postprocess.output"] = numpy.array(picture)
    return tensors


def main():
    common.deterministic()
    FOLDER.mkdir(exist_ok=True)
    for old in FOLDER.iterdir():
        old.unlink()
    files, pixels = {}, {}
    for name, data, expected in [*png_files(), *jpeg_files()]:
        files[name], pixels[name] = data, numpy.ascontiguousarray(expected)
    for name, data in [*files.items(), *broken_files(files)]:
        (FOLDER / name).write_bytes(data)
        common.record(FOLDER / name, __file__)
    common.write("images", pixels, __file__)
    common.write("resizing", resizing_tensors(), __file__)


if __name__ == "__main__":
    main()
