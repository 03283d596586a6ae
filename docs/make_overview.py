"""Draw docs/images/overview.png: one photograph and what five filters make of it.

The photograph is NASA's portrait of Eileen Collins, in the public domain, as it comes with scikit-image.

    python docs/make_overview.py
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import skimage.data
from PIL import Image, ImageDraw, ImageFont

import faltung as fa

FILTERS = [
    ("delta()", "photograph"),
    ("gaussian(5)", "smooth"),
    ("gaussian(1) * sobel(axis=1)", "edges: a product of kernels"),
    ("2 * delta() - gaussian(3)", "sharp: a linear combination"),
    ("gabor(0.2, angle=0.8).real", "texture"),
    ("motion(25, angle=0.6)", "motion"),
]
SIDE, CAPTION, GAP = 240, 44, 12


def main() -> None:
    """Filter the photograph and put the results in a row of two."""
    photograph = skimage.data.astronaut()[:360, 60:420]
    sheet = Image.new("RGB", (3 * (SIDE + GAP) + GAP, 2 * (SIDE + CAPTION + GAP) + GAP), "white")
    draw = ImageDraw.Draw(sheet)
    code, plain = ImageFont.load_default(13), ImageFont.load_default(12)
    for place, (expression, caption) in enumerate(FILTERS):
        kernel = fa.parse(expression)
        signed = abs(kernel.taps.sum()) < 0.5
        if signed:
            result = fa.convolve(photograph.mean(axis=2), kernel)
            result = np.clip(127.5 + 127.5 * result / np.quantile(np.abs(result), 0.995), 0, 255).astype(np.uint8)
        else:
            result = fa.convolve(photograph, kernel, axes=(0, 1), dtype="uint8")
        left = GAP + place % 3 * (SIDE + GAP)
        top = GAP + place // 3 * (SIDE + CAPTION + GAP)
        sheet.paste(
            Image.fromarray(result).convert("RGB").resize((SIDE, SIDE), Image.Resampling.LANCZOS), (left, top)
        )
        draw.text((left, top + SIDE + 6), expression, "#c2255c", code)
        draw.text((left, top + SIDE + 24), caption, "#495057", plain)
    sheet.save(Path(__file__).parent / "images" / "overview.png", optimize=True)


if __name__ == "__main__":
    main()
