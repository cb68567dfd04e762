#!/usr/bin/env python3
"""Verifies Bartizan recordings, sharing no code with Bartizan: written from bartizan-recording(5) alone.

Needs Python 3.9 and nothing else: SHA-256 and JSON are in its library, Ed25519 is checked by the 60 lines below
(RFC 8032 section 5.1.7; public data only, so no care for timing is needed).

  verify-recording.py --key HEX [--key HEX]... DIRECTORY...
  verify-recording.py --key HEX --log LOG --log-key NAME+HASH+KEY [--audit FILE]
                      [--witness-key KEY]... [--checkpoint FILE]... [--recordings ROOT] [DIRECTORY...]
  verify-recording.py [--key HEX] [--log-key KEY] [--witness-key KEY]... --bundle DIRECTORY
  verify-recording.py --log-key NAME+HASH+KEY --inclusion PROOF LEAF
  verify-recording.py [--key HEX] [--log-key KEY] [--witness-key KEY]... --report FILE

The second form reads the folder LOG of a transparency log whole (C2SP tlog-tiles, RFC 6962), compares it with the audit log in
FILE, with what witnesses cosigned, with checkpoints that were kept, and the recordings with what it says of them. The third
verifies a bundle that `bartizan recordings export --bundle` made; keys that are not given are the bundle's own. The fourth says
whether the bytes of the file LEAF are in a transparency log (C2SP tlog-proof). The last verifies a report of least privilege that
`bartizan least-privilege report --signed` wrote; its --key is the audit log's. A key may be a file that holds it.

One line per check; exit code 0 ok, 1 tampered, 3 incomplete, 2 usage.
"""

import argparse
import base64
import datetime
import functools
import glob
import hashlib
import json
import os
import re
import struct
import sys
import time

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

    def __init__(self, head, first_key, keys, marks=(), channel=0):
        self.chain = sha256(b"bartizan recording chain 1\n" + MAGIC + sha256(head) + struct.pack("<I", channel))
        self.key, self.keys = first_key, keys
        self.frames = self.bytes = self.commits = self.index = self.last = 0
        self.signed_to = len(MAGIC)
        self.recoveries, self.end = [], None
        # Where frames must end and what the chain must be there, as the log has it; those met so far are taken away.
        self.marks = sorted(marks)
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
        while self.marks and self.marks[0] == (self.bytes, self.chain):
            del self.marks[0]
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


def verify(directory, keys, log=None, without_input=False):
    report = Report()
    data = read(directory, "head.json")
    if data is None:
        report.add("head", INCOMPLETE, "there is no head.json")
        check_headless(report, directory, keys, log)
        return report.worst
    head = document(data, b"head", keys)
    if head is None or head.get("version") != 1:
        report.add("head", TAMPERED, "head.json does not hold")
        check_headless(report, directory, keys, log)
        return report.worst
    name = os.path.basename(os.path.abspath(directory))
    if len(name) == 26 and name != head["session"]:
        report.add("head", TAMPERED, "it is of another session than the directory is named after")
    else:
        report.add("head", GOOD, f"session {head['session']}, number {head['number']}, signed")
    if log:
        log.seen.add(head["number"])
    named = ["c0.brec"] + (["c1.brec"] if head.get("input_key") else [])
    if any(file.endswith(".brec") and file not in named for file in os.listdir(directory)):
        report.add("files", TAMPERED, "there is a channel file that the recording does not name")
    seal = read(directory, "seal.json")
    sealed = None
    if not seal:
        report.add("seal", INCOMPLETE, "there is none: the session still runs, or its end is lost")
    else:
        sealed = document(seal, b"seal", keys)
        if sealed is None:
            report.add("seal", TAMPERED, "seal.json does not hold")
    marks = log.sessions[head["number"]]["commits"] if log and head["number"] in log.sessions else ()
    walk = Walk(data, bytes.fromhex(head["first_key"]), keys, marks)
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
    typed = check_input(report, directory, data, head, keys, sealed, without_input) if head.get("input_key") else None
    if sealed:
        report.add("seal", *check_seal(sealed, head, data, walk, typed))
    if log:
        report.add("log", *check_log(log, head, sha256(data), sealed, seal and sha256(seal), walk))
    return report.worst


