"""Which colour has a number with a sign? In all pictures blue is negative, near white zero, orange positive.

Both ends can be distinguished with every common kind of colour blindness.
"""

from __future__ import annotations

__all__ = ["NEGATIVE", "POSITIVE", "ZERO", "signed_colour"]

#: Red, green and blue, from 0 to 255.
NEGATIVE, ZERO, POSITIVE = (33, 102, 172), (247, 247, 247), (204, 88, 3)


def signed_colour(value: float) -> str:
    """Return the colour of a value between -1 and 1.

    Examples
    --------
    >>> signed_colour(-1.0), signed_colour(0.0), signed_colour(0.5)
    ('#2166ac', '#f7f7f7', '#e2a87d')
    """
    strength = min(abs(value), 1.0)
    ends = zip(ZERO, POSITIVE if value > 0 else NEGATIVE, strict=True)
    return "#" + "".join(f"{round(zero + strength * (end - zero)):02x}" for zero, end in ends)
