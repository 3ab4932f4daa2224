package kms

// DecodeOAEP is the decoding of what the token decrypted.
var DecodeOAEP = decodeOAEP

// WithPublic is a key of which only the public key is known.
func WithPublic(spec, usage string, spki []byte) *Key {
	return &Key{
		ID: "1234abcd-12ab-34cd-56ef-1234567890ab", Account: "111122223333", Region: "eu-1", Spec: spec, Usage: usage,
		Current: 1, material: map[uint32]Material{1: {Number: 1, Public: spki}},
	}
}

// PeerPoint is the point of a peer's public key.
func PeerPoint(k *Key, spki []byte) ([]byte, error) { return k.peerPoint(spki) }