def check_input(report, directory, data, head, keys, sealed, without):
    """What was typed, in a channel file of its own. True if this copy is without it, the walk if it holds."""
    if without:
        report.add("input", GOOD, "what was typed is recorded apart and not in this copy")
        return True
    walk = Walk(data, bytes.fromhex(head["input_key"]), keys, channel=1)
    path = os.path.join(directory, "c1.brec")
    try:
        with open(path, "rb") as file:
            walk.run(file)
        report.add("input", GOOD, f"{walk.frames} frames, {walk.bytes} bytes, chain unbroken")
        if walk.end is None:
            report.add("input", INCOMPLETE, "there is no end frame")
    except FileNotFoundError:
        report.add("input", TAMPERED if sealed else INCOMPLETE, "there is no c1.brec")
        return None
    except Bad as bad:
        torn = isinstance(bad, Torn) and not sealed and walk.end is None and not goes_on(path, walk)
        report.add("input", INCOMPLETE if torn else TAMPERED, f"{bad}; {walk.frames} frames hold up to there")
    if walk.clear if head.get("recipients") else walk.encrypted:
        report.add("input", TAMPERED, "what was typed is not encrypted as the head says")
    return walk


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


def check_headless(report, directory, keys, log):
    """Without a head the log knows by the seal, which must say so, whose recording it is."""
    data = read(directory, "seal.json")
    seal = document(data, b"seal", keys) if data else None
    if not log or seal is None or seal.get("reason") != "head-unreadable":
        return
    for number, session in log.sessions.items():
        if session["closed"] and session["closed"][1] == sha256(data):
            log.seen.add(number)
            report.add("log", GOOD, f"session {number} ended before its head was written; sealed as such as leaf {session['closed'][0]}")
            return


def counted(channel, walk):
    """What a seal must say of a channel file; None if its own end says otherwise."""
    end = walk.end or {}
    if (end.get("commits"), end.get("index")) != (walk.commits, walk.index):
        return None
    return {
        "bytes": walk.bytes, "channel": channel, "commits": walk.commits, "events": end.get("events"), "frames": walk.frames,
        "hash": walk.chain.hex(), "index": walk.index, "last_us": walk.last, "output_bytes": end.get("output_bytes"),
    }


def check_seal(seal, head, data, walk, typed):
    if (seal["session"], seal["number"], seal["head"]) != (head["session"], head["number"], sha256(data).hex()):
        return TAMPERED, "it is another recording's seal"
    expected = [counted(0, walk)]
    if typed is True:
        # Its walk is not ours to take; that there is one is in the seal.
        expected += [entry for entry in seal["channels"][1:2] if entry.get("channel") == 1]
    elif typed is not None:
        expected.append(counted(1, typed))
    if None in expected or seal["channels"] != expected or (len(expected) == 2) != bool(head.get("input_key")):
        return TAMPERED, "counts or final hash are not those of the frames"
    return GOOD, "signed; counts and final hash fit"


def check_log(log, head, opened, sealed, closed, walk):
    """Whether a recording is what the log says of its session."""
    number, now = head["number"], log.now
    if number not in log.sessions:
        if log.first is not None and number < log.first:
            return GOOD, f"session {number} is older than the log"
        if now - head["started_us"] < ON_ITS_WAY:
            return GOOD, f"session {number} is on its way into the log"
        if sealed:
            return TAMPERED, f"the log has no session {number}: this recording was put here, or the log was set back"
        return INCOMPLETE, f"session {number} is not in the log"
    logged = log.sessions[number]
    if logged["opened"] and logged["opened"][1] != opened:
        return TAMPERED, f"head.json is not the one that leaf {logged['opened'][0]} has: the recording was made anew"
    if not logged["opened"] and not logged["void"]:
        return TAMPERED, f"no leaf says that session {number} was opened"
    if walk.marks:
        return TAMPERED, f"the log had a commit of it that ends at byte {walk.marks[0][0]}: it was cut short or rewritten"
    if logged["closed"]:
        index, seal = logged["closed"]
        if closed is None:
            return TAMPERED, f"its seal, which leaf {index} has, is gone"
        if seal != closed:
            return TAMPERED, f"seal.json is not the one that leaf {index} has"
        end = f"sealed as leaf {index}"
    elif sealed and now - sealed["ended_us"] < ON_ITS_WAY:
        end = "its end is on its way into the log"
    elif sealed:
        return INCOMPLETE, "its end is not in the log"
    else:
        end = "not sealed yet"
    return GOOD, f"{len(logged['commits'])} commits are in it as they were; {end}"


