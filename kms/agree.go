package kms

import (
	"context"
	"crypto/ecdsa"
)

// CheckPeer refuses a peer's public key that is not the SubjectPublicKeyInfo of a
// point on the key's curve.
func (k *Key) CheckPeer(spki []byte) error {
	_, err := k.peerPoint(spki)
	return err
}

// peerPoint is the peer's point, uncompressed (SEC 1, section 2.3.3).
func (k *Key) peerPoint(spki []byte) ([]byte, error) {
	invalid := refuse(CodeValidation, "The public key is not a valid %s public key in DER-encoded SubjectPublicKeyInfo format.", k.Spec)
	public, err := ParsePublic(k.Spec, spki)
	if err != nil {
		return nil, invalid
	}
	pub, ok := public.(*ecdsa.PublicKey)
	if !ok {
		return nil, invalid
	}
	point, err := pub.Bytes()
	if err != nil {
		return nil, invalid
	}
	return point, nil
}

// Derive is ECDH in the token: the x coordinate of the product of the private key
// and the peer's point (SP 800-56A, section 5.7.1.2), as it is, not hashed. The
// caller has checked state, usage and algorithm, and wipes the secret.
func (s *Service) Derive(ctx context.Context, k *Key, spki []byte) ([]byte, error) {
	point, err := k.peerPoint(spki)
	if err != nil {
		return nil, err
	}
	token, key := s.work(k, k.material[k.Current])
	return token.Derive(ctx, key, point)
}
