// The AWS Encryption SDK for JavaScript, as a filter:
//
//   node esdk.mjs encrypt|decrypt PURPOSE KEY... <in >out
//
// The message is sealed under every KEY, the first of which makes the data key;
// to open it, one of them is enough, or a replica of a multi-Region one.
import { readFileSync, writeSync } from 'node:fs'
import {
  buildAwsKmsMrkAwareStrictMultiKeyringNode as mrkKeyring, buildClient, CommitmentPolicy, KmsKeyringNode,
} from '@aws-crypto/client-node'

const [verb, purpose, generatorKeyId, ...keyIds] = process.argv.slice(2)
const client = buildClient(CommitmentPolicy.REQUIRE_ENCRYPT_REQUIRE_DECRYPT)
const keyring = generatorKeyId.includes('key/mrk-')
  ? mrkKeyring({ generatorKeyId, keyIds })
  : new KmsKeyringNode({ generatorKeyId, keyIds })
const input = readFileSync(0)

if (verb === 'encrypt') {
  const { result } = await client.encrypt(keyring, input, { encryptionContext: { purpose } })
  writeSync(1, result)
} else {
  const { plaintext, messageHeader } = await client.decrypt(keyring, input)
  const found = messageHeader.encryptionContext.purpose
  if (found !== purpose) throw new Error(`made for another purpose: ${found}`)
  writeSync(1, plaintext)
}
