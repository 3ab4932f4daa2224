// Writes ciphertext.json: test vectors of docs/spec/ciphertext.md, made from its
// text with Node's crypto and none of keyd's code.
//
//   node kms/testdata/make-vectors.mjs > kms/testdata/ciphertext.json
import { createCipheriv, createHmac } from "node:crypto";

const hex = (s) => Buffer.from(s, "hex");
const u32 = (n) => { const b = Buffer.alloc(4); b.writeUInt32BE(n); return b; };
const hmac = (key, ...parts) => createHmac("sha256", key).update(Buffer.concat(parts)).digest();
const kdf = (key, label, info) => hmac(key, u32(1), Buffer.from(label), Buffer.from([0]), info, u32(256));

function gcm(key, iv, plaintext, aad) {
  const c = createCipheriv("aes-256-gcm", key, iv);
  c.setAAD(aad);
  return Buffer.concat([c.update(plaintext), c.final(), c.getAuthTag()]);
}

function canonical(context) {
  const pairs = Object.entries(context).map(([k, v]) => [Buffer.from(k), Buffer.from(v)]);
  pairs.sort((a, b) => Buffer.compare(a[0], b[0]));
  return Buffer.concat([u32(pairs.length), ...pairs.flatMap(([k, v]) => [u32(k.length), k, u32(v.length), v])]);
}

function message({ name, keyId, number, backingKey, nonce, iv, plaintext, context }) {
  const mrk = keyId.startsWith("mrk-");
  const id = hex(keyId.replace("mrk-", "").replaceAll("-", ""));
  const header = Buffer.concat([Buffer.from([1, mrk ? 1 : 0]), id, u32(number), hex(nonce)]);
  const key = kdf(hex(backingKey), "keyd:v1:message-key", header);
  const aad = Buffer.concat([header, canonical(context)]);
  const blob = Buffer.concat([header, hex(iv), gcm(key, hex(iv), hex(plaintext), aad)]);
  return {
    name, keyId, number, backingKey, nonce, iv, plaintext, context,
    header: header.toString("hex"), messageKey: key.toString("hex"), additionalData: aad.toString("hex"),
    ciphertext: blob.toString("hex"), materialId: kdf(hex(backingKey), "keyd:v1:material-id", Buffer.alloc(0)).toString("hex"),
  };
}

function seal({ name, number, sealingKey, nonce, iv, secret, purpose }) {
  const header = Buffer.concat([Buffer.from([1]), u32(number), hex(nonce)]);
  const key = kdf(hex(sealingKey), "keyd:v1:seal", header);
  const aad = Buffer.concat([header, Buffer.from(purpose)]);
  const sealed = Buffer.concat([header, hex(iv), gcm(key, hex(iv), hex(secret), aad)]);
  return { name, number, sealingKey, nonce, iv, secret, purpose, messageKey: key.toString("hex"), sealed: sealed.toString("hex") };
}

const seq = (from, n) => Buffer.from(Array.from({ length: n }, (_, i) => (from + i) & 255)).toString("hex");
const text = (s) => Buffer.from(s).toString("hex");
const uuid = "1234abcd-12ab-34cd-56ef-1234567890ab";
const base = { keyId: uuid, number: 1, backingKey: seq(0x40, 32), nonce: seq(0, 16), iv: seq(0x10, 12), plaintext: text("hello"), context: {} };

console.log(JSON.stringify({
  spec: "docs/spec/ciphertext.md",
  messages: [
    message({ ...base, name: "example" }),
    message({ ...base, name: "one pair", context: { dept: "it" } }),
    message({ ...base, name: "pairs out of order", context: { zone: "b", dept: "it", "": "empty key", empty: "" } }),
    message({ ...base, name: "UTF-8 sorts bytewise", context: { "é": "1", "z": "2", "\u{1F511}": "3", "\uFFFD": "4" } }),
    message({ ...base, name: "multi-Region id", keyId: "mrk-1234abcd12ab34cd56ef1234567890ab" }),
    message({ ...base, name: "number of four bytes", number: 0x01020304 }),
    message({ ...base, name: "no plaintext", plaintext: "" }),
    message({ ...base, name: "longest plaintext", plaintext: seq(7, 4096), backingKey: "ff".repeat(32) }),
  ],
  sealed: [
    seal({ name: "access key", number: 1, sealingKey: seq(0x80, 32), nonce: seq(0x20, 16), iv: seq(0x30, 12), secret: text("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"), purpose: "access-key:AKIDEXAMPLE" }),
    seal({ name: "empty secret and purpose", number: 1, sealingKey: seq(0x80, 32), nonce: seq(0x20, 16), iv: seq(0x30, 12), secret: "", purpose: "" }),
  ],
}, null, 1));
