"""zlib as Python has it, for a differential test: reads requests on standard input and answers
each on standard output.

    request   op (1 byte)  window bits (1 byte)  length (4 bytes, big endian)  data
    answer                                       length (4 bytes, big endian)  data

op: c, i  compress or inflate one message by itself
    C, I  the same, keeping the window of the messages before (one stream for each window size)

What is compressed has lost its last four bytes, 00 00 ff ff, as RFC 7692 wants it.
"""

import struct
import sys
import zlib

TAIL = b"\x00\x00\xff\xff"


def compressor(bits):
    return zlib.compressobj(wbits=-bits)


def inflater(bits):
    return zlib.decompressobj(-bits)


def compress(stream, data):
    out = stream.compress(data) + stream.flush(zlib.Z_SYNC_FLUSH)
    assert out.endswith(TAIL)
    return out[: -len(TAIL)] or b"\x00"


def inflate(stream, data):
    return stream.decompress(data + TAIL)


def main():
    kept = {}
    read = sys.stdin.buffer.read
    while head := read(6):
        op, bits, length = struct.unpack(">cBI", head)
        data = read(length)
        make, work = (compressor, compress) if op in b"cC" else (inflater, inflate)
        if op in b"CI":
            stream = kept.setdefault((op, bits), make(bits))
        else:
            stream = make(bits)
        answer = work(stream, data)
        sys.stdout.buffer.write(struct.pack(">I", len(answer)) + answer)
        sys.stdout.buffer.flush()


main()