# ---- The transparency log ----------------------------------------------------------------------------------------------

# Microseconds that a leaf may be on its way into the log.
ON_ITS_WAY = 15_000_000
FULL = 256
LOG_KEY, WITNESS_KEY = 1, 4
HASH = re.compile("[0-9a-f]{64}")
COUNT = re.compile("0|[1-9][0-9]*")


def note_key(text, kind=LOG_KEY):
    """Name, identity and 32 bytes of a public key of a log or a witness (C2SP signed-note: NAME+HASH+KEY), or of a file with it."""
    if "+" not in text:
        with open(text, encoding="utf-8") as file:
            text = file.read().strip()
    name, identity, data = text.split("+", 2)
    data = base64.b64decode(data, validate=True)
    if len(data) != 33 or data[0] != kind or sha256(name.encode() + b"\n" + data)[:4].hex() != identity:
        raise ValueError("not an Ed25519 key of a log or a witness")
    return name, bytes.fromhex(identity), data[1:]


def witness_key(text):
    return note_key(text, WITNESS_KEY)


def leaf_of(data):
    """A leaf as a tuple of its kind, numbers and hashes; None if it is of no kind that is known."""
    forms = {"begin": "fn", "opened": "nh", "commit": "nnh", "closed": "nh", "void": "n", "deleted": "n", "audit": "nh"}
    try:
        kind, *words = data.decode("ascii").split(" ")
    except UnicodeDecodeError:
        return None
    form, leaf = forms.get(kind), [kind]
    if form is None or len(form) != len(words):
        return None
    for sort, word in zip(form, words):
        if sort == "f" and word == "bartizan-log/1":
            continue
        if sort == "n" and COUNT.fullmatch(word) and int(word) < 1 << 64:
            leaf.append(int(word))
        elif sort == "h" and HASH.fullmatch(word):
            leaf.append(bytes.fromhex(word))
        else:
            return None
    return tuple(leaf)


class Sessions:
    """What the leaves say of sessions."""

    def __init__(self, now):
        self.first, self.sessions, self.faults, self.seen = None, {}, [], set()
        self.now = now

    def take(self, index, leaf):
        kind, number = leaf[0], leaf[1]
        if kind == "begin":
            if self.first is not None:
                self.faults.append(f"leaf {index} begins the log a second time")
            self.first = number
            return
        if kind == "audit":
            return
        empty = {"opened": None, "commits": [], "closed": None, "void": False, "deleted": None}
        session = self.sessions.setdefault(number, empty)
        if kind in ("opened", "closed"):
            session[kind] = session[kind] or (index, leaf[2])
            if session[kind][1] != leaf[2]:
                self.faults.append(f"leaf {index} says that session {number} was {kind}, and so does an earlier one otherwise")
        elif kind == "commit":
            session["commits"].append((leaf[2], leaf[3]))
        elif kind == "void":
            session["void"] = True
        else:
            session["deleted"] = index

    def check(self, report):
        faults, due = list(self.faults), self.first
        if due is None:
            faults.append("the first leaf does not say where the log begins")
        for number in sorted(self.sessions) if due is not None else ():
            if number < due:
                faults.append(f"session {number} is older than the log, yet in it")
                continue
            if number > due:
                faults.append(f"session {due} is missing" if number == due + 1 else f"sessions {due} to {number - 1} are missing")
            if not self.sessions[number]["opened"] and not self.sessions[number]["void"]:
                faults.append(f"session {number} has leaves, but none says that it was opened")
            due = number + 1
        for fault in faults:
            report.add("sessions", TAMPERED, fault)
        if not faults:
            report.add("sessions", GOOD, f"numbers {self.first} to {due - 1}, none is missing" if self.sessions else "none yet")

    def check_removed(self, report):
        """Each session that was opened must have been seen, unless the bastion deleted it."""
        missing = [
            number for number, session in sorted(self.sessions.items())
            if (session["opened"] or session["closed"]) and not session["deleted"] and number not in self.seen
        ]
        for number in missing:
            report.add("recording", TAMPERED, f"session {number} is in the log, and its recording is not here")
        if not missing:
            report.add("recording", GOOD, f"{len(self.seen)} sessions of the log have their recordings")


