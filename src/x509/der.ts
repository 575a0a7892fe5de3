/** One element of DER (X.690 §8.1, §10.1): views into the bytes it was read from. */
export interface DerElement {
  /** The identifier octet; X.509 has no tag number above 30. */
  readonly tag: number;
  readonly content: Uint8Array;
  /** With tag and length, as it is signed. */
  readonly whole: Uint8Array;
}

/** Universal tags (X.690 §8.1.2); those of structures with their constructed bit. */
export const TAG = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  null: 0x05,
  oid: 0x06,
  enumerated: 0x0a,
  sequence: 0x30,
  set: 0x31,
  utcTime: 0x17,
  generalizedTime: 0x18,
} as const;

/** `[number]` of an implicit or explicit choice (X.690 §8.1.2.2). */
export function contextTag(number: number, form: "primitive" | "constructed"): number {
  return 0x80 | (form === "constructed" ? 0x20 : 0) | number;
}

/** The element that `bytes` begin with. Throws a TypeError when there is none, or not all of it. */
export function readElement(bytes: Uint8Array): DerElement {
  const [tag, first] = bytes;
  if (tag === undefined || first === undefined || (tag & 0x1f) === 0x1f)
    throw new TypeError("not DER: no tag and length");
  // 0x80 would be BER's indefinite length; more than four octets of length nothing here can have.
  const lengthOctets = first < 0x80 ? 0 : first & 0x7f;
  if (first === 0x80 || lengthOctets > 4 || bytes.length < 2 + lengthOctets)
    throw new TypeError("not DER: a length that cannot be");
  const length =
    lengthOctets === 0 ? first : bytes.subarray(2, 2 + lengthOctets).reduce((sum, octet) => sum * 256 + octet, 0);
  const start = 2 + lengthOctets;
  if (bytes.length < start + length) throw new TypeError("not DER: it ends in the middle of an element");
  return { tag, content: bytes.subarray(start, start + length), whole: bytes.subarray(0, start + length) };
}

/** The elements inside a structure, read one by one: a list of revoked certificates may have a million. */
export function* elementsOf(content: Uint8Array): Generator<DerElement, void> {
  for (let rest = content; rest.length > 0; ) {
    const element = readElement(rest);
    yield element;
    rest = rest.subarray(element.whole.length);
  }
}

/** The element with this tag among those inside a structure, or null. */
export function childWith(tag: number, content: Uint8Array): DerElement | null {
  return elementsOf(content).find((element) => element.tag === tag) ?? null;
}

export function writeElement(tag: number, ...parts: readonly Uint8Array[]): Uint8Array {
  const content = Buffer.concat(parts);
  const digits = content.length.toString(16);
  const octets =
    content.length < 0x80
      ? Buffer.of(content.length)
      : Buffer.from(digits.padStart(digits.length + (digits.length % 2), "0"), "hex");
  return Buffer.concat([
    Buffer.of(tag),
    ...(content.length < 0x80 ? [] : [Buffer.of(0x80 | octets.length)]),
    octets,
    content,
  ]);
}

/** The content octets of an object identifier in dotted form (X.690 §8.19). */
export function oidContent(dotted: string): Uint8Array {
  const [first = 0, second = 0, ...rest] = dotted.split(".").map(Number);
  return Uint8Array.from([first * 40 + second, ...rest].flatMap(base128));
}

function base128(value: number): number[] {
  const octets = [value % 128];
  for (let rest = Math.floor(value / 128); rest > 0; rest = Math.floor(rest / 128)) octets.unshift(0x80 | (rest % 128));
  return octets;
}
