// RC2 (RFC 2268), which OpenSSL has no longer by itself: PKCS#12 files of before 2021 have their certificates in it. Only
// read here, and nothing is believed because of it.

/** §2: the digits of pi. */
const PI = Buffer.from(
  [
    "d978f9c419ddb5ed28e9fd794aa0d89dc67e37832b76538e624c6488448bfba2",
    "179a59f587b34f1361456d8d09817d32bd8f40eb86b77b0bf09521225c6b4e82",
    "54d66593ce60b21c7356c014a78cf1dc1275ca1f3bbee4d1423dd430a33cb626",
    "6fbf0eda4669075727f21d9bbc944303f811c7f690ef3ee706c3d52fc8661ed7",
    "08e8eade8052eef784aa72ac354d6a2a961ad2715a1549744b9fd05e0418a4ec",
    "c2e0416e0f51cbcc2491af50a1f47039997c3a8523b8b47afc02365b25559731",
    "2d5dfa98e38a92ae05df2910676cbac9d300e6cfe19ea82c6316013f58e289a9",
    "0d38341bab33ffb0bb480c5fb9b1cd2ec5f3db47e5a59c770aa62068fe7fc1ad",
  ].join(""),
  "hex",
);
const BLOCK = 8;
const SHIFTS = [1, 2, 3, 5] as const;
/** §4: mixing rounds between the mashing ones. */
const MIXINGS = [5, 6, 5] as const;

/** CBC with padding (RFC 8018 §6.1.1); all bits of the key count. null: with another key. */
export function decryptRc2(key: Uint8Array, iv: Uint8Array, content: Uint8Array): Uint8Array | null {
  if (content.length === 0 || content.length % BLOCK !== 0) return null;
  const expanded = expand(key);
  const blockAt = (at: number): Uint8Array => {
    const before = at === 0 ? iv : content.subarray(at - BLOCK, at);
    return decryptBlock(expanded, content.subarray(at, at + BLOCK)).map((each, index) => each ^ (before[index] ?? 0));
  };
  // The end first: it shows a wrong password without the work of the whole.
  const end = blockAt(content.length - BLOCK);
  const padding = end.at(-1) ?? 0;
  if (padding === 0 || padding > BLOCK || end.subarray(-padding).some((each) => each !== padding)) return null;
  const plain = Buffer.alloc(content.length);
  for (let at = 0; at < content.length; at += BLOCK) plain.set(blockAt(at), at);
  return plain.subarray(0, -padding);
}

/** §2: 64 words. */
function expand(key: Uint8Array): Uint16Array {
  const bytes = new Uint8Array(128);
  const at = (index: number): number => bytes[index] ?? 0;
  bytes.set(key);
  for (let index = key.length; index < bytes.length; index++)
    bytes[index] = PI[(at(index - 1) + at(index - key.length)) & 0xff] ?? 0;
  const effective = bytes.length - key.length;
  bytes[effective] = PI[at(effective)] ?? 0;
  for (let index = effective - 1; index >= 0; index--) bytes[index] = PI[at(index + 1) ^ at(index + key.length)] ?? 0;
  return Uint16Array.from({ length: 64 }, (_, index) => at(2 * index) | (at(2 * index + 1) << 8));
}

/** §4 */
function decryptBlock(key: Uint16Array, block: Uint8Array): Buffer {
  const words = Uint16Array.from(
    { length: 4 },
    (_, index) => (block[2 * index] ?? 0) | ((block[2 * index + 1] ?? 0) << 8),
  );
  const word = (index: number): number => words[(index + 4) % 4] ?? 0;
  let next = key.length - 1;
  for (const [turn, mixings] of MIXINGS.entries()) {
    if (turn > 0)
      for (let index = 3; index >= 0; index--) words[index] = word(index) - (key[word(index - 1) & 63] ?? 0);
    for (let mixing = 0; mixing < mixings; mixing++)
      for (let index = 3; index >= 0; index--) {
        const shift = SHIFTS[index] ?? 0;
        const turned = (word(index) >>> shift) | (word(index) << (16 - shift));
        const mixed = (word(index - 1) & word(index - 2)) + (~word(index - 1) & word(index - 3));
        words[index] = turned - (key[next] ?? 0) - mixed;
        next -= 1;
      }
  }
  const plain = Buffer.alloc(BLOCK);
  for (const [index, each] of words.entries()) plain.writeUInt16LE(each, 2 * index);
  return plain;
}