def split_note(note):
    """Text and signature lines of a signed note."""
    text, signatures = note.rsplit("\n\n", 1)
    return text + "\n", [line.split(" ") for line in signatures.split("\n") if line]


def blobs(lines, name, identity):
    """The signatures by a key."""
    own = [base64.b64decode(line[2], validate=True) for line in lines if len(line) == 3 and line[0] == "\u2014" and line[1] == name]
    return [blob[4:] for blob in own if blob[:4] == identity]


@functools.lru_cache(maxsize=16)
def checkpoint_of(note, key):
    """Leaves and root that a note signed by the log states."""
    name, identity, public = key
    text, lines = split_note(note)
    origin, size, root = text.split("\n")[:3]
    if origin != name or not COUNT.fullmatch(size):
        raise Bad("it is another log's checkpoint")
    if not any(signed_by(public, text.encode(), blob) for blob in blobs(lines, name, identity)):
        raise Bad("the checkpoint is not signed by the log")
    return int(size), base64.b64decode(root, validate=True)


def cosigned_at(note, key):
    """When a witness saw the checkpoint of a note, in seconds since 1970; None if it did not."""
    name, identity, public = key
    text, lines = split_note(note)
    for blob in blobs(lines, name, identity):
        if len(blob) == 72:
            at = int.from_bytes(blob[:8], "big")
            if signed_by(public, f"cosignature/v1\ntime {at}\n{text}".encode(), blob[8:]):
                return at
    return None


def tile_path(kind, number, width=None):
    name = f"{number % 1000:03}"
    while number := number // 1000:
        name = f"x{number % 1000:03}/{name}"
    return os.path.join("tile", kind, name + (f".p/{width}" if width else ""))


def read_tile(folder, kind, number, width):
    """A full tile, or the one that is as wide as is needed, or wider."""
    names = [tile_path(kind, number)] + ([tile_path(kind, number, width)] if width < FULL else [])
    parts = os.path.join(folder, tile_path(kind, number) + ".p")
    wider = [int(name) for name in (os.listdir(parts) if os.path.isdir(parts) else []) if name.isdigit()]
    names += [tile_path(kind, number, each) for each in sorted(wider) if each >= width]
    for name in names:
        data = read(folder, name)
        if data is not None:
            return data
    raise Bad(f"{names[0]} is missing")


def root_of(hashes):
    """The root over any number of hashes (RFC 9162 section 2.1.1)."""
    if not hashes:
        return sha256(b"")
    if len(hashes) == 1:
        return hashes[0]
    left = split_below(len(hashes))
    return sha256(b"\1" + root_of(hashes[:left]) + root_of(hashes[left:]))


