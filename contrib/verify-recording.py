#!/usr/bin/env python3
"""Verifies Bartizan recordings, sharing no code with Bartizan: written from bartizan-recording(5) alone.

Needs Python 3.9 and nothing else: SHA-256 and JSON are in its library, Ed25519 is checked by the 60 lines below
(RFC 8032 section 5.1.7; public data only, so no care for timing is needed).

  verify-recording.py --key HEX [--key HEX]... DIRECTORY...
  verify-recording.py --log-key NAME+HASH+KEY --inclusion PROOF LEAF

The second form says whether the bytes of the file LEAF are in a transparency log (C2SP tlog-proof, RFC 6962).

One line per check; exit code 0 ok, 1 tampered, 3 incomplete, 2 usage.
"""

import argparse
import base64
import hashlib
import json
import os
import struct
import sys

GOOD, INCOMPLETE, TAMPERED = 0, 1, 2
NAMES = {GOOD: "ok", INCOMPLETE: "incomplete", TAMPERED: "TAMPERED"}
EXIT = {GOOD: 0, INCOMPLETE: 3, TAMPERED: 1}

# ---- Ed25519, verification only ------------------------------------------------------------------------------------

P = 2**255 - 19
Q = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
SQRT_MINUS_1 = pow(2, (P - 1) // 4, P)


def add(a, b):
    """Sum of two points in extended coordinates."""
    x1, y1, z1, t1 = a
    x2, y2, z2, t2 = b
    e, f = (y1 - x1) * (y2 - x2) % P, (y1 + x1) * (y2 + x2) % P
    g, h = 2 * t1 * t2 * D % P, 2 * z1 * z2 % P
    a, b, c, d = f - e, h - g, h + g, f + e
    return a * b % P, c * d % P, b * c % P, a * d % P


def multiply(scalar, point):
    total = (0, 1, 1, 0)
    while scalar:
        if scalar & 1:
            total = add(total, point)
        point = add(point, point)
        scalar >>= 1
    return total


def same(a, b):
    return (a[0] * b[2] - b[0] * a[2]) % P == 0 and (a[1] * b[2] - b[1] * a[2]) % P == 0


def point_of(data):
    """The point that 32 bytes stand for; None if there is none."""
    number = int.from_bytes(data, "little")
    sign, y = number >> 255, number & (1 << 255) - 1
    if y >= P:
        return None
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * SQRT_MINUS_1 % P
    if (x * x - square) % P or (x == 0 and sign):
        return None
    if x & 1 != sign:
        x = P - x
    return x, y, 1, x * y % P


BASE = point_of((4 * pow(5, P - 2, P) % P).to_bytes(32, "little"))
SMALL = 8


def signed_by(key, message, signature):
    """True if the 64 bytes of `signature` are by `key` over `message`. As strict as Bartizan: no points of small order."""
    point, r = point_of(key), point_of(signature[:32])
    s = int.from_bytes(signature[32:], "little")
    if point is None or r is None or len(signature) != 64 or s >= Q:
        return False
    if any(same(multiply(SMALL, each), (0, 1, 1, 0)) for each in (point, r)):
        return False
    hashed = int.from_bytes(hashlib.sha512(signature[:32] + key + message).digest(), "little") % Q
    return same(multiply(s, BASE), add(r, multiply(hashed, point)))


# ---- The recording ---------------------------------------------------------------------------------------------------

MAGIC = b"\x89BREC\r\n\x01"
HEADER = struct.Struct("<IBBHQQI")
STORED_LIMIT = (1 << 20) + 64
EVENTS, KEYFRAME, COMMIT, INDEX, RECOVERY, END, KEYS = 1, 2, 4, 5, 6, 7, 9
AEAD = 8
FIXED = struct.Struct("<Q32sq32s")


class Report:
    def __init__(self):
        self.worst = GOOD

    def add(self, name, outcome, detail):
        self.worst = max(self.worst, outcome)
        print(f"  {name:9} {NAMES[outcome]:10} {detail}")


def sha256(data):
    return hashlib.sha256(data).digest()


def document(data, name, keys):
    """What a head or seal says, if one of `keys` signed it; None if not."""
    begin, middle, end = b'{"%s":' % name, b',"signature":"', b'"}\n'
    said, digits = data[: -len(end) - 128 - len(middle)], data[-len(end) - 128 : -len(end)]
    if len(data) > 256 * 1024 or data != said + middle + digits + end or not said.startswith(begin):
        return None
    if any(digit not in b"0123456789abcdef" for digit in digits):
        return None
    message = b"bartizan recording %s 1\n" % name + said
    if not any(signed_by(key, message, bytes.fromhex(digits.decode())) for key in keys):
        return None
    try:
        return json.loads(data)[name.decode()]
    except (ValueError, KeyError):
        return None


class Bad(Exception):
    """A frame, or what a frame states, does not hold."""


class Torn(Bad):
    """The file ends inside a frame, or its last frame is damaged."""


def frames(file):
    """Offset, kind, flags, time and all bytes of each frame in order."""
    offset, number, time = len(MAGIC), 0, 0
    if file.read(len(MAGIC)) != MAGIC:
        raise Torn("it does not begin as a recording")
    while header := file.read(HEADER.size):
        if len(header) < HEADER.size:
            raise Torn(f"the file ends inside the frame at byte {offset}")
        length, kind, flags, zero, seq, at, crc = HEADER.unpack(header)
        if zero or length > STORED_LIMIT:
            raise Torn(f"the frame at byte {offset} is bad")
        body = file.read(length)
        if len(body) < length:
            raise Torn(f"the file ends inside the frame at byte {offset}")
        if seq != number or at < time:
            raise Bad(f"the frame at byte {offset} is not the next one")
        yield offset, kind, flags, at, header, body, crc
        offset, number, time = offset + len(header) + length, number + 1, at


TABLE = []
for value in range(256):
    for _ in range(8):
        value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
    TABLE.append(value)


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ TABLE[(crc ^ byte) & 255]
    return crc ^ 0xFFFFFFFF


class Walk:
    """Follows the chain through one channel file."""

    def __init__(self, head, first_key, keys):
        self.chain = sha256(b"bartizan recording chain 1\n" + MAGIC + sha256(head) + struct.pack("<I", 0))
        self.key, self.keys = first_key, keys
        self.frames = self.bytes = self.commits = self.index = self.last = 0
        self.signed_to = len(MAGIC)
        self.recoveries, self.end = [], None
        # The wrapped key, and how many frames with content are in the clear and encrypted.
        self.wrapped, self.clear, self.encrypted = None, 0, 0
        # Frames whose checksum no signature has made needless yet.
        self.unsigned = []

    def run(self, file):
        self.bytes = len(MAGIC)
        for frame in frames(file):
            self.take(*frame)
        # A signature covers more than a checksum does, so checksums are for the unsigned end only.
        bad = [offset for offset, header, body, crc in self.unsigned if crc32c(header[:24] + body) != crc]
        if bad:
            last = bad[0] == self.unsigned[-1][0]
            raise (Torn if last else Bad)(f"the frame at byte {bad[0]} is bad")

    def take(self, offset, kind, flags, at, header, body, crc):
        if self.end is not None:
            raise Bad(f"something follows the end, at byte {offset}")
        if kind in (COMMIT, RECOVERY, END):
            self.check(offset, kind, header, body)
        elif kind == INDEX:
            self.index = offset
        elif kind == KEYS and self.frames == 0:
            self.wrapped = body
        elif kind in (EVENTS, KEYFRAME) and flags & AEAD:
            self.encrypted += 1
        elif kind in (EVENTS, KEYFRAME):
            self.clear += 1
        self.chain = sha256(self.chain + header + body)
        self.frames, self.last = self.frames + 1, at
        self.bytes = offset + len(header) + len(body)
        if kind in (COMMIT, RECOVERY, END):
            # The signed frame's own checksum is under no signature yet, but nothing depends on it.
            self.signed_to, self.unsigned = self.bytes, [(offset, header, body, crc)]
        else:
            self.unsigned.append((offset, header, body, crc))

    def check(self, offset, kind, header, body):
        if len(body) < FIXED.size + 64:
            raise Bad(f"the signed frame at byte {offset} is too short")
        said, signature = body[:-64], body[-64:]
        place, chain, wall, next_key = FIXED.unpack_from(said)
        if place != offset:
            raise Bad(f"the signed frame at byte {offset} was signed for another place")
        if chain != self.chain:
            raise Bad(f"what the frame at byte {offset} signed is not what stands before it")
        message = b"bartizan recording statement 1\n" + header[:24] + said
        if not any(signed_by(key, message, signature) for key in (self.keys if kind == RECOVERY else [self.key])):
            raise Bad(f"the signature at byte {offset} does not fit its epoch's key")
        self.key = next_key
        if kind == COMMIT:
            self.commits += 1
        elif kind == RECOVERY:
            cut = cut_bytes(said[FIXED.size :])
            if cut is None:
                raise Bad(f"the text of the recovery at byte {offset} is not what it should be")
            self.recoveries.append((wall, cut, offset - self.signed_to))
        else:
            try:
                self.end = json.loads(said[FIXED.size :])
            except ValueError:
                raise Bad("the end does not say what it should")


def cut_bytes(text):
    """The bytes that a recovery says were cut off; None if its text is not what it should be."""
    try:
        said = json.loads(text)
        cut, digest = said["cut_bytes"], said["cut_sha256"]
    except (ValueError, KeyError, TypeError):
        return None
    return cut if type(cut) is int and 0 <= cut < 1 << 64 and isinstance(digest, str) else None


def read(directory, name):
    try:
        with open(os.path.join(directory, name), "rb") as file:
            return file.read()
    except FileNotFoundError:
        return None


def goes_on(path, walk):
    """True if a signed frame behind the bad one stands where it was signed to stand, or a good frame follows it."""
    with open(path, "rb") as file:
        file.seek(walk.bytes)
        rest = file.read(64 << 20)
    if len(rest) >= HEADER.size:
        length = HEADER.unpack_from(rest)[0]
        follower = rest[HEADER.size + length :]
        if is_frame(follower, walk.frames + 1) is not None:
            return True
    for at in range(1, len(rest) - HEADER.size):
        if rest[at + 4] in (COMMIT, RECOVERY, END) and rest[at + 6 : at + 8] == b"\0\0":
            body = is_frame(rest[at:], None)
            if body is not None and len(body) >= FIXED.size and FIXED.unpack_from(body)[0] == walk.bytes + at:
                return True
    return False


def is_frame(data, number):
    """The body of the frame that `data` begins with; None if that is no good frame."""
    if len(data) < HEADER.size:
        return None
    length, _kind, _flags, zero, seq, _at, crc = HEADER.unpack_from(data)
    body = data[HEADER.size : HEADER.size + length]
    if zero or length > STORED_LIMIT or len(body) < length or number not in (None, seq):
        return None
    return body if crc32c(data[:24] + body) == crc else None


def verify(directory, keys):
    report = Report()
    data = read(directory, "head.json")
    if data is None:
        report.add("head", INCOMPLETE, "there is no head.json")
        return report.worst
    head = document(data, b"head", keys)
    if head is None or head.get("version") != 1:
        report.add("head", TAMPERED, "head.json does not hold")
        return report.worst
    name = os.path.basename(os.path.abspath(directory))
    if len(name) == 26 and name != head["session"]:
        report.add("head", TAMPERED, "it is of another session than the directory is named after")
    else:
        report.add("head", GOOD, f"session {head['session']}, number {head['number']}, signed")
    if any(file.endswith(".brec") and file != "c0.brec" for file in os.listdir(directory)):
        report.add("files", TAMPERED, "there is a channel file that the recording does not name")
    seal = read(directory, "seal.json")
    sealed = None
    if not seal:
        report.add("seal", INCOMPLETE, "there is none: the session still runs, or its end is lost")
    else:
        sealed = document(seal, b"seal", keys)
        if sealed is None:
            report.add("seal", TAMPERED, "seal.json does not hold")
    walk = Walk(data, bytes.fromhex(head["first_key"]), keys)
    path = os.path.join(directory, "c0.brec")
    whole = True
    try:
        with open(path, "rb") as file:
            walk.run(file)
        report.add("frames", GOOD, f"{walk.frames} frames, {walk.bytes} bytes, chain unbroken")
    except FileNotFoundError:
        report.add("frames", TAMPERED if sealed else INCOMPLETE, "there is no c0.brec")
        return report.worst
    except Bad as bad:
        whole = False
        torn = isinstance(bad, Torn) and not sealed and walk.end is None and not goes_on(path, walk)
        report.add("frames", INCOMPLETE if torn else TAMPERED, f"{bad}; {walk.frames} frames hold up to there")
    check_keys(report, directory, head, walk)
    unsigned = walk.bytes - walk.signed_to if whole else 0
    signed = f"{walk.commits} commits, each signed by its own epoch's key"
    report.add("commits", INCOMPLETE if unsigned else GOOD, f"{signed}; {unsigned} bytes not signed yet" if unsigned else signed)
    for wall, cut, vouched in walk.recoveries:
        detail = f"recovered after a crash, by the bastion at Unix time {wall // 1000000}: {cut} bytes of a torn last write were cut off"
        report.add("recovery", GOOD, f"{detail}; the {vouched} bytes before that are vouched for by the recording key only")
    report.add("end", *((GOOD, f"signed: {walk.end['reason']}") if walk.end else (INCOMPLETE, "there is no end frame")))
    if sealed:
        report.add("seal", *check_seal(sealed, head, data, walk))
    return report.worst


def check_keys(report, directory, head, walk):
    """Verification never decrypts: that what should be encrypted is, and that its wrapped key is the recorded one."""
    count, file = len(head.get("recipients", [])), read(directory, "keys.age")
    if count == 0:
        if file is not None or walk.wrapped is not None or walk.encrypted:
            report.add("keys", TAMPERED, "there are keys or encrypted frames, but the head names no recipients")
    elif walk.wrapped is None and walk.clear + walk.encrypted == 0:
        report.add("keys", GOOD, "nothing was recorded yet")
    elif walk.wrapped is None:
        report.add("keys", TAMPERED, "the wrapped key is missing from c0.brec")
    elif walk.clear:
        report.add("keys", TAMPERED, f"{walk.clear} frames are in the clear")
    elif file != walk.wrapped:
        why = "is missing" if file is None else "was changed"
        report.add("keys", TAMPERED, f"keys.age {why}; the wrapped key is in c0.brec as well")
    else:
        report.add("keys", GOOD, f"encrypted to {count} recipients; every frame with content is encrypted")


def check_seal(seal, head, data, walk):
    if (seal["session"], seal["number"], seal["head"]) != (head["session"], head["number"], sha256(data).hex()):
        return TAMPERED, "it is another recording's seal"
    end = walk.end or {}
    counted = {
        "bytes": walk.bytes, "channel": 0, "commits": walk.commits, "events": end.get("events"), "frames": walk.frames,
        "hash": walk.chain.hex(), "index": walk.index, "last_us": walk.last, "output_bytes": end.get("output_bytes"),
    }
    if seal["channels"] != [counted] or (end.get("commits"), end.get("index")) != (walk.commits, walk.index):
        return TAMPERED, "counts or final hash are not those of the frames"
    return GOOD, "signed; counts and final hash fit"


def note_key(text):
    """Name, identity and 32 bytes of a log's public key (C2SP signed-note: NAME+HASH+KEY)."""
    name, identity, data = text.split("+", 2)
    data = base64.b64decode(data, validate=True)
    if len(data) != 33 or data[0] != 1 or sha256(name.encode() + b"\n" + data)[:4].hex() != identity:
        raise ValueError("not an Ed25519 key of a log")
    return name, bytes.fromhex(identity), data[1:]


def split_below(count):
    """The largest power of two below `count`."""
    return 1 << (count - 1).bit_length() - 1


def climb(leaf, index, size, proof):
    """The root that `proof` leads to (RFC 9162 section 2.1.3)."""
    if size == 1:
        if proof:
            raise Bad("the proof is too long")
        return leaf
    if not proof:
        raise Bad("the proof is too short")
    left = split_below(size)
    if index < left:
        return sha256(b"\1" + climb(leaf, index, left, proof[:-1]) + proof[-1])
    return sha256(b"\1" + proof[-1] + climb(leaf, index - left, size - left, proof[:-1]))


def included(text, leaf, key):
    """Place in the log and number of leaves, if `leaf` is in it."""
    name, identity, public = key
    proof, note = text.split("\n\n", 1)
    first, index, *hashes = [line for line in proof.split("\n") if not line.startswith("extra ")]
    said, signatures = note.rsplit("\n\n", 1)
    origin, size, root = (said + "\n").split("\n")[:3]
    if first != "c2sp.org/tlog-proof@v1" or not index.startswith("index ") or origin != name:
        raise Bad("it is no proof of this log")
    lines = [line.split(" ") for line in signatures.split("\n")]
    blobs = [base64.b64decode(line[2]) for line in lines if len(line) == 3 and line[1] == name]
    if not any(blob[:4] == identity and signed_by(public, (said + "\n").encode(), blob[4:]) for blob in blobs):
        raise Bad("the checkpoint is not signed by the log")
    index, size = int(index[6:]), int(size)
    hashes = [base64.b64decode(line, validate=True) for line in hashes]
    if not 0 <= index < size or climb(sha256(b"\0" + leaf), index, size, hashes) != base64.b64decode(root):
        raise Bad("the leaf is not what the log has there")
    return index, size


def check_inclusion(key, proof, leaf):
    try:
        with open(proof, encoding="utf-8") as text, open(leaf, "rb") as data:
            index, size = included(text.read(), data.read(), key)
    except (Bad, ValueError) as bad:
        print(f"  {'log':9} {NAMES[TAMPERED]:10} {bad}")
        return TAMPERED
    print(f"  {'log':9} {NAMES[GOOD]:10} leaf {index} of {size}, checkpoint signed by the log")
    return GOOD


def public_key(text):
    """32 bytes from hex digits, or from a PEM file (RFC 8410: the key is the last 32 bytes of the structure)."""
    if len(text) == 64:
        return bytes.fromhex(text)
    with open(text, encoding="ascii") as file:
        lines = [line for line in file.read().split() if "-" not in line and line not in ("BEGIN", "END", "PUBLIC", "KEY")]
    structure = base64.b64decode("".join(lines))
    prefix = bytes.fromhex("302a300506032b6570032100")
    if len(structure) != 44 or not structure.startswith(prefix):
        raise ValueError("not an Ed25519 public key")
    return structure[12:]


def main():
    parser = argparse.ArgumentParser(description="Verifies Bartizan recordings from public keys alone.")
    parser.add_argument("--key", action="append", type=public_key, help="a public recording key: 64 hex digits, or a PEM file")
    parser.add_argument("--log-key", type=note_key, help="public key of the transparency log, as NAME+HASH+KEY")
    parser.add_argument("--inclusion", nargs=2, metavar=("PROOF", "LEAF"), help="a proof of inclusion and the leaf it is of")
    parser.add_argument("directory", nargs="*", help="directory of a recording")
    arguments = parser.parse_args()
    if bool(arguments.inclusion) != bool(arguments.log_key) or bool(arguments.directory) != bool(arguments.key):
        parser.error("give --key with directories, --log-key with --inclusion")
    if not arguments.directory and not arguments.inclusion:
        parser.error("there is nothing to verify")
    worst = check_inclusion(arguments.log_key, *arguments.inclusion) if arguments.inclusion else GOOD
    for directory in arguments.directory:
        print(directory)
        worst = max(worst, verify(directory, arguments.key))
    return EXIT[worst]


if __name__ == "__main__":
    sys.exit(main())
