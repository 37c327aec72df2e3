"""A checksum says whether values are those that were written."""

import zlib

import numpy as np

from features import checksum


def test_it_is_the_crc_of_the_bytes() -> None:
    assert checksum.of_bytes(b"123456789") == b"cbf43926"  # the check value of CRC-32
    assert checksum.of_values("x", np.zeros(2, np.float32)) == b"%08x" % zlib.crc32(b"x" + bytes(8))
    assert checksum.of_texts(["a", "b"]) == checksum.of_bytes(b"a\0b") != checksum.of_texts(["ab"])


def test_byte_order_does_not_matter() -> None:
    values = np.arange(5, dtype=np.float32)
    assert checksum.of_values("x", values.astype(">f4")) == checksum.of_values("x", values)


def test_zeros_of_other_signs_and_orders_differ() -> None:
    values = np.array([0, 1], np.float32)
    assert checksum.of_values("x", values) != checksum.of_values("x", np.array([-0.0, 1], np.float32))
    assert checksum.of_values("x", values) != checksum.of_values("x", values[::-1].copy())
    assert checksum.of_values("x", values) != checksum.of_values("y", values)


def test_what_has_none_is_believed() -> None:
    assert checksum.agrees(None, b"0")
    assert checksum.agrees({}, b"0")
    assert checksum.agrees({checksum.KEY: b"0"}, b"0")
    assert not checksum.agrees({checksum.KEY: b"1"}, b"0")