class Tree:
    """All leaves of a log, and its root at any size."""

    def __init__(self, folder, size, root, take):
        self.size, self.levels = size, [[]]
        for bundle in range(-(-size // FULL)):
            width = min(FULL, size - bundle * FULL)
            data, at = read_tile(folder, "entries", bundle, width), 0
            for index in range(bundle * FULL, bundle * FULL + width):
                length = int.from_bytes(data[at : at + 2], "big")
                leaf = data[at + 2 : at + 2 + length]
                if len(data) < at + 2 or len(leaf) < length:
                    raise Bad(f"bundle {bundle} ends in the middle of a leaf")
                at += 2 + length
                self.levels[0].append(sha256(b"\0" + leaf))
                take(index, leaf)
        while len(self.levels[-1]) >= FULL:
            below = self.levels[-1]
            self.levels.append([root_of(below[at : at + FULL]) for at in range(0, len(below) - len(below) % FULL, FULL)])
        for level, hashes in enumerate(self.levels):
            for tile in range(-(-len(hashes) // FULL)):
                wanted = hashes[tile * FULL : (tile + 1) * FULL]
                if read_tile(folder, str(level), tile, len(wanted))[: 32 * len(wanted)] != b"".join(wanted):
                    raise Bad(f"tile {tile} of level {level} does not have the hashes of what is below it")
        if self.root(size) != root:
            raise Bad("the leaves do not lead to the root that the checkpoint states")

    def root(self, size):
        return root_of(self.levels[0][:size])


def audit_lines(data):
    """Number, hash and time of each line of an audit log, as far as each follows from the one before."""
    chain = bytes(32)
    for number, line in enumerate(data.split(b"\n")[:-1], 1):
        try:
            said = json.loads(line)
            follows = said["seq"] == number and said["prev"] == chain.hex()
        except (ValueError, KeyError, TypeError):
            return
        if not follows:
            return
        chain = sha256(chain + line)
        yield number, chain, said.get("time")


def micros(time):
    moment = datetime.datetime.strptime(time, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=datetime.timezone.utc)
    return (moment - datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)) // datetime.timedelta(microseconds=1)


def check_entries(report, sessions, entries, data):
    """The leaves of audit entries beside the entries."""
    lines = audit_lines(data)
    for due, (seq, logged) in enumerate(entries, 1):
        if seq != due:
            report.add("entries", TAMPERED, f"after the leaf of entry {due - 1} comes that of entry {seq}")
            return
        line = next(lines, None)
        if line is None:
            report.add("entries", TAMPERED, f"the log has entry {seq}, and the audit log does not hold that far: it was cut short or put back")
            return
        if line[1] != logged:
            report.add("entries", TAMPERED, f"entry {seq} is not the one that the log has: it or one before it was rewritten")
            return
    waiting = [time for _, _, time in lines]
    behind = any(sessions.now - micros(time) >= ON_ITS_WAY for time in waiting)
    more = f"; {len(waiting)} more are not in it yet" if waiting else ""
    report.add("entries", INCOMPLETE if behind else GOOD, f"{len(entries)} entries of the audit log are in the log as they are{more}")


def examine(folder, key, audit, witnesses, known):
    """Reads a whole log. Gives the worst outcome, and what the log says of sessions."""
    report, sessions, entries, strange = Report(), Sessions(int(time.time() * 1_000_000)), [], []

    def take(index, data):
        leaf = leaf_of(data)
        if leaf is None:
            strange.append(index)
        else:
            sessions.take(index, leaf)
            if leaf[0] == "audit":
                entries.append(leaf[1:])

    print(folder)
    note = read(folder, "checkpoint")
    if note is None:
        report.add("checkpoint", TAMPERED, "there is none")
        return report.worst, sessions
    try:
        size, root = checkpoint_of(note.decode(), key)
        report.add("checkpoint", GOOD, f"{size} leaves, signed by {key[0]}")
    except (Bad, ValueError) as bad:
        report.add("checkpoint", TAMPERED, str(bad))
        return report.worst, sessions
    try:
        tree = Tree(folder, size, root, take)
    except Bad as bad:
        report.add("leaves", TAMPERED, str(bad))
        return report.worst, sessions
    if strange:
        report.add("leaves", INCOMPLETE, f"leaf {strange[0]} is of a kind that this version does not know")
    else:
        report.add("leaves", GOOD, f"all {size} are in the tiles and under the checkpoint")
    if audit is not None:
        check_entries(report, sessions, entries, audit)
    sessions.check(report)
    if not witnesses and not known:
        report.add("witness", GOOD, "none is known: a rewrite of the whole log by somebody with its key would not be seen")
    for witness in witnesses:
        cosigned = read(folder, os.path.join("cosigned", witness[1].hex()))
        if cosigned is None:
            report.add("witness", INCOMPLETE, f"{witness[0]} has cosigned nothing yet, or what it cosigned was removed")
        else:
            report.add("witness", *compare(tree, key, cosigned.decode(), witness))
    for text in known:
        signers = [witness for witness in witnesses if cosigned_at(text, witness) is not None]
        for signer in signers or [None]:
            report.add("witness", *compare(tree, key, text, signer))
    return report.worst, sessions


def compare(tree, key, note, witness):
    """Whether a log goes on from a checkpoint that somebody else knows."""
    who = witness[0] if witness else "a checkpoint of this log"
    try:
        size, root = checkpoint_of(note, key)
        at = cosigned_at(note, witness) if witness else 0
    except (Bad, ValueError) as bad:
        return TAMPERED, f"{who}: {bad}"
    if at is None:
        return TAMPERED, f"{who}: the cosignature does not hold"
    if size > tree.size:
        return TAMPERED, f"{who}: {size} leaves, and this log has only {tree.size}: it was set back"
    if tree.root(size) != root:
        return TAMPERED, f"{who}: {size} leaves, and they are not those of this log: it was forked or rewritten"
    return GOOD, f"{who}: {size} leaves, the log goes on from there"


# ---- Bundles -----------------------------------------------------------------------------------------------------------


def verify_bundle(folder, keys, log_key, witnesses):
    report = Report()
    print(folder)
    own = []
    if not keys and read(folder, "keys/recordings.pub") is not None:
        keys = [public_key(os.path.join(folder, "keys", "recordings.pub"))]
        own.append("recordings " + keys[0].hex())
    if log_key is None:
        log_key = note_key(os.path.join(folder, "keys", "log.vkey"))
        own.append("log " + log_key[0] + "+" + log_key[1].hex())
    if not witnesses:
        witnesses = [witness_key(line) for line in (read(folder, "keys/witnesses.vkey") or b"").decode().split("\n") if line]
        own += ["witness " + witness[0] + "+" + witness[1].hex() for witness in witnesses]
    told = "taken from the bundle itself, compare them with what is published: " + ", ".join(own)
    report.add("keys", GOOD, told if own else "all given")
    sessions, entries, checkpoint = Sessions(1 << 63), {}, None
    leaves, bad_proofs = {}, 0
    for name in sorted(os.listdir(os.path.join(folder, "log"))):
        try:
            text = read(os.path.join(folder, "log"), name).decode()
            first, extra = text.split("\n", 2)[:2]
            data = base64.b64decode(extra[len("extra ") :], validate=True)
            index, size = included(text, data, log_key)
            leaf, note = leaf_of(data), text.split("\n\n", 1)[1]
            if leaf is None or not extra.startswith("extra "):
                raise Bad("its leaf is of no kind that is known")
            if checkpoint is not None and note != checkpoint:
                raise Bad("it has another checkpoint than the others")
            checkpoint, leaves[index] = checkpoint or note, leaf
        except (Bad, ValueError) as bad:
            bad_proofs += 1
            report.add("proofs", TAMPERED, f"{name}: {bad}")
    for index in sorted(leaves):
        sessions.take(index, leaves[index])
        if leaves[index][0] == "audit":
            entries[leaves[index][1]] = leaves[index][2]
    if checkpoint is None:
        report.add("proofs", INCOMPLETE, "there are none")
    elif not bad_proofs:
        report.add("proofs", GOOD, f"{len(leaves)} leaves are in the log of {log_key[0]}, which has {size} leaves")
    if checkpoint is not None and not witnesses:
        report.add("witness", GOOD, "none is known: only the bastion vouches for its log")
    for witness in witnesses if checkpoint is not None else ():
        at = cosigned_at(checkpoint, witness)
        told = f"{witness[0]} has not cosigned this checkpoint" if at is None else f"{witness[0]} cosigned it at Unix time {at}"
        report.add("witness", INCOMPLETE if at is None else GOOD, told)
    worst, below = GOOD, os.path.join(folder, "recording")
    recordings = sorted(os.listdir(below)) if os.path.isdir(below) else []
    check_bundled_entries(report, entries, read(folder, "audit.ndjson") or b"")
    for name in recordings:
        print(name)
        # What was typed is not put into bundles.
        worst = max(worst, verify(os.path.join(below, name), keys, sessions, True))
    print("bundle")
    sessions.check_removed(report)
    return max(worst, report.worst)


def check_bundled_entries(report, proved, data):
    """Each entry has the hash that its leaf has: its own, over the hash before it, which stands in it."""
    lines = [line for line in data.split(b"\n") if line]
    unproved = 0
    for number, line in enumerate(lines, 1):
        try:
            said = json.loads(line)
            seq, before = said["seq"], bytes.fromhex(said["prev"])
        except (ValueError, KeyError, TypeError):
            report.add("entries", TAMPERED, f"line {number} of audit.ndjson is no entry")
            return
        if seq not in proved:
            unproved += 1
        elif proved[seq] != sha256(before + line):
            report.add("entries", TAMPERED, f"entry {seq} is not the one that the log has")
            return
    if unproved:
        report.add("entries", INCOMPLETE, f"{unproved} entries have no proof")
    elif len(lines) < len(proved):
        report.add("entries", TAMPERED, f"{len(proved) - len(lines)} entries are proved, and were removed")
    else:
        report.add("entries", GOOD, f"{len(lines)} entries of the audit log are as the log has them")


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
    proof, note = text.split("\n\n", 1)
    first, index, *hashes = [line for line in proof.split("\n") if not line.startswith("extra ")]
    if first != "c2sp.org/tlog-proof@v1" or not index.startswith("index ") or not COUNT.fullmatch(index[6:]):
        raise Bad("it is no proof")
    size, root = checkpoint_of(note, key)
    index = int(index[6:])
    hashes = [base64.b64decode(line, validate=True) for line in hashes]
    if not 0 <= index < size or climb(sha256(b"\0" + leaf), index, size, hashes) != root:
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


# ---- Reports of least privilege ----------------------------------------------------------------------------------------

# What acts on a terminal or is not seen: the controls of Unicode, and these.
UNSEEN = re.compile(
    "[\0-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]"
)
SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


def canonical(value):
    """JSON in one form: keys sorted, no spaces, whole numbers only, what is not seen as \\u and four digits."""
    if isinstance(value, str):

        def escape(found):
            units = found[0].encode("utf-16-be")
            return SHORT.get(found[0]) or "".join(f"\\u{int.from_bytes(units[at : at + 2], 'big'):04x}" for at in range(0, len(units), 2))

        return '"' + UNSEEN.sub(escape, value.replace("\\", "\\\\").replace('"', '\\"')) + '"'
    if isinstance(value, dict):
        return "{" + ",".join(f"{canonical(key)}:{canonical(value[key])}" for key in sorted(value)) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(canonical, value)) + "]"
    if value is None or isinstance(value, (bool, int)):
        return json.dumps(value)
    raise Bad("it has a number that is not whole")


def once(pairs):
    """An object whose keys differ: of two that are equal, readers take one or the other."""
    if len(dict(pairs)) != len(pairs):
        raise Bad("a key stands in it twice")
    return dict(pairs)


def own_key(text):
    """A key that a document names, which is no name of a file."""
    if "+" not in text:
        raise Bad("a key in it is none")
    return text


def verify_report(path, keys, log_key, witnesses):
    report, own = Report(), []
    print(path)
    try:
        with open(path, encoding="utf-8") as file:
            given = json.load(file, object_pairs_hook=once)
        said, proof = given["report"], given["proof"]
        signature = base64.b64decode(given["signature"], validate=True)
        entries, head = said["scope"]["entries"], said["scope"]["head"]
        if not keys:
            keys = [key_of_pem(given["key"])]
            own.append("audit log " + keys[0].hex())
        if log_key is None:
            log_key = note_key(own_key(given["log_key"]))
            own.append("log " + log_key[0] + "+" + log_key[1].hex())
        if not witnesses:
            witnesses = [witness_key(own_key(text)) for text in given["witnesses"]]
            own += ["witness " + witness[0] + "+" + witness[1].hex() for witness in witnesses]
        message = f"bartizan-least-privilege/1\n{canonical(said)}\n".encode()
    except (Bad, ValueError, KeyError, TypeError, AttributeError) as bad:
        report.add("document", TAMPERED, f"this is no signed report: {bad!r}")
        return report.worst
    told = "taken from the document itself, compare them with what is published: " + ", ".join(own)
    report.add("keys", GOOD, told if own else "all given")
    if any(signed_by(key, message, signature) for key in keys):
        report.add("signature", GOOD, f"the report is as {said.get('bastion')!r} signed it")
    else:
        report.add("signature", TAMPERED, "the report is not the one that was signed: something in it was changed")
    try:
        leaf = base64.b64decode(proof.split("\n", 2)[1][len("extra ") :], validate=True)
        index, size = included(proof, leaf, log_key)
        if leaf_of(leaf) != ("audit", entries, bytes.fromhex(head)):
            raise Bad("what is proved is not the last entry that the report counts")
        report.add("log", GOOD, f"entry {entries}, the last that is counted, is leaf {index} of {size}")
        for witness in witnesses:
            at = cosigned_at(proof.split("\n\n", 1)[1], witness)
            told = f"{witness[0]} has not cosigned the log as it was then" if at is None else f"{witness[0]} cosigned it at Unix time {at}"
            report.add("witness", INCOMPLETE if at is None else GOOD, told)
    except (Bad, ValueError, IndexError, AttributeError, TypeError) as bad:
        report.add("log", TAMPERED, str(bad))
    if not witnesses:
        report.add("witness", GOOD, "none is known: only the bastion vouches for its log")
    return report.worst


def public_key(text):
    """32 bytes from hex digits, or from a PEM file."""
    if len(text) == 64:
        return bytes.fromhex(text)
    with open(text, encoding="ascii") as file:
        return key_of_pem(file.read())


def key_of_pem(text):
    """The key in PEM (RFC 8410: it is the last 32 bytes of the structure)."""
    lines = [line for line in text.split() if "-" not in line and line not in ("BEGIN", "END", "PUBLIC", "KEY")]
    structure = base64.b64decode("".join(lines))
    prefix = bytes.fromhex("302a300506032b6570032100")
    if len(structure) != 44 or not structure.startswith(prefix):
        raise ValueError("not an Ed25519 public key")
    return structure[12:]


def main():
    parser = argparse.ArgumentParser(description="Verifies Bartizan recordings and transparency logs from public keys alone.")
    parser.add_argument("--key", action="append", type=public_key, default=[], help="a public recording key: 64 hex digits, or a PEM file")
    parser.add_argument("--recordings", metavar="ROOT", help="all recordings below this folder; with --log, none may be missing")
    parser.add_argument("--log", metavar="LOG", help="folder of the transparency log")
    parser.add_argument("--log-key", type=note_key, help="public key of the transparency log: NAME+HASH+KEY, or a file with it")
    parser.add_argument("--witness-key", action="append", type=witness_key, default=[], help="public key of a witness, likewise")
    parser.add_argument("--checkpoint", action="append", default=[], help="a file with a checkpoint that the log must go on from")
    parser.add_argument("--audit", metavar="FILE", help="the audit log, to be compared with the transparency log")
    parser.add_argument("--bundle", metavar="DIRECTORY", help="a bundle")
    parser.add_argument("--report", metavar="FILE", help="a signed report of least privilege")
    parser.add_argument("--inclusion", nargs=2, metavar=("PROOF", "LEAF"), help="a proof of inclusion and the leaf it is of")
    parser.add_argument("--without-input", action="store_true", help="the copy is without what was typed (c1.brec)")
    parser.add_argument("directory", nargs="*", help="directory of a recording")
    given = parser.parse_args()
    if given.bundle:
        return EXIT[verify_bundle(given.bundle, given.key, given.log_key, given.witness_key)]
    if given.report:
        return EXIT[verify_report(given.report, given.key, given.log_key, given.witness_key)]
    root = given.recordings
    if root:
        heads = sorted(glob.glob(os.path.join(glob.escape(root), "[0-9]" * 4, "[0-9]" * 2, "[0-9]" * 2, "*")))
        given.directory += [path for path in heads if os.path.isdir(path)]
    if bool(given.inclusion or given.log) != bool(given.log_key) or bool(given.directory or root) != bool(given.key):
        parser.error("give --key with directories, --log-key with --log and --inclusion")
    if not given.directory and not given.inclusion and not given.log and not root:
        parser.error("there is nothing to verify")
    worst = check_inclusion(given.log_key, *given.inclusion) if given.inclusion else GOOD
    sessions = None
    if given.log:
        audit = None
        if given.audit:
            with open(given.audit, "rb") as file:
                audit = file.read()
        known = []
        for name in given.checkpoint:
            with open(name, encoding="utf-8") as file:
                known.append(file.read())
        outcome, sessions = examine(given.log, given.log_key, audit, given.witness_key, known)
        worst = max(worst, outcome)
    for directory in given.directory:
        print(directory)
        worst = max(worst, verify(directory, given.key, sessions, given.without_input))
    if root and sessions:
        print("recordings")
        report = Report()
        sessions.check_removed(report)
        worst = max(worst, report.worst)
    return EXIT[worst]


if __name__ == "__main__":
    sys.exit(main())
