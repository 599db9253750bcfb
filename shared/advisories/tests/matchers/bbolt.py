"""Writes a file of bbolt, the key-value store in which Trivy keeps its advisories.

Only what a reader needs is written: two meta pages, an empty freelist, and one leaf page for each bucket. A bucket that does not
fit into one page goes on in overflow pages, so that no branch pages are needed.
"""

import struct
from pathlib import Path

PAGE = 4096
MAGIC, VERSION = 0xED0CDAED, 2
LEAF, META, FREELIST = 0x02, 0x04, 0x10  # the kinds of a page
NESTED = 1  # the flag of a leaf element whose value is a bucket
PAGE_HEADER = struct.Struct("<QHHI")  # number, kind, count of elements, count of overflow pages
LEAF_ELEMENT = struct.Struct("<IIII")  # flags, distance from here to the key, length of the key, length of the value
BUCKET_HEADER = struct.Struct("<QQ")  # number of the first page, sequence
META_BODY = struct.Struct("<IIIIQQQQQ")  # magic, version, page size, flags, root bucket (two), freelist, page count, transaction


def write_database(path: Path, root: dict) -> None:
    """Writes `root` to `path`. A dict is a bucket, and all other values are bytes. At the top, bbolt allows only buckets."""
    pages = [b"", b"", _page(2, FREELIST, 0, b"")]
    root_page = _add_bucket(pages, root)
    for number in range(2):
        pages[number] = _page(number, META, 0, _meta(root_page, len(pages), number))
    path.write_bytes(b"".join(pages))


def _add_bucket(pages: list[bytes], bucket: dict) -> int:
    """Appends the pages of a bucket, after those of the buckets in it, and returns the number of its first page."""
    elements, data = b"", b""
    # A reader searches by halving, so the keys must be in the order of their bytes.
    entries = sorted((key.encode(), value) for key, value in bucket.items())
    for index, (key, value) in enumerate(entries):
        nested = isinstance(value, dict)
        content = BUCKET_HEADER.pack(_add_bucket(pages, value), 0) if nested else value
        distance = (len(entries) - index) * LEAF_ELEMENT.size + len(data)
        elements += LEAF_ELEMENT.pack(NESTED if nested else 0, distance, len(key), len(content))
        data += key + content
    number = len(pages)
    page = _page(number, LEAF, len(entries), elements + data)
    pages.extend(page[start : start + PAGE] for start in range(0, len(page), PAGE))
    return number


def _page(number: int, kind: int, count: int, body: bytes) -> bytes:
    """Returns a page with its overflow pages."""
    length = -(-(PAGE_HEADER.size + len(body)) // PAGE) * PAGE
    return (PAGE_HEADER.pack(number, kind, count, length // PAGE - 1) + body).ljust(length, b"\0")


def _meta(root_page: int, page_count: int, transaction: int) -> bytes:
    """Returns the body of a meta page."""
    meta = META_BODY.pack(MAGIC, VERSION, PAGE, 0, root_page, 0, 2, page_count, transaction)
    checksum = 0xCBF29CE484222325  # FNV-1a with 64 bits
    for byte in meta:
        checksum = (checksum ^ byte) * 0x100000001B3 % 2**64
    return meta + struct.pack("<Q", checksum)
