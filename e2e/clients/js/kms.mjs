// The AWS SDK for JavaScript, by the standard configuration alone:
//
//   node kms.mjs KEY PAIR MAC DISABLED
//
// KEY is symmetric, PAIR is RSA for signatures, MAC is for HMAC-SHA-256, and
// DISABLED is a disabled key. It ends with an error if anything is not as
// with AWS.
import assert from 'node:assert/strict'
import { createHash, createPublicKey, verify } from 'node:crypto'
import * as kms from '@aws-sdk/client-kms'

const [key, pair, mac, disabled] = process.argv.slice(2)
const client = new kms.KMSClient()
const send = (command) => client.send(command)
const text = (string) => new TextEncoder().encode(string)

const context = { EncryptionContext: { tenant: 'ü & <1>', empty: '' } }
const { CiphertextBlob, KeyId } = await send(
  new kms.EncryptCommand({ KeyId: key, Plaintext: text('secret'), ...context }))
assert.equal(KeyId, key)
const { Plaintext } = await send(new kms.DecryptCommand({ CiphertextBlob, ...context }))
assert.deepEqual(Plaintext, text('secret'))
await assert.rejects(send(new kms.DecryptCommand({ CiphertextBlob })), kms.InvalidCiphertextException)

const dataKey = await send(new kms.GenerateDataKeyCommand({ KeyId: key, KeySpec: 'AES_256' }))
assert.equal(dataKey.Plaintext.length, 32)

const { KeyMetadata } = await send(new kms.DescribeKeyCommand({ KeyId: key }))
assert.equal(KeyMetadata.Arn, key)
assert.ok(KeyMetadata.CreationDate instanceof Date)
const listed = []
for await (const page of kms.paginateListKeys({ client, pageSize: 1 }, {})) {
  listed.push(...page.Keys.map(({ KeyArn }) => KeyArn))
}
for (const arn of [key, pair, mac, disabled]) assert.ok(listed.includes(arn))

const SigningAlgorithm = 'RSASSA_PSS_SHA_256'
const digest = createHash('sha256').update('message').digest()
const { Signature } = await send(
  new kms.SignCommand({ KeyId: pair, Message: digest, MessageType: 'DIGEST', SigningAlgorithm }))
const { PublicKey } = await send(new kms.GetPublicKeyCommand({ KeyId: pair }))
const publicKey = createPublicKey({ key: Buffer.from(PublicKey), format: 'der', type: 'spki' })
const pss = { key: publicKey, padding: 6 /* RSA_PKCS1_PSS_PADDING */, saltLength: 32 }
assert.ok(verify('sha256', text('message'), pss, Signature))
const check = { KeyId: pair, SigningAlgorithm, Signature }
assert.equal((await send(new kms.VerifyCommand({ ...check, Message: text('message') }))).SignatureValid, true)
await assert.rejects(send(new kms.VerifyCommand({ ...check, Message: text('massage') })), kms.KMSInvalidSignatureException)

const sealed = { KeyId: mac, Message: text('cookie'), MacAlgorithm: 'HMAC_SHA_256' }
const { Mac } = await send(new kms.GenerateMacCommand(sealed))
assert.equal((await send(new kms.VerifyMacCommand({ ...sealed, Mac }))).MacValid, true)
await assert.rejects(
  send(new kms.VerifyMacCommand({ ...sealed, Message: text('biscuit'), Mac })), kms.KMSInvalidMacException)

await assert.rejects(send(new kms.EncryptCommand({ KeyId: disabled, Plaintext: text('x') })), kms.DisabledException)
await assert.rejects(send(new kms.EncryptCommand({ KeyId: 'alias/none', Plaintext: text('x') })), kms.NotFoundException)
await assert.rejects(
  send(new kms.DisableKeyCommand({ KeyId: key })), { name: 'AccessDeniedException', $fault: 'client' })
